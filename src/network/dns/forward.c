// SPDX-License-Identifier: Apache-2.0
#include "network/dns/forward.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <uv.h>

#include "base/map.h"
#include "base/times.h"
#include "network/dns/message.h"
#include "sys/real.h"

enum { SERVERS_MAX = 3, OPEN_MAX = 512, OPEN_OF_ONE_MAX = 64, TRIES = 3, PATIENCE_MS = 1500, PORT = 53 };

struct resolver {
	struct sockaddr_storage address;
	char text[INET6_ADDRSTRLEN + 32]; // as net_connect takes it
};

struct dns_forward {
	struct loop *loop;
	char self[INET6_ADDRSTRLEN];
	struct resolver servers[SERVERS_MAX];
	size_t server_count, preferred;
	size_t open;
	struct map sources; // who asks -> how many questions are open (as a pointer)
	struct asked *first;
};

struct try { // the datagrams to and from one resolver
	struct asked *asked;
	uv_udp_t socket;
	bool opened;
};

struct asked { // one question on its way
	struct dns_forward *forward;
	struct asked *next, **link;
	struct resolver servers[SERVERS_MAX]; // in the order in which they are asked
	struct try attempts[SERVERS_MAX];
	size_t server_count;
	unsigned sockets; // that libuv has not let go of yet
	struct timer patience;
	struct stream *stream; // by TCP instead, perhaps still connecting
	struct buf reply;
	struct arena arena;
	struct dns_query question; // points into `query`
	struct str query, source;
	bool tcp;
	char id[2];
	size_t tries, refused;
	dns_forward_done *done;
	void *arg;
	char room[4096];
};

// ---- the resolvers

static bool parse_resolver(struct str text, struct resolver *out)
{
	char c[INET6_ADDRSTRLEN + 20];
	bool six = str_find(text, ':') >= 0;
	*out = (struct resolver){0};
	if (!str_to_c(text, c, sizeof c))
		return false;
	snprintf(out->text, sizeof out->text, six ? "[%s]:%d" : "%s:%d", c, PORT);
	return (six ? uv_ip6_addr(c, PORT, (struct sockaddr_in6 *)&out->address)
		    : uv_ip4_addr(c, PORT, (struct sockaddr_in *)&out->address)) == 0;
}

// The address of a line "nameserver ADDRESS"; empty: it is another.
static struct str nameserver_of(struct str line)
{
	static const char word[] = "nameserver";
	line = str_trim(line);
	struct str rest = str_from(line, sizeof word - 1);
	if (!str_starts(line, STR("nameserver")) || rest.n == 0 || (rest.p[0] != ' ' && rest.p[0] != '\t'))
		return STR_NONE;
	rest = str_trim(rest);
	size_t n = 0;
	while (n < rest.n && rest.p[n] != ' ' && rest.p[n] != '\t')
		n++;
	return str_sub(rest, 0, n);
}

bool dns_forward_use(struct dns_forward *f, struct str conf)
{
	struct resolver found[SERVERS_MAX] = {0};
	size_t count = 0;
	struct str line;
	while (count < SERVERS_MAX && str_next(&conf, '\n', &line)) {
		struct str address = nameserver_of(line);
		if (address.n && !str_is(address, f->self) && parse_resolver(address, &found[count]))
			count++;
	}
	if (count == f->server_count && memcmp(found, f->servers, count * sizeof *found) == 0)
		return false;
	memcpy(f->servers, found, sizeof found);
	f->server_count = count;
	f->preferred = 0;
	return true;
}

struct dns_forward *dns_forward_create(struct loop *l, struct str self)
{
	struct dns_forward *f = MEM_NEW(struct dns_forward);
	f->loop = l;
	str_to_c(self, f->self, sizeof f->self);
	map_init(&f->sources);
	return f;
}

// ---- the life of a question

static void count_source(struct dns_forward *f, struct str source, int change)
{
	intptr_t count = (intptr_t)map_get(&f->sources, source) + change;
	f->open += (size_t)change;
	if (count)
		map_set(&f->sources, source, (void *)count);
	else
		map_remove(&f->sources, source);
}

