// SPDX-License-Identifier: Apache-2.0
// Imitated streams: two ends, and between them messages on their way.
//
// Each end has an outbox (what stream_pending counts) and an inbox. Once a turn the outbox goes on its way as one
// message, as far as the WINDOW of bytes that the other side has not yet read allows.
#include <stdio.h>

#include "base/times.h"
#include "sys/sim/world.h"

enum { WINDOW = 256 * 1024 };
static const int64_t connect_timeout = 10 * TIME_S, retry_delay = 100 * TIME_MS;

struct sim_stream {
	struct stream base;
	unsigned refs; // of the user, of the peer and of the events that concern it
	struct sim_stream *peer;
	struct stream_events events;
	void *arg;
	struct str address; // of the peer; owned
	struct buf outbox, inbox;
	size_t unread;	    // sent, not yet read by the peer
	int64_t last_arrival;
	bool reading, closed, broken;
	bool eof_wanted, eof_sent, eof_came, eof_told; // wanted, sent: of this side; came, told: of the peer
	bool flush_expected, pump_expected;
	void (*on_connect)(void *arg, struct stream *, const struct err *e);
	LIST_ENTRY(sim_stream) all;
};

struct message {
	struct sim_stream *to;
	struct blob *data; // NULL: the end
};

static struct sim_stream *stream_of(struct stream *s)
{
	return CONTAINER_OF(s, struct sim_stream, base);
}

static struct sim_stream *create(struct loop *l, struct str address)
{
	struct sim_stream *s = MEM_NEW(struct sim_stream);
	s->base.loop = l;
	s->refs = 1;
	LIST_INSERT_HEAD(&sim_of(l)->streams, s, all);
	char *copy = mem_alloc(address.n + 1);
	str_to_c(address, copy, address.n + 1);
	s->address = (struct str){copy, address.n};
	return s;
}

static struct sim_stream *ref(struct sim_stream *s)
{
	s->refs++;
	return s;
}

static void destroy(struct sim_stream *s)
{
	LIST_REMOVE(s, all);
	buf_finish(&s->outbox);
	buf_finish(&s->inbox);
	free((char *)s->address.p);
	free(s);
}

static void unref(struct sim_stream *s)
{
	if (--s->refs == 0)
		destroy(s);
}

static void drop_stream(struct event *ev)
{
	unref(ev->subject);
}

static void expect(struct sim_stream *s, int64_t delay, void (*happen)(struct event *))
{
	sim_expect(sim_of(s->base.loop), delay, happen, drop_stream, ref(s));
}

static int64_t delay_of_message(struct sim *sim)
{
	const struct sim_faults *f = &sim->faults;
	int64_t span = f->message_delay_max_ns - f->message_delay_min_ns;
	return f->message_delay_min_ns + (span > 0 ? (int64_t)sim_random_below(sim, (uint64_t)span + 1) : 0);
}

static bool cut_off(const struct sim_stream *s)
{
	return sim_loop_of(s->base.loop)->isolated || (s->peer && sim_loop_of(s->peer->base.loop)->isolated);
}

// ---- breaking

static void tell_broken(struct event *ev)
{
	struct sim_stream *s = ev->subject;
	if (!s->closed && !s->broken) {
		s->broken = true;
		struct err e CLEAN_ERR = ERR_EMPTY;
		err_set(&e, ERR_UNAVAILABLE, "connection: connection reset by peer");
		if (s->events.on_read)
			s->events.on_read(s->arg, STR_NONE, &e);
	}
	unref(s);
}

static void break_both(struct sim_stream *s)
{
	expect(s, 0, tell_broken);
	if (s->peer)
		expect(s->peer, 0, tell_broken);
}

// ---- from the inbox to the reader

static void expect_flush(struct sim_stream *s);

static void pump(struct event *ev)
{
	struct sim_stream *s = ev->subject;
	struct sim *sim = sim_of(s->base.loop);
	s->pump_expected = false;
	while (s->reading && !s->closed && !s->broken && s->inbox.n) {
		// A reader may not count on pieces: now and then only a part is there.
		size_t n = s->inbox.n;
		if (n > 1 && sim_chance(sim, 125))
			n = 1 + sim_random_below(sim, n - 1);
		struct blob *piece = blob_create(str_sub(buf_str(&s->inbox), 0, n));
		buf_drop(&s->inbox, n);
		if (s->peer) {
			s->peer->unread -= n;
			expect_flush(s->peer);
		}
		s->events.on_read(s->arg, blob_str(piece), NULL);
		blob_unref(piece);
	}
	if (s->reading && !s->closed && !s->broken && s->eof_came && !s->eof_told && !s->inbox.n) {
		s->eof_told = true;
		s->events.on_read(s->arg, STR_NONE, NULL);
	}
	unref(s);
}

static void expect_pump(struct sim_stream *s)
{
	if (s->pump_expected)
		return;
	s->pump_expected = true;
	expect(s, 0, pump);
}

// ---- from the outbox to the peer's inbox

