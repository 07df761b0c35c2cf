// SPDX-License-Identifier: Apache-2.0
#include "scheduler/pending.h"

#include "base/mem.h"

static bool before(const struct pending *x, const struct pending *y)
{
	return x->priority != y->priority ? x->priority > y->priority : x->arrival < y->arrival;
}

static void put(struct pending_heap *h, size_t at, struct pending *item)
{
	h->p[at - 1] = item;
	item->place = at;
}

static void rise(struct pending_heap *h, size_t at, struct pending *item)
{
	for (; at > 1 && before(item, h->p[at / 2 - 1]); at /= 2)
		put(h, at, h->p[at / 2 - 1]);
	put(h, at, item);
}

static void sink(struct pending_heap *h, size_t at, struct pending *item)
{
	for (size_t child = at * 2; child <= h->n; child = at * 2) {
		if (child < h->n && before(h->p[child], h->p[child - 1]))
			child++;
		if (!before(h->p[child - 1], item))
			break;
		put(h, at, h->p[child - 1]);
		at = child;
	}
	put(h, at, item);
}

void pending_add(struct pending_heap *h, struct pending *item)
{
	if (h->n == h->room) {
		h->room = h->room ? h->room * 2 : 64;
		h->p = mem_realloc(h->p, h->room * sizeof *h->p);
	}
	rise(h, ++h->n, item);
}

void pending_remove(struct pending_heap *h, struct pending *item)
{
	size_t at = item->place;
	if (at == 0)
		return;
	struct pending *last = h->p[--h->n];
	item->place = 0;
	if (last == item)
		return;
	if (at > 1 && before(last, h->p[at / 2 - 1]))
		rise(h, at, last);
	else
		sink(h, at, last);
}

struct pending *pending_take(struct pending_heap *h)
{
	struct pending *first = h->n ? h->p[0] : NULL;
	if (first)
		pending_remove(h, first);
	return first;
}

void pending_finish(struct pending_heap *h)
{
	free(h->p);
	*h = (struct pending_heap){0};
}