static void destroy(struct asked *x)
{
	buf_finish(&x->reply);
	arena_finish(&x->arena);
	free(x);
}

static void on_closed(uv_handle_t *h)
{
	struct asked *x = CONTAINER_OF((uv_udp_t *)h, struct try, socket)->asked;
	if (--x->sockets == 0)
		destroy(x);
}

// Off the list; its memory goes when libuv has let go of the sockets.
static void release(struct asked *x)
{
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	count_source(x->forward, x->source, -1);
	timer_stop(&x->patience);
	stream_close(x->stream);
	for (size_t i = 0; i < SERVERS_MAX; i++)
		if (x->attempts[i].opened)
			uv_close((uv_handle_t *)&x->attempts[i].socket, on_closed);
	if (x->sockets == 0)
		destroy(x);
}

static void finish(struct asked *x, struct str answer)
{
	if (answer.n >= DNS_HEADER)
		memcpy((char *)answer.p, x->id, sizeof x->id);
	x->done(x->arg, answer);
	release(x);
}

static void attempt(struct asked *x);

// What was asked last did not answer, or says that it cannot: on to the next, while there is one that was not asked yet.
// reply: what is answered when there is none.
static void ask_next(struct asked *x, struct str reply)
{
	if (x->tries < x->server_count)
		attempt(x);
	else
		finish(x, reply);
}

static bool answers(const struct asked *x, struct str m)
{
	struct dns_reader r;
	return m.n >= DNS_HEADER && memcmp(m.p, x->query.p, 2) == 0 && dns_read(&r, m, &x->question);
}

static bool fails(struct str answer)
{
	enum dns_code code = dns_code_of(answer);
	return code == DNS_FAILED || code == DNS_REFUSED || code == DNS_NOT_IMPLEMENTED;
}

static void take(struct asked *x, struct str answer)
{
	if (fails(answer))
		ask_next(x, answer);
	else
		finish(x, answer);
}

// ---- by UDP

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct asked *x = CONTAINER_OF((uv_udp_t *)h, struct try, socket)->asked;
	*out = uv_buf_init(x->room, sizeof x->room);
}

static void finish_truncated(struct asked *x)
{
	struct buf cut CLEAN_BUF;
	buf_init(&cut);
	const struct dns_answer more = {.recursion_available = true, .truncated = true};
	dns_write(&cut, &x->question, &more, DNS_UDP_PLAIN);
	finish(x, buf_str(&cut));
}

// Nobody listens there. One that was asked before may still answer.
static void on_refused(struct asked *x)
{
	x->refused++;
	if (x->tries < x->server_count)
		attempt(x);
	else if (x->refused >= x->server_count)
		finish(x, STR_NONE);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *data, const struct sockaddr *from, unsigned flags)
{
	struct try *t = CONTAINER_OF(socket, struct try, socket);
	struct asked *x = t->asked;
	struct str m = {data->base, n > 0 ? (size_t)n : 0};
	bool last = x->tries && t == &x->attempts[(x->tries - 1) % x->server_count];
	if (n < 0)
		on_refused(x);
	else if (n <= 0 || !answers(x, m))
		return;
	else if (flags & UV_UDP_PARTIAL)
		finish_truncated(x); // longer than we have room for: the asker comes back by TCP
	else if (!fails(m) || last)
		take(x, m);
}

static bool open_socket(struct asked *x, struct try *t, const struct resolver *to)
{
	if (t->opened)
		return true;
	t->asked = x;
	t->opened = uv_udp_init(loop_real_uv(x->forward->loop), &t->socket) == 0;
	x->sockets += t->opened;
	return t->opened && uv_udp_connect(&t->socket, (const struct sockaddr *)&to->address) == 0 &&
	       uv_udp_recv_start(&t->socket, on_room, on_datagram) == 0;
}

static bool send_datagram(struct asked *x, size_t server)
{
	uv_buf_t data = uv_buf_init((char *)x->query.p, (unsigned)x->query.n);
	return open_socket(x, &x->attempts[server], &x->servers[server]) &&
	       uv_udp_try_send(&x->attempts[server].socket, &data, 1, NULL) >= 0;
}

