// SPDX-License-Identifier: Apache-2.0
// Kubernetes' protobuf bodies as trees: `k8s\0`, then a runtime.Unknown that says the kind and holds the message. Field
// numbers come from the schema; the few types with a form of their own (Time, Quantity...) are told here.
#include "api/conform.h"
#include "base/encode.h"
#include "base/times.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct message { // what is left of one
	const unsigned char *at, *end;
};

struct item { // one field on the wire
	uint32_t number;
	enum wire wire;
	uint64_t integer; // WIRE_VARINT, WIRE_64, WIRE_32
	struct str bytes; // WIRE_BYTES
};

struct reader {
	struct arena *arena;
	struct err *e;
	int depth;
	size_t nodes; // made so far
};

enum { DEPTH_MAX = 100, NODES_MAX = 1000000 };

static int fail(struct reader *r, const char *what)
{
	return err_set(r->e, ERR_BAD_REQUEST, "invalid protobuf: %s", what);
}

static struct message message_of(struct str bytes)
{
	const unsigned char *p = (const unsigned char *)(bytes.n ? bytes.p : "");
	return (struct message){p, p + bytes.n};
}

static int read_varint(struct reader *r, struct message *m, uint64_t *out)
{
	uint64_t value = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		if (m->at == m->end)
			return fail(r, "it ends within a number");
		unsigned char c = *m->at++;
		value |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*out = value;
			return 0;
		}
	}
	return fail(r, "a number is longer than 64 bits");
}

static int read_fixed(struct reader *r, struct message *m, int size, uint64_t *out)
{
	if (m->end - m->at < size)
		return fail(r, "it ends within a number");
	*out = 0;
	for (int i = size - 1; i >= 0; i--)
		*out = *out << 8 | m->at[i];
	m->at += size;
	return 0;
}

// 1: an item, 0: the end, -1: broken.
static int next_item(struct reader *r, struct message *m, struct item *item)
{
	uint64_t tag, length;
	if (m->at == m->end)
		return 0;
	if (read_varint(r, m, &tag) < 0)
		return -1;
	if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return fail(r, "a field number is out of range");
	*item = (struct item){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
	switch (item->wire) {
	case WIRE_VARINT:
		return read_varint(r, m, &item->integer) < 0 ? -1 : 1;
	case WIRE_64:
		return read_fixed(r, m, 8, &item->integer) < 0 ? -1 : 1;
	case WIRE_32:
		return read_fixed(r, m, 4, &item->integer) < 0 ? -1 : 1;
	case WIRE_BYTES:
		if (read_varint(r, m, &length) < 0)
			return -1;
		if (length > (uint64_t)(m->end - m->at))
			return fail(r, "a length reaches beyond the end");
		item->bytes = (struct str){(const char *)m->at, (size_t)length};
		m->at += length;
		return 1;
	default:
		return fail(r, "unknown wire type");
	}
}

static bool is_bytes(const struct item *item)
{
	return item->wire == WIRE_BYTES;
}

// A string that claims to be UTF-8; bad sequences become U+FFFD, as in JSON.
static struct json *text_node(struct reader *r, struct str bytes)
{
	if (str_utf8_valid(bytes))
		return json_string(r->arena, bytes);
	char *text = arena_alloc(r->arena, 3 * bytes.n + 1), *w = text;
	while (bytes.n) {
		size_t len = str_utf8_len(bytes), step = len ? len : 1;
		memcpy(w, len ? bytes.p : "\xef\xbf\xbd", len ? len : 3);
		w += len ? len : 3;
		bytes = str_from(bytes, step);
	}
	return json_string(r->arena, (struct str){text, (size_t)(w - text)});
}

static struct json *base64_node(struct reader *r, struct str bytes)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	encode_base64(&b, bytes);
	return json_string(r->arena, arena_str(r->arena, buf_str(&b)));
}

// The small messages of apimachinery: at most three numbered members.
struct small {
	uint64_t integers[4];
	struct str texts[4];
	bool has[4];
};

static int read_small(struct reader *r, struct str bytes, struct small *out)
{
	struct message m = message_of(bytes);
	struct item item;
	int status;
	*out = (struct small){0};
	while ((status = next_item(r, &m, &item)) > 0) {
		if (item.number > 3)
			continue;
		out->has[item.number] = true;
		if (item.wire == WIRE_BYTES)
			out->texts[item.number] = item.bytes;
		else
			out->integers[item.number] = item.integer;
	}
	return status;
}

