// SPDX-License-Identifier: Apache-2.0
#include "api/selector.h"

#include "api/format.h"
#include "base/map.h"

enum operation { IN, NOT_IN, EXISTS, ABSENT, GREATER, LESS };

struct requirement {
	struct str key;
	enum operation operation;
	const struct str *values;
	size_t count;
	int64_t number; // of GREATER and LESS
};

struct api_selector {
	struct requirement *requirements; // all must hold
	size_t count;
	bool nothing; // matches no object at all
};

enum { REQUIREMENTS_MAX = 1000, VALUES_MAX = 10000 };

// Reading the query text

enum token { END, NAME, COMMA, OPEN, CLOSE, EQUAL, NOT_EQUAL, NOT, GREATER_SIGN, LESS_SIGN };

struct reader {
	struct arena *arena;
	struct str rest;
	struct str text; // of the current token
	enum token token;
	struct err *e;
};

static bool is_symbol(char c)
{
	return c && strchr("=!(),<>", c);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void advance(struct reader *r)
{
	static const struct {
		struct str text;
		enum token token;
	} symbols[] = {{STR_INIT("=="), EQUAL}, {STR_INIT("!="), NOT_EQUAL}, {STR_INIT("="), EQUAL},
		       {STR_INIT("!"), NOT},	{STR_INIT("("), OPEN},	     {STR_INIT(")"), CLOSE},
		       {STR_INIT(","), COMMA},	{STR_INIT(">"), GREATER_SIGN}, {STR_INIT("<"), LESS_SIGN}};
	size_t i = 0;
	while (i < r->rest.n && is_space(r->rest.p[i]))
		i++;
	r->rest = str_from(r->rest, i);
	for (i = 0; i < ARRAY_LEN(symbols); i++)
		if (str_starts(r->rest, symbols[i].text)) {
			r->text = symbols[i].text;
			r->token = symbols[i].token;
			r->rest = str_from(r->rest, r->text.n);
			return;
		}
	size_t n = 0;
	while (n < r->rest.n && !is_space(r->rest.p[n]) && !is_symbol(r->rest.p[n]))
		n++;
	r->token = n ? NAME : END;
	r->text = str_sub(r->rest, 0, n);
	r->rest = str_from(r->rest, n);
}

static int unexpected(const struct reader *r, const char *wanted)
{
	if (r->token == END)
		return err_set(r->e, ERR_BAD_REQUEST, "the label selector ends where %s is expected", wanted);
	return err_set(r->e, ERR_BAD_REQUEST, "the label selector has \"%.*s\" where %s is expected", STR_FMT(r->text),
		       wanted);
}

static int check_key(struct str key, struct err *e)
{
	struct format_faults f = {0};
	format_qualified_name(key, &f);
	if (f.count)
		return err_set(e, ERR_BAD_REQUEST, "the label selector's key \"%.*s\" is invalid: %s", STR_FMT(key),
			       f.text[0]);
	return 0;
}

static int check_value(struct str value, struct err *e)
{
	struct format_faults f = {0};
	format_label_value(value, &f);
	if (f.count)
		return err_set(e, ERR_BAD_REQUEST, "the label selector's value \"%.*s\" is invalid: %s", STR_FMT(value),
			       f.text[0]);
	return 0;
}

// "(a,b,)" after in and notin; an empty place is the empty value.
static int read_values(struct reader *r, struct requirement *q)
{
	if (r->token != OPEN)
		return unexpected(r, "'('");
	size_t commas = 0;
	for (size_t i = 0; i < r->rest.n && r->rest.p[i] != ')'; i++)
		commas += r->rest.p[i] == ',';
	if (commas >= VALUES_MAX)
		return err_set(r->e, ERR_BAD_REQUEST, "the label selector has more than %d values", VALUES_MAX);
	struct str *values = ARENA_ARRAY(r->arena, struct str, commas + 1);
	do {
		advance(r);
		struct str value = STR("");
		if (r->token == NAME) {
			value = r->text;
			advance(r);
		}
		if (check_value(value, r->e))
			return -1;
		values[q->count++] = value;
	} while (r->token == COMMA);
	if (r->token != CLOSE)
		return unexpected(r, "',' or ')'");
	advance(r);
	q->values = values;
	return 0;
}

// The one value after =, !=, > and <.
static int read_value(struct reader *r, struct requirement *q)
{
	struct str *value = ARENA_NEW(r->arena, struct str);
	*value = STR("");
	if (r->token == NAME) {
		*value = r->text;
		advance(r);
	} else if (r->token != END && r->token != COMMA) {
		return unexpected(r, "a value");
	}
	q->values = value;
	q->count = 1;
	if ((q->operation == GREATER || q->operation == LESS) && str_to_i64(*value, &q->number))
		return err_set(r->e, ERR_BAD_REQUEST, "the label selector compares with \"%.*s\", which is no integer",
			       STR_FMT(*value));
	return check_value(*value, r->e);
}

static int read_requirement(struct reader *r, struct requirement *q)
{
	bool absent = r->token == NOT;
	if (absent)
		advance(r);
	if (r->token != NAME)
		return unexpected(r, "a key, or '!' and a key,");
	q->key = r->text;
	if (check_key(q->key, r->e))
		return -1;
	advance(r);
	if (absent || r->token == END || r->token == COMMA) {
		q->operation = absent ? ABSENT : EXISTS;
		return 0;
	}
	bool in = r->token == NAME && str_is(r->text, "in"), not_in = r->token == NAME && str_is(r->text, "notin");
	enum token token = r->token;
	if (!in && !not_in && token != EQUAL && token != NOT_EQUAL && token != GREATER_SIGN && token != LESS_SIGN)
		return unexpected(r, "an operator (=, ==, !=, in, notin, >, <)");
	advance(r);
	q->operation = in || token == EQUAL	? IN
		     : not_in || token == NOT_EQUAL ? NOT_IN
		     : token == GREATER_SIGN	    ? GREATER
						    : LESS;
	return in || not_in ? read_values(r, q) : read_value(r, q);
}

static struct requirement *add_requirement(struct arena *a, struct api_selector *s, size_t room)
{
	if (!s->requirements)
		s->requirements = ARENA_ARRAY(a, struct requirement, room);
	return &s->requirements[s->count++];
}

int api_selector_parse(struct arena *a, struct str text, struct api_selector **out, struct err *e)
{
	struct reader r = {.arena = a, .rest = arena_str(a, text), .e = e};
	struct api_selector *s = ARENA_NEW(a, struct api_selector);
	size_t commas = 0;
	for (size_t i = 0; i < text.n; i++)
		commas += text.p[i] == ',';
	if (commas >= VALUES_MAX)
		return err_set(e, ERR_BAD_REQUEST, "the label selector has more than %d parts", VALUES_MAX);
	advance(&r);
	while (r.token != END) {
		if (s->count >= REQUIREMENTS_MAX)
			return err_set(e, ERR_BAD_REQUEST, "the label selector has more than %d requirements",
				       REQUIREMENTS_MAX);
		if (read_requirement(&r, add_requirement(a, s, commas + 1)))
			return -1;
		if (r.token == END)
			break;
		if (r.token != COMMA)
			return unexpected(&r, "',' or the end");
		advance(&r);
		if (r.token == END)
			return unexpected(&r, "a key");
	}
	*out = s;
	return 0;
}

// From objects

static const struct str *texts_of(struct arena *a, const struct json *list, size_t *count)
{
	struct str *texts = ARENA_ARRAY(a, struct str, list ? list->count + 1 : 1);
	*count = 0;
	json_each(value, list)
		texts[(*count)++] = value->type == JSON_STRING ? value->text : STR_NONE;
	return texts;
}

static void require_label(struct arena *a, struct api_selector *s, size_t room, const struct json *label)
{
	struct str *value = ARENA_NEW(a, struct str);
	*value = label->type == JSON_STRING ? label->text : STR_NONE;
	*add_requirement(a, s, room) = (struct requirement){label->key, IN, value, 1, 0};
}

int api_selector_of(struct arena *a, const struct json *label_selector, struct api_selector **out, struct err *e)
{
	static const struct {
		const char *name;
		enum operation operation;
	} operations[] = {{"In", IN}, {"NotIn", NOT_IN}, {"Exists", EXISTS}, {"DoesNotExist", ABSENT}};
	struct api_selector *s = ARENA_NEW(a, struct api_selector);
	const struct json *labels = json_get(label_selector, STR("matchLabels"));
	const struct json *expressions = json_get(label_selector, STR("matchExpressions"));
	s->nothing = !label_selector || label_selector->type != JSON_OBJECT;
	size_t room = (labels ? labels->count : 0) + (expressions ? expressions->count : 0) + 1;
	json_each(label, labels)
		require_label(a, s, room, label);
	json_each(expression, expressions) {
		struct requirement *q = add_requirement(a, s, room);
		struct str name = json_str(expression, "operator");
		q->key = json_str(expression, "key");
		size_t i = 0;
		while (i < ARRAY_LEN(operations) && !str_is(name, operations[i].name))
			i++;
		if (i == ARRAY_LEN(operations))
			return err_set(e, ERR_BAD_REQUEST,
				       "\"%.*s\" is no operator of a label selector: use In, NotIn, Exists or "
				       "DoesNotExist",
				       STR_FMT(name));
		q->operation = operations[i].operation;
		q->values = texts_of(a, json_get(expression, STR("values")), &q->count);
	}
	*out = s;
	return 0;
}

struct api_selector *api_selector_of_map(struct arena *a, const struct json *labels)
{
	struct api_selector *s = ARENA_NEW(a, struct api_selector);
	json_each(label, labels)
		require_label(a, s, labels->count, label);
	return s;
}

static bool has_value(const struct requirement *q, struct str value)
{
	for (size_t i = 0; i < q->count; i++)
		if (str_eq(q->values[i], value))
			return true;
	return false;
}

static bool holds(const struct requirement *q, const struct json *label)
{
	struct str value = label && label->type == JSON_STRING ? label->text : STR_NONE;
	int64_t number;
	switch (q->operation) {
	case IN:
		return label && has_value(q, value);
	case NOT_IN:
		return !label || !has_value(q, value);
	case EXISTS:
		return label != NULL;
	case ABSENT:
		return label == NULL;
	default:
		if (!label || str_to_i64(value, &number))
			return false;
		return q->operation == GREATER ? number > q->number : number < q->number;
	}
}

enum { WALKED_FEW = 1000 }; // requirements times labels that are compared one by one

// Many requirements on many labels: by a table.
static bool matches_many(const struct api_selector *s, const struct json *labels)
{
	struct map by_key CLEAN_MAP;
	map_init(&by_key);
	json_each(label, labels)
		map_set(&by_key, label->key, label);
	for (size_t i = 0; i < s->count; i++)
		if (!holds(&s->requirements[i], map_get(&by_key, s->requirements[i].key)))
			return false;
	return !s->nothing;
}

bool api_selector_matches(const struct api_selector *s, const struct json *labels)
{
	if (labels && labels->count * s->count > WALKED_FEW)
		return matches_many(s, labels);
	for (size_t i = 0; i < s->count; i++)
		if (!holds(&s->requirements[i], json_get(labels, s->requirements[i].key)))
			return false;
	return !s->nothing;
}

bool api_selector_everything(const struct api_selector *s)
{
	return s->count == 0 && !s->nothing;
}
