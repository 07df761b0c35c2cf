// SPDX-License-Identifier: Apache-2.0
// JSON as a tree in an arena (RFC 8259), and its text. Every request passes through here.
//
// A node is one value; the children of an array or object are a linked list in order, so that patches can insert and
// remove in place. Strings without escapes point into the parsed text, which must outlive the tree; everything else
// belongs to the arena. Nodes are never freed one by one.
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,  // fits int64_t and was written without fraction or exponent
	JSON_REAL, // any other number; its text is kept as written
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json {
	enum json_type type;
	uint32_t count; // children of an array or object
	struct str key; // inside an object, else empty
	union {
		bool boolean;
		int64_t integer;
		struct str text; // JSON_STRING: decoded UTF-8; JSON_REAL: digits as written
		struct {
			struct json *first, *last;
		};
	};
	struct json *next; // the following child of the same parent
};

// for each child of an array or object (NULL or a scalar has none); the child may not be removed meanwhile
#define json_each(child, parent) \
	for (struct json *child = json_first(parent); child; child = child->next)

struct json_options {
	int depth_max;		 // 0: JSON_DEPTH_MAX
	struct json *duplicates; // array that gets the paths of repeated keys as strings (100 at most), or NULL;
				 // the `key` of each is the one that came later
};

enum { JSON_DEPTH_MAX = 1000 };

// Parses one whole document. On failure *out is untouched and e says the byte offset; reason ERR_BAD_REQUEST.
// Ill-formed UTF-8 and lone surrogates become U+FFFD. Of repeated keys the last value wins.
int json_parse(struct arena *a, struct str text, const struct json_options *options, struct json **out, struct err *e);

// Text without spaces. HTML characters stay as they are.
void json_write(struct buf *out, const struct json *value);
void json_write_string(struct buf *out, struct str s); // quoted and escaped
struct str json_text(struct arena *a, const struct json *value);

// Building. `key`s and strings are not copied.
struct json *json_null(struct arena *a);
struct json *json_bool(struct arena *a, bool value);
struct json *json_int(struct arena *a, int64_t value);
struct json *json_string(struct arena *a, struct str s);
struct json *json_array(struct arena *a);
struct json *json_object(struct arena *a);
struct json *json_clone(struct arena *a, const struct json *value); // strings are copied too; key is dropped

static inline struct json *json_first(const struct json *parent)
{
	return parent && parent->type >= JSON_ARRAY ? parent->first : NULL;
}

// Objects. All accept NULL or another type as "has nothing".
struct json *json_get(const struct json *object, struct str key); // NULL: absent
// Follows keys separated by dots: json_at(pod, "spec.nodeName"). NULL where a step is absent. A number steps
// into an array: "spec.containers.0.name". Keys that hold dots themselves need json_get.
struct json *json_at(const struct json *value, const char *path);
struct str json_str(const struct json *value, const char *path); // STR_NONE unless a string
int64_t json_i64(const struct json *value, const char *path, int64_t otherwise);
bool json_is_true(const struct json *value, const char *path);
bool json_str_is(const struct json *value, const char *path, const char *what);

// Sets or replaces (in place, keeping the order); the value must not be in another tree. Returns value.
struct json *json_set(struct json *object, struct str key, struct json *value);
// Shorthands for literals and C strings as keys.
struct json *json_put(struct json *object, const char *key, struct json *value);
void json_put_str(struct arena *a, struct json *object, const char *key, struct str s);
void json_put_int(struct arena *a, struct json *object, const char *key, int64_t value);
void json_put_bool(struct arena *a, struct json *object, const char *key, bool value);
// The object at a dotted path, made where absent (also over null).
struct json *json_need_object(struct arena *a, struct json *object, const char *path);
struct json *json_need_array(struct arena *a, struct json *object, const char *key);
bool json_remove(struct json *object, struct str key); // whether it was there

// Arrays.
struct json *json_index(const struct json *array, size_t i);
struct json *json_push(struct json *array, struct json *value); // returns value
void json_insert(struct json *array, size_t i, struct json *value);
void json_remove_index(struct json *array, size_t i);
void json_unlink(struct json *parent, struct json *child); // takes the child out of its array or object

// Deep equality; objects regardless of order; 1 and 1.0 are equal.
bool json_equal(const struct json *a, const struct json *b);

// JSON_INT or JSON_REAL as a double.
double json_double(const struct json *number);
const char *json_type_name(enum json_type type); // "object", "number"...

#endif
