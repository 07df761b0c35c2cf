// SPDX-License-Identifier: Apache-2.0
// Each key known to the queue has one entry, which is ready (in line), active (being handled), waiting (its timer
// runs), or several of these: an active key may be in line for another round and have its timer running as well.
#include "client/queue.h"

#include "base/map.h"
#include "base/times.h"

enum { RETRY_FIRST_MS = 5, RETRY_DOUBLINGS = 17 }; // 5 ms * 2^17 = 655 s; the next would pass 16 min
static const int64_t retry_max_ns = 1000 * TIME_S;

struct entry {
	struct queue *queue;
	struct str key; // behind the struct
	struct entry *next;
	bool ready, active;
	unsigned failures;
	struct timer timer;
	int64_t due_ns; // of the timer
};

struct queue {
	struct loop *loop;
	size_t parallel, active;
	void (*handle)(void *arg, struct str key);
	void *arg;
	struct map entries; // every key that is ready, active or waiting
	struct entry *first, *last;
	size_t length;
	struct task *dispatch; // posted; outlives the queue if it must
};

// Posted at most once at a time. It lives by itself, because a posted task cannot be taken back.
struct dispatch {
	struct task task;
	struct queue *queue; // NULL once the queue is gone
};

static void dispatch_run(struct task *task);

static void wake(struct queue *q)
{
	if (q->dispatch || !q->first || q->active >= q->parallel)
		return;
	struct dispatch *d = MEM_NEW(struct dispatch);
	d->task.run = dispatch_run;
	d->queue = q;
	q->dispatch = &d->task;
	loop_post(q->loop, &d->task);
}

static void dispatch_run(struct task *task)
{
	struct dispatch *d = CONTAINER_OF(task, struct dispatch, task);
	struct queue *q = d->queue;
	if (!q) {
		free(d);
		return;
	}
	while (d->queue && q->first && q->active < q->parallel) {
		struct entry *entry = q->first;
		q->first = entry->next;
		if (!q->first)
			q->last = NULL;
		q->length--;
		q->active++;
		entry->ready = false;
		entry->active = true;
		q->handle(q->arg, entry->key); // may finish the entry or destroy the queue
	}
	if (d->queue)
		q->dispatch = NULL;
	free(d);
}

static void entry_fire(struct timer *t)
{
	struct entry *entry = CONTAINER_OF(t, struct entry, timer);
	queue_add(entry->queue, entry->key);
}

static struct entry *entry_of(struct queue *q, struct str key)
{
	struct entry *entry = map_get(&q->entries, key);
	if (entry)
		return entry;
	entry = mem_zalloc(sizeof *entry + key.n);
	memcpy(entry + 1, key.p, key.n);
	entry->queue = q;
	entry->key = (struct str){(char *)(entry + 1), key.n};
	entry->timer.fire = entry_fire;
	entry->timer.loop = q->loop;
	map_set(&q->entries, key, entry);
	return entry;
}

static void line_up(struct queue *q, struct entry *entry)
{
	entry->next = NULL;
	if (q->last)
		q->last->next = entry;
	else
		q->first = entry;
	q->last = entry;
	q->length++;
	wake(q);
}

struct queue *queue_create(struct loop *l, size_t parallel, void (*handle)(void *arg, struct str key), void *arg)
{
	struct queue *q = MEM_NEW(struct queue);
	q->loop = l;
	q->parallel = parallel;
	q->handle = handle;
	q->arg = arg;
	map_init(&q->entries);
	return q;
}

void queue_destroy(struct queue *q)
{
	if (!q)
		return;
	if (q->dispatch)
		CONTAINER_OF(q->dispatch, struct dispatch, task)->queue = NULL;
	map_each(slot, &q->entries) {
		struct entry *entry = slot->value;
		timer_stop(&entry->timer);
		free(entry);
	}
	map_finish(&q->entries);
	free(q);
}

void queue_add(struct queue *q, struct str key)
{
	struct entry *entry = entry_of(q, key);
	timer_stop(&entry->timer);
	if (entry->ready)
		return;
	entry->ready = true;
	if (!entry->active) // otherwise queue_done lines it up
		line_up(q, entry);
}

void queue_add_after(struct queue *q, struct str key, int64_t delay_ns)
{
	if (delay_ns <= 0) {
		queue_add(q, key);
		return;
	}
	struct entry *entry = entry_of(q, key);
	int64_t due_ns = loop_now(q->loop) + delay_ns;
	if (entry->ready || (timer_running(&entry->timer) && entry->due_ns <= due_ns))
		return;
	entry->due_ns = due_ns;
	timer_start(q->loop, &entry->timer, delay_ns);
}

void queue_done(struct queue *q, struct str key, bool failed)
{
	struct entry *entry = map_get(&q->entries, key);
	MUST(entry && entry->active);
	entry->active = false;
	q->active--;
	unsigned failures = failed ? entry->failures : 0;
	entry->failures = failed ? failures + 1 : 0;
	if (entry->ready) {
		line_up(q, entry);
	} else if (failed) {
		int64_t delay_ns = failures > RETRY_DOUBLINGS ? retry_max_ns : (RETRY_FIRST_MS * TIME_MS) << failures;
		queue_add_after(q, entry->key, delay_ns);
	} else if (!timer_running(&entry->timer)) {
		map_remove(&q->entries, entry->key);
		free(entry);
	}
	wake(q);
}

size_t queue_length(const struct queue *q)
{
	return q->length;
}
