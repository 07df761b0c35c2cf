// SPDX-License-Identifier: Apache-2.0
#include "network/dns/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <uv.h>

#include "base/times.h"
#include "network/dns/cache.h"
#include "sys/real.h"

enum {
	CONNECTIONS_MAX = 64, CONNECTIONS_OF_ONE_MAX = 16, IDLE_S = 10, UNREAD_MAX = 256 << 10, ALIASES_MAX = 8,
	RECORDS_MAX = 64,
};

struct dns_server {
	struct loop *loop;
	struct dns_zone *zone;
	struct dns_forward *forward;
	struct dns_cache *cache;
	uv_udp_t udp;
	struct listener *tcp;
	struct connection *connections;
	size_t connection_count;
	char room[DNS_TCP_MAX];
};

struct connection { // one by TCP
	struct dns_server *server;
	struct connection *next, **link;
	struct stream *stream;
	char source[INET6_ADDRSTRLEN];
	struct buf in;
	struct timer idle;
	size_t waiting; // questions whose answers are still to come
	bool closed;
};

struct question {
	struct dns_server *server;
	struct connection *connection; // by TCP, or NULL
	struct sockaddr_in peer;       // by UDP
	struct arena arena;
	struct dns_query query; // as it came
	struct dns_query alias; // what is passed on instead of it, where an ExternalName leads out of the cluster
	struct dns_answer way;	// to the alias
};

// ---- TCP connections

static void close_connection(struct connection *c)
{
	if (!c->closed) {
		c->closed = true;
		*c->link = c->next;
		if (c->next)
			c->next->link = c->link;
		c->server->connection_count--;
		timer_stop(&c->idle);
		stream_close(c->stream);
	}
	if (c->waiting)
		return; // the last answer frees it
	buf_finish(&c->in);
	free(c);
}

static void send_framed(struct connection *c, struct str bytes)
{
	if (bytes.n == 0 || bytes.n > DNS_TCP_MAX)
		return;
	struct blob *b = blob_create_raw(bytes.n + 2);
	b->p[0] = (char)(bytes.n >> 8);
	b->p[1] = (char)bytes.n;
	memcpy(b->p + 2, bytes.p, bytes.n);
	stream_write(c->stream, b);
}

// ---- answers

static void reply(struct question *q, struct str bytes)
{
	uv_buf_t data = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);
	if (q->connection)
		send_framed(q->connection, bytes);
	else // a full socket loses it, as the network might: the asker asks again
		uv_udp_try_send(&q->server->udp, &data, 1, (const struct sockaddr *)&q->peer);
}

static size_t limit_of(const struct question *q)
{
	return q->connection ? DNS_TCP_MAX : q->query.udp_size;
}

static void reply_with(struct question *q, const struct dns_answer *x)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	dns_write(&out, &q->query, x, limit_of(q));
	reply(q, buf_str(&out));
}

static void reply_failed(struct question *q)
{
	reply_with(q, &(struct dns_answer){.code = DNS_FAILED, .recursion_available = true});
}

static void destroy_question(struct question *q)
{
	arena_finish(&q->arena);
	free(q);
}

// Whether it is a record that belongs behind the way to an alias.
static bool read_record(struct arena *a, struct str reply, const struct dns_found *found, struct dns_record *out)
{
	size_t n = found->type == DNS_A ? 4 : found->type == DNS_AAAA ? 16 : 0;
	*out = (struct dns_record){.type = found->type, .ttl_s = found->ttl_s};
	if (found->section != DNS_ANSWERS || !dns_read_name(a, reply, found->name, &out->name) || !out->name.n)
		return false;
	if (found->type == DNS_CNAME)
		return dns_read_name(a, reply, found->data, &out->target);
	if (n == 0 || found->data_n != n)
		return false;
	memcpy(out->address, reply.p + found->data, n);
	return true;
}

static void reply_by_alias(struct question *q, struct str answer)
{
	struct dns_reader r;
	struct dns_found found;
	if (!dns_read(&r, answer, &q->alias)) {
		reply_failed(q);
		return;
	}
	struct dns_answer x = {.code = dns_code_of(answer), .recursion_available = true, .count = q->way.count};
	x.truncated = dns_truncated(answer);
	x.answers = ARENA_ARRAY(&q->arena, struct dns_record, x.count + RECORDS_MAX);
	memcpy(x.answers, q->way.answers, x.count * sizeof *x.answers);
	while (x.count < q->way.count + RECORDS_MAX && dns_read_next(&r, &found))
		x.count += read_record(&q->arena, answer, &found, &x.answers[x.count]);
	reply_with(q, &x);
}

// ---- what is passed on

