// SPDX-License-Identifier: Apache-2.0
// A further process in a container, by `crun exec`, which stays as its parent and passes on its exit code. What it is
// started as comes from the container's own configuration; crun's own complaints go to a file beside it, so that they do
// not mix with what the process says.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/times.h"
#include "node/images/store.h"
#include "node/images/tree.h"
#include "node/runtime/session.h"
#include "node/runtime/spawn.h"

enum { CONFIG_MAX = 4 << 20, SAID_MAX = 4096, READ_MAX = 32 << 10, READS_A_TURN = 8, END_OF_INPUT = 4 /* ^D */ };
enum { OOM_SCORE_NONE = 1001 }; // beyond all scores
enum { TERMINAL_HOLDS_MAX = 64 << 10 }; // more than the kernel keeps of a terminal's output
enum { TERMINAL_WAIT_MS = 10000, TRIES = 5, RETRY_MS = 10, LOOK_MS = 1, KILL_LOOK_MS = 2, KILL_LOOKS = 5000 };

struct exec {
	struct session session;
	struct work work;
	struct timer timer, retry, look, kill_again;
	struct arena arena;
	const struct str *args;
	size_t arg_count;
	int64_t timeout_ns;
	const char *files; // RUN/exec/N: .json, .pid, .log, .sock
	int tries, kill_looks;
	int64_t oom_score; // the container's
	pid_t crun;
	int ending; // a descriptor of crun, from the pool thread to the loop
	int pipes[3]; // our ends, from the pool thread to the loop; with a terminal only [1]
	struct winsize size; // of the terminal; 0: not told yet
	bool ran; // the process itself was started
	bool exited;
	int exit_code;
	size_t unread[2]; // of stdout and stderr: what is handed over yet after it exited
	struct err e;
};

static struct exec *exec_of(struct session *s)
{
	return CONTAINER_OF(s, struct exec, session);
}

static const char *file(struct exec *x, struct arena *a, const char *suffix)
{
	return arena_fmt(a, "%s.%s", x->files, suffix).p;
}

// ---- on the pool: making ready and starting

// Programs ask the environment what their terminal can do.
static void name_terminal(struct arena *a, struct json *env)
{
	json_each(variable, env)
		if (str_starts(variable->text, STR("TERM=")))
			return;
	json_push(env, json_string(a, STR("TERM=xterm")));
}

static int write_process(struct exec *x, struct arena *a, struct err *e)
{
	struct str text;
	struct json *config;
	const char *path = arena_fmt(a, "%s/config.json", container_dir(x->session.engine, a, x->session.id)).p;
	if (store_read_file(a, AT_FDCWD, path, CONFIG_MAX, &text, e) < 0 || json_parse(a, text, NULL, &config, e) < 0)
		return err_wrap(e, "container's configuration");
	struct json *process = json_need_object(a, config, "process"), *args = json_array(a);
	for (size_t i = 0; i < x->arg_count; i++)
		json_push(args, json_string(a, x->args[i]));
	json_put(process, "args", args);
	json_put_bool(a, process, "terminal", x->session.tty);
	if (x->session.tty)
		name_terminal(a, json_need_array(a, process, "env"));
	x->oom_score = json_i64(process, "oomScoreAdj", OOM_SCORE_NONE);
	return store_write_unsynced(file(x, a, "json"), json_text(a, process), e);
}

static int listen_for_terminal(struct exec *x, struct arena *a, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = file(x, a, "sock");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool fits = str_to_c(str_of(path), address.sun_path, sizeof(address.sun_path));
	if (fd >= 0 && fits && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0)
		return fd;
	err_errno(e, fits ? errno : ENAMETOOLONG, "%s", path);
	tree_close_fd(&fd);
	return -1;
}

