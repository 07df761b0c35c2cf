// SPDX-License-Identifier: Apache-2.0
#include "api/rules/rule.h"

// Paths and failures

static void add_path(struct buf *b, const struct path *p)
{
	if (!p)
		return;
	add_path(b, p->up);
	if (p->kind == PATH_INDEX) {
		buf_fmt(b, "[%zu]", p->index);
	} else if (p->kind == PATH_KEY) {
		buf_fmt(b, "[%.*s]", STR_FMT(p->name));
	} else {
		if (b->n)
			buf_add_byte(b, '.');
		buf_add(b, p->name);
	}
}

struct str path_text(struct arena *a, const struct path *p)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	add_path(&b, p);
	return arena_str(a, buf_str(&b));
}

enum { VALUE_SHOWN = 200, MEMBERS_SHOWN = 30 }; // bytes of a value in a message, and values in it

static size_t members(const struct json *value, size_t most)
{
	size_t n = 1;
	json_each(child, value) {
		if (n >= most)
			break;
		n += members(child, most - n);
	}
	return n;
}

static struct str shown(struct check *c, const struct json *value)
{
	if (value && members(value, MEMBERS_SHOWN) >= MEMBERS_SHOWN)
		return arena_fmt(c->arena, "(%u members)", value->count);
	struct json cut = value ? *value : (struct json){.type = JSON_NULL};
	if (cut.type == JSON_STRING)
		cut.text = str_sub(cut.text, 0, VALUE_SHOWN + 1);
	struct str text = json_text(c->arena, &cut);
	if (text.n <= VALUE_SHOWN)
		return text;
	return arena_fmt(c->arena, "%.*s...", VALUE_SHOWN, text.p);
}

// Whether another failure need not be worded: enough have been told.
static bool is_full(struct check *c)
{
	if (c->e->cause_count < ERR_CAUSES_MAX)
		return false;
	c->failures++;
	c->e->cause_dropped++;
	return true;
}

static void fail(struct check *c, const struct path *p, const char *reason, struct str message)
{
	c->failures++;
	err_cause(c->e, path_text(c->arena, p), reason, "%.*s", STR_FMT(message));
}

#define FORMATTED(c, why)                                           \
	({                                                          \
		va_list args_;                                      \
		va_start(args_, why);                               \
		struct str text_ = arena_vfmt((c)->arena, why, args_); \
		va_end(args_);                                      \
		text_;                                              \
	})

void fail_required(struct check *c, const struct path *p, const char *why, ...)
{
	if (is_full(c))
		return;
	struct str text = FORMATTED(c, why);
	fail(c, p, "FieldValueRequired", arena_fmt(c->arena, "Required value: %.*s", STR_FMT(text)));
}

void fail_forbidden(struct check *c, const struct path *p, const char *why, ...)
{
	if (is_full(c))
		return;
	struct str text = FORMATTED(c, why);
	fail(c, p, "FieldValueForbidden", arena_fmt(c->arena, "Forbidden: %.*s", STR_FMT(text)));
}

void fail_invalid(struct check *c, const struct path *p, const struct json *value, const char *why, ...)
{
	if (is_full(c))
		return;
	struct str text = FORMATTED(c, why), v = shown(c, value);
	fail(c, p, "FieldValueInvalid", arena_fmt(c->arena, "Invalid value: %.*s: %.*s", STR_FMT(v), STR_FMT(text)));
}

void fail_text(struct check *c, const struct path *p, struct str value, const char *why, ...)
{
	if (is_full(c))
		return;
	struct str text = FORMATTED(c, why), v = shown(c, json_string(c->arena, value));
	fail(c, p, "FieldValueInvalid", arena_fmt(c->arena, "Invalid value: %.*s: %.*s", STR_FMT(v), STR_FMT(text)));
}

void fail_duplicate(struct check *c, const struct path *p, const struct json *value)
{
	if (is_full(c))
		return;
	fail(c, p, "FieldValueDuplicate", arena_fmt(c->arena, "Duplicate value: %.*s", STR_FMT(shown(c, value))));
}

void fail_not_found(struct check *c, const struct path *p, const struct json *value)
{
	if (is_full(c))
		return;
	fail(c, p, "FieldValueNotFound", arena_fmt(c->arena, "Not found: %.*s", STR_FMT(shown(c, value))));
}

void fail_too_long(struct check *c, const struct path *p, size_t most)
{
	if (is_full(c))
		return;
	fail(c, p, "FieldValueTooLong", arena_fmt(c->arena, "Too long: may not be more than %zu bytes", most));
}

void fail_too_many(struct check *c, const struct path *p, size_t found, size_t most)
{
	if (is_full(c))
		return;
	fail(c, p, "FieldValueTooMany", arena_fmt(c->arena, "Too many: %zu: must have at most %zu items", found, most));
}

