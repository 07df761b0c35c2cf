// SPDX-License-Identifier: Apache-2.0
// One connection of an HTTP client: connects, then carries one call after the other.
#include "wire/client_call.h"

enum { INTERIM_MAX = 16 }; // each stays in the call's arena

static void release(struct client_connection *k)
{
	if (--k->busy || !k->gone)
		return;
	http_reader_finish(&k->reader);
	free(k);
}

// Takes it out of the client's books.
static void leave(struct client_connection *k)
{
	struct http_client *c = k->client;
	timer_stop(&k->timer);
	LIST_REMOVE(k, all);
	c->connection_count--;
	if (!k->ready)
		c->connecting_count--;
	if (c->waiting_count)
		client_dispatch_soon(c);
	k->client = NULL;
	k->gone = true;
}

void client_connection_close(struct client_connection *k)
{
	k->call = NULL;
	leave(k);
	if (k->duplex)
		duplex_close(k->duplex);
	else
		stream_close(k->connecting);
	release(k);
}

// The connection is of no use any more: so ends its call, or it is tried again on another.
static void fail(struct client_connection *k, const struct err *e)
{
	struct http_call *call = k->call;
	struct http_client *c = k->client;
	bool was_ready = k->ready, retry = k->used && !k->answering;
	client_connection_close(k);
	if (call && retry && call->idempotent)
		call_retry(call);
	else if (call)
		call_end(call, e);
	else if (!was_ready)
		client_connect_failed(c, e);
}

static void fail_text(struct client_connection *k, const char *what)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "%s: %s", k->client->address, what);
	fail(k, &e);
}

// ---- Answers

// `rest`: what came after the answer; a server that says more than it was asked is not asked again.
static void complete(struct client_connection *k, const struct str *rest)
{
	struct http_call *call = k->call;
	struct http_client *c = k->client;
	const struct http_head *head = &k->reader.head;
	bool keep = head->keep_alive && head->body != HTTP_BODY_UNTIL_CLOSE && rest->n == 0 &&
		    duplex_pending(k->duplex) == 0;
	bool paused = call->paused;
	k->call = NULL;
	k->used = true;
	if (!keep) {
		client_connection_close(k);
	} else {
		if (paused)
			duplex_read(k->duplex, true);
		client_offer(c, k);
	}
	call_end(call, NULL);
}

static void hand_over(struct client_connection *k, struct str *rest)
{
	struct http_call *call = k->call;
	struct duplex *d = k->duplex;
	if (!call->events->on_upgrade) {
		fail_text(k, "an upgrade that was not asked for");
		return;
	}
	duplex_unread(d, *rest);
	duplex_start(d, NULL, NULL);
	*rest = STR_NONE;
	k->call = NULL;
	leave(k);
	release(k);
	timer_stop(&call->timer);
	call->events->on_upgrade(call->arg, &k->reader.head, d);
	call_free(call);
}

static void take_head(struct client_connection *k, struct str *rest)
{
	struct http_call *call = k->call;
	int code = k->reader.head.code;
	if (code == 101) {
		hand_over(k, rest);
	} else if (code >= 200) {
		call->head_came = true;
		call_progress(call);
		if (call->events->on_head)
			call->events->on_head(call->arg, &k->reader.head);
	} else if (++call->interim > INTERIM_MAX) {
		fail_text(k, "too many interim answers");
	}
}

static void take_piece(struct client_connection *k)
{
	struct http_call *call = k->call;
	call_progress(call);
	if (call->events->on_body)
		call->events->on_body(call->arg, k->reader.piece);
}

static void take_event(struct client_connection *k, enum http_event event, struct str *rest)
{
	switch (event) {
	case HTTP_HEAD:
		take_head(k, rest);
		break;
	case HTTP_DATA:
		take_piece(k);
		break;
	case HTTP_DONE:
		if (k->reader.head.code >= 200)
			complete(k, rest);
		break;
	case HTTP_BAD:
		fail_text(k, k->reader.error_text);
		break;
	case HTTP_MORE:
		break;
	}
}

// What came and what the reader owes, as far as the call wants it.
static void take(struct client_connection *k, struct str *data)
{
	while (!k->gone && k->call && (!k->call->paused || data->n == 0)) {
		enum http_event event = http_reader_next(&k->reader, &k->call->arena, data);
		if (event == HTTP_MORE)
			return;
		take_event(k, event, data);
	}
}

static void on_end(struct client_connection *k)
{
	enum http_event event = k->call ? http_reader_close(&k->reader) : HTTP_MORE;
	struct str nothing = STR_NONE;
	k->reader.head.keep_alive = false;
	if (event == HTTP_MORE)
		fail_text(k, "the connection was closed before an answer");
	else
		take_event(k, event, &nothing);
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct client_connection *k = arg;
	if (e) {
		fail(k, e);
		return;
	}
	k->busy++;
	if (data.n == 0)
		on_end(k);
	else if (!k->call)
		client_connection_close(k); // speaks without being asked
	else
		k->answering = true;
	take(k, &data);
	if (!k->gone && data.n && k->call) {
		duplex_unread(k->duplex, data);
		duplex_read(k->duplex, false);
	} else if (!k->gone && data.n) { // more than the answer
		client_connection_close(k);
	}
	release(k);
}

// ---- Calls

void client_connection_send(struct client_connection *k, struct http_call *call)
{
	timer_stop(&k->timer);
	k->call = call;
	k->answering = false;
	k->reader.head_answer = call->is_head;
	call->connection = k;
	duplex_write(k->duplex, blob_ref(call->request));
	if (call->idempotent == false) { // never sent again
		blob_unref(call->request);
		call->request = NULL;
	}
	duplex_flush(k->duplex);
	if (call->paused)
		duplex_read(k->duplex, false);
}

// ---- Connecting

static void on_timer(struct timer *t)
{
	struct client_connection *k = CONTAINER_OF(t, struct client_connection, timer);
	if (k->ready)
		client_connection_close(k); // idle for long
	else
		fail_text(k, "no connection in time");
}

static void become_ready(struct client_connection *k)
{
	static const struct duplex_events events = {on_read, NULL};
	k->ready = true;
	k->client->connecting_count--;
	timer_stop(&k->timer);
	duplex_start(k->duplex, &events, k);
	client_offer(k->client, k);
}

static void on_tls_ready(void *arg, struct duplex *d, const struct err *e)
{
	struct client_connection *k = arg;
	if (e) {
		struct err with CLEAN_ERR = ERR_EMPTY;
		err_set(&with, e->reason, "%s: %s", k->client->address, err_text(e));
		fail(k, &with);
	} else {
		become_ready(k);
	}
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	struct client_connection *k = arg;
	k->connecting = NULL;
	if (e) {
		struct err with CLEAN_ERR = ERR_EMPTY;
		err_set(&with, e->reason, "%s: %s", k->client->address, err_text(e));
		fail(k, &with);
	} else if (k->client->tls) {
		k->duplex = tls_duplex(s, k->client->tls, k->client->server_name, on_tls_ready, k);
	} else {
		k->duplex = duplex_of_stream(s);
		become_ready(k);
	}
}

void client_connection_open(struct http_client *c)
{
	struct client_connection *k = MEM_NEW(struct client_connection);
	k->client = c;
	k->busy = 1; // until closed
	k->timer.fire = on_timer;
	http_reader_init(&k->reader, true);
	LIST_INSERT_HEAD(&c->connections, k, all);
	c->connection_count++;
	c->connecting_count++;
	timer_start(c->loop, &k->timer, c->connect_timeout_ns);
	k->connecting = net_connect(c->loop, c->address, on_connect, k);
}