// crun sends the terminal's master over its console socket, unless it fails first.
static int receive_terminal(int listener, int ending)
{
	struct pollfd p[2] = {{.fd = listener, .events = POLLIN}, {.fd = ending, .events = POLLIN}};
	if (poll(p, 2, TERMINAL_WAIT_MS) <= 0 || !p[0].revents)
		return -1;
	int peer CLEAN_FD = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char name[256];
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec v = {name, sizeof(name)};
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
	if (peer < 0 || recvmsg(peer, &m, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int make_pipes(struct exec *x, int theirs[3], struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int p[2];
		if (i == 0 && !x->session.stdin_open)
			continue;
		if (pipe2(p, O_CLOEXEC) < 0)
			return err_errno(e, errno, "pipe");
		theirs[i] = i == 0 ? p[0] : p[1];
		x->pipes[i] = i == 0 ? p[1] : p[0];
	}
	return 0;
}

// crun sets it only for containers' first processes; what it executes inherits crun's.
static void give_oom_score(const struct exec *x, struct arena *a)
{
	const char *path = arena_fmt(a, "/proc/%d/oom_score_adj", (int)x->crun).p;
	struct str text = arena_fmt(a, "%lld", (long long)x->oom_score);
	int fd CLEAN_FD = x->oom_score == OOM_SCORE_NONE ? -1 : open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, text.p, text.n);
}

// A process whose end could not be seen is not let run.
static int watch_for_end(struct exec *x, struct err *e)
{
	x->ending = pidfd_open(x->crun, 0);
	if (x->ending >= 0)
		return 0;
	err_errno(e, errno, "watch crun");
	kill(x->crun, SIGKILL);
	while (waitpid(x->crun, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}

static int start_crun(struct exec *x, struct arena *a, struct err *e)
{
	struct engine *g = x->session.engine;
	int theirs[3] = {-1, -1, -1}, listener CLEAN_FD = -1;
	const char *socket_args = NULL;
	int result = 0;
	if (x->session.tty) {
		listener = listen_for_terminal(x, a, e);
		result = listener < 0 ? -1 : 0;
		socket_args = arena_fmt(a, "--console-socket=%s", file(x, a, "sock")).p;
	} else {
		result = make_pipes(x, theirs, e);
	}
	const char *args[] = {
		g->crun,
		arena_fmt(a, "--root=%s/crun", g->run).p,
		arena_fmt(a, "--log=file:%s", file(x, a, "log")).p,
		"exec",
		arena_fmt(a, "--process=%s", file(x, a, "json")).p,
		arena_fmt(a, "--pid-file=%s", file(x, a, "pid")).p,
		socket_args ? socket_args : x->session.id,
		socket_args ? x->session.id : NULL,
		NULL,
	};
	struct spawn s = {
		.args = args, .env = engine_env, .cwd = "/", .fds = {theirs[0], theirs[1], theirs[2]}, .fd_count = 3};
	if (result == 0)
		result = spawn_start(&s, &x->crun, e) < 0 ? -1 : watch_for_end(x, e);
	if (result == 0)
		give_oom_score(x, a);
	for (int i = 0; i < 3; i++)
		tree_close_fd(&theirs[i]);
	if (result == 0 && x->session.tty)
		x->pipes[1] = receive_terminal(listener, x->ending); // -1: crun's exit will say why
	return result;
}

static void run_exec(struct work *w)
{
	struct exec *x = CONTAINER_OF(w, struct exec, work);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (write_process(x, &a, &x->e) < 0 || start_crun(x, &a, &x->e) < 0)
		x->crun = 0;
}

// ---- the end

static void remove_files(struct exec *x)
{
	static const char *const suffixes[] = {"json", "pid", "log", "sock"};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		unlink(file(x, &a, suffixes[i]));
}

static void free_exec(struct session *s)
{
	struct exec *x = exec_of(s);
	timer_stop(&x->timer);
	timer_stop(&x->retry);
	timer_stop(&x->look);
	timer_stop(&x->kill_again);
	for (int i = 0; i < 3; i++)
		tree_close_fd(&x->pipes[i]);
	remove_files(x);
	err_clear(&x->e);
	arena_finish(&x->arena);
}

// crun does not pass on signals: the process itself is the one to be killed; crun then ends with its code. While crun is
// still starting it, it could not be found, but would live on without crun: that is waited for.
static void kill_process(struct exec *x)
{
	struct loop *l = x->session.engine->base.loop;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct container *c = container_get(x->session.engine, str_of(x->session.id));
	int pid = (int)file_number(file(x, &a, "pid"), 0);
	if (c && container_alive(x->session.engine, container_cgroup(c, &a), pid))
		kill(pid, SIGKILL);
	else if (x->crun > 0 && !x->exited && c && x->kill_looks++ < KILL_LOOKS)
		timer_start(l, &x->kill_again, KILL_LOOK_MS * TIME_MS);
	else if (x->crun > 0 && !x->exited)
		kill(x->crun, SIGKILL);
}

static void kill_again(struct timer *t)
{
	kill_process(CONTAINER_OF(t, struct exec, kill_again));
}

// While it is being started on the pool, exec_started will see to it.
static void kill_if_running(struct exec *x)
{
	if (!x->session.busy && x->crun > 0 && !x->exited)
		kill_process(x);
}

static void cancel_exec(struct session *s)
{
	struct exec *x = exec_of(s);
	timer_stop(&x->timer);
	timer_stop(&x->retry);
	timer_stop(&x->look);
	kill_if_running(x);
}

static void on_timeout(struct timer *t)
{
	struct exec *x = CONTAINER_OF(t, struct exec, timer);
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_TIMEOUT, "command timed out after %.3g s", (double)x->timeout_ns / 1e9);
	kill_if_running(x);
	session_end(&x->session, 0, &e);
}

static void retry(struct timer *t);

// The process never ran: crun says why.
static void tell_failure(struct exec *x)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str said = STR_NONE;
	store_read_file(&a, AT_FDCWD, file(x, &a, "log"), SAID_MAX, &said, NULL);
	said = str_trim(said);
	bool racing = str_contains(said, STR("is not running")) || str_contains(said, STR("cannot join"));
	const struct container *c = container_get(x->session.engine, str_of(x->session.id));
	if (racing && c && c->phase == RUNTIME_RUNNING && ++x->tries < TRIES) {
		session_close_channel(&x->session.out);
		session_close_channel(&x->session.err);
		session_close_channel(&x->session.in);
		x->retry = (struct timer){.fire = retry, .loop = x->session.engine->base.loop};
		timer_start(x->session.engine->base.loop, &x->retry, RETRY_MS * TIME_MS);
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, ERR_BAD_REQUEST, "command could not be run: %.*s", STR_FMT(said));
	session_end(&x->session, x->exit_code, &e);
}

static bool process_ran(struct exec *x)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	return access(file(x, &a, "pid"), F_OK) == 0;
}