void fail_unsupported(struct check *c, const struct path *p, const struct json *value, const char *const *allowed)
{
	if (is_full(c))
		return;
	struct buf list CLEAN_BUF;
	buf_init(&list);
	for (; *allowed; allowed++)
		buf_fmt(&list, "%s\"%s\"", list.n ? ", " : "", *allowed);
	struct str v = value ? shown(c, value) : STR("\"\"");
	fail(c, p, "FieldValueNotSupported",
	     arena_fmt(c->arena, "Unsupported value: %.*s: supported values: %.*s", STR_FMT(v),
		       STR_FMT(buf_str(&list))));
}

// Values

const struct json *field(const struct json *object, const char *name)
{
	return json_get(object, str_of(name));
}

struct str text_of(const struct json *object, const char *name)
{
	const struct json *value = field(object, name);
	return value && value->type == JSON_STRING ? value->text : STR("");
}

bool is_set(const struct json *object, const char *name)
{
	const struct json *value = field(object, name);
	return value && value->type != JSON_NULL && (value->type < JSON_ARRAY || value->count > 0);
}

bool is_true(const struct json *object, const char *name)
{
	const struct json *value = field(object, name);
	return value && value->type == JSON_BOOL && value->boolean;
}

size_t count_of(const struct json *list)
{
	return list && list->type >= JSON_ARRAY ? list->count : 0;
}

static bool is_empty(const struct json *v)
{
	if (!v || v->type == JSON_NULL)
		return true;
	return v->type == JSON_ARRAY && v->count == 0;
}

static bool same_members(const struct json *a, const struct json *b, bool only_absent)
{
	struct index members_of_b CLEAN_INDEX;
	index_init(&members_of_b, b, NULL);
	json_each(child, a) {
		const struct json *other = index_get(&members_of_b, child->key);
		if (!(other && only_absent) && !same(child, other))
			return false;
	}
	return true;
}

static bool same_objects(const struct json *a, const struct json *b)
{
	return same_members(a, b, false) && same_members(b, a, true);
}

bool same(const struct json *a, const struct json *b)
{
	if (a == b)
		return true;
	if (is_empty(a) || is_empty(b))
		return is_empty(a) && is_empty(b);
	if (a->type == JSON_OBJECT && b->type == JSON_OBJECT)
		return same_objects(a, b);
	if (a->type != JSON_ARRAY || b->type != JSON_ARRAY)
		return json_equal(a, b);
	if (a->count != b->count)
		return false;
	for (const struct json *x = a->first, *y = b->first; x; x = x->next, y = y->next)
		if (!same(x, y))
			return false;
	return true;
}

bool same_field(const struct json *a, const struct json *b, const char *name)
{
	return same(field(a, name), field(b, name));
}

// Among many

void seen_init(struct seen *s)
{
	s->count = 0;
	map_init(&s->many);
}

void seen_finish(struct seen *s)
{
	map_finish(&s->many);
}

bool seen_has(const struct seen *s, struct str text)
{
	if (s->count > SEEN_FEW)
		return map_has(&s->many, text);
	for (size_t i = 0; i < s->count; i++)
		if (str_eq(s->few[i], text))
			return true;
	return false;
}

bool seen_add(struct seen *s, struct str text)
{
	if (seen_has(s, text))
		return true;
	if (s->count < SEEN_FEW) {
		s->few[s->count++] = text;
		return false;
	}
	if (s->count == SEEN_FEW)
		for (size_t i = 0; i < SEEN_FEW; i++)
			map_set(&s->many, s->few[i], s);
	map_set(&s->many, text, s);
	s->count++;
	return false;
}

void seen_add_all(struct seen *s, const struct json *list, const char *name)
{
	json_each(element, list)
		seen_add(s, text_of(element, name));
}

enum { INDEX_FEW = 16 }; // members that are found as fast by walking

static struct str index_key(const struct index *x, const struct json *member)
{
	return x->name ? text_of(member, x->name) : member->key;
}

void index_init(struct index *x, const struct json *of, const char *name)
{
	*x = (struct index){.of = of, .name = name};
	map_init(&x->map);
	if (count_of(of) <= INDEX_FEW)
		return;
	json_each(member, of)
		if (!map_has(&x->map, index_key(x, member)))
			map_set(&x->map, index_key(x, member), member);
}

void index_finish(struct index *x)
{
	map_finish(&x->map);
}

const struct json *index_get(const struct index *x, struct str key)
{
	if (x->map.count)
		return map_get(&x->map, key);
	json_each(member, x->of)
		if (str_eq(index_key(x, member), key))
			return member;
	return NULL;
}

// Checks

void check_format(struct check *c, const struct path *p, struct str value, format_check *format)
{
	struct format_faults f = {0};
	format(value, &f);
	for (size_t i = 0; i < f.count; i++)
		fail_text(c, p, value, "%s", f.text[i]);
}

bool text_is_one_of(struct str text, const char *const *allowed)
{
	for (; *allowed; allowed++)
		if (str_is(text, *allowed))
			return true;
	return false;
}