static void drop_message(struct event *ev)
{
	struct message *m = ev->subject;
	blob_unref(m->data);
	unref(m->to);
	free(m);
}

static void arrive(struct event *ev)
{
	struct message *m = ev->subject;
	struct sim_stream *s = m->to;
	struct sim *sim = sim_of(s->base.loop);
	if (cut_off(s)) {
		sim_expect(sim, retry_delay, arrive, drop_message, m);
		return;
	}
	if (s->closed) {
		if (m->data && s->peer)
			expect(s->peer, 0, tell_broken); // as TCP answers what nobody reads any more
	} else if (m->data) {
		buf_add(&s->inbox, blob_str(m->data));
		sim_mix(sim, blob_str(m->data));
	} else {
		s->eof_came = true;
	}
	expect_pump(s);
	drop_message(ev);
}

static void send_message(struct sim_stream *s, struct blob *data)
{
	struct sim *sim = sim_of(s->base.loop);
	struct message *m = MEM_NEW(struct message);
	*m = (struct message){ref(s->peer), data};
	int64_t at = sim->now + delay_of_message(sim);
	if (at < s->peer->last_arrival)
		at = s->peer->last_arrival; // order is kept
	s->peer->last_arrival = at;
	sim_expect(sim, at - sim->now, arrive, drop_message, m);
}

static void flush(struct event *ev)
{
	struct sim_stream *s = ev->subject;
	s->flush_expected = false;
	bool had = s->outbox.n > 0;
	if (!s->peer || s->broken || (s->closed && !s->eof_wanted)) {
		unref(s);
		return;
	}
	size_t n = WINDOW - s->unread < s->outbox.n ? WINDOW - s->unread : s->outbox.n;
	if (n && sim_chance(sim_of(s->base.loop), sim_of(s->base.loop)->faults.stream_broken)) {
		break_both(s);
	} else if (n) {
		s->unread += n;
		send_message(s, blob_create(str_sub(buf_str(&s->outbox), 0, n)));
		buf_drop(&s->outbox, n);
	}
	if (s->eof_wanted && !s->eof_sent && !s->outbox.n) {
		s->eof_sent = true;
		send_message(s, NULL);
	}
	if (had && !s->outbox.n && !s->closed && s->events.on_drain)
		s->events.on_drain(s->arg);
	unref(s);
}

static void expect_flush(struct sim_stream *s)
{
	if (s->flush_expected || (!s->outbox.n && (!s->eof_wanted || s->eof_sent)))
		return;
	s->flush_expected = true;
	expect(s, 0, flush);
}

// ---- what users call

void sim_stream_start(struct stream *base, const struct stream_events *events, void *arg)
{
	struct sim_stream *s = stream_of(base);
	s->events = *events;
	s->arg = arg;
	sim_stream_read(base, true);
}

void sim_stream_read(struct stream *base, bool on)
{
	struct sim_stream *s = stream_of(base);
	s->reading = on;
	if (on)
		expect_pump(s);
}

void sim_stream_write(struct stream *base, struct blob *b)
{
	struct sim_stream *s = stream_of(base);
	if (!s->closed && !s->broken && !s->eof_wanted) {
		buf_add(&s->outbox, blob_str(b));
		expect_flush(s);
	}
	blob_unref(b);
}

size_t sim_stream_pending(struct stream *base)
{
	return stream_of(base)->outbox.n;
}

void sim_stream_shutdown(struct stream *base)
{
	struct sim_stream *s = stream_of(base);
	if (s->closed || s->broken)
		return;
	s->eof_wanted = true;
	expect_flush(s);
}

void sim_stream_close(struct stream *base)
{
	struct sim_stream *s = stream_of(base), *peer = s->peer;
	if (s->closed)
		return;
	s->closed = true;
	buf_clear(&s->outbox);
	if (peer && !peer->closed) {
		s->eof_wanted = true;
		expect_flush(s);
	} else if (peer) {
		s->peer = peer->peer = NULL;
		s->refs--; // of the peer; the user's is left
		unref(peer);
	}
	unref(s);
}

struct str sim_stream_peer(struct stream *base, struct arena *a)
{
	return arena_str(a, stream_of(base)->address);
}

struct move {
	struct sim_stream *stream;
	void (*on_moved)(void *arg, struct stream *);
	void *arg;
};

static void drop_move(struct event *ev)
{
	free(ev->subject);
}

static void finish_move(struct event *ev)
{
	struct move *m = ev->subject;
	m->on_moved(m->arg, &m->stream->base);
	free(m);
}

void sim_stream_move(struct stream *base, struct loop *to, void (*on_moved)(void *arg, struct stream *), void *arg)
{
	struct move *m = MEM_NEW(struct move);
	*m = (struct move){stream_of(base), on_moved, arg};
	base->loop = to;
	sim_expect(sim_of(to), 0, finish_move, drop_move, m);
}

// ---- listening and connecting