static void deliver(struct question *q, struct str answer)
{
	if (answer.n == 0)
		reply_failed(q);
	else if (q->alias.question.n)
		reply_by_alias(q, answer);
	else
		reply(q, answer);
	destroy_question(q);
}

static void on_forwarded(void *arg, struct str answer)
{
	struct question *q = arg;
	struct connection *c = q->connection;
	if (c)
		c->waiting--;
	if (c && c->closed) {
		close_connection(c);
		destroy_question(q);
		return;
	}
	if (answer.n)
		dns_cache_put(q->server->cache, q->alias.question.n ? &q->alias : &q->query, answer,
			      loop_now(q->server->loop));
	deliver(q, answer);
}

// message: the bytes of `asked`, which is the question itself or its alias.
static void pass_on(struct question *q, const struct dns_query *asked, struct str message)
{
	struct dns_server *s = q->server;
	struct buf known CLEAN_BUF;
	buf_init(&known);
	size_t limit = asked == &q->alias ? DNS_TCP_MAX : limit_of(q);
	if (dns_cache_get(s->cache, asked, loop_now(s->loop), limit, &known)) {
		deliver(q, buf_str(&known));
		return;
	}
	struct str source = {(char *)&q->peer.sin_addr, sizeof q->peer.sin_addr};
	if (q->connection) {
		q->connection->waiting++;
		source = str_of(q->connection->source);
	}
	dns_forward_ask(s->forward, message, source, q->connection != NULL, on_forwarded, q);
}

static void pass_alias_on(struct question *q, struct str target)
{
	struct buf message CLEAN_BUF;
	enum dns_code code;
	buf_init(&message);
	dns_write_query(&message, q->query.id, target, q->query.type);
	struct str bytes = arena_str(&q->arena, buf_str(&message));
	if (dns_parse(&q->arena, bytes, &q->alias, &code) == 0) {
		pass_on(q, &q->alias, bytes);
		return;
	}
	reply_with(q, &q->way); // the target is no name: the way to it is all there is
	destroy_question(q);
}

// ---- questions

static bool is_alias(const struct dns_answer *x, uint16_t type)
{
	return x->count == 1 && x->answers[0].type == DNS_CNAME && (type == DNS_A || type == DNS_AAAA);
}

static struct str without_dot(struct str name)
{
	return str_ends(name, STR(".")) ? str_sub(name, 0, name.n - 1) : name;
}

// Resolvers in pods do not follow aliases (ExternalName), so it is done here. Within the zone *x gets all that is found;
// returns the name at which it leaves the zone, then *x is the way to there.
static struct str follow(struct question *q, struct dns_answer *x)
{
	struct dns_record *way = ARENA_ARRAY(&q->arena, struct dns_record, ALIASES_MAX);
	struct dns_answer at = *x;
	struct str name = STR_NONE;
	size_t n = 0;
	for (; is_alias(&at, q->query.type); n++) {
		if (n == ALIASES_MAX) {
			*x = (struct dns_answer){.code = DNS_FAILED, .recursion_available = true}; // they go in a circle
			return STR_NONE;
		}
		way[n] = at.answers[0];
		way[n].name = name;
		name = without_dot(way[n].target);
		const struct dns_query next = {.type = q->query.type, .name = name};
		if (!dns_zone_answer(q->server->zone, &q->arena, &next, &at)) {
			*x = (struct dns_answer){.answers = way, .count = n + 1, .recursion_available = true};
			return name;
		}
	}
	if (n == 0)
		return STR_NONE;
	struct dns_record *all = ARENA_ARRAY(&q->arena, struct dns_record, n + at.count);
	memcpy(all, way, n * sizeof *all);
	for (size_t i = 0; i < at.count; i++) {
		all[n + i] = at.answers[i];
		all[n + i].name = name;
	}
	x->code = at.code;
	x->answers = all;
	x->count = n + at.count;
	return STR_NONE;
}

// Takes over q.
static void answer(struct question *q, struct str message)
{
	struct dns_answer x = {.code = DNS_OK};
	int how = dns_parse(&q->arena, message, &q->query, &x.code);
	bool transfer = q->query.type == DNS_AXFR || q->query.type == DNS_IXFR;
	if (how == 0 && transfer) {
		x.code = DNS_REFUSED;
	} else if (how == 0 && !dns_zone_answer(q->server->zone, &q->arena, &q->query, &x)) {
		pass_on(q, &q->query, message);
		return;
	}
	struct str outside = how == 0 ? follow(q, &x) : STR_NONE;
	if (outside.n) {
		q->way = x;
		pass_alias_on(q, outside);
		return;
	}
	if (how >= 0)
		reply_with(q, &x);
	destroy_question(q);
}

