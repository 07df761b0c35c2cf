// SPDX-License-Identifier: Apache-2.0
// A duplex over a stream, with or without TLS between.
//
// Going out, a plain connection hands blobs straight to the stream. With TLS they wait as they are in a queue
// and are encrypted in pieces while the stream has less than STREAM_HIGH bytes pending, so that a long answer
// needs no second copy.
#include "base/buf.h"
#include "wire/duplex.h"
#include "wire/tls.h"

enum {
	RECORD = 16 * 1024,
	BATCH = 64 * 1024,	  // plaintext encrypted into one blob
	STREAM_HIGH = 256 * 1024, // ciphertext
	ANSWERS_MAX = 256 * 1024, // that TLS itself gives (to key updates) before all has left
};

struct connection {
	struct duplex base;
	struct stream *stream;
	const struct duplex_events *events; // NULL: nobody listens yet
	void *arg;

	struct tls *tls; // NULL: plain
	void (*on_ready)(void *arg, struct duplex *d, const struct err *e); // NULL once told
	void *ready_arg;

	struct buf unread; // plaintext that comes first
	struct buf held;   // as it came from the stream, not looked at yet
	bool started;	   // the stream is
	bool paused;	   // by duplex_read
	bool ended;	   // the peer ended its direction, perhaps not told yet
	bool ended_told;
	bool broken;
	struct err fault; // what broke it, until it is told

	struct blob **queue; // plaintext for TLS, from `first`
	size_t first, count, room;
	size_t offset; // into the first
	size_t queued; // bytes
	size_t answers; // of TLS itself, since the stream was drained
	bool high;     // was above DUPLEX_HIGH
	bool shutting, shut;

	struct task task; // pumps and flushes
	bool posted;
	unsigned busy; // callbacks under way and the posted task: memory stays
	bool closed;
};

static void pump(struct connection *c, struct str input);
static void flush(struct connection *c);

// ---- Life

static void release(struct connection *c)
{
	if (--c->busy || !c->closed)
		return;
	for (size_t i = 0; i < c->count; i++)
		blob_unref(c->queue[c->first + i]);
	free(c->queue);
	buf_finish(&c->unread);
	buf_finish(&c->held);
	err_clear(&c->fault);
	tls_destroy(c->tls);
	free(c);
}

static void run_later(struct task *t)
{
	struct connection *c = CONTAINER_OF(t, struct connection, task);
	c->posted = false;
	if (!c->closed) {
		pump(c, STR_NONE);
		flush(c);
	}
	release(c);
}

static void post(struct connection *c)
{
	if (c->posted)
		return;
	c->posted = true;
	c->busy++;
	loop_post(c->base.loop, &c->task);
}

// ---- Coming in

static void tell_ready(struct connection *c, const struct err *e)
{
	void (*on_ready)(void *, struct duplex *, const struct err *) = c->on_ready;
	c->on_ready = NULL;
	on_ready(c->ready_arg, &c->base, e);
}

static void tell_broken(struct connection *c)
{
	struct err fault CLEAN_ERR = ERR_EMPTY;
	err_move(&fault, &c->fault);
	if (c->on_ready)
		tell_ready(c, &fault);
	else
		c->events->on_read(c->arg, STR_NONE, &fault);
}

// pump tells it.
static void break_off(struct connection *c, const struct err *e)
{
	if (c->broken)
		return;
	c->broken = true;
	err_set(&c->fault, e->reason, "%s", err_text(e));
}

static void send_output(struct connection *c)
{
	struct blob *out = tls_output(c->tls);
	if (out)
		stream_write(c->stream, out);
}

// A peer may ask for new keys as often as it likes, but not without reading the answers.
static void send_answers(struct connection *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct blob *out = tls_output(c->tls);
	if (!out)
		return;
	c->answers += out->n;
	stream_write(c->stream, out);
	if (c->answers > ANSWERS_MAX) {
		err_set(&e, ERR_UNAVAILABLE, "TLS: the peer does not read");
		break_off(c, &e);
	}
}

static void shake_hands(struct connection *c, struct str *input)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	enum tls_result r = tls_handshake(c->tls, input, &e);
	send_output(c);
	if (r == TLS_WANT)
		return;
	if (r != TLS_OK) {
		if (r == TLS_CLOSED)
			err_set(&e, ERR_UNAVAILABLE, "TLS: closed during the handshake");
		break_off(c, &e);
		return;
	}
	tell_ready(c, NULL);
	if (!c->closed && !c->events)
		stream_read(c->stream, false); // until somebody listens
}