// ---- output

// Hands over at most `max` bytes. Returns how many; 0 when there are none now, -1 at the stream's end.
static ssize_t hand_over(struct session *s, struct channel *c, int stream, size_t max)
{
	char room[READ_MAX];
	ssize_t n;
	do
		n = read(c->fd, room, max < sizeof(room) ? max : sizeof(room));
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		s->events->on_output(s->arg, stream, (struct str){room, (size_t)n});
		return n;
	}
	return n < 0 && errno == EAGAIN ? 0 : -1; // a terminal's end is EIO
}

// What the process has written and nobody has read. Children that it left behind may write on for ever: what they add
// from now on is not waited for.
static size_t count_unread(const struct session *s, const struct channel *c)
{
	int n = 0;
	if (c->fd < 0 || s->tty)
		return c->fd < 0 ? 0 : TERMINAL_HOLDS_MAX;
	return ioctl(c->fd, FIONREAD, &n) == 0 ? (size_t)n : 0;
}

static void finish_if_drained(struct exec *x)
{
	struct session *s = &x->session;
	struct channel *channels[] = {&s->out, &s->err};
	for (int i = 0; i < 2 && x->exited; i++) {
		while (x->unread[i] && !s->paused && !s->over) {
			ssize_t n = hand_over(s, channels[i], i + 1, x->unread[i]);
			x->unread[i] = n > 0 ? x->unread[i] - (size_t)n : 0;
		}
	}
	if (x->exited && !s->paused)
		session_end(s, x->exit_code, NULL);
}

