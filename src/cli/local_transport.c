// SPDX-License-Identifier: Apache-2.0
#include "cli/local_transport.h"

#include <sys/queue.h>

#include "client/status.h"

struct local_transport {
	struct transport transport;
	struct worker *worker;
	struct arena arena; // of the user
	struct user user;
	LIST_HEAD(, request) open;
};

struct request { // one answer, gathered
	LIST_ENTRY(request) link;
	struct local_call *call;
	client_done *done;
	void *arg;
	int code;
	struct buf body;
};

struct client_stream {
	struct local_call *call;
	const struct client_stream_events *events;
	void *arg;
	int code;
	struct buf refusal; // the body of an answer that is no watch
};

static void on_request_head(void *arg, int code)
{
	struct request *r = arg;
	r->code = code;
}

static void on_request_piece(void *arg, struct blob *piece)
{
	struct request *r = arg;
	buf_add(&r->body, blob_str(piece));
}

static void finish(struct request *r, const struct client_response *response)
{
	LIST_REMOVE(r, link);
	r->done(r->arg, response);
	buf_finish(&r->body);
	free(r);
}

static void on_request_end(void *arg, bool whole)
{
	struct request *r = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (!whole)
		err_set(&e, ERR_UNAVAILABLE, "the server cut its answer short");
	else if (r->code >= 300)
		status_to_err(buf_str(&r->body), r->code, STR_NONE, &e);
	finish(r, &(struct client_response){whole ? r->code : 0, buf_str(&r->body), e.reason ? &e : NULL});
}

static void send_request(struct transport *t, const struct client_request *q, client_done *done, void *arg)
{
	static const struct local_events events = {on_request_head, on_request_piece, on_request_end};
	struct local_transport *l = CONTAINER_OF(t, struct local_transport, transport);
	struct request *r = MEM_NEW(struct request);
	*r = (struct request){.done = done, .arg = arg};
	LIST_INSERT_HEAD(&l->open, r, link);
	struct local_request request = {
		.method = str_of(q->method),
		.target = q->path,
		.content_type = str_of(q->content_type),
		.body = q->body,
		.user = &l->user,
	};
	r->call = local_start(l->worker, &request, &events, r);
}

static void on_watch_head(void *arg, int code)
{
	struct client_stream *s = arg;
	s->code = code;
}

static void on_watch_piece(void *arg, struct blob *piece)
{
	struct client_stream *s = arg;
	if (s->code == 200)
		s->events->on_line(s->arg, piece);
	else
		buf_add(&s->refusal, blob_str(piece));
}

static void on_watch_end(void *arg, bool whole)
{
	struct client_stream *s = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (s->code != 200)
		status_to_err(buf_str(&s->refusal), s->code, STR_NONE, &e);
	else if (!whole)
		err_set(&e, ERR_UNAVAILABLE, "the server cut the watch");
	s->events->on_end(s->arg, e.reason ? &e : NULL);
	buf_finish(&s->refusal);
	free(s);
}

static struct client_stream *watch(struct transport *t, struct str path, const struct client_stream_events *ev,
				   void *arg)
{
	static const struct local_events events = {on_watch_head, on_watch_piece, on_watch_end};
	struct local_transport *l = CONTAINER_OF(t, struct local_transport, transport);
	struct client_stream *s = MEM_NEW(struct client_stream);
	*s = (struct client_stream){.events = ev, .arg = arg};
	struct local_request request = {.method = STR("GET"), .target = path, .user = &l->user};
	s->call = local_start(l->worker, &request, &events, s);
	return s;
}

static void stream_close_early(struct transport *t, struct client_stream *s)
{
	local_cancel(s->call);
	buf_finish(&s->refusal);
	free(s);
}

static void destroy(struct transport *t)
{
	struct local_transport *l = CONTAINER_OF(t, struct local_transport, transport);
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "the transport is gone");
	for (struct request *r; (r = LIST_FIRST(&l->open));) {
		local_cancel(r->call);
		finish(r, &(struct client_response){0, STR_NONE, &e});
	}
	arena_finish(&l->arena);
	free(l);
}

struct transport *local_transport_create(struct server *server, struct loop *loop, const struct user *user)
{
	static const struct transport_ops ops = {send_request, watch, stream_close_early, destroy};
	struct local_transport *l = MEM_NEW(struct local_transport);
	l->transport = (struct transport){&ops, loop};
	arena_init(&l->arena);
	l->user = user_copy(&l->arena, user);
	l->worker = local_worker(server, loop);
	return &l->transport;
}
