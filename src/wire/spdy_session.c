// SPDX-License-Identifier: Apache-2.0
#include <sys/queue.h>

#include "base/times.h"
#include "wire/inbox.h"
#include "wire/spdy.h"

enum {
	FRAME_MAX = 32 * 1024,	 // of data in one of our frames
	HELD_MAX = 1024 * 1024,	 // bytes that streams hold for slow listeners, then the connection is not read
	UNSENT_MAX = 4 * DUPLEX_HIGH, // nor when so much waits for the peer to take: it may ask for ever more answers
	CLOSE_S = 5,
};

struct spdy_stream {
	struct duplex base;
	struct inbox inbox;
	struct spdy_session *session; // NULL once that has ended
	uint32_t id;
	bool fin_sent;
	bool high;     // somebody waits for on_drain
	bool draining; // and is about to be told
	LIST_ENTRY(spdy_stream) all;
};

LIST_HEAD(spdy_streams, spdy_stream);

struct spdy_session {
	struct duplex *duplex;
	const struct spdy_events *events; // NULL: nobody listens any more
	void *arg;
	struct spdy_reader reader;
	struct spdy_writer writer;
	struct spdy_streams streams;
	size_t stream_count;
	uint32_t next_id, last_peer_id;
	bool client;
	bool unread; // the connection is not read
	bool ended;  // told
	struct timer timer;
	unsigned busy;
	bool gone;
};

static const struct duplex_ops stream_ops;

// ---- Streams

static struct spdy_stream *stream_of(struct duplex *d)
{
	return CONTAINER_OF(d, struct spdy_stream, base);
}

static void stream_free(struct inbox *i)
{
	free(CONTAINER_OF(i, struct spdy_stream, inbox));
}

static void balance(struct spdy_session *s);

static void stream_emptied(struct inbox *i)
{
	struct spdy_stream *t = CONTAINER_OF(i, struct spdy_stream, inbox);
	if (t->session && t->session->unread)
		balance(t->session);
}

static struct spdy_stream *stream_create(struct spdy_session *s, uint32_t id)
{
	struct spdy_stream *t = MEM_NEW(struct spdy_stream);
	t->base = (struct duplex){&stream_ops, s->duplex->loop};
	inbox_init(&t->inbox, s->duplex->loop, stream_free);
	t->inbox.emptied = stream_emptied;
	t->session = s;
	t->id = id;
	LIST_INSERT_HEAD(&s->streams, t, all);
	s->stream_count++;
	return t;
}

static void stream_detach(struct spdy_stream *t)
{
	if (!t->session)
		return;
	LIST_REMOVE(t, all);
	t->session->stream_count--;
	t->session = NULL;
}

static struct spdy_stream *find(struct spdy_session *s, uint32_t id)
{
	struct spdy_stream *t;
	LIST_FOREACH(t, &s->streams, all)
		if (t->id == id)
			return t;
	return NULL;
}

// Reads the connection or not, by how much the streams hold and the peer has not taken.
static void balance(struct spdy_session *s)
{
	struct spdy_stream *t;
	size_t held = 0;
	LIST_FOREACH(t, &s->streams, all)
		held += t->inbox.held.n;
	bool full = held > HELD_MAX || duplex_pending(s->duplex) > UNSENT_MAX;
	if (full != s->unread) {
		s->unread = full;
		duplex_read(s->duplex, !full);
	}
}

static void send_buf(struct spdy_session *s, const struct buf *frame)
{
	duplex_write(s->duplex, blob_create(buf_str(frame)));
}

static void stream_start_reading(struct duplex *d, const struct duplex_events *events, void *arg)
{
	inbox_start(&stream_of(d)->inbox, events, arg);
}

static void stream_set_reading(struct duplex *d, bool on)
{
	inbox_read(&stream_of(d)->inbox, on);
}

static void write_data(struct spdy_stream *t, struct str data, bool fin)
{
	struct buf frame CLEAN_BUF;
	buf_init(&frame);
	spdy_write_data(&frame, t->id, fin, data);
	send_buf(t->session, &frame);
}

static void stream_write_blob(struct duplex *d, struct blob *b)
{
	struct spdy_stream *t = stream_of(d);
	struct str rest = blob_str(b);
	while (t->session && !t->fin_sent && rest.n) {
		write_data(t, str_sub(rest, 0, FRAME_MAX), false);
		rest = str_from(rest, FRAME_MAX);
	}
	if (t->session && duplex_pending(t->session->duplex) > DUPLEX_HIGH)
		t->high = true;
	blob_unref(b);
}

