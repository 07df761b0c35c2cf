// SPDX-License-Identifier: Apache-2.0
// YAML to the tree of JSON (see api_yaml_parse in object.h): libyaml's events, resolved as YAML 1.1 says.
#include <errno.h>
#include <yaml.h>

#include "api/conform.h"
#include "api/object.h"
#include "base/map.h"

enum { COPIES_MAX = 100000, DEPTH_MAX = 500, ANCHORS_MAX = 10000 };

struct anchor {
	struct str name;
	struct json *node;
	bool complete; // an alias inside its own anchor would never end
};

struct yaml {
	yaml_parser_t parser;
	struct arena *arena;
	struct json *duplicates;
	struct anchor *anchors;
	size_t anchor_count, anchor_room;
	size_t copies; // nodes that aliases made
	struct err *e;
};

static int fail(struct yaml *y, const char *what)
{
	return err_set(y->e, ERR_BAD_REQUEST, "invalid YAML at line %zu: %s", y->parser.mark.line + 1, what);
}

static int next_event(struct yaml *y, yaml_event_t *event)
{
	if (yaml_parser_parse(&y->parser, event))
		return 0;
	return fail(y, y->parser.problem ? y->parser.problem : "it cannot be read");
}

static bool one_of(struct str s, const char *const *words)
{
	for (; *words; words++)
		if (str_is(s, *words))
			return true;
	return false;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
static bool is_float(const char *p)
{
	if (*p == '-' || *p == '+')
		p++;
	size_t whole = strspn(p, "0123456789"), fraction = 0;
	p += whole;
	if (*p == '.') {
		fraction = strspn(++p, "0123456789");
		p += fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		if (*p == '-' || *p == '+')
			p++;
		size_t digits = strspn(p, "0123456789");
		if (digits == 0)
			return false;
		p += digits;
	}
	return *p == '\0';
}

static bool set_integer(struct json *v, const char *digits, int base, bool negative)
{
	char *end;
	errno = 0;
	if (*digits == '-' || *digits == '+' || *digits == '\0')
		return false;
	unsigned long long value = strtoull(digits, &end, base);
	if (*end != '\0' || errno || value > (unsigned long long)INT64_MAX + negative)
		return false;
	v->type = JSON_INT;
	v->integer = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

// Decimal, 0x, 0b, and octal as 0o or with a leading 0; underscores may part digits.
static bool resolve_number(struct yaml *y, struct str text, struct json *v)
{
	char plain[64];
	size_t n = 0;
	if (text.n >= sizeof plain || !strchr("-+.0123456789", text.p[0]))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '_')
			plain[n++] = text.p[i];
	plain[n] = '\0';
	bool negative = plain[0] == '-';
	const char *digits = plain + (plain[0] == '-' || plain[0] == '+');
	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		return set_integer(v, digits + 2, 16, negative);
	if (digits[0] == '0' && (digits[1] == 'b' || digits[1] == 'B'))
		return set_integer(v, digits + 2, 2, negative);
	if (digits[0] == '0' && (digits[1] == 'o' || digits[1] == 'O'))
		return set_integer(v, digits + 2, 8, negative);
	if (digits[0] == '0' && digits[1] && set_integer(v, digits + 1, 8, negative))
		return true;
	if (set_integer(v, digits, 10, negative))
		return true;
	if (!is_float(plain))
		return false;
	v->type = JSON_REAL;
	v->text = arena_fmt(y->arena, "%.17g", strtod(plain, NULL));
	return true;
}

// A plain scalar, or one with a tag; quoted ones are strings.
static int resolve(struct yaml *y, struct str text, struct json *v)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"y",  "Y",	"yes",	"Yes",	"YES",	"on",
					    "On", "ON", "true", "True", "TRUE", NULL};
	static const char *const falses[] = {"n",  "N",	  "no",	   "No",    "NO",    "off",
					     "Off", "OFF", "false", "False", "FALSE", NULL};
	static const char *const beyond[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
					     "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL};
	v->type = JSON_NULL;
	if (one_of(text, nulls))
		return 0;
	if (one_of(text, beyond))
		return fail(y, "infinity and NaN cannot be said in JSON");
	if (one_of(text, trues) || one_of(text, falses)) {
		v->type = JSON_BOOL;
		v->boolean = one_of(text, trues);
	} else if (!resolve_number(y, text, v)) {
		v->type = JSON_STRING;
		v->text = text;
	}
	return 0;
}

