// SPDX-License-Identifier: Apache-2.0
#include "server/listening.h"

#include "server/https.h"

// One I/O loop. Its task carries one message at a time: to the loop, and back to the core.
struct place {
	struct listening *listening;
	struct loop *loop;
	struct worker *worker;
	struct https *https;
	struct task task;
	struct tls_context *tls; // on its way
	int port;
	struct err error;
};

struct renewal { // a message of its own, as it may come while another is under way
	struct task task;
	struct place *place;
	struct tls_context *tls;
};

struct listening {
	struct server *server;
	struct place *places;
	size_t count, at; // at: the place whose turn it is
	const char *address;
	int port;
	struct tls_context *tls;
	void (*opened)(void *arg, int port, const struct err *e);
	void (*closed)(void *arg);
	void *arg;
};

struct listening *listening_create(struct server *s, struct loop *const *io, size_t count, const char *address)
{
	struct listening *l = MEM_NEW(struct listening);
	l->server = s;
	l->count = count;
	l->places = mem_zalloc(count * sizeof(l->places[0]) + 1);
	l->address = mem_strdup(address ? address : "");
	for (size_t i = 0; i < count; i++)
		l->places[i] = (struct place){.listening = l, .loop = io[i]};
	return l;
}

void listening_destroy(struct listening *l)
{
	if (!l)
		return;
	tls_context_unref(l->tls);
	for (size_t i = 0; i < l->count; i++)
		err_clear(&l->places[i].error);
	free(l->places);
	free((char *)l->address);
	free(l);
}

// ---- opening, one place after the other: the first one's port is the others'

static void open_next(struct listening *l);

static void opened(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	struct listening *l = p->listening;
	if (p->error.reason) {
		l->opened(l->arg, 0, &p->error);
		return;
	}
	l->port = p->port;
	l->at++;
	open_next(l);
}

static void open_here(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	p->worker = worker_create(p->listening->server, p->loop);
	p->https = https_create(p->worker, p->tls);
	tls_context_unref(p->tls);
	if (https_listen(p->https, p->listening->address, &p->port, &p->error) < 0)
		err_wrap(&p->error, "listen on %s", p->listening->address);
	p->task.run = opened;
	loop_post(p->listening->server->core, &p->task);
}

static void open_next(struct listening *l)
{
	if (l->at == l->count) {
		l->opened(l->arg, l->port, NULL);
		return;
	}
	struct place *p = &l->places[l->at];
	p->tls = tls_context_ref(l->tls);
	p->task.run = open_here;
	loop_post(p->loop, &p->task);
}

void listening_open(struct listening *l, struct tls_context *tls,
		    void (*done)(void *arg, int port, const struct err *e), void *arg)
{
	l->tls = tls_context_ref(tls);
	l->opened = done;
	l->arg = arg;
	l->at = 0;
	open_next(l);
}

// ---- renewing

static void renew_here(struct task *t)
{
	struct renewal *r = CONTAINER_OF(t, struct renewal, task);
	if (r->place->https)
		https_set_tls(r->place->https, r->tls);
	tls_context_unref(r->tls);
	free(r);
}

void listening_set_tls(struct listening *l, struct tls_context *tls)
{
	tls_context_unref(l->tls);
	l->tls = tls_context_ref(tls);
	for (size_t i = 0; i < l->count; i++) {
		struct renewal *r = MEM_NEW(struct renewal);
		*r = (struct renewal){.task = {.run = renew_here}, .place = &l->places[i], .tls = tls_context_ref(tls)};
		loop_post(l->places[i].loop, &r->task);
	}
}

// ---- closing

static void close_next(struct listening *l);

static void closed(struct task *t)
{
	struct listening *l = CONTAINER_OF(t, struct place, task)->listening;
	l->at++;
	close_next(l);
}

static void close_here(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	https_destroy(p->https);
	p->https = NULL;
	p->task.run = closed;
	loop_post(p->listening->server->core, &p->task);
}

static void close_next(struct listening *l)
{
	while (l->at < l->count && !l->places[l->at].https)
		l->at++;
	if (l->at == l->count) {
		l->closed(l->arg);
		return;
	}
	l->places[l->at].task.run = close_here;
	loop_post(l->places[l->at].loop, &l->places[l->at].task);
}

void listening_close(struct listening *l, void (*done)(void *arg), void *arg)
{
	l->closed = done;
	l->arg = arg;
	l->at = 0;
	close_next(l);
}
