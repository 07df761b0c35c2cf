// SPDX-License-Identifier: Apache-2.0
// One version of one object: key, value, revision. Immutable once shared, counted by reference across threads; the
// tree, the history and watches hold the same one.
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/blob.h"

struct record {
	atomic_uint refs;
	uint32_t key_n;
	int64_t revision;
	struct blob *value;
	int64_t row;  // of the implementation: where it lies at rest
	uint64_t sum; // of the implementation: checksum at rest
	char key[];
};

struct record *record_create(struct str key, struct blob *value); // takes over the reference to value
struct record *record_ref(struct record *r);
void record_unref(struct record *r); // NULL is fine

static inline struct str record_key(const struct record *r)
{
	return (struct str){r->key, r->key_n};
}

// A change of one key: what it was and what it is; NULL: absent. Both at once are never NULL.
struct change {
	struct record *before, *now;
	int64_t revision;
};

static inline struct str change_key(const struct change *c)
{
	return record_key(c->now ? c->now : c->before);
}

#endif