bool check_one_of(struct check *c, const struct path *p, const struct json *value, const char *const *allowed)
{
	struct str text = value && value->type == JSON_STRING ? value->text : STR("");
	bool good = text_is_one_of(text, allowed);
	if (!good)
		fail_unsupported(c, p, value, allowed);
	return good;
}

static int64_t number_of(const struct json *number)
{
	return number && number->type == JSON_INT ? number->integer : 0;
}

void check_not_negative(struct check *c, const struct path *p, const struct json *number)
{
	if (number_of(number) < 0)
		fail_invalid(c, p, number, "must not be less than 0");
}

void check_range(struct check *c, const struct path *p, const struct json *number, int64_t min, int64_t max)
{
	int64_t value = number_of(number);
	if (value < min || value > max)
		fail_invalid(c, p, json_int(c->arena, value), "must be between %lld and %lld, inclusive",
			     (long long)min, (long long)max);
}

void check_port(struct check *c, const struct path *p, const struct json *number)
{
	check_range(c, p, number, 1, 65535);
}

void check_immutable(struct check *c, const struct path *p, const struct json *value, const struct json *old)
{
	if (!same(value, old))
		fail_invalid(c, p, value, "the field can't be changed");
}

void check_labels(struct check *c, const struct path *p, const struct json *labels)
{
	json_each(label, labels) {
		check_format(c, p, label->key, format_qualified_name);
		check_format(c, p, label->text, format_label_value);
	}
}

enum { ANNOTATIONS_MAX = 256 * 1024 }; // bytes of keys and values together

void check_annotations(struct check *c, const struct path *p, const struct json *annotations)
{
	size_t total = 0;
	json_each(annotation, annotations) {
		char *lower = arena_c(c->arena, annotation->key);
		for (char *l = lower; *l; l++)
			if (*l >= 'A' && *l <= 'Z')
				*l = (char)(*l - 'A' + 'a');
		struct format_faults f = {0};
		format_qualified_name(str_of(lower), &f);
		for (size_t i = 0; i < f.count; i++)
			fail_text(c, p, annotation->key, "%s", f.text[i]);
		total += annotation->key.n + annotation->text.n;
	}
	if (total > ANNOTATIONS_MAX)
		fail_too_long(c, p, ANNOTATIONS_MAX);
}

void check_not_special_ip(struct check *c, const struct path *p, struct str ip)
{
	unsigned char b[16], zero[16] = {0};
	size_t n = format_ip_bytes(ip, b);
	if (n == 0) {
		fail_text(c, p, ip, "must be an IP address");
	} else if (!memcmp(b, zero, n)) {
		fail_text(c, p, ip, "may not be the unspecified address");
	} else if (n == 4 ? b[0] == 127 : !memcmp(b, zero, 15) && b[15] == 1) {
		fail_text(c, p, ip, "may not be in the loopback range");
	} else if (n == 4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80) {
		fail_text(c, p, ip, "may not be in the link-local range");
	} else if (n == 4 ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 0x0f) == 2) {
		fail_text(c, p, ip, "may not be in the link-local multicast range");
	}
}

// Label selectors

static void check_expression(struct check *c, const struct path *p, const struct json *expression)
{
	struct str op = text_of(expression, "operator");
	const struct json *values = field(expression, "values");
	bool wants_values = IS_ONE_OF(op, "In", "NotIn");
	if (wants_values && count_of(values) == 0)
		fail_required(c, AT(p, "values"), "must be given when `operator` is 'In' or 'NotIn'");
	else if (IS_ONE_OF(op, "Exists", "DoesNotExist") && count_of(values) > 0)
		fail_forbidden(c, AT(p, "values"), "may not be given when `operator` is 'Exists' or 'DoesNotExist'");
	else if (!wants_values && !IS_ONE_OF(op, "Exists", "DoesNotExist"))
		fail_text(c, AT(p, "operator"), op, "not a selector's operator: use In, NotIn, Exists or DoesNotExist");
	check_format(c, AT(p, "key"), text_of(expression, "key"), format_qualified_name);
	size_t i = 0;
	json_each(value, values)
		check_format(c, AT_INDEX(AT(p, "values"), i++), value->text, format_label_value);
}

void check_label_selector(struct check *c, const struct path *p, const struct json *selector)
{
	check_labels(c, AT(p, "matchLabels"), field(selector, "matchLabels"));
	size_t i = 0;
	json_each(expression, field(selector, "matchExpressions"))
		check_expression(c, AT_INDEX(AT(p, "matchExpressions"), i++), expression);
}

bool label_selector_is_good(struct check *c, const struct json *selector)
{
	struct err ignored CLEAN_ERR = ERR_EMPTY;
	struct check trial = *c;
	trial.e = &ignored;
	trial.failures = 0;
	check_label_selector(&trial, NULL, selector);
	return trial.failures == 0;
}
