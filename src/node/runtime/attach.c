// SPDX-License-Identifier: Apache-2.0
// Following a container's own output, and feeding its stdin, through conmon's packet socket: each packet's first byte
// says which stream it is of. conmon writes to its clients before it reads on from the container: a client that does not
// read would stop the container. So we always read, and drop what a paused session cannot take.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/times.h"
#include "node/images/tree.h"
#include "node/runtime/session.h"

enum { PACKET_MAX = 64 << 10, HELD_MAX = 1 << 20, STREAM_OUT = 2, STREAM_ERR = 3, READS_A_TURN = 16 };
enum { JOIN_WAIT_MS = 20, JOIN_TRIES = 250 }; // conmon lets a dozen clients wait; further ones come again

struct held { // output kept while paused: stream, length and bytes, one after the other
	uint32_t stream, n;
};

struct attach {
	struct session session;
	struct buf held;
	bool at_end;
	bool until_stdin_ends; // the container's stdin outlives this client's, and then there is nothing to wait for
	struct timer join;     // tries again to connect
	int joins;
	struct timer leave; // tells the end in a turn of its own
	struct err e;
};

static struct attach *attach_of(struct session *s)
{
	return CONTAINER_OF(s, struct attach, session);
}

static void hold(struct attach *t, int stream, struct str data)
{
	struct held h = {(uint32_t)stream, (uint32_t)data.n};
	if (t->held.n + data.n > HELD_MAX)
		return;
	buf_add(&t->held, (struct str){(char *)&h, sizeof(h)});
	buf_add(&t->held, data);
}

static void end_attach(struct attach *t)
{
	const struct container *c = container_get(t->session.engine, str_of(t->session.id));
	session_end(&t->session, c && c->phase == RUNTIME_EXITED ? c->exit_code : 0, NULL);
}

static void hand_over_held(struct attach *t)
{
	struct session *s = &t->session;
	while (t->held.n && !s->paused && !s->over) {
		struct held h;
		memcpy(&h, t->held.p, sizeof(h));
		s->events->on_output(s->arg, (int)h.stream, str_sub(buf_str(&t->held), sizeof(h), h.n));
		buf_drop(&t->held, sizeof(h) + h.n);
	}
}

static void resume_attach(struct session *s)
{
	struct attach *t = attach_of(s);
	s->busy = true; // the listener may cancel it on the way
	hand_over_held(t);
	s->busy = false;
	if (!s->over && t->at_end && !t->held.n)
		end_attach(t);
	else
		session_free_if_done(s);
}

static void take_packet(struct attach *t, struct str packet)
{
	struct session *s = &t->session;
	int stream = packet.p[0] == STREAM_ERR ? 2 : 1;
	struct str data = str_from(packet, 1);
	if (packet.p[0] != STREAM_OUT && packet.p[0] != STREAM_ERR)
		return;
	if (s->paused || t->held.n)
		hold(t, stream, data);
	else
		s->events->on_output(s->arg, stream, data);
}

static void on_socket_ready(struct session *s, struct channel *c, int events)
{
	struct attach *t = attach_of(s);
	char room[PACKET_MAX];
	if (events & UV_WRITABLE)
		session_flush_input(s);
	for (int i = 0; i < READS_A_TURN && c->fd >= 0 && !s->over; i++) {
		ssize_t n = recv(c->fd, room, sizeof(room), MSG_DONTWAIT);
		if (n > 0) {
			take_packet(t, (struct str){room, (size_t)n});
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			t->at_end = true;
			session_watch(c, 0);
			if (!t->held.n)
				end_attach(t);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

static void leave(struct timer *timer)
{
	struct attach *t = CONTAINER_OF(timer, struct attach, leave);
	session_end(&t->session, 0, t->e.reason ? &t->e : NULL);
}

// Who has said all to a container that goes on listening to others is let go; otherwise the container sees the end.
static void stdin_closed(struct session *s)
{
	struct attach *t = attach_of(s);
	if (t->until_stdin_ends)
		timer_start(s->base.runtime->loop, &t->leave, 0);
	else if (s->out.fd >= 0)
		shutdown(s->out.fd, SHUT_WR);
}

static void resize_attach(struct session *s, int width, int height)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	conmon_resize(container_dir(s->engine, &a, s->id), width, height, NULL);
}

static void free_attach(struct session *s)
{
	struct attach *t = attach_of(s);
	timer_stop(&t->join);
	timer_stop(&t->leave);
	buf_finish(&t->held);
	err_clear(&t->e);
}

// The socket's path may be longer than an address may be: it is named by its directory's descriptor. -1: errno, EAGAIN
// where too many are waiting.
static int connect_to_conmon(struct engine *g, const char *id)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int dir CLEAN_FD = open(container_dir(g, &a, id), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/attach", dir);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dir >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int number = errno;
	tree_close_fd(&fd);
	errno = number;
	return -1;
}

static void join(struct attach *t)
{
	struct session *s = &t->session;
	struct loop *l = s->base.runtime->loop;
	int fd = connect_to_conmon(s->engine, s->id);
	if (fd < 0 && errno == EAGAIN && t->joins++ < JOIN_TRIES) {
		timer_start(l, &t->join, JOIN_WAIT_MS * TIME_MS);
		return;
	}
	if (fd < 0) {
		err_errno(&t->e, errno, "attach to container %s", s->id);
		timer_start(l, &t->leave, 0);
		return;
	}
	session_open_channel(s, &s->out, fd, UV_READABLE, on_socket_ready);
	s->input = s->stdin_open ? &s->out : NULL;
	session_flush_input(s);
}

static void join_again(struct timer *timer)
{
	join(CONTAINER_OF(timer, struct attach, join));
}

struct runtime_session *engine_attach(struct runtime *r, struct str id, bool stdin_open,
				      const struct runtime_session_events *ev, void *arg)
{
	struct engine *g = engine_of(r);
	struct attach *t = MEM_NEW(struct attach);
	struct session *s = &t->session;
	const struct container *c = container_get(g, id);
	session_init(s, g, id, ev, arg);
	buf_init(&t->held);
	s->tty = c && c->tty;
	s->stdin_open = stdin_open && c && c->stdin_open;
	t->until_stdin_ends = s->stdin_open && !(c->stdin_once && !c->tty);
	t->join = (struct timer){.fire = join_again, .loop = r->loop};
	t->leave = (struct timer){.fire = leave, .loop = r->loop};
	s->packets = true;
	s->on_resume = resume_attach;
	s->on_stdin_closed = stdin_closed;
	s->on_resize = resize_attach;
	s->free = free_attach;
	if (c && c->phase != RUNTIME_EXITED) {
		join(t);
		return &s->base;
	}
	err_set(&t->e, ERR_NOT_FOUND, "container %.*s does not run", STR_FMT(id));
	timer_start(r->loop, &t->leave, 0);
	return &s->base;
}
