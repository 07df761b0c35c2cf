// SPDX-License-Identifier: Apache-2.0
// How streams come to be: addresses, listening, connecting, and moving to another loop.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/real/stream.h"

enum { BACKLOG = 1024, KEEPALIVE_S = 30 };

struct address {
	bool is_unix;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un path;
	};
};

static int parse_unix(struct str path, struct address *out)
{
	out->is_unix = true;
	out->path.sun_family = AF_UNIX;
	return path.n > 0 && str_to_c(path, out->path.sun_path, sizeof out->path.sun_path) ? 0 : -1;
}

// "HOST:PORT", "[V6]:PORT", ":PORT" (every IPv4 address) or "unix:PATH".
static int parse_address(const char *text, struct address *out, struct err *e)
{
	struct str s = str_of(text);
	*out = (struct address){0};
	if (str_starts(s, STR("unix:"))) {
		if (parse_unix(str_from(s, 5), out) == 0)
			return 0;
		return err_set(e, ERR_BAD_REQUEST, "address \"%s\": the path is empty or too long", text);
	}
	ptrdiff_t colon = str_find_last(s, ':');
	struct str host = str_sub(s, 0, colon < 0 ? 0 : (size_t)colon);
	uint64_t port = 0;
	char name[64];
	if (colon < 0 || str_to_u64(str_from(s, (size_t)colon + 1), &port) < 0 || port > 65535)
		return err_set(e, ERR_BAD_REQUEST, "address \"%s\": not HOST:PORT", text);
	bool v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (v6)
		host = str_sub(host, 1, host.n - 2);
	else if (host.n == 0)
		host = STR("0.0.0.0");
	if (!str_to_c(host, name, sizeof name) ||
	    (v6 ? uv_ip6_addr(name, (int)port, &out->v6) : uv_ip4_addr(name, (int)port, &out->v4)) != 0)
		return err_set(e, ERR_BAD_REQUEST, "address \"%s\": the host is not a numeric address", text);
	return 0;
}

// ---- listening

struct real_listener {
	struct listener base;
	union {
		uv_handle_t handle;
		uv_stream_t uv;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	bool is_unix;
	void (*on_accept)(void *arg, struct stream *);
	void *arg;
	LIST_ENTRY(real_listener) all;
};

static void free_listener(uv_handle_t *handle)
{
	free(CONTAINER_OF(handle, struct real_listener, handle));
}

static void on_connection(uv_stream_t *uv, int status)
{
	struct real_listener *x = CONTAINER_OF(uv, struct real_listener, uv);
	struct real_loop *l = real_of(x->base.loop);
	real_awake(l);
	if (status < 0)
		return; // out of descriptors: libuv tries again
	struct real_stream *s = real_stream_create(l, x->is_unix);
	if (uv_accept(uv, &s->uv) < 0)
		real_stream_close(&s->base);
	else
		x->on_accept(x->arg, &s->base);
}

// A socket file that nobody listens on is what a crash left behind.
static void remove_stale(const struct address *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &at->any, sizeof at->path) < 0 && errno == ECONNREFUSED)
		unlink(at->path.sun_path);
	close(fd);
}

static int bind_listener(struct real_listener *x, struct real_loop *l, const struct address *at)
{
	if (x->is_unix) {
		uv_pipe_init(&l->uv, &x->pipe, 0);
		remove_stale(at);
		return uv_pipe_bind(&x->pipe, at->path.sun_path);
	}
	uv_tcp_init(&l->uv, &x->tcp);
	int r = uv_tcp_bind(&x->tcp, &at->any, at->any.sa_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
	if (r < 0)
		return r;
	uv_tcp_nodelay(&x->tcp, 1); // accepted sockets inherit both
	uv_tcp_keepalive(&x->tcp, 1, KEEPALIVE_S);
	return 0;
}

int real_listen(struct loop *base, const char *address, void (*on_accept)(void *arg, struct stream *), void *arg,
		struct listener **out, struct err *e)
{
	struct address at;
	if (parse_address(address, &at, e) < 0)
		return -1;
	struct real_listener *x = MEM_NEW(struct real_listener);
	*x = (struct real_listener){.base = {base}, .is_unix = at.is_unix, .on_accept = on_accept, .arg = arg};
	int r = bind_listener(x, real_of(base), &at);
	if (r == 0)
		r = uv_listen(&x->uv, BACKLOG, on_connection);
	if (r < 0) {
		uv_close(&x->handle, free_listener);
		real_error(e, r, address);
		return err_wrap(e, "listen");
	}
	LIST_INSERT_HEAD(&real_of(base)->listeners, x, all);
	*out = &x->base;
	return 0;
}

void real_listener_close(struct listener *base)
{
	struct real_listener *x = CONTAINER_OF(base, struct real_listener, base);
	LIST_REMOVE(x, all);
	uv_close(&x->handle, free_listener);
}

void real_listeners_close(struct real_loop *l)
{
	while (!LIST_EMPTY(&l->listeners))
		real_listener_close(&LIST_FIRST(&l->listeners)->base);
}

static int port_of(const struct sockaddr_storage *at)
{
	if (at->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)at)->sin_port);
	return at->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)at)->sin6_port) : 0;
}