static void look_at_stderr(struct timer *t)
{
	struct session *s = &CONTAINER_OF(t, struct exec, look)->session;
	session_watch(&s->err, s->paused ? 0 : UV_READABLE);
}

// Before the process runs it is crun that complains there; its words are told as the error, not as output.
static bool is_crun_speaking(struct exec *x)
{
	if (!x->ran)
		x->ran = process_ran(x);
	if (!x->ran) {
		session_watch(&x->session.err, 0);
		timer_start(x->session.engine->base.loop, &x->look, LOOK_MS * TIME_MS);
	}
	return !x->ran;
}

static void on_output_ready(struct session *s, struct channel *c, int events)
{
	ssize_t n = 1;
	if (events & UV_WRITABLE)
		session_flush_input(s);
	if (!(events & UV_READABLE) || (c == &s->err && is_crun_speaking(exec_of(s))))
		return;
	for (int i = 0; i < READS_A_TURN && n > 0 && c->fd >= 0 && !s->paused && !s->over; i++)
		n = hand_over(s, c, c == &s->err ? 2 : 1, READ_MAX);
	if (n < 0 && !s->over)
		session_close_channel(c);
}

static void on_input_ready(struct session *s, struct channel *c, int events)
{
	session_flush_input(s);
}

static void on_process_end(struct session *s, struct channel *c, int events)
{
	struct exec *x = exec_of(s);
	int status = 0;
	if (waitpid(x->crun, &status, WNOHANG) != x->crun)
		return;
	x->exited = true;
	timer_stop(&x->kill_again);
	x->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	x->unread[0] = count_unread(s, &s->out);
	x->unread[1] = count_unread(s, &s->err);
	session_close_channel(c);
	if (s->over)
		return; // it was only to be reaped
	if (!process_ran(x))
		tell_failure(x);
	else
		finish_if_drained(x);
}

static void resume_exec(struct session *s)
{
	int readable = s->paused ? 0 : UV_READABLE;
	session_watch(&s->out, (s->out.events & UV_WRITABLE) | readable);
	session_watch(&s->err, readable);
	finish_if_drained(exec_of(s));
}

// ---- stdin and terminal

static void stdin_closed(struct session *s)
{
	if (!s->tty) {
		session_close_channel(&s->in);
		return;
	}
	buf_add_byte(&s->pending, END_OF_INPUT); // as input: the terminal may have no room just now
	session_flush_input(s);
}

static void set_terminal_size(struct exec *x)
{
	if (x->session.tty && x->session.out.fd >= 0 && x->size.ws_col)
		ioctl(x->session.out.fd, TIOCSWINSZ, &x->size);
}

