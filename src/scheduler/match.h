// SPDX-License-Identifier: Apache-2.0
// Labels and what selects by them, compiled once so that matching allocates nothing: label selectors, selector maps and
// the terms of node affinity (which add Gt and Lt).
#ifndef SCHEDULER_MATCH_H
#define SCHEDULER_MATCH_H

#include "base/json.h"

struct label {
	struct str key, value;
};

struct labels { // sorted by key
	struct label *p;
	size_t n;
};

enum match_operator { MATCH_IN, MATCH_NOT_IN, MATCH_EXISTS, MATCH_ABSENT, MATCH_GREATER, MATCH_LESS, MATCH_NEVER };

struct requirement {
	struct str key;
	enum match_operator op;
	struct str *values;
	size_t count;
	int64_t number; // of MATCH_GREATER and MATCH_LESS
};

struct matcher { // all must hold; with none everything matches
	struct requirement *p;
	size_t n;
	bool nothing; // matches no labels at all
};

// Everything is copied into the arena.
struct labels labels_of(struct arena *a, const struct json *map);
const struct label *labels_find(struct labels l, struct str key); // NULL: absent

struct matcher matcher_of_selector(struct arena *a, const struct json *label_selector); // NULL: nothing
struct matcher matcher_of_map(struct arena *a, const struct json *map);
struct matcher matcher_of_expressions(struct arena *a, const struct json *expressions);
// Adds "key in (value)" for each of the keys that the labels have (matchLabelKeys), or "not in" (mismatchLabelKeys).
void matcher_add_keys(struct arena *a, struct matcher *m, const struct json *keys, struct labels l, bool mismatch);
bool matcher_matches(const struct matcher *m, struct labels l);

#endif
