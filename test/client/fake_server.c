// SPDX-License-Identifier: Apache-2.0
#include "fake_server.h"

#include "base/encode.h"
#include "base/times.h"
#include "client/scan.h"
#include "fake_store.h"

struct client_stream {
	struct fake_server *server;
	struct client_stream *next, *previous;
	const struct client_stream_events *events;
	void *arg;
	struct str resource, namespace, field; // heap, from `path`
	struct arena memory;
	size_t next_event; // in the history
	bool too_old;
	struct timer timer;
};

struct exchange { // one request under way
	struct fake_server *server;
	struct exchange *next, *previous;
	struct timer timer;
	client_done *done;
	void *arg;
	char *method;
	struct blob *path, *body;
	bool lost, answer_lost, answered;
	struct fake_answer answer;
};

struct fake_server {
	struct transport transport;
	struct fake_store store;
	struct fake_faults faults;
	struct exchange *exchanges;
	struct client_stream *streams;
	size_t requests;
	fake_change *hook;
	void *hook_arg;
	fake_refuse *refuse;
	void *refuse_arg;
};

static int64_t delay(struct fake_server *s)
{
	int64_t most = s->faults.delay_max_ns ? s->faults.delay_max_ns : TIME_MS;
	return 1 + (int64_t)loop_random_below(s->transport.loop, (uint64_t)most);
}

static bool chance(struct fake_server *s, int per_mille)
{
	return per_mille > 0 && (int)loop_random_below(s->transport.loop, 1000) < per_mille;
}

// ---- requests

static void exchange_finish(struct exchange *x, bool answered)
{
	struct fake_server *s = x->server;
	timer_stop(&x->timer);
	if (x->previous)
		x->previous->next = x->next;
	else
		s->exchanges = x->next;
	if (x->next)
		x->next->previous = x->previous;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct client_response r = {0, STR_NONE, &e};
	if (!answered) {
		err_set(&e, ERR_UNAVAILABLE, "connection lost");
	} else {
		r = (struct client_response){x->answer.code, buf_str(&x->answer.body), NULL};
		if (r.code >= 300) {
			struct str message = scan_get_str(r.body, "message");
			err_set(&e, err_reason_of(scan_get_str(r.body, "reason"), r.code), "%.*s", STR_FMT(message));
			r.e = &e;
		}
	}
	x->done(x->arg, &r);
	buf_finish(&x->answer.body);
	blob_unref(x->path);
	blob_unref(x->body);
	free(x->method);
	free(x);
}

static void exchange_fire(struct timer *t)
{
	struct exchange *x = CONTAINER_OF(t, struct exchange, timer);
	struct fake_server *s = x->server;
	if (x->answered || x->lost) {
		exchange_finish(x, !x->lost && !x->answer_lost);
		return;
	}
	x->answered = true;
	int code =
		s->refuse && strcmp(x->method, "GET") != 0 ? s->refuse(s->refuse_arg, x->method, blob_str(x->path)) : 0;
	if (code) {
		x->answer.code = code;
		buf_fmt(&x->answer.body, "{\"kind\":\"Status\",\"message\":\"refused by the test\",\"reason\":\"%s\"}",
			err_reason_name(err_reason_of(STR_NONE, code)));
	} else {
		fake_store_do(&s->store, x->method, blob_str(x->path), blob_str(x->body), &x->answer);
	}
	timer_start(s->transport.loop, &x->timer, delay(s));
}

static void fake_send(struct transport *t, const struct client_request *r, client_done *done, void *arg)
{
	struct fake_server *s = CONTAINER_OF(t, struct fake_server, transport);
	struct exchange *x = MEM_NEW(struct exchange);
	s->requests++;
	x->server = s;
	x->done = done;
	x->arg = arg;
	x->method = mem_strdup(r->method);
	x->path = blob_create(r->path);
	x->body = blob_create(r->body);
	x->lost = chance(s, s->faults.request_lost);
	x->answer_lost = chance(s, s->faults.answer_lost);
	buf_init(&x->answer.body);
	x->timer.fire = exchange_fire;
	x->timer.loop = t->loop;
	x->next = s->exchanges;
	if (x->next)
		x->next->previous = x;
	s->exchanges = x;
	timer_start(t->loop, &x->timer, delay(s));
}

// ---- watches

static void stream_free(struct client_stream *w)
{
	timer_stop(&w->timer);
	if (w->previous)
		w->previous->next = w->next;
	else
		w->server->streams = w->next;
	if (w->next)
		w->next->previous = w->previous;
	arena_finish(&w->memory);
	free(w);
}

static void stream_end(struct client_stream *w, enum err_reason reason)
{
	const struct client_stream_events *events = w->events;
	void *arg = w->arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, reason, "the watch ended");
	stream_free(w);
	events->on_end(arg, &e);
}

static bool concerns(const struct client_stream *w, const struct fake_event *event)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (!str_eq(event->resource, w->resource) ||
	    (!str_empty(w->namespace) && !str_eq(event->namespace, w->namespace)))
		return false;
	struct str path, value;
	struct json *object;
	if (str_empty(w->field) || json_parse(&a, event->object, NULL, &object, NULL) < 0)
		return true;
	str_cut(w->field, '=', &path, &value);
	return str_eq(json_str(object, arena_c(&a, path)), value);
}

