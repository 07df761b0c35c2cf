// SPDX-License-Identifier: Apache-2.0
#include "wire/client.h"

#include "base/times.h"
#include "wire/client_call.h"

enum { WAITING_MAX = 10000 };

struct fetch {
	http_response_done *done;
	void *arg;
	size_t body_max;
	struct http_head head;
	bool has_head;
	struct buf body;
};

// ---- Calls

void call_free(struct http_call *call)
{
	timer_stop(&call->timer);
	if (call->fetch)
		buf_finish(&call->fetch->body);
	free(call->fetch);
	blob_unref(call->request);
	arena_finish(&call->arena);
	free(call);
}

void call_end(struct http_call *call, const struct err *e)
{
	timer_stop(&call->timer);
	call->events->on_end(call->arg, e);
	call_free(call);
}

static void forget_waiting(struct http_call *call)
{
	TAILQ_REMOVE(&call->client->waiting, call, waiting);
	call->client->waiting_count--;
}

void http_call_cancel(struct http_call *call)
{
	if (!call)
		return;
	if (call->connection)
		client_connection_close(call->connection);
	else
		forget_waiting(call);
	call_free(call);
}

static void on_call_timer(struct timer *t)
{
	struct http_call *call = CONTAINER_OF(t, struct http_call, timer);
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_TIMEOUT, "%s: no answer in time", call->client->address);
	if (call->connection)
		client_connection_close(call->connection);
	else
		forget_waiting(call);
	call_end(call, &e);
}

void call_progress(struct http_call *call)
{
	if (call->read_timeout_ns > 0)
		timer_start(call->client->loop, &call->timer, call->read_timeout_ns);
	else
		timer_stop(&call->timer);
}

void call_retry(struct http_call *call)
{
	call->connection = NULL;
	call->fresh = true;
	TAILQ_INSERT_HEAD(&call->client->waiting, call, waiting);
	call->client->waiting_count++;
	client_dispatch_soon(call->client);
}

static bool is_one_of(const char *method, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(method, *list) == 0)
			return true;
	return false;
}

static struct blob *request_text(struct http_client *c, const struct http_call_request *r)
{
	static const char *const with_body[] = {"POST", "PUT", "PATCH", NULL};
	struct buf out CLEAN_BUF;
	buf_init(&out);
	http_write_request(&out, r->method, r->target, r->headers);
	if (!http_header_has(r->headers, "host"))
		http_write_header(&out, STR("Host"), str_of(c->host));
	if (r->body.n || is_one_of(r->method, with_body))
		buf_fmt(&out, "Content-Length: %zu\r\n", r->body.n);
	BUF_LIT(&out, "\r\n");
	buf_add(&out, r->body);
	return blob_create(buf_str(&out));
}

struct http_call *http_call_start(struct http_client *c, const struct http_call_request *r,
				  const struct http_call_events *ev, void *arg)
{
	static const char *const idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", NULL};
	struct http_call *call = MEM_NEW(struct http_call);
	call->client = c;
	call->events = ev;
	call->arg = arg;
	arena_init(&call->arena);
	call->request = request_text(c, r);
	call->is_head = strcmp(r->method, "HEAD") == 0;
	call->idempotent = is_one_of(r->method, idempotent);
	call->fresh = r->fresh_connection;
	call->read_timeout_ns = r->read_timeout_ns;
	call->timer.fire = on_call_timer;
	if (r->head_timeout_ns >= 0)
		timer_start(c->loop, &call->timer, r->head_timeout_ns ? r->head_timeout_ns : 60 * TIME_S);
	TAILQ_INSERT_TAIL(&c->waiting, call, waiting);
	c->waiting_count++;
	client_dispatch_soon(c);
	return call;
}

void http_call_read(struct http_call *call, bool on)
{
	if (call->paused == !on)
		return;
	call->paused = !on;
	if (call->connection)
		duplex_read(call->connection->duplex, on);
	if (!on)
		timer_stop(&call->timer);
	else if (call->head_came)
		call_progress(call);
}

// ---- Whole responses

static void on_fetch_head(void *arg, const struct http_head *head)
{
	struct http_call *call = arg;
	call->fetch->head = *head;
	call->fetch->has_head = true;
}

static void finish_fetch(struct http_call *call, const struct err *e)
{
	struct fetch *f = call->fetch;
	struct http_response r = {f->has_head && !e ? &f->head : NULL, buf_str(&f->body), e};
	f->done(f->arg, &r);
}

static void on_fetch_body(void *arg, struct str piece)
{
	struct http_call *call = arg;
	struct fetch *f = call->fetch;
	if (piece.n <= f->body_max - f->body.n) {
		buf_add(&f->body, piece);
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_TOO_LARGE, "%s: the answer is larger than %zu bytes", call->client->address, f->body_max);
	finish_fetch(call, &e);
	http_call_cancel(call);
}

static void on_fetch_end(void *arg, const struct err *e)
{
	finish_fetch(arg, e);
}

struct http_call *http_fetch(struct http_client *c, const struct http_call_request *r, size_t body_max,
			     http_response_done *done, void *arg)
{
	static const struct http_call_events events = {on_fetch_head, on_fetch_body, on_fetch_end, NULL};
	struct http_call *call = http_call_start(c, r, &events, NULL);
	call->arg = call;
	call->fetch = MEM_NEW(struct fetch);
	*call->fetch = (struct fetch){.done = done, .arg = arg, .body_max = body_max};
	return call;
}