static int scalar(struct yaml *y, const yaml_event_t *event, struct json *v)
{
	struct str tag = str_of((const char *)event->data.scalar.tag);
	struct str text = arena_str(y->arena, (struct str){(const char *)event->data.scalar.value,
							   event->data.scalar.length});
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	bool resolved = tag.n ? str_starts(tag, STR("tag:yaml.org,2002:")) && !str_is(tag, YAML_STR_TAG) &&
				       !str_is(tag, "tag:yaml.org,2002:binary")
			       : plain;
	if (resolved && memchr(text.p, '\0', text.n) == NULL)
		return resolve(y, text, v);
	v->type = JSON_STRING;
	v->text = text;
	return 0;
}

// Remembers a node by its anchor; a later one of the same name takes its place.
static int add_anchor(struct yaml *y, const yaml_char_t *name, struct json *node, size_t *index)
{
	*index = SIZE_MAX;
	if (!name)
		return 0;
	if (y->anchor_count == ANCHORS_MAX)
		return fail(y, "it holds too many anchors");
	if (y->anchor_count == y->anchor_room) {
		y->anchor_room = y->anchor_room ? 2 * y->anchor_room : 16;
		y->anchors = mem_realloc(y->anchors, y->anchor_room * sizeof *y->anchors);
	}
	*index = y->anchor_count;
	y->anchors[y->anchor_count++] =
		(struct anchor){arena_str(y->arena, str_of((const char *)name)), node, false};
	return 0;
}

// A copy for an alias; texts are shared, so that what is bounded is the number of nodes.
static int copy(struct yaml *y, const struct json *from, int depth, struct json *to)
{
	if (depth >= DEPTH_MAX)
		return fail(y, "nested too deeply");
	if (++y->copies > COPIES_MAX)
		return fail(y, "its aliases make too many values");
	*to = *from;
	if (from->type < JSON_ARRAY)
		return 0;
	to->first = to->last = NULL;
	to->count = 0;
	json_each(child, from) {
		struct json *twin = json_null(y->arena);
		if (copy(y, child, depth + 1, twin) < 0)
			return -1;
		json_push(to, twin);
	}
	return 0;
}

static int alias(struct yaml *y, struct str name, int depth, struct json *v)
{
	for (size_t i = y->anchor_count; i-- > 0;) {
		if (!str_eq(y->anchors[i].name, name))
			continue;
		if (!y->anchors[i].complete)
			return fail(y, "an alias stands inside its own anchor");
		return copy(y, y->anchors[i].node, depth, v);
	}
	return fail(y, "unknown anchor");
}

static int node(struct yaml *y, const yaml_event_t *event, int depth, struct json *v);

static int sequence(struct yaml *y, int depth, struct json *v)
{
	v->type = JSON_ARRAY;
	for (;;) {
		yaml_event_t event;
		if (next_event(y, &event) < 0)
			return -1;
		bool end = event.type == YAML_SEQUENCE_END_EVENT;
		struct json *child = json_null(y->arena);
		int status = end ? 0 : node(y, &event, depth, child);
		yaml_event_delete(&event);
		if (status < 0 || end)
			return status;
		json_push(v, child);
	}
}

static int key_text(struct yaml *y, const struct json *key, struct str *out)
{
	switch (key->type) {
	case JSON_STRING:
	case JSON_REAL:
		*out = key->text;
		return 0;
	case JSON_INT:
		*out = arena_fmt(y->arena, "%lld", (long long)key->integer);
		return 0;
	case JSON_BOOL:
		*out = key->boolean ? STR("true") : STR("false");
		return 0;
	case JSON_NULL:
		*out = STR("null");
		return 0;
	default:
		return fail(y, "a key is neither text nor a number");
	}
}

