// SPDX-License-Identifier: Apache-2.0
// A hash table from strings to pointers. It copies keys and owns no values; iteration is in insertion order until a
// removal, which moves the last entry into the gap: the same steps always give the same order (the simulation needs
// that).
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map_entry {
	struct str key;
	void *value;
	uint64_t hash;
};

struct map {
	struct map_entry *entries; // dense
	uint32_t *slots;	   // index + 1 into entries, 0 = empty
	size_t count, room, slot_count;
};

void map_init(struct map *m);
void map_finish(struct map *m);
void map_clear(struct map *m);

void *map_get(const struct map *m, struct str key); // NULL: absent
bool map_has(const struct map *m, struct str key);
void *map_set(struct map *m, struct str key, void *value); // returns the value that stood there, or NULL
void *map_remove(struct map *m, struct str key);	   // returns the value, or NULL

// The entries in order; do not add or remove meanwhile (removing the current entry while going backwards is fine).
#define map_each(entry, m) \
	for (struct map_entry *entry = (m)->entries; entry && entry < (m)->entries + (m)->count; entry++)

#define CLEAN_MAP __attribute__((cleanup(map_finish)))

#endif
