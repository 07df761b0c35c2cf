// SPDX-License-Identifier: Apache-2.0
#include "network/ledger.h"

struct ledger_entry {
	struct plan_element kernel;
	struct plan_element *wants; // of each that wants it; the last speaks
	unsigned wanted_by;
	bool in_kernel;
};

static void free_entry(struct ledger_entry *entry)
{
	free(entry->wants);
	free(entry);
}

void ledger_init(struct ledger *l)
{
	map_init(&l->entries);
	map_init(&l->touched);
}

void ledger_finish(struct ledger *l)
{
	map_each(entry, &l->entries)
		free_entry(entry->value);
	map_finish(&l->entries);
	map_finish(&l->touched);
}

struct element_key {
	char bytes[1 + sizeof((struct plan_element *)0)->key];
};

static struct str key_of(const struct plan_element *x, struct element_key *room)
{
	room->bytes[0] = (char)x->set;
	memcpy(room->bytes + 1, x->key, sizeof x->key);
	return (struct str){room->bytes, sizeof room->bytes};
}

static struct ledger_entry *touch(struct ledger *l, const struct plan_element *x)
{
	struct element_key room;
	struct str key = key_of(x, &room);
	struct ledger_entry *entry = map_get(&l->entries, key);
	if (!entry) {
		entry = MEM_NEW(struct ledger_entry);
		map_set(&l->entries, key, entry);
	}
	map_set(&l->touched, key, entry);
	return entry;
}

void ledger_found(struct ledger *l, const struct plan_element *elements, size_t count)
{
	map_each(slot, &l->entries) {
		struct ledger_entry *entry = slot->value;
		entry->in_kernel = false;
		map_set(&l->touched, slot->key, entry);
	}
	for (size_t i = 0; i < count; i++) {
		struct ledger_entry *entry = touch(l, &elements[i]);
		entry->kernel = elements[i];
		entry->in_kernel = true;
	}
}

void ledger_want(struct ledger *l, const struct plan_element *elements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ledger_entry *entry = touch(l, &elements[i]);
		entry->wants = mem_realloc(entry->wants, (entry->wanted_by + 1) * sizeof *entry->wants);
		entry->wants[entry->wanted_by++] = elements[i];
	}
}

void ledger_unwant(struct ledger *l, const struct plan_element *elements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ledger_entry *entry = touch(l, &elements[i]);
		unsigned n = entry->wanted_by;
		while (n > 0 && !plan_element_same(&entry->wants[n - 1], &elements[i]))
			n--;
		MUST(n > 0);
		memmove(&entry->wants[n - 1], &entry->wants[n], (entry->wanted_by - n) * sizeof *entry->wants);
		entry->wanted_by--;
	}
}

static const struct plan_element *last_want(const struct ledger_entry *entry)
{
	return &entry->wants[entry->wanted_by - 1];
}

static int by_set_and_key(const void *x, const void *y)
{
	return plan_element_cmp(x, y);
}

void ledger_changes(struct ledger *l, struct arena *a, struct plan_element **from, size_t *from_count,
		    struct plan_element **to, size_t *to_count)
{
	*from = ARENA_ARRAY(a, struct plan_element, l->touched.count + 1);
	*to = ARENA_ARRAY(a, struct plan_element, l->touched.count + 1);
	*from_count = *to_count = 0;
	map_each(touched, &l->touched) {
		const struct ledger_entry *entry = touched->value;
		if (entry->in_kernel)
			(*from)[(*from_count)++] = entry->kernel;
		if (entry->wanted_by)
			(*to)[(*to_count)++] = *last_want(entry);
	}
	qsort(*from, *from_count, sizeof **from, by_set_and_key);
	qsort(*to, *to_count, sizeof **to, by_set_and_key);
}

void ledger_settle(struct ledger *l)
{
	map_each(touched, &l->touched) {
		struct ledger_entry *entry = touched->value;
		entry->in_kernel = entry->wanted_by > 0;
		if (entry->in_kernel)
			entry->kernel = *last_want(entry);
		else
			free_entry(map_remove(&l->entries, touched->key));
	}
	map_clear(&l->touched);
}
