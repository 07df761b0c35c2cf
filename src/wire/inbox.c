// SPDX-License-Identifier: Apache-2.0
#include "wire/inbox.h"

static void release(struct inbox *i)
{
	if (--i->busy || !i->closed)
		return;
	buf_finish(&i->held);
	err_clear(&i->fault);
	i->destroy(i);
}

static bool flowing(const struct inbox *i)
{
	return !i->closed && i->events && !i->paused;
}

static void deliver(struct inbox *i)
{
	i->busy++;
	if (i->fault.text && i->events && !i->closed) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		err_move(&e, &i->fault);
		i->events->on_read(i->arg, STR_NONE, &e);
	}
	bool held = i->held.n > 0;
	while (flowing(i) && i->held.n) {
		struct buf bytes CLEAN_BUF = i->held;
		buf_init(&i->held);
		i->events->on_read(i->arg, buf_str(&bytes), NULL);
	}
	if (held && i->held.n == 0 && !i->closed && i->emptied)
		i->emptied(i);
	if (flowing(i) && i->ended && !i->ended_told) {
		i->ended_told = true;
		i->events->on_read(i->arg, STR_NONE, NULL);
	}
	release(i);
}

static void deliver_later(struct task *t)
{
	struct inbox *i = CONTAINER_OF(t, struct inbox, task);
	i->posted = false;
	deliver(i);
	release(i);
}

static void post(struct inbox *i)
{
	if (i->posted || !(i->held.n || i->fault.text || (i->ended && !i->ended_told)))
		return;
	i->posted = true;
	i->busy++;
	loop_post(i->loop, &i->task);
}

void inbox_init(struct inbox *i, struct loop *l, void (*destroy)(struct inbox *i))
{
	*i = (struct inbox){.loop = l, .destroy = destroy, .task.run = deliver_later};
}

void inbox_put(struct inbox *i, struct str bytes, bool last)
{
	if (i->closed || i->ended)
		return;
	i->busy++;
	i->ended = last;
	if (bytes.n && flowing(i) && i->held.n == 0)
		i->events->on_read(i->arg, bytes, NULL);
	else
		buf_add(&i->held, bytes);
	deliver(i);
	release(i);
}

void inbox_break(struct inbox *i, const struct err *e)
{
	if (i->closed)
		return;
	i->ended = i->ended_told = true;
	buf_finish(&i->held);
	err_set(&i->fault, e->reason, "%s", err_text(e));
	deliver(i);
}

void inbox_drained(struct inbox *i)
{
	i->busy++;
	if (i->events && i->events->on_drain && !i->closed)
		i->events->on_drain(i->arg);
	release(i);
}

void inbox_start(struct inbox *i, const struct duplex_events *events, void *arg)
{
	i->events = events;
	i->arg = arg;
	i->paused = false;
	if (events)
		post(i);
}

void inbox_read(struct inbox *i, bool on)
{
	i->paused = !on;
	if (on)
		post(i);
}

void inbox_unread(struct inbox *i, struct str bytes)
{
	struct buf later CLEAN_BUF = i->held;
	buf_init(&i->held);
	buf_add(&i->held, bytes);
	buf_add(&i->held, buf_str(&later));
}

void inbox_close(struct inbox *i)
{
	i->busy++;
	i->closed = true;
	release(i);
}
