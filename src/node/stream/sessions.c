// SPDX-License-Identifier: Apache-2.0
// exec and attach: a process's streams on one side, the client's channels on the other, with back-pressure between.
#include "base/times.h"
#include "node/stream/server.h"
#include "wire/remote.h"

enum { ARGS_MAX = 4096, STDIN_HIGH = 256 << 10, STDIN_LOOK_MS = 5, STDIN_LOOK_MAX_MS = 100 };

struct exchange_session {
	struct open_stream open;
	struct remote *remote;
	struct runtime_session *session; // NULL until the client is ready
	struct arena arena;		 // of the spec
	struct runtime_exec_spec spec;
	bool attach, paused, stdin_ended, stdin_held;
	struct timer stdin_timer; // looks whether the process has taken its stdin
	int64_t look_ms;	  // the more seldom, the longer it has not
};

static void free_session(struct exchange_session *s)
{
	timer_stop(&s->stdin_timer);
	open_stream_drop(&s->open);
	arena_finish(&s->arena);
	free(s);
}

static void cut(struct open_stream *o)
{
	struct exchange_session *s = CONTAINER_OF(o, struct exchange_session, open);
	runtime_session_cancel(s->session);
	remote_destroy(s->remote);
	free_session(s);
}

// ---- from the process

static void on_output(void *arg, int stream, struct str data)
{
	struct exchange_session *s = arg;
	remote_send(s->remote, stream == 2 ? REMOTE_STDERR : REMOTE_STDOUT, data);
	if (!s->paused && remote_pending(s->remote) > DUPLEX_HIGH) {
		s->paused = true;
		runtime_session_pause(s->session, true);
	}
}

static void on_session_end(void *arg, int exit_code, const struct err *e)
{
	struct exchange_session *s = arg;
	remote_finish(s->remote, s->attach ? 0 : exit_code, e);
	free_session(s);
}

static const struct runtime_session_events session_events = {on_output, on_session_end};

// ---- from the client

static void on_ready(void *arg)
{
	struct exchange_session *s = arg;
	struct runtime *r = s->open.server->runtime;
	s->session = s->attach ? runtime_attach(r, s->spec.id, s->spec.stdin_open, &session_events, s)
			       : runtime_exec(r, &s->spec, &session_events, s);
}

static void look_at_stdin(struct timer *t)
{
	struct exchange_session *s = CONTAINER_OF(t, struct exchange_session, stdin_timer);
	if (runtime_session_pending(s->session) > STDIN_HIGH / 2) {
		s->look_ms = s->look_ms * 2 < STDIN_LOOK_MAX_MS ? s->look_ms * 2 : STDIN_LOOK_MAX_MS;
		timer_start(t->loop, t, s->look_ms * TIME_MS);
		return;
	}
	s->stdin_held = false;
	remote_read(s->remote, true);
}

static void on_stdin(void *arg, struct str data)
{
	struct exchange_session *s = arg;
	if (!s->session)
		return;
	runtime_session_write(s->session, data);
	if (!s->stdin_held && runtime_session_pending(s->session) > STDIN_HIGH) {
		s->stdin_held = true;
		remote_read(s->remote, false);
		s->look_ms = STDIN_LOOK_MS;
		timer_start(s->open.server->loop, &s->stdin_timer, s->look_ms * TIME_MS);
	}
}

static void on_stdin_end(void *arg)
{
	struct exchange_session *s = arg;
	if (s->session)
		runtime_session_close_stdin(s->session);
}

static void on_resize(void *arg, int width, int height)
{
	struct exchange_session *s = arg;
	if (s->session)
		runtime_session_resize(s->session, width, height);
}

static void on_drain(void *arg)
{
	struct exchange_session *s = arg;
	if (!s->paused || !s->session)
		return;
	s->paused = false;
	runtime_session_pause(s->session, false);
}

static void on_client_end(void *arg)
{
	cut(&((struct exchange_session *)arg)->open);
}

static const struct remote_events remote_events = {on_ready,  on_stdin, on_stdin_end,
						   on_resize, on_drain, on_client_end};

// ---- beginning

// Every `command` of the query, in order.
static size_t collect_args(struct arena *a, struct http_exchange *x, struct str *args)
{
	struct str rest = x->query, pair, name, value;
	size_t n = 0;
	while (n < ARGS_MAX && str_next(&rest, '&', &pair)) {
		str_cut(pair, '=', &name, &value);
		if (!str_is(name, "command"))
			continue;
		struct str one = str_of(arena_fmt(a, "c=%.*s", STR_FMT(value)).p), decoded;
		if (http_query(a, one, "c", &decoded))
			args[n++] = arena_str(a, decoded);
	}
	return n;
}

static struct remote_wanted what_is_wanted(struct http_exchange *x, bool attach, const struct stream_container *c)
{
	struct remote_wanted w = {
		.in = stream_flag(x, "input"), .out = stream_flag(x, "output"), .err = stream_flag(x, "error"),
		.tty = stream_flag(x, "tty"),
	};
	if (attach) { // it is what it was started as
		w.tty = c->tty;
		w.in = w.in && c->stdin_open;
	}
	if (w.tty)
		w.err = false;
	return w;
}

static int fill_spec(struct exchange_session *s, struct http_exchange *x, const struct stream_container *c,
		     const struct remote_wanted *w, struct err *e)
{
	struct str *args = ARENA_ARRAY(&s->arena, struct str, ARGS_MAX);
	s->spec = (struct runtime_exec_spec){
		.id = arena_str(&s->arena, c->id), .args = args, .arg_count = collect_args(&s->arena, x, args),
		.tty = w->tty, .stdin_open = w->in,
	};
	if (!s->attach && !s->spec.arg_count)
		return err_set(e, ERR_BAD_REQUEST, "you must specify at least 1 command for the container");
	if (!w->in && !w->out && !w->err)
		return err_set(e, ERR_BAD_REQUEST, "you must specify at least 1 of stdin, stdout, stderr");
	return 0;
}

static void start(struct stream_server *server, struct http_exchange *x, bool attach)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct stream_path p;
	struct stream_container c;
	if (!stream_path_parse(&x->arena, x->path, true, &p)) {
		err_set(&e, ERR_NOT_FOUND, "no such path");
		stream_refuse(x, &e);
		return;
	}
	if (stream_find(server, x, &p, true, &c) < 0)
		return;
	struct remote_wanted wanted = what_is_wanted(x, attach, &c);
	struct exchange_session *s = MEM_NEW(struct exchange_session);
	arena_init(&s->arena);
	s->attach = attach;
	s->stdin_timer = (struct timer){.fire = look_at_stdin, .loop = server->loop};
	open_stream_add(server, &s->open, cut);
	if (fill_spec(s, x, &c, &wanted, &e) < 0) {
		stream_refuse(x, &e);
		free_session(s);
		return;
	}
	s->remote = remote_accept(x, &wanted, &remote_events, s);
	if (!s->remote)
		free_session(s);
}

void stream_exec(struct stream_server *server, struct http_exchange *x)
{
	start(server, x, false);
}

void stream_attach(struct stream_server *server, struct http_exchange *x)
{
	start(server, x, true);
}