static void stream_wake(struct client_stream *w)
{
	if (!timer_running(&w->timer))
		timer_start(w->server->transport.loop, &w->timer, delay(w->server));
}

// Sends one event a time, so that chance may fall between any two.
static void stream_fire(struct timer *t)
{
	struct client_stream *w = CONTAINER_OF(t, struct client_stream, timer);
	struct fake_server *s = w->server;
	if (w->too_old) {
		stream_end(w, ERR_EXPIRED);
		return;
	}
	while (w->next_event < s->store.event_count && !concerns(w, &s->store.events[w->next_event]))
		w->next_event++;
	if (w->next_event == s->store.event_count)
		return;
	if (chance(s, s->faults.watch_broken)) {
		stream_end(w, ERR_UNAVAILABLE);
		return;
	}
	struct blob *line = s->store.events[w->next_event++].line;
	timer_start(s->transport.loop, &w->timer, 1 + delay(s) / 64);
	w->events->on_line(w->arg, line);
}

static struct client_stream *fake_watch(struct transport *t, struct str path, const struct client_stream_events *ev,
					void *arg)
{
	struct fake_server *s = CONTAINER_OF(t, struct fake_server, transport);
	struct client_stream *w = MEM_NEW(struct client_stream);
	struct fake_path parsed;
	arena_init(&w->memory);
	fake_path_parse(&w->memory, arena_str(&w->memory, path), &parsed);
	int64_t revision = 0;
	str_to_i64(fake_query(parsed.query, "resourceVersion"), &revision);
	w->server = s;
	w->events = ev;
	w->arg = arg;
	w->resource = parsed.resource;
	w->namespace = parsed.namespace;
	decode_url(&w->memory, fake_query(parsed.query, "fieldSelector"), true, &w->field);
	w->too_old = revision < s->store.compacted;
	while (w->next_event < s->store.event_count && s->store.events[w->next_event].revision <= revision)
		w->next_event++;
	w->timer.fire = stream_fire;
	w->timer.loop = t->loop;
	w->next = s->streams;
	if (w->next)
		w->next->previous = w;
	s->streams = w;
	stream_wake(w);
	return w;
}

static void fake_stream_close(struct transport *t, struct client_stream *w)
{
	stream_free(w);
}

static void on_store_change(void *arg, const struct fake_event *event)
{
	struct fake_server *s = arg;
	for (struct client_stream *w = s->streams; w; w = w->next)
		stream_wake(w);
	if (s->hook)
		s->hook(s->hook_arg, event->type, event->resource, event->object);
}

// ---- the outside

static void fake_destroy(struct transport *t)
{
	struct fake_server *s = CONTAINER_OF(t, struct fake_server, transport);
	while (s->exchanges)
		exchange_finish(s->exchanges, false);
	while (s->streams)
		stream_free(s->streams);
	fake_store_finish(&s->store);
	free(s);
}

struct fake_server *fake_server_create(struct loop *l)
{
	static const struct transport_ops ops = {fake_send, fake_watch, fake_stream_close, fake_destroy};
	struct fake_server *s = MEM_NEW(struct fake_server);
	s->transport = (struct transport){&ops, l};
	fake_store_init(&s->store, l);
	s->store.changed = on_store_change;
	s->store.arg = s;
	return s;
}

void fake_server_destroy(struct fake_server *s)
{
	if (s)
		client_destroy(&s->transport);
}

struct transport *fake_server_transport(struct fake_server *s)
{
	return &s->transport;
}

void fake_server_set_faults(struct fake_server *s, struct fake_faults f)
{
	s->faults = f;
}

void fake_server_compact(struct fake_server *s)
{
	s->store.compacted = s->store.revision;
}

void fake_server_break_watches(struct fake_server *s)
{
	while (s->streams)
		stream_end(s->streams, ERR_UNAVAILABLE); // they come back later, not from here
}

int fake_server_do(struct fake_server *s, const char *method, const char *path, const char *body)
{
	struct fake_answer out = {0};
	buf_init(&out.body);
	fake_store_do(&s->store, method, str_of(path), str_of(body), &out);
	buf_finish(&out.body);
	return out.code;
}

struct json *fake_server_get(struct fake_server *s, struct arena *a, const char *path)
{
	struct fake_answer out = {0};
	buf_init(&out.body);
	fake_store_do(&s->store, "GET", str_of(path), STR_NONE, &out);
	struct json *object = NULL;
	if (out.code == 200)
		json_parse(a, arena_str(a, buf_str(&out.body)), NULL, &object, NULL);
	buf_finish(&out.body);
	return object;
}

size_t fake_server_count(struct fake_server *s, const char *collection_path)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *items = json_get(fake_server_get(s, &a, collection_path), STR("items"));
	return items ? items->count : 0;
}

size_t fake_server_requests(const struct fake_server *s)
{
	return s->requests;
}

void fake_server_on_change(struct fake_server *s, fake_change *hook, void *arg)
{
	s->hook = hook;
	s->hook_arg = arg;
}

void fake_server_refuse(struct fake_server *s, fake_refuse *refuse, void *arg)
{
	s->refuse = refuse;
	s->refuse_arg = arg;
}