static void decrypt(struct connection *c, struct str *input)
{
	char plain[RECORD];
	size_t n = 0;
	struct err e CLEAN_ERR = ERR_EMPTY;
	switch (tls_read(c->tls, input, plain, sizeof plain, &n, &e)) {
	case TLS_OK:
		c->events->on_read(c->arg, (struct str){plain, n}, NULL);
		break;
	case TLS_WANT:
		send_answers(c);
		break;
	case TLS_CLOSED:
		c->ended = true;
		*input = STR_NONE;
		break;
	case TLS_FAILED:
		send_output(c);
		break_off(c, &e);
		break;
	}
}

static void deliver_unread(struct connection *c)
{
	struct buf bytes CLEAN_BUF = c->unread;
	buf_init(&c->unread);
	c->events->on_read(c->arg, buf_str(&bytes), NULL);
}

// Whether bytes of the input may be looked at.
static bool flowing(const struct connection *c)
{
	return !c->closed && !c->broken && (c->on_ready || (c->events && !c->paused));
}

static void pump_input(struct connection *c, struct str *input)
{
	while (flowing(c) && (c->unread.n || input->n)) {
		if (c->on_ready) {
			shake_hands(c, input);
		} else if (c->unread.n) {
			deliver_unread(c);
		} else if (c->tls) {
			decrypt(c, input);
		} else {
			struct str all = *input;
			*input = STR_NONE;
			c->events->on_read(c->arg, all, NULL);
		}
	}
}

// Delivers what is held and the input, as far as the listener takes it, and holds the rest.
static void pump(struct connection *c, struct str input)
{
	c->busy++;
	if (c->held.n) {
		buf_add(&c->held, input);
		struct buf held CLEAN_BUF = c->held;
		buf_init(&c->held);
		input = buf_str(&held);
		pump_input(c, &input);
		buf_add(&c->held, input);
	} else {
		pump_input(c, &input);
		buf_add(&c->held, input);
	}
	if (flowing(c) && !c->on_ready && c->ended && !c->ended_told) {
		c->ended_told = true;
		c->events->on_read(c->arg, STR_NONE, NULL);
	}
	if (!c->closed && c->fault.text && (c->on_ready || c->events))
		tell_broken(c);
	release(c);
}

static void on_stream_read(void *arg, struct str data, const struct err *e)
{
	struct connection *c = arg;
	c->busy++;
	if (e) {
		break_off(c, e);
	} else if (data.n == 0 && c->on_ready) {
		struct err cut CLEAN_ERR = ERR_EMPTY;
		err_set(&cut, ERR_UNAVAILABLE, "the peer closed during the TLS handshake");
		break_off(c, &cut);
	} else if (data.n == 0) {
		c->ended = true;
	}
	pump(c, data);
	flush(c);
	release(c);
}

// ---- Going out

// Moves up to a record's worth of small blobs together, or shows the first one's rest where that is long
// enough.
static struct str next_plain(struct connection *c, char *scratch)
{
	struct str rest = str_from(blob_str(c->queue[c->first]), c->offset);
	if (c->count == 1 || rest.n >= RECORD)
		return str_sub(rest, 0, RECORD);
	size_t n = 0, offset = c->offset;
	for (size_t i = 0; i < c->count && n < RECORD; i++, offset = 0) {
		struct str part = str_sub(str_from(blob_str(c->queue[c->first + i]), offset), 0, RECORD - n);
		memcpy(scratch + n, part.p, part.n);
		n += part.n;
	}
	return (struct str){scratch, n};
}

static void drop_plain(struct connection *c, size_t n)
{
	c->queued -= n;
	while (c->count) {
		size_t rest = c->queue[c->first]->n - c->offset;
		if (n < rest)
			break;
		n -= rest;
		blob_unref(c->queue[c->first]);
		c->first++;
		c->count--;
		c->offset = 0;
	}
	c->offset += n;
	if (c->count == 0) {
		c->first = 0;
		if (c->room > 16) {
			free(c->queue);
			c->queue = NULL;
			c->room = 0;
		}
	}
}

static void encrypt_batch(struct connection *c)
{
	char scratch[RECORD];
	struct err e CLEAN_ERR = ERR_EMPTY;
	size_t done = 0;
	tls_reserve(c->tls, c->queued < BATCH ? c->queued : BATCH);
	while (c->count && done < BATCH) {
		struct str plain = next_plain(c, scratch);
		if (plain.n && tls_write(c->tls, plain, &e) != TLS_OK) {
			break_off(c, &e);
			post(c);
			return;
		}
		done += plain.n;
		drop_plain(c, plain.n);
	}
	send_output(c);
}

static void flush(struct connection *c)
{
	if (!c->tls || c->on_ready || c->closed)
		return;
	c->busy++;
	while (c->count && !c->closed && !c->broken && stream_pending(c->stream) < STREAM_HIGH)
		encrypt_batch(c);
	if (c->shutting && !c->shut && c->count == 0 && !c->closed && !c->broken) {
		c->shut = true;
		tls_shutdown(c->tls);
		send_output(c);
		stream_shutdown(c->stream);
	}
	release(c);
}

