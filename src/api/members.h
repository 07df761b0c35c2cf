// SPDX-License-Identifier: Apache-2.0
// Many changes to the members of one JSON object: found by a table where there are many, and taken out all at once, so
// that a patch of n members on an object of m costs n + m, not n * m.
#ifndef API_MEMBERS_H
#define API_MEMBERS_H

#include "base/json.h"
#include "base/map.h"

struct members {
	struct json *object;
	struct map map; // filled when there are many
	bool removed;	// some are marked
};

void members_init(struct members *m, struct json *object); // nobody else changes the object until members_finish
void members_finish(struct members *m);			   // carries out the removals
struct json *members_get(const struct members *m, struct str key);
void members_set(struct members *m, struct str key, struct json *value);
void members_remove(struct members *m, struct str key);

// Takes out of an array or object the children for which `drop` says so. Linear.
void json_sweep(struct json *parent, bool (*drop)(struct json *child, void *arg), void *arg);

#define CLEAN_MEMBERS __attribute__((cleanup(members_finish)))

#endif