static void stream_flush(struct duplex *d)
{
}

static void stream_unread(struct duplex *d, struct str s)
{
	inbox_unread(&stream_of(d)->inbox, s);
}

static size_t stream_bytes_pending(struct duplex *d)
{
	struct spdy_stream *t = stream_of(d);
	return t->session ? duplex_pending(t->session->duplex) : 0;
}

static void stream_end_writing(struct duplex *d)
{
	struct spdy_stream *t = stream_of(d);
	if (t->session && !t->fin_sent)
		write_data(t, STR_NONE, true);
	t->fin_sent = true;
}

// A stream that we have ended is just forgotten: a reset could overtake, at the peer, what it has not read yet.
static void stream_close_now(struct duplex *d)
{
	struct spdy_stream *t = stream_of(d);
	struct spdy_session *s = t->session;
	if (s && !t->fin_sent) {
		struct buf frame CLEAN_BUF;
		buf_init(&frame);
		spdy_write_rst_stream(&frame, t->id, SPDY_CANCEL);
		send_buf(s, &frame);
	}
	stream_detach(t);
	inbox_close(&t->inbox);
	if (s && s->unread)
		balance(s);
}

static const struct duplex_ops stream_ops = {
	.start = stream_start_reading,
	.read = stream_set_reading,
	.write = stream_write_blob,
	.flush = stream_flush,
	.unread = stream_unread,
	.pending = stream_bytes_pending,
	.shutdown = stream_end_writing,
	.close = stream_close_now,
};

// ---- The session's end

static void release(struct spdy_session *s)
{
	if (--s->busy || !s->gone)
		return;
	spdy_reader_finish(&s->reader);
	spdy_writer_finish(&s->writer);
	free(s);
}

static void break_streams(struct spdy_session *s, const struct err *e)
{
	struct spdy_stream *t;
	while ((t = LIST_FIRST(&s->streams))) {
		stream_detach(t);
		inbox_break(&t->inbox, e);
	}
}

void spdy_session_destroy(struct spdy_session *s)
{
	if (!s || s->gone)
		return;
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_UNAVAILABLE, "SPDY: the connection was closed");
	s->busy++;
	s->gone = true;
	timer_stop(&s->timer);
	break_streams(s, &e);
	duplex_close(s->duplex);
	release(s);
}

static void end(struct spdy_session *s, const struct err *e)
{
	if (s->ended || s->gone)
		return;
	s->ended = true;
	break_streams(s, e);
	if (s->gone)
		return;
	if (s->events)
		s->events->on_end(s->arg);
	else
		spdy_session_destroy(s);
}

static void fault(struct spdy_session *s, const char *text)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct buf frame CLEAN_BUF;
	buf_init(&frame);
	err_set(&e, ERR_BAD_REQUEST, "SPDY: %s", text);
	spdy_write_goaway(&frame, s->last_peer_id);
	send_buf(s, &frame);
	end(s, &e);
}

// ---- Frames

static void take_syn_stream(struct spdy_session *s)
{
	uint32_t id = s->reader.stream;
	struct buf frame CLEAN_BUF;
	buf_init(&frame);
	if (id <= s->last_peer_id || (id & 1) != (s->client ? 0 : 1)) {
		fault(s, "a stream with a wrong number");
		return;
	}
	s->last_peer_id = id;
	if (!s->events || s->stream_count >= SPDY_STREAMS_MAX) {
		spdy_write_rst_stream(&frame, id, SPDY_REFUSED_STREAM);
		send_buf(s, &frame);
		return;
	}
	spdy_write_syn_reply(&s->writer, &frame, id, false, (struct http_headers){0});
	send_buf(s, &frame);
	struct spdy_stream *t = stream_create(s, id);
	if (s->reader.fin)
		inbox_put(&t->inbox, STR_NONE, true);
	s->events->on_stream(s->arg, &t->base, s->reader.headers);
}

static void take_data(struct spdy_session *s)
{
	struct spdy_stream *t = find(s, s->reader.stream);
	if (!t) // closed by us a while ago
		return;
	inbox_put(&t->inbox, s->reader.piece, s->reader.fin); // may close it
	if (!s->gone && !s->ended)
		balance(s);
}

static void take_reset(struct spdy_session *s)
{
	struct spdy_stream *t = find(s, s->reader.stream);
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (!t)
		return;
	err_set(&e, ERR_UNAVAILABLE, "SPDY: the peer reset the stream");
	stream_detach(t);
	inbox_break(&t->inbox, &e);
}