static int time_node(struct reader *r, struct str bytes, bool micro, struct json **out)
{
	struct small s;
	if (read_small(r, bytes, &s) < 0)
		return -1;
	struct far_time t = {(int64_t)s.integers[1], (int32_t)s.integers[2]};
	if (!s.has[1] && !s.has[2]) { // the zero time
		*out = json_null(r->arena);
		return 0;
	}
	if (!far_time_in_range(t))
		return fail(r, "a time is out of range");
	*out = json_string(r->arena, micro ? far_time_format_micro(r->arena, t) : far_time_format(r->arena, t));
	return 0;
}

static int int_or_string_node(struct reader *r, struct str bytes, struct json **out)
{
	struct small s;
	if (read_small(r, bytes, &s) < 0)
		return -1;
	*out = s.integers[1] == 1 ? text_node(r, s.texts[3]) : json_int(r->arena, (int32_t)s.integers[2]);
	return 0;
}

static int any_node(struct reader *r, struct str bytes, struct json **out)
{
	struct small s;
	if (read_small(r, bytes, &s) < 0)
		return -1;
	if (s.texts[1].n)
		return json_parse(r->arena, s.texts[1], NULL, out, r->e);
	*out = s.has[1] ? json_object(r->arena) : json_null(r->arena);
	return 0;
}

static int object_node(struct reader *r, struct str bytes, const struct api_type *t, struct json **out);

static int message_node(struct reader *r, struct str bytes, const struct api_field *f, struct json **out)
{
	struct small s;
	switch (f->value) {
	case API_STRING:
		*out = text_node(r, bytes);
		return 0;
	case API_BYTES:
		*out = base64_node(r, bytes);
		return 0;
	case API_QUANTITY:
		if (read_small(r, bytes, &s) < 0)
			return -1;
		*out = s.texts[1].n ? text_node(r, s.texts[1]) : json_string(r->arena, STR("0"));
		return 0;
	case API_INT_OR_STRING:
		return int_or_string_node(r, bytes, out);
	case API_TIME:
	case API_MICRO_TIME:
		return time_node(r, bytes, f->value == API_MICRO_TIME, out);
	case API_ANY:
		return any_node(r, bytes, out);
	case API_OBJECT:
		return object_node(r, bytes, f->type, out);
	default:
		return fail(r, "a number is written as bytes");
	}
}

static int number_node(struct reader *r, const struct item *item, const struct api_field *f, struct json **out)
{
	double real;
	switch (f->value) {
	case API_BOOL:
		*out = json_bool(r->arena, item->integer != 0);
		return 0;
	case API_INT32:
		*out = json_int(r->arena, (int32_t)item->integer);
		return 0;
	case API_INT64:
		*out = json_int(r->arena, (int64_t)item->integer);
		return 0;
	case API_DOUBLE:
		memcpy(&real, &item->integer, sizeof real);
		*out = json_null(r->arena);
		(*out)->type = JSON_REAL;
		(*out)->text = arena_fmt(r->arena, "%.17g", real);
		return 0;
	default:
		return fail(r, "a number stands where bytes belong");
	}
}

static int value_node(struct reader *r, const struct item *item, const struct api_field *f, struct json **out)
{
	if (++r->nodes > NODES_MAX)
		return fail(r, "it holds too many values");
	if (is_bytes(item))
		return message_node(r, item->bytes, f, out);
	return number_node(r, item, f, out);
}

// A map entry is a message of its own: key 1, value 2. A list as its value lies in one more: items 1.
static int map_entry(struct reader *r, struct str bytes, const struct api_field *f, struct json *map)
{
	struct message m = message_of(bytes);
	struct item item;
	struct str key = STR("");
	struct json *value = NULL;
	int status;
	while ((status = next_item(r, &m, &item)) > 0) {
		if (item.number == 1 && is_bytes(&item)) {
			key = text_node(r, item.bytes)->text;
		} else if (item.number == 2 && f->shape == API_MAP) {
			if (value_node(r, &item, f, &value) < 0)
				return -1;
		} else if (item.number == 2 && is_bytes(&item)) {
			struct message list = message_of(item.bytes);
			struct json *element;
			value = json_array(r->arena);
			while ((status = next_item(r, &list, &item)) > 0) {
				if (item.number != 1)
					continue;
				if (value_node(r, &item, f, &element) < 0)
					return -1;
				json_push(value, element);
			}
			if (status < 0)
				return -1;
		}
	}
	if (status < 0)
		return -1;
	if (!value) // the zero of its type
		value = f->value == API_STRING || f->value == API_BYTES ? json_string(r->arena, STR(""))
									: json_null(r->arena);
	value->key = key;
	json_push(map, value);
	return 0;
}