// ---- by TCP

static void on_stream(void *arg, struct str data, const struct err *e)
{
	struct asked *x = arg;
	buf_add(&x->reply, data);
	if (e || data.n == 0) {
		ask_next(x, STR_NONE);
		return;
	}
	if (x->reply.n < 2)
		return;
	size_t want = (size_t)((unsigned char)x->reply.p[0] << 8 | (unsigned char)x->reply.p[1]);
	if (x->reply.n < want + 2)
		return;
	struct str answer = {x->reply.p + 2, want};
	if (answers(x, answer))
		take(x, answer);
	else
		ask_next(x, STR_NONE);
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	static const struct stream_events events = {.on_read = on_stream};
	struct asked *x = arg;
	x->stream = s;
	if (!s) {
		ask_next(x, STR_NONE);
		return;
	}
	struct blob *b = blob_create_raw(x->query.n + 2);
	b->p[0] = (char)(x->query.n >> 8);
	b->p[1] = (char)x->query.n;
	memcpy(b->p + 2, x->query.p, x->query.n);
	stream_start(s, &events, x);
	stream_write(s, b);
}

static void connect_to(struct asked *x, size_t server)
{
	struct stream *before = x->stream;
	x->stream = NULL;
	buf_clear(&x->reply);
	stream_close(before);
	x->stream = net_connect(x->forward->loop, x->servers[server].text, on_connect, x);
}

// ---- both

static void attempt(struct asked *x)
{
	timer_start(x->forward->loop, &x->patience, PATIENCE_MS * TIME_MS);
	size_t server = x->tries++ % x->server_count;
	if (x->tcp)
		connect_to(x, server);
	else if (!send_datagram(x, server)) // no way there: the next one's turn comes at once
		timer_start(x->forward->loop, &x->patience, 0);
}

static void on_patience(struct timer *t)
{
	struct asked *x = CONTAINER_OF(t, struct asked, patience);
	struct dns_forward *f = x->forward;
	size_t silent = (x->tries - 1) % x->server_count;
	if (f->server_count == x->server_count &&
	    strcmp(f->servers[f->preferred].text, x->servers[silent].text) == 0)
		f->preferred = (f->preferred + 1) % f->server_count;
	if (x->tries >= (x->tcp ? x->server_count : TRIES))
		finish(x, STR_NONE);
	else
		attempt(x);
}

static struct asked *make(struct dns_forward *f, struct str query)
{
	struct asked *x = MEM_NEW(struct asked);
	enum dns_code code;
	arena_init(&x->arena);
	buf_init(&x->reply);
	x->forward = f;
	x->query = arena_str(&x->arena, query);
	memcpy(x->id, query.p, sizeof x->id);
	loop_random(f->loop, (char *)x->query.p, sizeof x->id);
	if (dns_parse(&x->arena, x->query, &x->question, &code) != 0) {
		destroy(x);
		return NULL;
	}
	x->server_count = f->server_count;
	for (size_t i = 0; i < f->server_count; i++)
		x->servers[i] = f->servers[(f->preferred + i) % f->server_count];
	return x;
}

void dns_forward_ask(struct dns_forward *f, struct str query, struct str source, bool tcp, dns_forward_done *done,
		     void *arg)
{
	bool full = f->open == OPEN_MAX || (intptr_t)map_get(&f->sources, source) == OPEN_OF_ONE_MAX;
	struct asked *x = full || f->server_count == 0 || query.n > DNS_TCP_MAX ? NULL : make(f, query);
	if (!x) {
		done(arg, STR_NONE);
		return;
	}
	x->source = arena_str(&x->arena, source);
	x->tcp = tcp;
	x->done = done;
	x->arg = arg;
	x->patience = (struct timer){.fire = on_patience, .loop = f->loop};
	x->next = f->first;
	x->link = &f->first;
	if (f->first)
		f->first->link = &x->next;
	f->first = x;
	count_source(f, x->source, +1);
	attempt(x);
}

void dns_forward_destroy(struct dns_forward *f)
{
	if (!f)
		return;
	while (f->first)
		release(f->first);
	map_finish(&f->sources);
	free(f);
}
