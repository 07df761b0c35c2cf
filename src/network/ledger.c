// SPDX-License-Identifier: Apache-2.0
#include "network/ledger.h"

struct want { // one and the same, of so many
	struct plan_element element;
	unsigned by;
};

struct ledger_entry {
	struct plan_element kernel;
	struct want *wants; // different ones: the last speaks
	unsigned want_count;
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

// Where it stands among the wants; want_count: it does not.
static unsigned find_want(const struct ledger_entry *entry, const struct plan_element *x)
{
	unsigned i = 0;
	while (i < entry->want_count && !plan_element_same(&entry->wants[i].element, x))
		i++;
	return i;
}

// Takes it out of the list, for the caller to put it last or to drop it.
static struct want take_want(struct ledger_entry *entry, unsigned i)
{
	struct want x = entry->wants[i];
	entry->want_count--;
	memmove(&entry->wants[i], &entry->wants[i + 1], (entry->want_count - i) * sizeof *entry->wants);
	return x;
}

void ledger_want(struct ledger *l, const struct plan_element *elements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ledger_entry *entry = touch(l, &elements[i]);
		struct want x = {.element = elements[i]};
		unsigned at = find_want(entry, &elements[i]);
		if (at < entry->want_count)
			x = take_want(entry, at);
		else
			entry->wants = mem_realloc(entry->wants, (entry->want_count + 1) * sizeof *entry->wants);
		x.by++;
		entry->wants[entry->want_count++] = x;
	}
}

void ledger_unwant(struct ledger *l, const struct plan_element *elements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ledger_entry *entry = touch(l, &elements[i]);
		unsigned at = find_want(entry, &elements[i]);
		MUST(at < entry->want_count);
		if (--entry->wants[at].by == 0)
			take_want(entry, at);
	}
}

static const struct plan_element *last_want(const struct ledger_entry *entry)
{
	return &entry->wants[entry->want_count - 1].element;
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
		if (entry->want_count)
			(*to)[(*to_count)++] = *last_want(entry);
	}
	qsort(*from, *from_count, sizeof **from, by_set_and_key);
	qsort(*to, *to_count, sizeof **to, by_set_and_key);
}

void ledger_settle(struct ledger *l)
{
	map_each(touched, &l->touched) {
		struct ledger_entry *entry = touched->value;
		entry->in_kernel = entry->want_count > 0;
		if (entry->in_kernel)
			entry->kernel = *last_want(entry);
		else
			free_entry(map_remove(&l->entries, touched->key));
	}
	map_clear(&l->touched);
}