static size_t connection_pending(struct duplex *d)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	return c->broken ? 0 : c->queued + stream_pending(c->stream);
}

static void on_stream_drain(void *arg)
{
	struct connection *c = arg;
	c->busy++;
	c->answers = 0;
	flush(c);
	if (c->high && !c->closed && !c->broken && connection_pending(&c->base) <= DUPLEX_LOW) {
		c->high = false;
		if (c->events && c->events->on_drain)
			c->events->on_drain(c->arg);
		flush(c);
	}
	release(c);
}

static void enqueue(struct connection *c, struct blob *b)
{
	if (c->first + c->count == c->room) {
		if (c->first >= c->room / 2 && c->first) {
			memmove(c->queue, c->queue + c->first, c->count * sizeof *c->queue);
			c->first = 0;
		} else {
			c->room = c->room ? c->room * 2 : 8;
			c->queue = mem_realloc(c->queue, c->room * sizeof *c->queue);
		}
	}
	c->queue[c->first + c->count++] = b;
	c->queued += b->n;
}

static void connection_write(struct duplex *d, struct blob *b)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	if (c->broken || c->shutting || c->closed || b->n == 0) {
		blob_unref(b);
		return;
	}
	if (c->tls) {
		enqueue(c, b);
		if (c->busy == 0)
			post(c);
	} else {
		stream_write(c->stream, b);
	}
	if (connection_pending(d) > DUPLEX_HIGH)
		c->high = true;
}

static void connection_flush(struct duplex *d)
{
	flush(CONTAINER_OF(d, struct connection, base));
}

// ---- The rest of the duplex

static const struct stream_events stream_events = {on_stream_read, on_stream_drain};

static void connection_start(struct duplex *d, const struct duplex_events *events, void *arg)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	c->events = events;
	c->arg = arg;
	c->paused = false;
	bool readable = !c->ended && !c->broken;
	if (events && !c->started) {
		c->started = true;
		stream_start(c->stream, &stream_events, c);
	} else if (readable && c->started) {
		stream_read(c->stream, events != NULL);
	}
	if (events && (c->held.n || c->unread.n || !readable))
		post(c);
}

static void connection_read(struct duplex *d, bool on)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	if (c->paused == !on)
		return;
	c->paused = !on;
	if (c->broken)
		return;
	if (!c->ended)
		stream_read(c->stream, on);
	if (on && (c->held.n || c->unread.n || c->ended))
		post(c);
}

static void connection_unread(struct duplex *d, struct str s)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	struct buf later CLEAN_BUF = c->unread;
	buf_init(&c->unread);
	buf_add(&c->unread, s);
	buf_add(&c->unread, buf_str(&later));
}

static void connection_shutdown(struct duplex *d)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	if (c->shutting || c->broken)
		return;
	c->shutting = true;
	if (!c->tls)
		stream_shutdown(c->stream);
	else if (c->busy == 0)
		post(c);
}

static void connection_close(struct duplex *d)
{
	struct connection *c = CONTAINER_OF(d, struct connection, base);
	MUST(!c->closed);
	c->busy++;
	c->closed = true;
	stream_close(c->stream);
	release(c);
}

static const struct duplex_ops connection_ops = {
	.start = connection_start,
	.read = connection_read,
	.write = connection_write,
	.flush = connection_flush,
	.unread = connection_unread,
	.pending = connection_pending,
	.shutdown = connection_shutdown,
	.close = connection_close,
};

static struct connection *connection_create(struct stream *s)
{
	struct connection *c = MEM_NEW(struct connection);
	c->base = (struct duplex){&connection_ops, s->loop};
	c->stream = s;
	c->task.run = run_later;
	return c;
}

struct duplex *duplex_of_stream(struct stream *s)
{
	return &connection_create(s)->base;
}

struct duplex *tls_duplex(struct stream *s, struct tls_context *context, const char *server_name,
			  void (*on_ready)(void *arg, struct duplex *d, const struct err *e), void *arg)
{
	struct connection *c = connection_create(s);
	c->tls = tls_create(context, server_name, loop_wall(s->loop));
	c->on_ready = on_ready;
	c->ready_arg = arg;
	c->started = true;
	stream_start(s, &stream_events, c);
	if (server_name) { // the client speaks first
		struct str nothing = STR_NONE;
		tls_handshake(c->tls, &nothing, NULL);
		send_output(c);
	}
	return &c->base;
}

struct tls *tls_of_duplex(struct duplex *d)
{
	MUST(d->ops == &connection_ops);
	return CONTAINER_OF(d, struct connection, base)->tls;
}
