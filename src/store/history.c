// SPDX-License-Identifier: Apache-2.0
#include "store/history.h"

#include "base/mem.h"

void history_init(struct history *h, int64_t revision)
{
	*h = (struct history){.room = 64, .floor = revision};
	h->ring = mem_alloc(h->room * sizeof *h->ring);
}

static size_t weight(const struct change *c)
{
	return c->before && c->before->value ? c->before->value->n : 0;
}

static void forget_oldest(struct history *h)
{
	const struct change *c = history_at(h, h->first++);
	h->bytes -= weight(c);
	h->floor = c->revision;
	record_unref(c->before);
	record_unref(c->now);
}

void history_finish(struct history *h)
{
	while (h->first < h->end)
		forget_oldest(h);
	free(h->ring);
	*h = (struct history){0};
}

static void grow(struct history *h)
{
	struct change *ring = mem_alloc(2 * h->room * sizeof *ring);
	for (uint64_t place = h->first; place < h->end; place++)
		ring[place & (2 * h->room - 1)] = *history_at(h, place);
	free(h->ring);
	h->ring = ring;
	h->room *= 2;
}

void history_add(struct history *h, struct change c, uint64_t told)
{
	if (h->end - h->first == h->room) {
		if (h->room < HISTORY_CHANGES_MAX || h->first >= told)
			grow(h);
		else
			forget_oldest(h);
	}
	h->ring[h->end++ & (h->room - 1)] = c;
	h->bytes += weight(&c);
	while (h->bytes > HISTORY_BYTES_MAX && h->first < told)
		forget_oldest(h);
}

bool history_is_beyond(const struct history *h)
{
	return h->bytes > HISTORY_BYTES_MAX || h->end - h->first > HISTORY_CHANGES_MAX;
}

void history_trim(struct history *h)
{
	while (history_is_beyond(h))
		forget_oldest(h);
}

uint64_t history_after(const struct history *h, int64_t revision)
{
	uint64_t low = h->first, high = h->end;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (history_at(h, middle)->revision <= revision)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void history_undo(const struct history *h, struct tree *t, int64_t revision)
{
	for (uint64_t place = h->end; place > h->first; place--) {
		const struct change *c = history_at(h, place - 1);
		if (c->revision <= revision)
			break;
		if (c->before)
			record_unref(tree_put(t, record_ref(c->before)));
		else
			record_unref(tree_remove(t, change_key(c)));
	}
}
