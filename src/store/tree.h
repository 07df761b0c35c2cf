// SPDX-License-Identifier: Apache-2.0
// An ordered map from keys to records that can be shared at no cost: a B-tree of counted nodes, copied when written.
//
// A node that only one tree reaches is changed in place; a node that several share is copied first, so that whoever
// shares it keeps what they had. Putting one key into a freshly shared tree copies one path; the next ones in its
// neighbourhood find the path their own. Trees that share nodes may be used by different threads; one tree by one.
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "store/record.h"

struct tree_node;

struct tree { // zeroed: empty
	struct tree_node *root;
};

void tree_share(const struct tree *from, struct tree *to); // `to` is uninitialised before
void tree_finish(struct tree *t);

struct record *tree_get(const struct tree *t, struct str key); // borrowed; NULL: absent
// Takes over the reference to r; returns what it replaced with the reference, or NULL.
struct record *tree_put(struct tree *t, struct record *r);
struct record *tree_remove(struct tree *t, struct str key); // returns it with the reference, or NULL

// Records whose keys start with prefix and come after `after` (empty: from the start), in order, while each returns
// true.
void tree_scan(const struct tree *t, struct str prefix, struct str after,
	       bool (*each)(void *arg, struct record *r), void *arg);
size_t tree_count(const struct tree *t, struct str prefix, struct str after); // O(log n)

// Whether keys are in order, counts right and nodes neither empty nor too full; for tests.
bool tree_sound(const struct tree *t);

#endif
