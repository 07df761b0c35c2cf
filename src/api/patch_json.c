// SPDX-License-Identifier: Apache-2.0
// JSON patch (RFC 6902): operations in order, each on what the one before left. As in Kubernetes v1.36 a member that is
// not there can be replaced, and copied or tested as null; a value that is not given is null.
#include "api/patch.h"

enum {
	OPERATIONS_MAX = 10000,
	COPIED_MAX = 100000,	// values that "copy" may make in all
	WALKED_MAX = 50000000, // members and elements that pointers may pass in all
};

struct patching {
	struct arena *arena;
	struct json *root;
	size_t index;  // of the operation
	size_t copied; // values made by "copy" so far
	size_t walked; // members and elements passed so far
	struct err *e;
};

static int impossible(struct patching *p, const char *why, struct str path)
{
	return err_set(p->e, ERR_INVALID, "operation %zu of the JSON patch can't be done: %s: \"%.*s\"", p->index, why,
		       STR_FMT(path));
}

// "a~1b~0c" is "a/b~c".
static struct str unescape(struct arena *a, struct str s)
{
	if (str_find(s, '~') < 0)
		return s;
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		bool escape = s.p[i] == '~' && i + 1 < s.n && (s.p[i + 1] == '0' || s.p[i + 1] == '1');
		out[n++] = escape ? (s.p[i + 1] == '1' ? '/' : '~') : s.p[i];
		i += escape;
	}
	return (struct str){out, n};
}

// An index that exists in the array, or one past its end where `past`; negative ones count from the end. -1: none.
static int64_t array_index(const struct json *array, struct str step, bool past)
{
	int64_t i, count = array->count;
	if (past && str_is(step, "-"))
		return count;
	if (str_to_i64(step, &i))
		return -1;
	if (i < 0)
		i += count;
	return i >= 0 && i < count + past ? i : -1;
}

static struct json *step_into(struct patching *p, struct json *at, struct str step)
{
	p->walked += at->count;
	if (at->type == JSON_OBJECT)
		return json_get(at, step);
	if (at->type != JSON_ARRAY)
		return NULL;
	int64_t i = array_index(at, step, false);
	return i < 0 ? NULL : json_index(at, (size_t)i);
}

// The value that holds the pointer's last step, and that step. NULL where the way there is broken. What stands before
// the first '/' means nothing.
static struct json *parent_of(struct patching *p, struct str pointer, struct str *last)
{
	struct json *at = p->root;
	struct str step, rest;
	if (!str_cut(pointer, '/', &step, &rest))
		return NULL;
	while (at && str_cut(rest, '/', &step, &rest))
		at = step_into(p, at, unescape(p->arena, step));
	*last = unescape(p->arena, step);
	return at;
}

// What the pointer leads to; null for a member that its object lacks; NULL: nowhere.
static struct json *find(struct patching *p, struct str pointer)
{
	if (pointer.n == 0)
		return p->root;
	struct str last;
	struct json *parent = parent_of(p, pointer, &last), *found = parent ? step_into(p, parent, last) : NULL;
	return !found && parent && parent->type == JSON_OBJECT ? json_null(p->arena) : found;
}

// In a list, what stands there is replaced or moves up.
static int put(struct patching *p, struct str path, struct json *value, bool replace)
{
	if (path.n == 0) {
		p->root = value;
		return 0;
	}
	struct str last;
	struct json *parent = parent_of(p, path, &last);
	if (parent && parent->type == JSON_OBJECT) {
		json_set(parent, last, value);
		return 0;
	}
	int64_t i = parent && parent->type == JSON_ARRAY ? array_index(parent, last, !replace) : -1;
	if (i < 0)
		return impossible(p, replace ? "there is no value to replace" : "there is no such place to add at",
				  path);
	if (replace)
		json_remove_index(parent, (size_t)i);
	json_insert(parent, (size_t)i, value);
	return 0;
}

static int take_out(struct patching *p, struct str path, struct json **out)
{
	struct str last;
	struct json *parent = parent_of(p, path, &last);
	struct json *child = parent ? step_into(p, parent, last) : NULL;
	if (!child)
		return impossible(p, "there is no such value", path);
	json_unlink(parent, child);
	*out = child;
	return 0;
}

static size_t size_of(const struct json *value)
{
	size_t n = 1;
	json_each(child, value)
		n += size_of(child);
	return n;
}

static int copy(struct patching *p, struct str from, struct str path)
{
	struct json *value = from.n ? find(p, from) : NULL;
	if (!value)
		return impossible(p, "there is no value to copy", from);
	p->copied += size_of(value);
	if (p->copied > COPIED_MAX)
		return err_set(p->e, ERR_TOO_LARGE, "the JSON patch copies more than %d values", COPIED_MAX);
	return put(p, path, json_clone(p->arena, value), false);
}

static int move(struct patching *p, struct str from, struct str path)
{
	struct json *value;
	if (str_eq(from, path) && find(p, from))
		return 0;
	if (str_starts(path, from) && path.n > from.n && path.p[from.n] == '/')
		return impossible(p, "a value can't be moved into itself", path);
	if (take_out(p, from, &value))
		return -1;
	return put(p, path, value, false);
}

static int test(struct patching *p, struct str path, const struct json *value)
{
	const struct json *found = find(p, path);
	return found && json_equal(found, value) ? 0 : impossible(p, "the value is not what the test expects", path);
}

static int perform(struct patching *p, const struct json *operation)
{
	const struct json *path_given = json_get(operation, STR("path")),
			  *from_given = json_get(operation, STR("from"));
	const struct json *given = json_get(operation, STR("value")), *value = given ? given : json_null(p->arena);
	struct str op = json_str(operation, "op"), path = json_str(operation, "path"),
		   from = json_str(operation, "from");
	if (!path_given || path_given->type != JSON_STRING)
		return impossible(p, "it has no path", op);
	if (str_is(op, "remove")) {
		struct json *out;
		return take_out(p, path, &out);
	}
	if (str_is(op, "copy") || str_is(op, "move")) {
		if (!from_given || from_given->type != JSON_STRING)
			return impossible(p, "it has no \"from\"", op);
		return str_is(op, "copy") ? copy(p, from, path) : move(p, from, path);
	}
	bool is_add = str_is(op, "add"), is_replace = str_is(op, "replace"), is_test = str_is(op, "test");
	if (!is_add && !is_replace && !is_test)
		return impossible(p, "the operation is not known", op);
	if (is_test)
		return test(p, path, value);
	return put(p, path, json_clone(p->arena, value), is_replace);
}

int api_patch_json(struct arena *a, struct json **object, const struct json *operations, struct err *e)
{
	if (!operations || operations->type != JSON_ARRAY)
		return err_set(e, ERR_BAD_REQUEST, "a JSON patch is an array of operations");
	if (operations->count > OPERATIONS_MAX)
		return err_set(e, ERR_TOO_LARGE, "the JSON patch has %u operations; at most %d are allowed",
			       operations->count, OPERATIONS_MAX);
	struct patching p = {.arena = a, .root = *object, .e = e};
	json_each(operation, operations) {
		if (operation->type != JSON_OBJECT)
			return err_set(e, ERR_BAD_REQUEST, "operation %zu of the JSON patch is no object", p.index);
		if (perform(&p, operation))
			return -1;
		if (p.walked > WALKED_MAX)
			return err_set(e, ERR_TOO_LARGE, "the JSON patch takes too much searching in long lists");
		p.index++;
	}
	*object = p.root;
	return 0;
}
