// SPDX-License-Identifier: Apache-2.0
// What the validation rules of the kinds are written in: the path to a field, the ways a value can be wrong, and the
// checks that many kinds share. Each failure becomes a cause of the request's error: field, reason, and a message that
// names the value and what is allowed.
//
// Rules see conformed and defaulted objects (see api/object.h): JSON types are right, zeros that mean absence are
// absent. Lists and maps are never null.
#ifndef API_RULES_RULE_H
#define API_RULES_RULE_H

#include "api/format.h"
#include "api/object.h"
#include "base/map.h"

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
void fail_duplicate(struct check *c, const struct path *p, const struct json *value);
void fail_not_found(struct check *c, const struct path *p, const struct json *value);
void fail_too_long(struct check *c, const struct path *p, size_t most);
void fail_too_many(struct check *c, const struct path *p, size_t found, size_t most);
// `allowed` ends with NULL.
void fail_unsupported(struct check *c, const struct path *p, const struct json *value, const char *const *allowed);

// Values. A missing string is "", a missing number 0: as the zero values of the API's types.
struct str text_of(const struct json *object, const char *field); // one field, no path
const struct json *field(const struct json *object, const char *name);
bool is_set(const struct json *object, const char *name);	  // there, and not an empty list or map
bool is_true(const struct json *object, const char *name);
size_t count_of(const struct json *list);
// Equal in meaning: an empty list or map is as good as none.
bool same(const struct json *a, const struct json *b);
bool same_field(const struct json *a, const struct json *b, const char *name);

// Lists and maps come from anybody and may be long: what looks for equals among many does it with these, not by
// walking the list for each element.

// Texts met so far. Few are kept in place, many in a table.
enum { SEEN_FEW = 8 };
struct seen {
	struct str few[SEEN_FEW]; // by reference: they live as long as this
	size_t count;
	struct map many;
};
void seen_init(struct seen *s);
void seen_finish(struct seen *s);
bool seen_has(const struct seen *s, struct str text);
bool seen_add(struct seen *s, struct str text); // whether it was there before
void seen_add_all(struct seen *s, const struct json *list, const char *name); // field `name` of each element
#define CLEAN_SEEN __attribute__((cleanup(seen_finish)))

// The members of a map, or the elements of a list by their field `name`.
struct index {
	struct map map; // filled when there are many
	const struct json *of;
	const char *name; // NULL: of a map
};
void index_init(struct index *x, const struct json *of, const char *name);
void index_finish(struct index *x);
const struct json *index_get(const struct index *x, struct str key);
#define CLEAN_INDEX __attribute__((cleanup(index_finish)))

// Checks.
void check_format(struct check *c, const struct path *p, struct str value, format_check *format);
// Whether the value is one of them; says so where it is not. A missing value is the empty string.
bool check_one_of(struct check *c, const struct path *p, const struct json *value, const char *const *allowed);
#define ONE_OF(c, p, value, ...) check_one_of((c), (p), (value), (const char *const[]){__VA_ARGS__, NULL})
bool text_is_one_of(struct str text, const char *const *allowed);
#define IS_ONE_OF(text, ...) text_is_one_of((text), (const char *const[]){__VA_ARGS__, NULL})
// A missing number is 0.
void check_not_negative(struct check *c, const struct path *p, const struct json *number);
void check_range(struct check *c, const struct path *p, const struct json *number, int64_t min, int64_t max);
void check_port(struct check *c, const struct path *p, const struct json *number); // 1 to 65535
void check_immutable(struct check *c, const struct path *p, const struct json *value, const struct json *old);
// Keys and values of a map of labels.
void check_labels(struct check *c, const struct path *p, const struct json *labels);
void check_annotations(struct check *c, const struct path *p, const struct json *annotations);
// An address that others can reach: not unspecified, loopback, link-local or multicast.
void check_not_special_ip(struct check *c, const struct path *p, struct str ip);
// A metav1.LabelSelector.
void check_label_selector(struct check *c, const struct path *p, const struct json *selector);
bool label_selector_is_good(struct check *c, const struct json *selector);

#endif
