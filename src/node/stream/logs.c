// SPDX-License-Identifier: Apache-2.0
// GET /containerLogs: reads as fast as the client takes it; with follow waits for more until the container has ended.
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#include "base/times.h"
#include "node/stream/log_reader.h"
#include "node/stream/server.h"
#include "sys/real.h"

enum { LOOK_AGAIN_MS = 200, PIECES_A_TURN = 4 };
enum { WATCHED_MAX = 32 }; // by inotify: root may have 128 instances, and others of the machine need theirs

struct log_stream {
	struct open_stream open;
	struct http_exchange *exchange;
	struct log_reader *reader;
	char *id;    // of the container
	bool follow;
	bool last_look; // the container has ended: what is there now is all
	int inotify, watch, watched_fd;
	uv_poll_t poll; // of inotify
	bool polling;
	struct timer timer; // looks whether the container still runs, and whether the log was rotated
	struct task task;   // reads on in the next turn
	bool posted, gone;
};

// ---- the question

static int parse_number(struct http_exchange *x, const char *name, int64_t otherwise, int64_t *out, struct err *e)
{
	struct str text;
	*out = otherwise;
	if (!http_query(&x->arena, x->query, name, &text) || str_empty(text))
		return 0;
	if (str_to_i64(text, out) < 0 || *out < 0)
		return err_set(e, ERR_BAD_REQUEST, "%s: \"%.*s\" is not a number of at least 0", name, STR_FMT(text));
	return 0;
}

static int parse_query(struct stream_server *s, struct http_exchange *x, struct log_query *q, struct err *e)
{
	struct str text;
	int64_t seconds;
	*q = (struct log_query){.out = true, .err = true, .timestamps = stream_flag(x, "timestamps")};
	if (parse_number(x, "tailLines", -1, &q->tail, e) < 0 || parse_number(x, "limitBytes", -1, &q->limit, e) < 0 ||
	    parse_number(x, "sinceSeconds", -1, &seconds, e) < 0)
		return -1;
	if (seconds >= 0)
		q->since = loop_wall(s->loop) - (seconds < INT32_MAX ? seconds : INT32_MAX) * TIME_S;
	if (http_query(&x->arena, x->query, "sinceTime", &text) && !str_empty(text) && time_parse(text, &q->since) < 0)
		return err_set(e, ERR_BAD_REQUEST, "sinceTime: \"%.*s\" is not a time", STR_FMT(text));
	if (http_query(&x->arena, x->query, "stream", &text) && !str_empty(text)) {
		q->out = str_is(text, "All") || str_is(text, "Stdout");
		q->err = str_is(text, "All") || str_is(text, "Stderr");
		if (!q->out && !q->err)
			return err_set(e, ERR_BAD_REQUEST, "stream: \"%.*s\" is not All, Stdout or Stderr",
				       STR_FMT(text));
	}
	return 0;
}

// ---- the end

static void free_log(struct log_stream *l)
{
	if (l->inotify >= 0)
		close(l->inotify);
	log_reader_close(l->reader);
	free(l->id);
	free(l);
}

static void poll_closed(uv_handle_t *h)
{
	struct log_stream *l = h->data;
	l->polling = false;
	if (!l->posted)
		free_log(l);
}

static void let_go(struct log_stream *l)
{
	l->gone = true;
	l->exchange->user = NULL;
	timer_stop(&l->timer);
	open_stream_drop(&l->open);
	l->open.server->watched_logs -= l->inotify >= 0;
	if (l->polling)
		uv_close((uv_handle_t *)&l->poll, poll_closed);
	else if (!l->posted)
		free_log(l);
}

static void finish(struct log_stream *l)
{
	struct http_exchange *x = l->exchange;
	let_go(l);
	http_reply_end(x);
}

static void cut(struct open_stream *o)
{
	struct log_stream *l = CONTAINER_OF(o, struct log_stream, open);
	struct http_exchange *x = l->exchange;
	let_go(l);
	http_abort(x);
}

void stream_logs_cancel(struct http_exchange *x)
{
	cut(&((struct log_stream *)x->user)->open);
}

// ---- reading

static bool has_ended(const struct log_stream *l)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct runtime_state st;
	return !runtime_state(l->open.server->runtime, &a, str_of(l->id), &st) || st.phase == RUNTIME_EXITED;
}

static void read_later(struct log_stream *l);

// The file that is read now, which changes with a rotation.
static void watch_file(struct log_stream *l)
{
	char path[64];
	if (l->inotify < 0 || l->watched_fd == log_reader_fd(l->reader))
		return;
	if (l->watch >= 0)
		inotify_rm_watch(l->inotify, l->watch);
	l->watched_fd = log_reader_fd(l->reader);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->watched_fd);
	l->watch = inotify_add_watch(l->inotify, path, IN_MODIFY);
}

