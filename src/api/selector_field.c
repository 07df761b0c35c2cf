// SPDX-License-Identifier: Apache-2.0
// Field selectors: "metadata.name=a,status.phase!=Running". Backslash escapes ',', '=' and itself.
#include "api/selector.h"

#include <stdio.h>

struct term {
	struct str path, value;
	bool equal;
};

struct api_field_selector {
	struct term *terms; // all must hold
	size_t count;
};

enum { TERMS_MAX = 100 };

static bool known(const struct api_resource *r, struct str path)
{
	if (str_is(path, "metadata.name") || str_is(path, "metadata.namespace"))
		return true;
	for (const struct str *s = r->selectable; s && s->n; s++)
		if (str_eq(*s, path))
			return true;
	return false;
}

// Takes the text up to the next ',' that is not escaped off *rest.
static struct str next_term(struct str *rest)
{
	size_t i = 0;
	while (i < rest->n && rest->p[i] != ',')
		i += rest->p[i] == '\\' ? 2 : 1;
	struct str term = str_sub(*rest, 0, i);
	*rest = str_from(*rest, i + 1);
	return term;
}

static int unescape(struct arena *a, struct str s, struct str *out, struct err *e)
{
	char *text = arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\') {
			i++;
			if (i == s.n || !strchr("\\,=", s.p[i]) || !s.p[i])
				return err_set(e, ERR_BAD_REQUEST,
					       "in the field selector's value \"%.*s\" a backslash escapes nothing",
					       STR_FMT(s));
		} else if (s.p[i] == '=') {
			return err_set(e, ERR_BAD_REQUEST,
				       "in the field selector's value \"%.*s\" the '=' must be escaped", STR_FMT(s));
		}
		text[n++] = s.p[i];
	}
	*out = (struct str){text, n};
	return 0;
}

static int read_term(struct arena *a, struct str text, struct term *t, struct err *e)
{
	for (size_t i = 0; i < text.n; i++) {
		bool not = text.p[i] == '!' && i + 1 < text.n && text.p[i + 1] == '=';
		if (!not && text.p[i] != '=')
			continue;
		size_t operator_length = not || (i + 1 < text.n && text.p[i + 1] == '=') ? 2 : 1;
		t->path = arena_str(a, str_sub(text, 0, i));
		t->equal = !not;
		return unescape(a, str_from(text, i + operator_length), &t->value, e);
	}
	return err_set(e, ERR_BAD_REQUEST, "the field selector's part \"%.*s\" is none of field=value, field==value, "
					   "field!=value", STR_FMT(text));
}

int api_field_selector_parse(struct arena *a, const struct api_resource *r, struct str text,
			     struct api_field_selector **out, struct err *e)
{
	struct api_field_selector *s = ARENA_NEW(a, struct api_field_selector);
	s->terms = ARENA_ARRAY(a, struct term, TERMS_MAX);
	while (text.n > 0) {
		struct str part = next_term(&text);
		if (part.n == 0)
			continue;
		if (s->count == TERMS_MAX)
			return err_set(e, ERR_BAD_REQUEST, "the field selector has more than %d parts", TERMS_MAX);
		struct term *t = &s->terms[s->count++];
		if (read_term(a, part, t, e))
			return -1;
		if (!known(r, t->path))
			return err_set(e, ERR_BAD_REQUEST, "%.*s can't be selected by the field \"%.*s\"",
				       STR_FMT(r->plural), STR_FMT(t->path));
	}
	*out = s;
	return 0;
}

// A field's value as a selector compares it: text, "true" or "false", a number's digits; "" where it is absent. A list
// (status.podIPs) matches by any of its members.
static bool value_is(const struct json *value, struct str wanted)
{
	char digits[24];
	if (!value || value->type == JSON_NULL)
		return wanted.n == 0;
	if (value->type == JSON_STRING)
		return str_eq(value->text, wanted);
	if (value->type == JSON_BOOL)
		return str_is(wanted, value->boolean ? "true" : "false");
	if (value->type == JSON_INT) {
		snprintf(digits, sizeof digits, "%lld", (long long)value->integer);
		return str_is(wanted, digits);
	}
	json_each(child, value)
		if (value_is(child->type == JSON_OBJECT ? json_get(child, STR("ip")) : child, wanted))
			return true;
	return false;
}

// Absent fields that have a meaning of their own: a Node without spec.unschedulable is schedulable.
static bool absent_is(struct str path, struct str wanted)
{
	static const char *const booleans[] = {"spec.unschedulable", "spec.hostNetwork"};
	for (size_t i = 0; i < ARRAY_LEN(booleans); i++)
		if (str_is(path, booleans[i]))
			return str_is(wanted, "false");
	if (str_is(path, "status.replicas") || str_is(path, "status.successful"))
		return str_is(wanted, "0");
	return wanted.n == 0;
}

static const struct json *field_of(const struct json *object, struct str path)
{
	const struct json *at = object;
	struct str step;
	while (at && str_next(&path, '.', &step))
		at = json_get(at, step);
	return at;
}

// Events are known by the names of both their API groups.
static const struct json *event_field(const struct json *object, struct str path)
{
	static const struct {
		struct str path, other;
	} names[] = {
		{STR_INIT("source"), STR_INIT("source.component")},
		{STR_INIT("source"), STR_INIT("reportingComponent")},
		{STR_INIT("source"), STR_INIT("deprecatedSource.component")},
		{STR_INIT("source"), STR_INIT("reportingController")},
		{STR_INIT("reportingComponent"), STR_INIT("reportingController")},
		{STR_INIT("reportingController"), STR_INIT("reportingComponent")},
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct json *value = str_eq(path, names[i].path) ? field_of(object, names[i].other) : NULL;
		if (value && value->type == JSON_STRING && value->text.n)
			return value;
	}
	return NULL;
}

static bool holds(const struct term *t, const struct json *object)
{
	const struct json *value = field_of(object, t->path);
	if (!value || value->type == JSON_OBJECT)
		value = event_field(object, t->path);
	bool same = value ? value_is(value, t->value) : absent_is(t->path, t->value);
	return same == t->equal;
}

bool api_field_selector_matches(const struct api_field_selector *s, const struct json *object)
{
	for (size_t i = 0; i < s->count; i++)
		if (!holds(&s->terms[i], object))
			return false;
	return true;
}

bool api_field_selector_everything(const struct api_field_selector *s)
{
	return s->count == 0;
}

struct str api_field_selector_value(const struct api_field_selector *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->terms[i].equal && str_is(s->terms[i].path, path))
			return s->terms[i].value;
	return STR_NONE;
}