int real_listener_port(struct listener *base)
{
	struct real_listener *x = CONTAINER_OF(base, struct real_listener, base);
	struct sockaddr_storage at;
	int size = sizeof at;
	if (x->is_unix || uv_tcp_getsockname(&x->tcp, (struct sockaddr *)&at, &size) < 0)
		return 0;
	return port_of(&at);
}

// ---- connecting

static void tell_failure(struct real_stream *s, int code)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	real_error(&e, code, "connect");
	real_stream_close(&s->base);
	s->on_connect(s->arg, NULL, &e);
}

static void fail_later(struct task *t)
{
	struct real_stream *s = CONTAINER_OF(t, struct real_stream, later);
	s->telling = false;
	if (!s->closed)
		tell_failure(s, s->failure);
	else if (!s->base.loop) // libuv is through with it
		free(s);
}

static void on_uv_connected(uv_connect_t *request, int status)
{
	struct real_stream *s = CONTAINER_OF(request, struct real_stream, connecting);
	real_awake(real_of(s->base.loop));
	if (s->closed || s->telling)
		return;
	if (status < 0)
		tell_failure(s, status);
	else
		s->on_connect(s->arg, &s->base, NULL);
}

static int start_connecting(struct real_stream *s, const struct address *at)
{
	if (at->is_unix) {
		uv_pipe_connect(&s->connecting, &s->pipe, at->path.sun_path, on_uv_connected);
		return 0;
	}
	int r = uv_tcp_connect(&s->connecting, &s->tcp, &at->any, on_uv_connected);
	uv_tcp_nodelay(&s->tcp, 1);
	uv_tcp_keepalive(&s->tcp, 1, KEEPALIVE_S);
	return r;
}

struct stream *real_connect(struct loop *base, const char *address,
			    void (*on_connect)(void *arg, struct stream *, const struct err *e), void *arg)
{
	struct address at;
	int failure = parse_address(address, &at, NULL) < 0 ? UV_EINVAL : 0;
	struct real_stream *s = real_stream_create(real_of(base), at.is_unix);
	s->on_connect = on_connect;
	s->arg = arg;
	if (!failure)
		failure = start_connecting(s, &at);
	if (failure < 0) {
		s->failure = failure;
		s->telling = true;
		s->later.run = fail_later;
		loop_post(base, &s->later);
	}
	return &s->base;
}

struct str real_stream_peer(struct stream *base, struct arena *a)
{
	struct real_stream *s = real_stream_of(base);
	struct sockaddr_storage at;
	int size = sizeof at;
	char host[INET6_ADDRSTRLEN];
	if (s->handle.type != UV_TCP)
		return STR("unix:");
	if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&at, &size) < 0 ||
	    uv_ip_name((struct sockaddr *)&at, host, sizeof host) < 0)
		return STR_NONE;
	return arena_fmt(a, at.ss_family == AF_INET6 ? "[%s]:%d" : "%s:%d", host, port_of(&at));
}

// ---- moving

struct move {
	struct task task;
	struct real_loop *to;
	int fd; // -1: could not be had
	bool is_unix;
	void (*on_moved)(void *arg, struct stream *);
	void *arg;
};

static void arrive(struct task *t)
{
	struct move *m = CONTAINER_OF(t, struct move, task);
	struct stream *moved = NULL;
	if (m->fd >= 0) {
		struct real_stream *s = real_stream_create(m->to, m->is_unix);
		int r = m->is_unix ? uv_pipe_open(&s->pipe, m->fd) : uv_tcp_open(&s->tcp, m->fd);
		if (r == 0) {
			moved = &s->base;
		} else {
			close(m->fd);
			real_stream_close(&s->base);
		}
	}
	m->on_moved(m->arg, moved);
	free(m);
}

void real_stream_move(struct stream *base, struct loop *to, void (*on_moved)(void *arg, struct stream *), void *arg)
{
	struct real_stream *s = real_stream_of(base);
	struct move *m = MEM_NEW(struct move);
	*m = (struct move){.task = {.run = arrive}, .to = real_of(to), .on_moved = on_moved, .arg = arg};
	m->is_unix = s->handle.type == UV_NAMED_PIPE;
	uv_os_fd_t fd;
	m->fd = uv_fileno(&s->handle, &fd) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1; // libuv closes its own
	real_stream_close(base);
	loop_post(to, &m->task);
}
