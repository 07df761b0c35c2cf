// SPDX-License-Identifier: Apache-2.0
#include "sys/timers.h"

static bool before(const struct timer_entry *a, const struct timer_entry *b)
{
	return a->due != b->due ? a->due < b->due : a->sequence < b->sequence;
}

static void place(struct timers *t, size_t i, struct timer_entry entry)
{
	t->heap[i] = entry;
	entry.timer->impl = (void *)(uintptr_t)(i + 1);
}

static void sift_up(struct timers *t, size_t i, struct timer_entry entry)
{
	while (i > 0 && before(&entry, &t->heap[(i - 1) / 2])) {
		place(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(t, i, entry);
}

static void sift_down(struct timers *t, size_t i, struct timer_entry entry)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < t->count && before(&t->heap[child + 1], &t->heap[child]))
			child++;
		if (child >= t->count || !before(&t->heap[child], &entry))
			break;
		place(t, i, t->heap[child]);
		i = child;
	}
	place(t, i, entry);
}

void timers_finish(struct timers *t)
{
	for (size_t i = 0; i < t->count; i++)
		t->heap[i].timer->impl = NULL;
	free(t->heap);
	*t = (struct timers){0};
}

void timers_set(struct timers *t, struct timer *timer, int64_t due)
{
	timers_unset(t, timer);
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->heap = mem_realloc(t->heap, t->room * sizeof *t->heap);
	}
	sift_up(t, t->count++, (struct timer_entry){due, t->sequence++, timer});
}

void timers_unset(struct timers *t, struct timer *timer)
{
	if (!timer->impl)
		return;
	size_t i = (uintptr_t)timer->impl - 1;
	MUST(i < t->count && t->heap[i].timer == timer);
	timer->impl = NULL;
	struct timer_entry moved = t->heap[--t->count];
	if (i == t->count)
		return;
	if (i > 0 && before(&moved, &t->heap[(i - 1) / 2]))
		sift_up(t, i, moved);
	else
		sift_down(t, i, moved);
}

int64_t timers_due(const struct timers *t)
{
	return t->count ? t->heap[0].due : INT64_MAX;
}

struct timer *timers_take(struct timers *t)
{
	struct timer *timer = t->heap[0].timer;
	timers_unset(t, timer);
	return timer;
}