// <<: a mapping or a list of them gives what the mapping itself does not have.
static int merge(struct yaml *y, struct json *object, const struct json *from)
{
	bool list = from->type == JSON_ARRAY;
	struct map have CLEAN_MAP;
	map_init(&have);
	json_each(own, object)
		map_set(&have, own->key, own);
	for (struct json *one = list ? from->first : (struct json *)from; one; one = list ? one->next : NULL) {
		if (one->type != JSON_OBJECT)
			return fail(y, "<< needs a mapping or a list of mappings");
		for (struct json *child = one->first, *next; child; child = next) {
			next = child->next;
			if (!map_get(&have, child->key)) {
				map_set(&have, child->key, child);
				json_push(object, child);
			}
		}
	}
	return 0;
}

static int member(struct yaml *y, const yaml_event_t *key_event, int depth, struct json *object, struct json **merged)
{
	struct json *key = json_null(y->arena), *value = json_null(y->arena);
	struct str name;
	yaml_event_t event;
	bool is_merge = key_event->type == YAML_SCALAR_EVENT &&
			key_event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
			str_is(str_of((const char *)key_event->data.scalar.value), "<<");
	if (node(y, key_event, depth, key) < 0 || key_text(y, key, &name) < 0 || next_event(y, &event) < 0)
		return -1;
	int status = node(y, &event, depth, value);
	yaml_event_delete(&event);
	if (status < 0)
		return -1;
	if (is_merge)
		*merged = value;
	else
		json_push(object, value)->key = name;
	return 0;
}

static int mapping(struct yaml *y, int depth, struct json *v)
{
	struct json *merged = NULL;
	v->type = JSON_OBJECT;
	for (;;) {
		yaml_event_t event;
		if (next_event(y, &event) < 0)
			return -1;
		bool end = event.type == YAML_MAPPING_END_EVENT;
		int status = end ? 0 : member(y, &event, depth, v, &merged);
		yaml_event_delete(&event);
		if (status < 0)
			return -1;
		if (end)
			break;
	}
	keep_last_of_each(y->arena, v, y->duplicates);
	return merged ? merge(y, v, merged) : 0;
}

static int node(struct yaml *y, const yaml_event_t *event, int depth, struct json *v)
{
	const yaml_char_t *name = event->type == YAML_SCALAR_EVENT	    ? event->data.scalar.anchor
				  : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
				  : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.anchor
									     : NULL;
	size_t anchor;
	int status;
	if (depth >= DEPTH_MAX)
		return fail(y, "nested too deeply");
	if (add_anchor(y, name, v, &anchor) < 0)
		return -1;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		status = scalar(y, event, v);
		break;
	case YAML_SEQUENCE_START_EVENT:
		status = sequence(y, depth + 1, v);
		break;
	case YAML_MAPPING_START_EVENT:
		status = mapping(y, depth + 1, v);
		break;
	case YAML_ALIAS_EVENT:
		status = alias(y, str_of((const char *)event->data.alias.anchor), depth, v);
		break;
	default:
		status = fail(y, "something is out of place");
	}
	if (anchor != SIZE_MAX && status == 0)
		y->anchors[anchor].complete = true;
	return status;
}

// Passes over the beginnings of stream and document; an empty stream is null.
static int document(struct yaml *y, struct json *root)
{
	for (;;) {
		yaml_event_t event;
		if (next_event(y, &event) < 0)
			return -1;
		yaml_event_type_t type = event.type;
		int status = 0;
		if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
		    type != YAML_STREAM_END_EVENT) {
			status = node(y, &event, 0, root);
			type = YAML_STREAM_END_EVENT;
		}
		yaml_event_delete(&event);
		if (status < 0 || type == YAML_STREAM_END_EVENT)
			return status;
	}
}

int api_yaml_parse(struct arena *a, struct str text, struct json *duplicates, struct json **out, struct err *e)
{
	struct yaml y = {.arena = a, .duplicates = duplicates, .e = e};
	if (!yaml_parser_initialize(&y.parser))
		mem_panic("no memory for the YAML parser");
	yaml_parser_set_input_string(&y.parser, (const unsigned char *)text.p, text.n);
	struct json *root = json_null(a);
	int status = document(&y, root);
	yaml_parser_delete(&y.parser);
	free(y.anchors);
	if (status == 0)
		*out = root;
	return status;
}
