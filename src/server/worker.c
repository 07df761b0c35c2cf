// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include "server/authenticate/token_cache.h"
#include "server/dispatch.h"
#include "server/metrics.h"
#include "server/proxy/node_clients.h"
#include "server/respond.h"
#include "server/verbs/event_cache.h"

struct worker *worker_create(struct server *s, struct loop *l)
{
	struct worker *w = MEM_NEW(struct worker);
	w->server = s;
	w->loop = l;
	w->metrics = metrics_create();
	w->events = event_cache_create();
	w->tokens = token_cache_create();
	w->nodes = node_clients_create(w);
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
	free(w);
}

static bool is_write(const struct call *c)
{
	return !str_is(c->method, "GET") && !str_is(c->method, "HEAD");
}

void worker_call_begins(struct call *c)
{
	struct worker *w = c->worker;
	c->started_ns = loop_now(c->loop);
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
		if (c->state_is_watch)
			w->watches--;
		else if (is_write(c))
			w->writes--;
		else
			w->reads--;
	}
	c->counted = false;
	metrics_count(w->metrics, c, loop_now(c->loop) - c->started_ns);
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
		c->state_is_watch = true;
	}
	return 0;
}
