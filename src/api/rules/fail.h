// SPDX-License-Identifier: Apache-2.0
// What rules say when a value is wrong: the path to the field, and the ways to be wrong. Each failure becomes a cause
// of the request's error: field, reason, and a message that names the value and what is allowed.
#ifndef API_RULES_FAIL_H
#define API_RULES_FAIL_H

#include "api/object.h"

// One object that is being checked.
struct check {
	struct api_context *context;
	const struct api_resource *resource;
	const struct json *object;
	const struct json *old; // NULL on create
	struct arena *arena;
	struct err *e;
	size_t failures; // so far
};

// The way to a value, linked upward; nodes live on the stack of whoever walks. Rendered only when something is wrong.
struct path {
	const struct path *up;
	enum { PATH_FIELD, PATH_INDEX, PATH_KEY } kind;
	struct str name; // of PATH_FIELD and PATH_KEY: "ports", data[tls.crt]
	size_t index;
};

#define AT(up, literal) (&(const struct path){(up), PATH_FIELD, STR(literal), 0})
#define AT_STR(up, str) (&(const struct path){(up), PATH_FIELD, (str), 0})
#define AT_INDEX(up, i) (&(const struct path){(up), PATH_INDEX, STR_NONE, (i)})
#define AT_KEY(up, key) (&(const struct path){(up), PATH_KEY, (key), 0})
struct str path_text(struct arena *a, const struct path *p);

// The ways to be wrong. `value` is shown in the message; NULL shows as null.
void fail_required(struct check *c, const struct path *p, const char *why, ...) __attribute__((format(printf, 3, 4)));
void fail_forbidden(struct check *c, const struct path *p, const char *why, ...) __attribute__((format(printf, 3, 4)));
void fail_invalid(struct check *c, const struct path *p, const struct json *value, const char *why, ...)
	__attribute__((format(printf, 4, 5)));
void fail_text(struct check *c, const struct path *p, struct str value, const char *why, ...)
	__attribute__((format(printf, 4, 5)));
// For a check that could not be made.
void fail_internal(struct check *c, const struct path *p, const char *why);
void fail_duplicate(struct check *c, const struct path *p, const struct json *value);
void fail_not_found(struct check *c, const struct path *p, const struct json *value);
void fail_too_long(struct check *c, const struct path *p, size_t most);
void fail_too_many(struct check *c, const struct path *p, size_t found, size_t most);
// `allowed` ends with NULL.
void fail_unsupported(struct check *c, const struct path *p, const struct json *value, const char *const *allowed);

#endif
