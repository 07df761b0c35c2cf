// SPDX-License-Identifier: Apache-2.0
#include "wire/server.h"

#include <time.h>

#include "base/times.h"
#include "wire/server_connection.h"

// ---- Deadlines

static void on_timer(struct timer *t)
{
	struct server_connection *c = CONTAINER_OF(t, struct server_connection, timer);
	if (c->deadline_ns == 0)
		return;
	int64_t left = c->deadline_ns - loop_now(c->server->config.loop);
	if (left > 0) {
		c->timer_ns = c->deadline_ns;
		timer_start(c->server->config.loop, t, left);
		return;
	}
	c->deadline_ns = 0;
	if (c->protocol) {
		c->protocol->on_timeout(c);
	} else { // still shaking hands
		server_connection_close(c, false);
	}
}

// The running timer is left alone when it fires early enough: on_timer looks at the deadline again.
void server_connection_expect(struct server_connection *c, int64_t within_ns)
{
	struct loop *l = c->server->config.loop;
	c->deadline_ns = within_ns ? loop_now(l) + within_ns : 0;
	if (c->deadline_ns == 0 || (timer_running(&c->timer) && c->timer_ns <= c->deadline_ns))
		return;
	c->timer_ns = c->deadline_ns;
	timer_start(l, &c->timer, within_ns);
}

void server_connection_watch_write(struct server_connection *c)
{
	if (c->deadline_ns == 0 && duplex_pending(c->duplex) > 0) {
		c->seen_sent = c->written - duplex_pending(c->duplex);
		server_connection_expect(c, c->server->config.write_timeout_ns);
	}
}

int server_connection_progress(struct server_connection *c)
{
	size_t pending = duplex_pending(c->duplex);
	if (pending == 0)
		return 0;
	// With TLS the pending bytes include its overhead, and may exceed what was written: the difference
	// wraps, evenly.
	uint64_t sent = c->written - pending;
	bool moved = sent != c->seen_sent;
	c->seen_sent = sent;
	if (!moved)
		return -1;
	server_connection_expect(c, c->server->config.write_timeout_ns);
	return 1;
}

// ---- Connections

void server_connection_write(struct server_connection *c, struct blob *b)
{
	c->written += b->n;
	duplex_write(c->duplex, b);
}

void server_connection_close(struct server_connection *c, bool keep_duplex)
{
	timer_stop(&c->timer);
	LIST_REMOVE(c, all);
	c->server->connection_count--;
	if (!keep_duplex)
		duplex_close(c->duplex);
	free(c);
}

static void on_ready(void *arg, struct duplex *d, const struct err *e)
{
	struct server_connection *c = arg;
	if (e) {
		server_connection_close(c, false);
		return;
	}
	struct tls *tls = tls_of_duplex(d);
	c->peer = tls_peer(tls);
	if (tls_http2(tls))
		http2_start(c);
	else
		http1_start(c);
}

// NULL when there are too many.
static struct server_connection *admit(struct http_server *s)
{
	if (s->connection_count >= s->config.connections_max || s->draining)
		return NULL;
	struct server_connection *c = MEM_NEW(struct server_connection);
	c->server = s;
	c->timer.fire = on_timer;
	LIST_INSERT_HEAD(&s->connections, c, all);
	s->connection_count++;
	return c;
}

void http_server_accept(struct http_server *s, struct stream *stream)
{
	struct server_connection *c = admit(s);
	if (!c) {
		stream_close(stream);
		return;
	}
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	str_to_c(stream_peer(stream, &a), c->remote, sizeof c->remote);
	if (s->config.tls) {
		c->secure = true;
		c->duplex = tls_duplex(stream, s->config.tls, NULL, on_ready, c);
		server_connection_expect(c, s->config.head_timeout_ns);
	} else {
		c->duplex = duplex_of_stream(stream);
		http1_start(c);
	}
}

void http_server_accept_duplex(struct http_server *s, struct duplex *d, struct str remote, bool http2)
{
	struct server_connection *c = admit(s);
	if (!c) {
		duplex_close(d);
		return;
	}
	str_to_c(remote, c->remote, sizeof c->remote);
	c->duplex = d;
	if (http2)
		http2_start(c);
	else
		http1_start(c);
}

// ---- The server

static void set_default(int64_t *value, int64_t standard)
{
	if (*value == 0)
		*value = standard;
}

struct http_server *http_server_create(const struct http_server_config *config)
{
	struct http_server *s = MEM_NEW(struct http_server);
	struct http_server_config *c = &s->config;
	*c = *config;
	tls_context_ref(c->tls);
	if (c->body_max == 0)
		c->body_max = 3 * 1024 * 1024;
	if (c->connections_max == 0)
		c->connections_max = 20000;
	set_default(&c->head_timeout_ns, 30 * TIME_S);
	set_default(&c->body_timeout_ns, 60 * TIME_S);
	set_default(&c->idle_timeout_ns, 180 * TIME_S);
	set_default(&c->write_timeout_ns, 60 * TIME_S);
	LIST_INIT(&s->connections);
	s->line_end = blob_create(STR("\r\n"));
	return s;
}

static void close_listeners(struct http_server *s)
{
	while (s->listener_count)
		listener_close(s->listeners[--s->listener_count]);
}

void http_server_destroy(struct http_server *s)
{
	if (!s)
		return;
	close_listeners(s);
	while (!LIST_EMPTY(&s->connections)) {
		struct server_connection *c = LIST_FIRST(&s->connections);
		if (c->protocol)
			c->protocol->destroy(c);
		server_connection_close(c, false);
	}
	tls_context_unref(s->config.tls);
	blob_unref(s->line_end);
	free(s);
}

static void on_accept(void *arg, struct stream *stream)
{
	http_server_accept(arg, stream);
}

int http_server_listen(struct http_server *s, const char *address, struct err *e)
{
	if (s->listener_count == ARRAY_LEN(s->listeners))
		return err_set(e, ERR_INTERNAL, "too many addresses to listen on");
	if (net_listen(s->config.loop, address, on_accept, s, &s->listeners[s->listener_count], e) < 0)
		return -1;
	s->listener_count++;
	return 0;
}

int http_server_port(const struct http_server *s)
{
	return s->listener_count ? listener_port(s->listeners[0]) : 0;
}

void http_server_set_tls(struct http_server *s, struct tls_context *tls)
{
	struct tls_context *old = s->config.tls;
	s->config.tls = tls_context_ref(tls);
	tls_context_unref(old);
}

void http_server_drain(struct http_server *s)
{
	s->draining = true;
	close_listeners(s);
	struct server_connection *c, *next;
	for (c = LIST_FIRST(&s->connections); c; c = next) {
		next = LIST_NEXT(c, all);
		if (c->protocol)
			c->protocol->drain(c);
		else
			server_connection_close(c, false);
	}
}

size_t http_server_connections(const struct http_server *s)
{
	return s->connection_count;
}

struct str http_server_date(struct http_server *s)
{
	int64_t second = loop_wall(s->config.loop) / TIME_S;
	if (second != s->date_second) {
		struct tm parts;
		time_t t = (time_t)second;
		gmtime_r(&t, &parts);
		strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
		s->date_second = second;
	}
	return str_of(s->date);
}