struct sim_listener {
	struct listener base;
	void (*on_accept)(void *arg, struct stream *);
	void *arg;
	int port;
	char address[128]; // "HOST:PORT" or "unix:PATH"
};

// The address in full, with the port picked where it was 0.
static int resolve(struct sim *s, const char *address, int *port, char *out, size_t size, struct err *e)
{
	struct str text = str_of(address);
	*port = 0;
	if (str_starts(text, STR("unix:"))) {
		str_to_c(text, out, size);
		return 0;
	}
	ptrdiff_t colon = str_find_last(text, ':');
	uint64_t number;
	if (colon < 0 || str_to_u64(str_from(text, (size_t)colon + 1), &number) < 0 || number > 65535)
		return err_set(e, ERR_BAD_REQUEST, "address \"%s\": not HOST:PORT", address);
	*port = number ? (int)number : s->next_port++;
	struct str host = colon ? str_sub(text, 0, (size_t)colon) : STR("0.0.0.0");
	snprintf(out, size, "%.*s:%d", STR_FMT(host), *port);
	return 0;
}

int sim_listen(struct loop *l, const char *address, void (*on_accept)(void *arg, struct stream *), void *arg,
	       struct listener **out, struct err *e)
{
	struct sim *s = sim_of(l);
	struct sim_listener *x = MEM_NEW(struct sim_listener);
	*x = (struct sim_listener){.base = {l}, .on_accept = on_accept, .arg = arg};
	if (resolve(s, address, &x->port, x->address, sizeof x->address, e) < 0) {
		free(x);
		return -1;
	}
	if (map_has(&s->listeners, str_of(x->address))) {
		free(x);
		return err_set(e, ERR_UNAVAILABLE, "listen: %s: address already in use", address);
	}
	map_set(&s->listeners, str_of(x->address), x);
	*out = &x->base;
	return 0;
}

void sim_listener_close(struct listener *base)
{
	struct sim_listener *x = CONTAINER_OF(base, struct sim_listener, base);
	map_remove(&sim_of(base->loop)->listeners, str_of(x->address));
	free(x);
}

int sim_listener_port(struct listener *base)
{
	return CONTAINER_OF(base, struct sim_listener, base)->port;
}

void sim_net_finish(struct sim *s)
{
	while (!LIST_EMPTY(&s->streams))
		destroy(LIST_FIRST(&s->streams));
	map_each(entry, &s->listeners)
		free(entry->value);
	map_finish(&s->listeners);
}

static struct sim_listener *find_listener(struct sim *s, const char *address)
{
	char wildcard[128], exact[128];
	int port;
	if (resolve(s, address, &port, exact, sizeof exact, NULL) < 0)
		return NULL;
	struct sim_listener *x = map_get(&s->listeners, str_of(exact));
	if (x || !port)
		return x;
	snprintf(wildcard, sizeof wildcard, "0.0.0.0:%d", port);
	x = map_get(&s->listeners, str_of(wildcard));
	snprintf(wildcard, sizeof wildcard, "[::]:%d", port);
	return x ? x : map_get(&s->listeners, str_of(wildcard));
}

static void tell_connected(struct event *ev)
{
	struct sim_stream *s = ev->subject;
	if (!s->closed)
		s->on_connect(s->arg, &s->base, NULL);
	unref(s);
}

static void fail_connect(struct sim_stream *s, enum err_reason reason, const char *why)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, reason, "connect: %s", why);
	sim_stream_close(&s->base);
	s->on_connect(s->arg, NULL, &e);
}

static void tell_timeout(struct event *ev)
{
	struct sim_stream *s = ev->subject;
	if (!s->closed)
		fail_connect(s, ERR_TIMEOUT, "connection timed out");
	unref(s);
}

static void knock(struct event *ev)
{
	struct sim_stream *s = ev->subject;
	struct sim *sim = sim_of(s->base.loop);
	struct sim_listener *x = s->closed ? NULL : find_listener(sim, s->address.p);
	if (s->closed) {
		// given up
	} else if (cut_off(s) || (x && sim_loop_of(x->base.loop)->isolated)) {
		expect(s, connect_timeout, tell_timeout);
	} else if (!x || sim_chance(sim, sim->faults.connect_refused)) {
		fail_connect(s, ERR_UNAVAILABLE, "connection refused");
	} else {
		char from[64];
		snprintf(from, sizeof from, "127.0.0.1:%d", 40000 + (int)sim_random_below(sim, 20000));
		struct sim_stream *server = create(x->base.loop, str_of(from));
		server->peer = ref(s);
		s->peer = ref(server);
		expect(s, delay_of_message(sim), tell_connected);
		x->on_accept(x->arg, &server->base);
	}
	unref(s);
}

struct stream *sim_connect(struct loop *l, const char *address,
			   void (*on_connect)(void *arg, struct stream *, const struct err *e), void *arg)
{
	struct sim_stream *s = create(l, str_of(address));
	s->on_connect = on_connect;
	s->arg = arg;
	expect(s, delay_of_message(sim_of(l)), knock);
	return &s->base;
}