// ---- Who gets which connection

void client_offer(struct http_client *c, struct client_connection *k)
{
	struct http_call *call;
	TAILQ_FOREACH(call, &c->waiting, waiting) {
		if (call->fresh && k->used)
			continue;
		forget_waiting(call);
		client_connection_send(k, call);
		return;
	}
	timer_start(c->loop, &k->timer, c->idle_timeout_ns);
}

void client_connect_failed(struct http_client *c, const struct err *e)
{
	struct http_call *call = TAILQ_FIRST(&c->waiting);
	if (!call)
		return;
	forget_waiting(call);
	client_dispatch_soon(c);
	call_end(call, e);
}

// Makes room for a call that must have a fresh connection.
static void drop_one_idle(struct http_client *c)
{
	struct client_connection *k;
	LIST_FOREACH(k, &c->connections, all)
		if (k->ready && !k->call) {
			client_connection_close(k);
			return;
		}
}

static void refuse_overflow(struct http_client *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "%s: too many calls are waiting", c->address);
	struct http_call *call = TAILQ_LAST(&c->waiting, call_queue);
	forget_waiting(call);
	call_end(call, &e);
}

static void dispatch(struct task *t)
{
	struct http_client *c = CONTAINER_OF(t, struct http_client, dispatch);
	c->dispatching = false;
	if (c->destroyed) {
		free(c);
		return;
	}
	struct client_connection *k, *next;
	for (k = LIST_FIRST(&c->connections); k && c->waiting_count; k = next) {
		next = LIST_NEXT(k, all);
		if (k->ready && !k->call)
			client_offer(c, k);
	}
	while (c->waiting_count > c->connecting_count) {
		if (c->connection_count >= c->connections_max)
			drop_one_idle(c);
		if (c->connection_count >= c->connections_max)
			break;
		client_connection_open(c);
	}
	while (c->waiting_count > WAITING_MAX)
		refuse_overflow(c);
}

void client_dispatch_soon(struct http_client *c)
{
	if (c->dispatching || c->destroyed)
		return;
	c->dispatching = true;
	loop_post(c->loop, &c->dispatch);
}

// ---- The client

// The Host header: name and port, the latter unless it is the usual one.
static char *host_of(const struct http_client_config *config)
{
	struct str address = str_of(config->address), name = str_of(config->server_name);
	if (str_starts(address, STR("unix:")))
		return mem_strdup(name.n ? config->server_name : "localhost");
	if (name.n == 0)
		return mem_strdup(config->address);
	struct buf out CLEAN_BUF;
	buf_init(&out);
	bool v6 = str_find(name, ':') >= 0;
	ptrdiff_t colon = str_find_last(address, ':');
	struct str port = colon < 0 ? STR_NONE : str_from(address, (size_t)colon + 1);
	buf_fmt(&out, v6 ? "[%s]" : "%s", config->server_name);
	if (port.n && !str_is(port, config->tls ? "443" : "80"))
		buf_fmt(&out, ":%.*s", STR_FMT(port));
	buf_add_byte(&out, '\0');
	return mem_strdup(out.p);
}

struct http_client *http_client_create(const struct http_client_config *config)
{
	struct http_client *c = MEM_NEW(struct http_client);
	c->loop = config->loop;
	c->address = mem_strdup(config->address);
	c->server_name = config->server_name ? mem_strdup(config->server_name) : NULL;
	c->host = host_of(config);
	c->tls = tls_context_ref(config->tls);
	c->connections_max = config->connections_max ? config->connections_max : 64;
	c->connect_timeout_ns = config->connect_timeout_ns ? config->connect_timeout_ns : 10 * TIME_S;
	c->idle_timeout_ns = config->idle_timeout_ns ? config->idle_timeout_ns : 90 * TIME_S;
	TAILQ_INIT(&c->waiting);
	LIST_INIT(&c->connections);
	c->dispatch.run = dispatch;
	return c;
}

void http_client_destroy(struct http_client *c)
{
	if (!c)
		return;
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "%s: the client was closed", c->address);
	c->destroyed = true;
	while (!LIST_EMPTY(&c->connections)) {
		struct client_connection *k = LIST_FIRST(&c->connections);
		struct http_call *call = k->call;
		client_connection_close(k);
		if (call)
			call_end(call, &e);
	}
	struct http_call *call;
	while ((call = TAILQ_FIRST(&c->waiting))) {
		forget_waiting(call);
		call_end(call, &e);
	}
	tls_context_unref(c->tls);
	free(c->address);
	free(c->server_name);
	free(c->host);
	if (!c->dispatching) // else the posted task frees it
		free(c);
}

void http_client_set_tls(struct http_client *c, struct tls_context *tls)
{
	struct tls_context *old = c->tls;
	c->tls = tls_context_ref(tls);
	tls_context_unref(old);
}

bool http_client_idle(const struct http_client *c)
{
	const struct client_connection *k;
	LIST_FOREACH(k, &c->connections, all)
		if (k->call)
			return false;
	return c->waiting_count == 0;
}
