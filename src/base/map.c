// SPDX-License-Identifier: Apache-2.0
// Open addressing with linear probing over a dense array of entries; at most half of the slots are in use.
#include "base/map.h"

#include "base/mem.h"

void map_init(struct map *m)
{
	*m = (struct map){0};
}

void map_clear(struct map *m)
{
	map_each(entry, m)
		free((char *)entry->key.p);
	m->count = 0;
	if (m->slots)
		memset(m->slots, 0, m->slot_count * sizeof *m->slots);
}

void map_finish(struct map *m)
{
	map_clear(m);
	free(m->entries);
	free(m->slots);
	*m = (struct map){0};
}

// The slot that holds the key, or the empty one where it would go.
static size_t slot_of(const struct map *m, struct str key, uint64_t hash)
{
	size_t i = hash & (m->slot_count - 1);
	while (m->slots[i]) {
		const struct map_entry *entry = &m->entries[m->slots[i] - 1];
		if (entry->hash == hash && str_eq(entry->key, key))
			break;
		i = (i + 1) & (m->slot_count - 1);
	}
	return i;
}

static struct map_entry *find(const struct map *m, struct str key)
{
	if (m->count == 0)
		return NULL;
	size_t i = slot_of(m, key, str_hash(key));
	return m->slots[i] ? &m->entries[m->slots[i] - 1] : NULL;
}

void *map_get(const struct map *m, struct str key)
{
	struct map_entry *entry = find(m, key);
	return entry ? entry->value : NULL;
}

bool map_has(const struct map *m, struct str key)
{
	return find(m, key) != NULL;
}

static void grow(struct map *m)
{
	m->room = m->room ? m->room * 2 : 8;
	m->slot_count = m->room * 2;
	m->entries = mem_realloc(m->entries, m->room * sizeof *m->entries);
	free(m->slots);
	m->slots = mem_zalloc(m->slot_count * sizeof *m->slots);
	for (size_t i = 0; i < m->count; i++)
		m->slots[slot_of(m, m->entries[i].key, m->entries[i].hash)] = (uint32_t)i + 1;
}

void *map_set(struct map *m, struct str key, void *value)
{
	struct map_entry *entry = find(m, key);
	if (entry) {
		void *old = entry->value;
		entry->value = value;
		return old;
	}
	if (m->count == m->room)
		grow(m);
	char *copy = mem_alloc(key.n + 1);
	str_to_c(key, copy, key.n + 1);
	m->entries[m->count] = (struct map_entry){{copy, key.n}, value, str_hash(key)};
	size_t slot = slot_of(m, key, m->entries[m->count].hash);
	m->slots[slot] = (uint32_t)++m->count;
	return NULL;
}

// Empties a slot and closes the gap in its probe run.
static void vacate(struct map *m, size_t gap)
{
	size_t mask = m->slot_count - 1;
	for (size_t i = (gap + 1) & mask; m->slots[i]; i = (i + 1) & mask) {
		size_t home = m->entries[m->slots[i] - 1].hash & mask;
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			m->slots[gap] = m->slots[i];
			gap = i;
		}
	}
	m->slots[gap] = 0;
}

void *map_remove(struct map *m, struct str key)
{
	struct map_entry *entry = find(m, key);
	if (!entry)
		return NULL;
	void *value = entry->value;
	char *owned = (char *)entry->key.p;
	vacate(m, slot_of(m, entry->key, entry->hash));
	struct map_entry *last = &m->entries[m->count - 1];
	if (entry != last) {
		m->slots[slot_of(m, last->key, last->hash)] = (uint32_t)(entry - m->entries) + 1;
		*entry = *last;
	}
	m->count--;
	free(owned);
	return value;
}