static void read_on(struct log_stream *l)
{
	enum log_progress progress = LOG_MORE;
	for (int i = 0; i < PIECES_A_TURN && progress == LOG_MORE; i++) {
		struct buf text CLEAN_BUF;
		buf_init(&text);
		if (http_reply_pending(l->exchange) > DUPLEX_HIGH)
			return; // on_drain comes
		progress = log_reader_next(l->reader, &text);
		if (text.n)
			http_reply_write(l->exchange, blob_create(buf_str(&text)));
	}
	if (progress == LOG_MORE) {
		read_later(l);
	} else if (progress == LOG_FULL || !l->follow || l->last_look) {
		finish(l);
	} else if (has_ended(l)) {
		l->last_look = true; // its last words may have come since
		read_later(l);
	} else {
		watch_file(l);
		timer_start(l->open.server->loop, &l->timer, LOOK_AGAIN_MS * TIME_MS);
	}
}

static void run_task(struct task *t)
{
	struct log_stream *l = CONTAINER_OF(t, struct log_stream, task);
	l->posted = false;
	if (!l->gone)
		read_on(l);
	else if (!l->polling)
		free_log(l);
}

static void read_later(struct log_stream *l)
{
	if (l->posted)
		return;
	l->posted = true;
	loop_post(l->open.server->loop, &l->task);
}

static void on_modified(uv_poll_t *p, int status, int events)
{
	struct log_stream *l = p->data;
	char room[4096];
	while (read(l->inotify, room, sizeof(room)) > 0)
		;
	if (!l->gone)
		read_later(l);
}

static void look_again(struct timer *t)
{
	read_later(CONTAINER_OF(t, struct log_stream, timer));
}

void stream_logs_drain(struct http_exchange *x)
{
	read_later(x->user);
}

// ---- beginning

static int choose_file(struct http_exchange *x, const struct stream_path *p, const struct stream_container *c,
		       const char **path, struct err *e)
{
	bool previous = stream_flag(x, "previous");
	struct str file = previous ? c->previous_log_path : c->log_path;
	if (previous && str_empty(file))
		return err_set(e, ERR_BAD_REQUEST, "previous terminated container \"%.*s\" in pod \"%.*s\" not found",
			       STR_FMT(p->container), STR_FMT(p->pod));
	if (str_empty(file))
		return err_set(e, ERR_BAD_REQUEST, "container \"%.*s\" in pod \"%.*s\" is waiting to start: %.*s",
			       STR_FMT(p->container), STR_FMT(p->pod),
			       STR_FMT(str_empty(c->waiting) ? STR("ContainerCreating") : c->waiting));
	*path = arena_c(&x->arena, file);
	return 0;
}

static void follow(struct log_stream *l)
{
	struct stream_server *s = l->open.server;
	l->inotify = s->watched_logs < WATCHED_MAX ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
	if (l->inotify < 0)
		return; // the timer alone, then
	s->watched_logs++;
	uv_poll_init(loop_real_uv(s->loop), &l->poll, l->inotify);
	l->poll.data = l;
	l->polling = true;
	uv_poll_start(&l->poll, UV_READABLE, on_modified);
}

static void begin(struct stream_server *s, struct http_exchange *x, struct log_reader *reader, struct str id)
{
	struct log_stream *l = MEM_NEW(struct log_stream);
	*l = (struct log_stream){.exchange = x, .reader = reader, .inotify = -1, .watch = -1, .watched_fd = -1};
	l->id = mem_alloc(id.n + 1);
	str_to_c(id, l->id, id.n + 1);
	l->follow = stream_flag(x, "follow") && !stream_flag(x, "previous");
	l->timer = (struct timer){.fire = look_again, .loop = s->loop};
	l->task.run = run_task;
	x->user = l;
	open_stream_add(s, &l->open, cut);
	if (l->follow)
		follow(l);
	http_reply_begin(x, &(struct http_reply){.code = 200, .content_type = "text/plain"});
	read_on(l);
}

void stream_logs(struct stream_server *s, struct http_exchange *x)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct stream_path p;
	struct stream_container c;
	struct log_query q;
	struct log_reader *reader;
	const char *path = NULL;
	if (!stream_path_parse(&x->arena, x->path, true, &p)) {
		err_set(&e, ERR_NOT_FOUND, "no such path");
		stream_refuse(x, &e);
		return;
	}
	if (stream_find(s, x, &p, false, &c) < 0)
		return;
	if (parse_query(s, x, &q, &e) < 0 || choose_file(x, &p, &c, &path, &e) < 0 ||
	    log_reader_open(&reader, path, &q, &e) < 0)
		stream_refuse(x, &e);
	else
		begin(s, x, reader, c.id);
}
