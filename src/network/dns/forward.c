// SPDX-License-Identifier: Apache-2.0
#include "network/dns/forward.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>
#include <uv.h>

#include "base/times.h"
#include "network/dns/message.h"
#include "sys/real.h"

enum { SERVERS_MAX = 3, OPEN_MAX = 512, TRIES = 3, PATIENCE_MS = 1500, PORT = 53, HEADER = 12 };

struct dns_forward {
	struct loop *loop;
	char servers[SERVERS_MAX][INET_ADDRSTRLEN];
	size_t server_count;
	size_t open;
	struct asked *first;
};

struct asked { // one question on its way
	struct dns_forward *forward;
	struct asked *next, **link;
	uv_udp_t socket; // of the try at hand
	bool socket_open;
	struct timer patience;
	struct stream *stream; // by TCP instead, perhaps still connecting
	struct buf reply;
	char *query;
	size_t query_n;
	bool tcp;
	char id[2], own_id[2];
	int tries;
	dns_forward_done *done;
	void *arg;
	char room[4096]; // larger than any datagram that we asked for
};

struct dns_forward *dns_forward_create(struct loop *l, struct str conf, struct str self)
{
	struct dns_forward *f = MEM_NEW(struct dns_forward);
	struct str line, word, address;
	f->loop = l;
	while (str_next(&conf, '\n', &line)) {
		struct in_addr in;
		char text[INET_ADDRSTRLEN];
		if (!str_cut(str_trim(line), ' ', &word, &address) || !str_is(word, "nameserver"))
			continue;
		address = str_trim(address);
		if (f->server_count < SERVERS_MAX && !str_eq(address, self) && str_to_c(address, text, sizeof text) &&
		    inet_pton(AF_INET, text, &in) == 1)
			memcpy(f->servers[f->server_count++], text, sizeof text);
	}
	return f;
}

static void destroy(struct asked *x)
{
	free(x->query);
	buf_finish(&x->reply);
	free(x);
}

static void on_closed(uv_handle_t *h)
{
	destroy(CONTAINER_OF((uv_udp_t *)h, struct asked, socket));
}

// Off the list; its memory goes when libuv has let go of the socket.
static void release(struct asked *x)
{
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->forward->open--;
	timer_stop(&x->patience);
	stream_close(x->stream);
	if (x->socket_open)
		uv_close((uv_handle_t *)&x->socket, on_closed);
	else
		destroy(x);
}

static void finish(struct asked *x, struct str answer)
{
	dns_forward_done *done = x->done;
	void *arg = x->arg;
	if (answer.n >= HEADER)
		memcpy((char *)answer.p, x->id, 2);
	done(arg, answer);
	release(x);
}

// Only an answer to this very question: same id, marked as an answer, same question section.
static bool answers(const struct asked *x, struct str m)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct dns_query q;
	enum dns_code code;
	if (m.n < HEADER || memcmp(m.p, x->own_id, 2) != 0 || !((unsigned char)m.p[2] & 0x80))
		return false;
	if (dns_parse(&a, (struct str){x->query, x->query_n}, &q, &code) != 0)
		return true;
	return m.n >= HEADER + q.question.n && strncasecmp(m.p + HEADER, q.question.p, q.question.n) == 0;
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct asked *x = CONTAINER_OF((uv_udp_t *)h, struct asked, socket);
	*out = uv_buf_init(x->room, sizeof x->room);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *data, const struct sockaddr *from, unsigned flags)
{
	struct asked *x = CONTAINER_OF(socket, struct asked, socket);
	if (n > 0 && answers(x, (struct str){data->base, (size_t)n}))
		finish(x, (struct str){data->base, (size_t)n});
}

static void on_stream(void *arg, struct str data, const struct err *e)
{
	struct asked *x = arg;
	buf_add(&x->reply, data);
	if (e || data.n == 0) {
		finish(x, STR_NONE);
		return;
	}
	if (x->reply.n < 2)
		return;
	size_t want = (size_t)((unsigned char)x->reply.p[0] << 8 | (unsigned char)x->reply.p[1]);
	if (x->reply.n < want + 2)
		return;
	struct str answer = {x->reply.p + 2, want};
	finish(x, answers(x, answer) ? answer : STR_NONE);
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {.on_read = on_stream};
	struct asked *x = arg;
	x->stream = s;
	if (!s) {
		finish(x, STR_NONE);
		return;
	}
	struct blob *b = blob_create_raw(x->query_n + 2);
	b->p[0] = (char)(x->query_n >> 8);
	b->p[1] = (char)x->query_n;
	memcpy(b->p + 2, x->query, x->query_n);
	stream_start(s, &events, x);
	stream_write(s, b);
}

// Sends to the next resolver; false when it cannot be sent at all.
static bool attempt(struct asked *x)
{
	struct dns_forward *f = x->forward;
	const char *server = f->servers[(size_t)x->tries % f->server_count];
	struct sockaddr_in to;
	uv_buf_t data = uv_buf_init(x->query, (unsigned)x->query_n);
	uv_ip4_addr(server, PORT, &to);
	x->tries++;
	timer_start(f->loop, &x->patience, PATIENCE_MS * TIME_MS);
	return uv_udp_try_send(&x->socket, &data, 1, (struct sockaddr *)&to) >= 0;
}

static void on_patience(struct timer *t)
{
	struct asked *x = CONTAINER_OF(t, struct asked, patience);
	if (x->tcp || x->tries >= TRIES || !attempt(x))
		finish(x, STR_NONE);
}

void dns_forward_ask(struct dns_forward *f, struct str query, bool tcp, dns_forward_done *done, void *arg)
{
	if (f->open == OPEN_MAX || f->server_count == 0 || query.n < HEADER || query.n > DNS_TCP_MAX) {
		done(arg, STR_NONE);
		return;
	}
	struct asked *x = MEM_NEW(struct asked);
	*x = (struct asked){.forward = f, .done = done, .arg = arg, .tcp = tcp, .next = f->first, .link = &f->first};
	x->patience = (struct timer){.fire = on_patience, .loop = f->loop};
	x->query = mem_alloc(query.n);
	x->query_n = query.n;
	memcpy(x->query, query.p, query.n);
	memcpy(x->id, query.p, 2);
	loop_random(f->loop, x->own_id, 2);
	memcpy(x->query, x->own_id, 2);
	if (f->first)
		f->first->link = &x->next;
	f->first = x;
	f->open++;
	if (tcp) {
		char address[INET_ADDRSTRLEN + 8];
		snprintf(address, sizeof address, "%s:%d", f->servers[0], PORT);
		timer_start(f->loop, &x->patience, 2 * PATIENCE_MS * TIME_MS);
		x->stream = net_connect(f->loop, address, on_connect, x);
		return;
	}
	x->socket_open = uv_udp_init(loop_real_uv(f->loop), &x->socket) == 0;
	if (!x->socket_open || uv_udp_recv_start(&x->socket, on_room, on_datagram) != 0 || !attempt(x))
		finish(x, STR_NONE);
}

void dns_forward_destroy(struct dns_forward *f)
{
	if (!f)
		return;
	while (f->first)
		release(f->first);
	free(f);
}