static struct json *container(struct reader *r, struct json *object, const struct api_field *f)
{
	struct json *at = json_get(object, f->name);
	if (!at)
		at = json_set(object, f->name, f->shape == API_LIST ? json_array(r->arena) : json_object(r->arena));
	return at;
}

static int read_field(struct reader *r, const struct item *item, const struct api_field *f, struct json *object)
{
	struct json *value;
	if (f->shape >= API_MAP) {
		if (!is_bytes(item))
			return fail(r, "a map entry is no message");
		return map_entry(r, item->bytes, f, container(r, object, f));
	}
	if (value_node(r, item, f, &value) < 0)
		return -1;
	if (f->shape == API_LIST)
		json_push(container(r, object, f), value);
	else
		json_set(object, f->name, value);
	return 0;
}

static bool embeds(const struct api_type *t, uint32_t number)
{
	for (size_t i = 0; i < t->field_count; i++)
		if (t->fields[i].within == number)
			return true;
	return false;
}

// The members of a message, or of a message embedded in it as number `within`.
static int read_members(struct reader *r, struct str bytes, const struct api_type *t, uint32_t within,
			struct json *object)
{
	struct message m = message_of(bytes);
	struct item item;
	int status;
	while ((status = next_item(r, &m, &item)) > 0) {
		const struct api_field *f = api_field_within(t, within, item.number);
		if (f)
			status = read_field(r, &item, f, object);
		else if (within == 0 && is_bytes(&item) && embeds(t, item.number))
			status = read_members(r, item.bytes, t, item.number, object);
		if (status < 0)
			return -1;
	}
	return status;
}

static int object_node(struct reader *r, struct str bytes, const struct api_type *t, struct json **out)
{
	if (r->depth >= DEPTH_MAX)
		return fail(r, "nested too deeply");
	r->depth++;
	*out = json_object(r->arena);
	int status = read_members(r, bytes, t, 0, *out);
	json_each(v, *out)
		if (api_field_find(t, v->key)->shape >= API_MAP)
			keep_last_of_each(r->arena, v, NULL);
	r->depth--;
	return status;
}

// runtime.Unknown: typeMeta 1 (apiVersion 1, kind 2), raw 2, contentEncoding 3, contentType 4.
static int read_envelope(struct reader *r, struct str bytes, struct small *envelope, struct small *meta)
{
	struct message m = message_of(bytes);
	struct item item;
	int status;
	*envelope = (struct small){0};
	while ((status = next_item(r, &m, &item)) > 0) {
		if (item.number == 3 && item.bytes.n)
			return fail(r, "its content is encoded, which is not supported");
		if (item.number < 4 && is_bytes(&item))
			envelope->texts[item.number] = item.bytes;
	}
	if (status < 0)
		return -1;
	return read_small(r, envelope->texts[1], meta);
}

int protobuf_decode(struct arena *a, struct str bytes, const struct api_type *type, struct json **out, struct err *e)
{
	struct reader r = {.arena = a, .e = e};
	struct small envelope, meta;
	struct json *object;
	if (!str_starts(bytes, (struct str){"k8s", 4}))
		return fail(&r, "it does not begin with the bytes k8s and 0");
	if (read_envelope(&r, str_from(bytes, 4), &envelope, &meta) < 0)
		return -1;
	if (object_node(&r, envelope.texts[2], type, &object) < 0)
		return -1;
	if (meta.texts[1].n)
		json_set(object, STR("apiVersion"), text_node(&r, meta.texts[1]));
	if (meta.texts[2].n)
		json_set(object, STR("kind"), text_node(&r, meta.texts[2]));
	*out = object;
	return 0;
}
