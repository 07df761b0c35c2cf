// SPDX-License-Identifier: Apache-2.0
#include "server/listening.h"

#include "server/https.h"

// One I/O loop; the first one listens and deals what it accepts to all in turn. Its task carries one message at a time: to the loop, and back to the core.
struct place {
	struct listening *listening;
	struct loop *loop;
	struct worker *worker;
	struct https *https;
	struct task task;
	struct tls_context *tls; // on its way
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
	struct listener *listener; // of the first place, as all below up to `tls`
	size_t dealt;
	int port;
	struct err error;
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
	err_clear(&l->error);
	free(l->places);
	free((char *)l->address);
	free(l);
}

// ---- dealing

static void on_moved(void *arg, struct stream *s)
{
	struct place *p = arg;
	if (s && p->https)
		https_accept(p->https, s);
	else
		stream_close(s); // closing, or no descriptor was left
}

static void on_accept(void *arg, struct stream *s)
{
	struct listening *l = arg;
	struct place *p = &l->places[l->dealt++ % l->count];
	if (p == l->places)
		on_moved(p, s);
	else
		stream_move(s, p->loop, on_moved, p);
}

// ---- opening, one place after the other; once all can take connections, the first one listens

static void open_next(struct listening *l);

static void opened(struct task *t)
{
	struct listening *l = CONTAINER_OF(t, struct place, task)->listening;
	l->at++;
	open_next(l);
}

static void open_here(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	p->worker = worker_create(p->listening->server, p->loop);
	p->https = https_create(p->worker, p->tls);
	tls_context_unref(p->tls);
	p->task.run = opened;
	loop_post(p->listening->server->core, &p->task);
}

static void listened(struct task *t)
{
	struct listening *l = CONTAINER_OF(t, struct place, task)->listening;
	l->opened(l->arg, l->port, l->error.reason ? &l->error : NULL);
}

static void listen_here(struct task *t)
{
	struct place *p = CONTAINER_OF(t, struct place, task);
	struct listening *l = p->listening;
	if (net_listen(p->loop, l->address, on_accept, l, &l->listener, &l->error) < 0)
		err_wrap(&l->error, "listen on %s", l->address);
	else
		l->port = listener_port(l->listener);
	p->task.run = listened;
	loop_post(l->server->core, &p->task);
}

static void open_next(struct listening *l)
{
	if (l->count == 0) {
		l->opened(l->arg, 0, NULL);
		return;
	}
	bool all = l->at == l->count;
	struct place *p = &l->places[all ? 0 : l->at];
	p->tls = all ? NULL : tls_context_ref(l->tls);
	p->task.run = all ? listen_here : open_here;
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
	if (p == p->listening->places) {
		listener_close(p->listening->listener);
		p->listening->listener = NULL;
	}
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