// Pings that we did not send are answered, unless the peer does not read the answers.
static void take_ping(struct spdy_session *s)
{
	struct buf frame CLEAN_BUF;
	buf_init(&frame);
	if ((s->reader.value & 1) != (s->client ? 0 : 1) || duplex_pending(s->duplex) > DUPLEX_HIGH)
		return;
	spdy_write_ping(&frame, s->reader.value);
	send_buf(s, &frame);
}

static void take_event(struct spdy_session *s, enum spdy_event event)
{
	switch (event) {
	case SPDY_SYN_STREAM:
		take_syn_stream(s);
		if (!s->gone && !s->ended)
			balance(s);
		break;
	case SPDY_DATA:
		take_data(s);
		break;
	case SPDY_RST_STREAM:
		take_reset(s);
		break;
	case SPDY_PING:
		take_ping(s);
		break;
	case SPDY_BAD:
		fault(s, s->reader.error_text);
		break;
	case SPDY_MORE:
	case SPDY_SYN_REPLY:
	case SPDY_HEADERS:
	case SPDY_GOAWAY: // the peer opens no more; its streams go on until it closes
	case SPDY_IGNORED:
		break;
	}
}

static void take(struct spdy_session *s, struct str *data)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	while (!s->gone && !s->ended && (!s->unread || data->n == 0)) {
		enum spdy_event event = spdy_reader_next(&s->reader, &a, data);
		if (event == SPDY_MORE)
			return;
		take_event(s, event);
		arena_reset(&a);
	}
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct spdy_session *s = arg;
	struct err cut CLEAN_ERR = ERR_EMPTY;
	s->busy++;
	if ((e || data.n == 0) && !s->events) {
		spdy_session_destroy(s);
	} else if (e || data.n == 0) {
		if (!e)
			err_set(&cut, ERR_UNAVAILABLE, "SPDY: the peer closed");
		end(s, e ? e : &cut);
	} else {
		take(s, &data);
		if (!s->gone && !s->ended && data.n)
			duplex_unread(s->duplex, data);
	}
	release(s);
}

static struct spdy_stream *next_draining(struct spdy_session *s)
{
	struct spdy_stream *t;
	LIST_FOREACH(t, &s->streams, all)
		if (t->draining)
			return t;
	return NULL;
}

// Those who are told may write until they have to wait again, and may close any stream.
static void on_drain(void *arg)
{
	struct spdy_session *s = arg;
	struct spdy_stream *t;
	s->busy++;
	LIST_FOREACH(t, &s->streams, all) {
		t->draining = t->high;
		t->high = false;
	}
	while (!s->gone && (t = next_draining(s))) {
		t->draining = false;
		inbox_drained(&t->inbox);
	}
	if (!s->gone && s->unread)
		balance(s);
	if (!s->gone && s->events && s->events->on_drain)
		s->events->on_drain(s->arg);
	release(s);
}

// ---- The session

static void on_timer(struct timer *t)
{
	spdy_session_destroy(CONTAINER_OF(t, struct spdy_session, timer));
}

struct spdy_session *spdy_session_create(struct duplex *d, bool client, const struct spdy_events *ev, void *arg)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct spdy_session *s = MEM_NEW(struct spdy_session);
	s->duplex = d;
	s->client = client;
	s->next_id = client ? 1 : 2;
	s->events = ev;
	s->arg = arg;
	s->timer.fire = on_timer;
	spdy_reader_init(&s->reader);
	spdy_writer_init(&s->writer);
	LIST_INIT(&s->streams);
	duplex_start(d, &events, s);
	return s;
}

void spdy_session_close(struct spdy_session *s)
{
	struct buf frame CLEAN_BUF;
	buf_init(&frame);
	MUST(LIST_EMPTY(&s->streams));
	s->events = NULL;
	if (s->ended) {
		spdy_session_destroy(s);
		return;
	}
	spdy_write_goaway(&frame, s->last_peer_id);
	send_buf(s, &frame);
	duplex_shutdown(s->duplex);
	balance(s);
	timer_start(s->duplex->loop, &s->timer, CLOSE_S * TIME_S);
}

struct duplex *spdy_session_open(struct spdy_session *s, struct http_headers headers)
{
	struct buf frame CLEAN_BUF;
	buf_init(&frame);
	struct spdy_stream *t = stream_create(s, s->next_id);
	s->next_id += 2;
	spdy_write_syn_stream(&s->writer, &frame, t->id, false, headers);
	send_buf(s, &frame);
	return &t->base;
}

size_t spdy_session_pending(const struct spdy_session *s)
{
	return duplex_pending(s->duplex);
}
