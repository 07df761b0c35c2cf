// SPDX-License-Identifier: Apache-2.0
#include "canned.h"

struct canned {
	struct transport transport;
	const struct canned_list *lists;
};

struct answer {
	struct task task;
	client_done *done;
	void *arg;
	struct str body;
};

struct client_stream {
	int silent;
};

static void on_answer(struct task *t)
{
	struct answer *x = CONTAINER_OF(t, struct answer, task);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct client_response r = {.code = x->body.n ? 200 : 404, .body = x->body};
	if (x->body.n == 0) {
		err_set(&e, ERR_NOT_FOUND, "nothing is canned here");
		r.e = &e;
	}
	x->done(x->arg, &r);
	free((char *)x->body.p);
	free(x);
}

static void send_request(struct transport *t, const struct client_request *r, client_done *done, void *arg)
{
	struct canned *c = CONTAINER_OF(t, struct canned, transport);
	struct answer *x = MEM_NEW(struct answer);
	*x = (struct answer){.task = {.run = on_answer}, .done = done, .arg = arg};
	struct str path, query;
	str_cut(r->path, '?', &path, &query);
	for (const struct canned_list *l = c->lists; l->path; l++)
		if (str_is(path, l->path)) {
			struct buf b;
			buf_init(&b);
			buf_fmt(&b, "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[%s]}", l->items);
			x->body = buf_str(&b);
		}
	loop_post(t->loop, &x->task);
}

static struct client_stream *watch(struct transport *t, struct str path, const struct client_stream_events *ev, void *arg)
{
	return MEM_NEW(struct client_stream);
}

static void stream_end(struct transport *t, struct client_stream *s)
{
	free(s);
}

static void destroy(struct transport *t)
{
	free(CONTAINER_OF(t, struct canned, transport));
}

struct transport *canned_create(struct loop *l, const struct canned_list *lists)
{
	static const struct transport_ops ops = {send_request, watch, stream_end, destroy};
	struct canned *c = MEM_NEW(struct canned);
	c->transport = (struct transport){&ops, l};
	c->lists = lists;
	return &c->transport;
}
