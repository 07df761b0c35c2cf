// SPDX-License-Identifier: Apache-2.0
#include "server/local.h"

#include <sys/queue.h>

#include "server/respond.h"
#include "server/worker.h"

enum local_state { LOCAL_QUEUED, LOCAL_RUNNING, LOCAL_CANCEL_QUEUED };

struct local_call {
	LIST_ENTRY(local_call) link;
	struct call call;
	struct arena arena;
	struct user user;
	struct http_header headers[2];
	struct local_events events;
	void *arg;
	struct task task;
	enum local_state state;
	bool deaf;  // the caller wants to hear nothing more
	bool ended; // by the handler, while a cancellation was on its way
};

struct local_calls {
	LIST_HEAD(, local_call) open;
};

static struct local_call *local_of(struct call *c)
{
	return CONTAINER_OF(c, struct local_call, call);
}

static void local_free(struct local_call *l)
{
	LIST_REMOVE(l, link);
	arena_finish(&l->arena);
	free(l);
}

static void finish(struct local_call *l, bool whole)
{
	if (!l->deaf)
		l->events.on_end(l->arg, whole);
	if (l->state == LOCAL_CANCEL_QUEUED)
		l->ended = true; // the queued task frees
	else
		local_free(l);
}

static void piece(struct local_call *l, struct blob *b)
{
	if (!l->deaf)
		l->events.on_piece(l->arg, b);
	blob_unref(b);
}

// ---- the front

static void front_begin(struct call *c, const struct front_reply *r)
{
	struct local_call *l = local_of(c);
	if (!l->deaf && l->events.on_head)
		l->events.on_head(l->arg, r->code);
}

static void front_reply_whole(struct call *c, const struct front_reply *r, struct blob *const *body, size_t count)
{
	front_begin(c, r);
	for (size_t i = 0; i < count; i++)
		piece(local_of(c), body[i]);
	finish(local_of(c), true);
}

static void front_write(struct call *c, struct blob *b)
{
	piece(local_of(c), b);
}

static size_t front_pending(struct call *c)
{
	return 0; // the caller has taken each piece when write returns
}

static void front_end(struct call *c)
{
	finish(local_of(c), true);
}

static void front_abort(struct call *c)
{
	finish(local_of(c), false);
}

static struct duplex *front_upgrade(struct call *c, struct http_headers headers)
{
	return NULL; // nobody in process speaks raw bytes
}

static const struct front front = {
	.reply = front_reply_whole,
	.begin = front_begin,
	.write = front_write,
	.pending = front_pending,
	.end = front_end,
	.abort = front_abort,
	.upgrade = front_upgrade,
};

// ---- calls

static void run(struct task *t)
{
	struct local_call *l = CONTAINER_OF(t, struct local_call, task);
	if (l->deaf) {
		local_free(l);
		return;
	}
	l->state = LOCAL_RUNNING;
	worker_call_begins(&l->call);
}

static void run_cancel(struct task *t)
{
	struct local_call *l = CONTAINER_OF(t, struct local_call, task);
	l->state = LOCAL_RUNNING;
	if (l->ended) {
		local_free(l);
		return;
	}
	l->call.cancelled = true;
	if (l->call.on_cancel)
		l->call.on_cancel(&l->call);
	// else the handler answers when its transaction is done
}

void local_cancel(struct local_call *l)
{
	if (!l || l->deaf)
		return;
	l->deaf = true;
	if (l->state == LOCAL_QUEUED)
		return;
	l->state = LOCAL_CANCEL_QUEUED; // not from inside: the handler may be writing just now
	l->task.run = run_cancel;
	loop_post(l->call.loop, &l->task);
}

struct local_call *local_start(struct worker *w, const struct local_request *r, const struct local_events *ev,
			       void *arg)
{
	struct local_call *l = MEM_NEW(struct local_call);
	struct arena *a = &l->arena;
	arena_init(a);
	l->events = *ev;
	l->arg = arg;
	l->user = user_copy(a, r->user);
	l->headers[0] = (struct http_header){STR("Accept"),
					     str_empty(r->accept) ? STR("application/json") : arena_str(a, r->accept)};
	l->headers[1] = (struct http_header){STR("Content-Type"), arena_str(a, r->content_type)};
	l->call = (struct call){.front = &front,
				.worker = w,
				.server = w->server,
				.loop = w->loop,
				.arena = a,
				.method = arena_str(a, r->method),
				.target = arena_str(a, r->target),
				.headers = {l->headers, str_empty(r->content_type) ? 1 : 2},
				.body = arena_str(a, r->body),
				.vouched = &l->user,
				.remote = STR("local")};
	l->task.run = run;
	LIST_INSERT_HEAD(&w->locals->open, l, link);
	loop_post(w->loop, &l->task);
	return l;
}

struct worker *local_worker(struct server *s, struct loop *l)
{
	return worker_create(s, l);
}

struct local_calls *local_calls_create(void)
{
	struct local_calls *c = MEM_NEW(struct local_calls);
	LIST_INIT(&c->open);
	return c;
}

void local_calls_destroy(struct local_calls *c)
{
	MUST(LIST_EMPTY(&c->open));
	free(c);
}

void local_calls_cancel(struct local_calls *c)
{
	struct local_call *l, *next;
	for (l = LIST_FIRST(&c->open); l; l = next) {
		next = LIST_NEXT(l, link);
		if (!l->deaf)
			l->events.on_end(l->arg, false);
		local_cancel(l);
	}
}