// Clients tell the size at once: often there is no terminal yet.
static void resize_exec(struct session *s, int width, int height)
{
	struct exec *x = exec_of(s);
	x->size = (struct winsize){.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
	set_terminal_size(x);
}

// ---- on the loop: after it was started

static void watch_process(struct exec *x)
{
	session_open_channel(&x->session, &x->session.ended, x->ending, UV_READABLE, on_process_end);
}

static void watch_output(struct exec *x)
{
	struct session *s = &x->session;
	int readable = s->paused ? 0 : UV_READABLE;
	if (x->pipes[1] >= 0)
		session_open_channel(s, &s->out, x->pipes[1], readable, on_output_ready);
	if (x->pipes[2] >= 0)
		session_open_channel(s, &s->err, x->pipes[2], readable, on_output_ready);
	if (x->pipes[0] >= 0)
		session_open_channel(s, &s->in, x->pipes[0], 0, on_input_ready);
	x->pipes[0] = x->pipes[1] = x->pipes[2] = -1;
	set_terminal_size(x);
	s->input = !s->stdin_open ? NULL : s->tty ? &s->out : &s->in;
	session_flush_input(s);
}

static void exec_started(struct work *w)
{
	struct exec *x = CONTAINER_OF(w, struct exec, work);
	struct session *s = &x->session;
	s->busy = false;
	if (x->crun > 0)
		watch_process(x);
	if (s->over) { // cancelled meanwhile
		if (x->crun > 0)
			kill_process(x);
		session_free_if_done(s);
	} else if (x->crun <= 0) {
		session_end(s, 0, &x->e);
	} else {
		watch_output(x);
	}
}

static void begin(struct exec *x)
{
	x->exited = false;
	x->crun = 0;
	x->session.busy = true;
	x->work = (struct work){.run = run_exec, .done = exec_started};
	loop_work(x->session.engine->base.loop, &x->work);
}

static void retry(struct timer *t)
{
	struct exec *x = CONTAINER_OF(t, struct exec, retry);
	if (x->session.handles) { // of the attempt before
		timer_start(t->loop, t, RETRY_MS * TIME_MS);
		return;
	}
	remove_files(x);
	begin(x);
}

static void refuse(struct timer *t)
{
	struct exec *x = CONTAINER_OF(t, struct exec, retry);
	session_end(&x->session, 0, &x->e);
}

static void copy_args(struct exec *x, const struct runtime_exec_spec *spec)
{
	struct str *args = ARENA_ARRAY(&x->arena, struct str, spec->arg_count + 1);
	for (size_t i = 0; i < spec->arg_count; i++)
		args[i] = arena_str(&x->arena, spec->args[i]);
	x->args = args;
	x->arg_count = spec->arg_count;
}

struct runtime_session *engine_exec(struct runtime *r, const struct runtime_exec_spec *spec,
				    const struct runtime_session_events *ev, void *arg)
{
	struct engine *g = engine_of(r);
	struct exec *x = MEM_NEW(struct exec);
	struct session *s = &x->session;
	session_init(s, g, spec->id, ev, arg);
	arena_init(&x->arena);
	s->tty = spec->tty;
	s->stdin_open = spec->stdin_open;
	s->on_cancel = cancel_exec;
	s->on_resume = resume_exec;
	s->on_stdin_closed = stdin_closed;
	s->on_resize = resize_exec;
	s->free = free_exec;
	x->files = arena_fmt(&x->arena, "%s/exec/%llu", g->run, (unsigned long long)g->next_exec++).p;
	x->timeout_ns = spec->timeout_ns;
	x->pipes[0] = x->pipes[1] = x->pipes[2] = -1;
	x->timer = (struct timer){.fire = on_timeout, .loop = r->loop};
	x->look = (struct timer){.fire = look_at_stderr, .loop = r->loop};
	x->kill_again = (struct timer){.fire = kill_again, .loop = r->loop};
	copy_args(x, spec);
	const struct container *c = container_get(g, spec->id);
	if (!c || c->phase != RUNTIME_RUNNING || !spec->arg_count) {
		if (!spec->arg_count)
			err_set(&x->e, ERR_BAD_REQUEST, "no command given");
		else
			err_set(&x->e, ERR_NOT_FOUND, "container %.*s does not run", STR_FMT(spec->id));
		x->retry = (struct timer){.fire = refuse, .loop = r->loop};
		timer_start(r->loop, &x->retry, 0);
		return &s->base;
	}
	if (spec->timeout_ns)
		timer_start(r->loop, &x->timer, spec->timeout_ns);
	begin(x);
	return &s->base;
}
