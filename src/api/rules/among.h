// SPDX-License-Identifier: Apache-2.0
// Lists and maps come from anybody and may be long: what looks for equals among many does it with these, not by walking
// the list for each element.
#ifndef API_RULES_AMONG_H
#define API_RULES_AMONG_H

#include "base/json.h"
#include "base/map.h"

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

#endif
