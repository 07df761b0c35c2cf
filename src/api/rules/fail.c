// SPDX-License-Identifier: Apache-2.0
#include "api/rules/fail.h"

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

void fail_internal(struct check *c, const struct path *p, const char *why)
{
	if (!is_full(c))
		fail(c, p, "InternalError", arena_fmt(c->arena, "Internal error: %s", why));
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
