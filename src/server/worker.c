// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include "server/authenticate/token_cache.h"
#include "server/dispatch.h"
#include "server/local.h"
#include "server/metrics.h"
#include "server/proxy/node_clients.h"
#include "server/respond.h"
#include "server/verbs/event_cache.h"
#include "server/websocket_front.h"

struct worker *worker_create(struct server *s, struct loop *l)
{
	struct worker *w = MEM_NEW(struct worker);
	w->server = s;
	w->loop = l;
	w->metrics = metrics_create();
	w->events = event_cache_create();
	w->tokens = token_cache_create();
	w->nodes = node_clients_create(w);
	w->locals = local_calls_create();
	LIST_INIT(&w->sockets);
	w->next = atomic_load(&s->workers);
	while (!atomic_compare_exchange_weak(&s->workers, &w->next, w))
		;
	return w;
}

void worker_retire(struct worker *w)
{
	event_cache_destroy(w->events);
	token_cache_destroy(w->tokens);
	node_clients_destroy(w->nodes);
	w->events = NULL;
	w->tokens = NULL;
	w->nodes = NULL;
}

void worker_free(struct worker *w)
{
	metrics_destroy(w->metrics);
	local_calls_destroy(w->locals);
	free(w);
}

// ---- the end

static void stopped(struct task *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, task);
	w->stopped(w->stopped_arg);
}

// On the worker's loop and from inside no callback: its connections to nodes go before the loop does.
static void leave(struct task *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, task);
	node_clients_destroy(w->nodes);
	w->nodes = NULL;
	t->run = stopped;
	loop_post(w->server->core, t);
}

static void look_whether_stopped(struct worker *w)
{
	if (!w->stopping || w->task.run || w->reads + w->writes + w->watches > 0)
		return;
	w->task.run = leave;
	loop_post(w->loop, &w->task);
}

static void stop_here(struct task *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, task);
	w->stopping = true;
	w->task.run = NULL;
	local_calls_cancel(w->locals);
	websocket_fronts_cancel(w);
	look_whether_stopped(w);
}

void worker_stop(struct worker *w, void (*done)(void *arg), void *arg)
{
	w->stopped = done;
	w->stopped_arg = arg;
	w->task.run = stop_here;
	loop_post(w->loop, &w->task);
}

// ---- calls

static bool is_write(const struct call *c)
{
	return !str_is(c->method, "GET") && !str_is(c->method, "HEAD");
}

void worker_call_begins(struct call *c)
{
	struct worker *w = c->worker;
	c->started_ns = loop_now(c->loop);
	if (w->stopping) {
		struct err e = ERR_EMPTY;
		err_set(&e, ERR_UNAVAILABLE, "the server is shutting down");
		respond_error(c, &e, NULL);
		return;
	}
	// Those who are of the house (controllers in process) bound themselves.
	unsigned *counter = is_write(c) ? &w->writes : &w->reads;
	unsigned max = is_write(c) ? c->server->writes_max : c->server->reads_max;
	if (!c->vouched && *counter >= max) {
		struct err e = ERR_EMPTY;
		err_set(&e, ERR_TOO_MANY_REQUESTS, "too many requests, please try again later");
		e.retry_after_s = 1;
		respond_error(c, &e, NULL);
		return;
	}
	++*counter;
	c->counted = true;
	dispatch(c);
}

void worker_call_ends(struct call *c)
{
	struct worker *w = c->worker;
	if (c->counted) {
		if (c->is_watch)
			w->watches--;
		else if (is_write(c))
			w->writes--;
		else
			w->reads--;
	}
	c->counted = false;
	metrics_count(w->metrics, c, loop_now(c->loop) - c->started_ns);
	look_whether_stopped(w);
}

int worker_call_watches(struct call *c, struct err *e)
{
	struct worker *w = c->worker;
	if (!c->vouched && w->watches >= c->server->watches_max) {
		e->retry_after_s = 5;
		return err_set(e, ERR_TOO_MANY_REQUESTS, "too many watches, please try again later");
	}
	if (c->counted) {
		w->reads--;
		w->watches++;
		c->is_watch = true;
	}
	return 0;
}
