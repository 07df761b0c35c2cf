// SPDX-License-Identifier: Apache-2.0
#include "network/dns/server.h"

#include <stdio.h>
#include <uv.h>

#include "base/times.h"
#include "sys/real.h"

enum { CONNECTIONS_MAX = 64, IDLE_S = 10, UNREAD_MAX = 256 << 10 };

struct dns_server {
	struct loop *loop;
	struct dns_zone *zone;
	struct dns_forward *forward;
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
	struct buf in;
	struct timer idle;
	size_t forwarding; // answers that are still to come
	bool closed;
};

// Where the answer to a forwarded question goes.
struct asker {
	struct dns_server *server;
	struct sockaddr_storage peer; // by UDP
	struct connection *connection; // or by TCP
};

// 0: answered in `out`; 1: not ours, to be passed on; -1: no answer is due.
static int answer(struct dns_server *s, struct str message, bool tcp, struct buf *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct dns_query q;
	struct dns_answer x = {.code = DNS_OK};
	int how = dns_parse(&a, message, &q, &x.code);
	if (how < 0)
		return -1;
	if (how == 0 && !dns_zone_answer(s->zone, &a, &q, &x))
		return 1;
	dns_write(out, &q, &x, tcp ? DNS_TCP_MAX : q.udp_size);
	return 0;
}

// The answer to a question that nobody could answer.
static void answer_failed(struct str message, struct buf *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct dns_query q;
	struct dns_answer x = {.code = DNS_FAILED, .recursion_available = true};
	enum dns_code code;
	if (dns_parse(&a, message, &q, &code) == 0)
		dns_write(out, &q, &x, DNS_UDP_PLAIN);
}

// ---- UDP

struct udp_question {
	struct asker asker;
	size_t n;
	char message[];
};

static void send_datagram(struct dns_server *s, struct str bytes, const struct sockaddr *to)
{
	uv_buf_t data = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);
	if (bytes.n) // a full socket loses it, as the network might: the asker asks again
		uv_udp_try_send(&s->udp, &data, 1, to);
}

static void on_udp_forwarded(void *arg, struct str reply)
{
	struct udp_question *x = arg;
	struct buf failed CLEAN_BUF;
	buf_init(&failed);
	if (reply.n == 0)
		answer_failed((struct str){x->message, x->n}, &failed);
	send_datagram(x->asker.server, reply.n ? reply : buf_str(&failed), (struct sockaddr *)&x->asker.peer);
	free(x);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct dns_server *s = CONTAINER_OF((uv_udp_t *)h, struct dns_server, udp);
	*out = uv_buf_init(s->room, sizeof s->room);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *data, const struct sockaddr *from, unsigned flags)
{
	struct dns_server *s = CONTAINER_OF(socket, struct dns_server, udp);
	struct buf out CLEAN_BUF;
	buf_init(&out);
	if (n <= 0 || !from)
		return;
	struct str message = {data->base, (size_t)n};
	int how = answer(s, message, false, &out);
	if (how == 0)
		send_datagram(s, buf_str(&out), from);
	if (how <= 0)
		return;
	struct udp_question *x = mem_zalloc(sizeof *x + message.n);
	x->asker.server = s;
	memcpy(&x->asker.peer, from, sizeof(struct sockaddr_in)); // it listens at an IPv4 address
	x->n = message.n;
	memcpy(x->message, message.p, message.n);
	dns_forward_ask(s->forward, message, false, on_udp_forwarded, x);
}

// ---- TCP

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
	if (c->forwarding)
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

struct tcp_question {
	struct connection *connection;
	size_t n;
	char message[];
};

static void on_tcp_forwarded(void *arg, struct str reply)
{
	struct tcp_question *x = arg;
	struct connection *c = x->connection;
	struct buf failed CLEAN_BUF;
	buf_init(&failed);
	if (reply.n == 0)
		answer_failed((struct str){x->message, x->n}, &failed);
	c->forwarding--;
	if (c->closed)
		close_connection(c);
	else
		send_framed(c, reply.n ? reply : buf_str(&failed));
	free(x);
}

static void on_message(struct connection *c, struct str message)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	int how = answer(c->server, message, true, &out);
	if (how == 0)
		send_framed(c, buf_str(&out));
	if (how <= 0)
		return;
	struct tcp_question *x = mem_zalloc(sizeof *x + message.n);
	x->connection = c;
	x->n = message.n;
	memcpy(x->message, message.p, message.n);
	c->forwarding++;
	dns_forward_ask(c->server->forward, message, true, on_tcp_forwarded, x);
}

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
		on_message(c, (struct str){c->in.p + 2, n});
		buf_drop(&c->in, n + 2);
	}
}

static void on_idle(struct timer *t)
{
	close_connection(CONTAINER_OF(t, struct connection, idle));
}

static void on_accept(void *arg, struct stream *stream)
{
	static const struct stream_events events = {.on_read = on_read};
	struct dns_server *s = arg;
	if (s->connection_count == CONNECTIONS_MAX) {
		stream_close(stream);
		return;
	}
	struct connection *c = MEM_NEW(struct connection);
	*c = (struct connection){.server = s, .stream = stream, .next = s->connections, .link = &s->connections};
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
	free(CONTAINER_OF((uv_udp_t *)h, struct dns_server, udp));
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

int dns_server_create(struct loop *l, const char *address, int port, struct dns_zone *zone, struct dns_forward *forward,
		      struct dns_server **out, struct err *e)
{
	struct dns_server *s = MEM_NEW(struct dns_server);
	struct sockaddr_in at;
	char both[64];
	s->loop = l;
	s->zone = zone;
	s->forward = forward;
	int why = uv_udp_init(loop_real_uv(l), &s->udp);
	if (why < 0) {
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