static void ask(struct dns_server *s, struct str message, struct connection *c, const struct sockaddr_in *peer)
{
	struct question *q = MEM_NEW(struct question);
	arena_init(&q->arena);
	q->server = s;
	q->connection = c;
	if (peer)
		q->peer = *peer;
	answer(q, arena_str(&q->arena, message));
}

// ---- UDP

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct dns_server *s = CONTAINER_OF((uv_udp_t *)h, struct dns_server, udp);
	*out = uv_buf_init(s->room, sizeof s->room);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *data, const struct sockaddr *from, unsigned flags)
{
	struct dns_server *s = CONTAINER_OF(socket, struct dns_server, udp);
	if (n > 0 && from) // it listens at an IPv4 address
		ask(s, (struct str){data->base, (size_t)n}, NULL, (const struct sockaddr_in *)from);
}

// ---- TCP

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct connection *c = arg;
	if (e || data.n == 0) {
		close_connection(c);
		return;
	}
	timer_start(c->server->loop, &c->idle, IDLE_S * TIME_S);
	buf_add(&c->in, data);
	while (c->in.n >= 2) {
		size_t n = (size_t)((unsigned char)c->in.p[0] << 8 | (unsigned char)c->in.p[1]);
		if (c->in.n < n + 2)
			break;
		if (stream_pending(c->stream) > UNREAD_MAX) { // it asks on and on, and does not read our answers
			close_connection(c);
			return;
		}
		ask(c->server, (struct str){c->in.p + 2, n}, c, NULL);
		buf_drop(&c->in, n + 2);
	}
}

static void on_idle(struct timer *t)
{
	close_connection(CONTAINER_OF(t, struct connection, idle));
}

static size_t connections_of(const struct dns_server *s, struct str source)
{
	size_t n = 0;
	for (const struct connection *c = s->connections; c; c = c->next)
		n += str_is(source, c->source);
	return n;
}

static void on_accept(void *arg, struct stream *stream)
{
	static const struct stream_events events = {.on_read = on_read};
	struct dns_server *s = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str source, port;
	str_cut(stream_peer(stream, &a), ':', &source, &port);
	if (s->connection_count == CONNECTIONS_MAX || connections_of(s, source) == CONNECTIONS_OF_ONE_MAX) {
		stream_close(stream);
		return;
	}
	struct connection *c = MEM_NEW(struct connection);
	*c = (struct connection){.server = s, .stream = stream, .next = s->connections, .link = &s->connections};
	str_to_c(source, c->source, sizeof c->source);
	c->idle = (struct timer){.fire = on_idle, .loop = s->loop};
	if (c->next)
		c->next->link = &c->next;
	s->connections = c;
	s->connection_count++;
	timer_start(s->loop, &c->idle, IDLE_S * TIME_S);
	stream_start(stream, &events, c);
}

// ---- both

static void on_udp_closed(uv_handle_t *h)
{
	struct dns_server *s = CONTAINER_OF((uv_udp_t *)h, struct dns_server, udp);
	dns_cache_destroy(s->cache);
	free(s);
}

void dns_server_destroy(struct dns_server *s)
{
	if (!s)
		return;
	while (s->connections)
		close_connection(s->connections);
	listener_close(s->tcp);
	uv_close((uv_handle_t *)&s->udp, on_udp_closed);
}

void dns_server_forget(struct dns_server *s)
{
	dns_cache_clear(s->cache);
}

int dns_server_create(struct loop *l, const char *address, int port, struct dns_zone *zone, struct dns_forward *forward,
		      struct dns_server **out, struct err *e)
{
	struct dns_server *s = MEM_NEW(struct dns_server);
	struct sockaddr_in at;
	char both[64];
	s->loop = l;
	s->zone = zone;
	s->forward = forward;
	s->cache = dns_cache_create();
	int why = uv_udp_init(loop_real_uv(l), &s->udp);
	if (why < 0) {
		dns_cache_destroy(s->cache);
		free(s);
		return err_errno(e, -why, "DNS socket");
	}
	why = uv_ip4_addr(address, port, &at);
	why = why < 0 ? why : uv_udp_bind(&s->udp, (struct sockaddr *)&at, 0);
	why = why < 0 ? why : uv_udp_recv_start(&s->udp, on_room, on_datagram);
	snprintf(both, sizeof both, "%s:%d", address, port);
	if (why < 0 || net_listen(l, both, on_accept, s, &s->tcp, e) < 0) {
		if (why < 0)
			err_errno(e, -why, "DNS on %s", both);
		dns_server_destroy(s);
		return -1;
	}
	*out = s;
	return 0;
}
