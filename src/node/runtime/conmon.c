// SPDX-License-Identifier: Apache-2.0
// conmon holds a container: it keeps its output flowing into the log, takes note of its exit, and outlives the agent.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/images/store.h"
#include "node/images/tree.h"
#include "node/runtime/engine.h"
#include "node/runtime/spawn.h"

enum { CREATE_TIMEOUT_MS = 120000, FINISH_TIMEOUT_MS = 5000, REOPEN_TIMEOUT_MS = 1000 };
enum { ANSWER_MAX = 16 << 10, ARGS_MAX = 48 };

// ---- creating

static size_t make_args(struct engine *g, struct arena *a, const struct runtime_container_spec *spec, const char *dir,
			const char **args)
{
	size_t n = 0;
	const char *id = arena_c(a, spec->id);
	const char *fixed[] = {
		g->conmon, "--api-version", "1", "-c", id, "-u", id, "-r", g->crun, "-b", dir,
		"-p", arena_fmt(a, "%s/pidfile", dir).p,
		"-P", arena_fmt(a, "%s/conmon.pid", dir).p,
		"-l", arena_fmt(a, "k8s-file:%.*s", STR_FMT(spec->log_path)).p,
		"--exit-dir", engine_path(g, a, "exits"),
		"--persist-dir", container_exit_dir(g, a, id),
		"--full-attach", "--log-level", "error",
		"--runtime-arg", arena_fmt(a, "--root=%s/crun", g->run).p,
	};
	memcpy(args, fixed, sizeof(fixed));
	n = ARRAY_LEN(fixed);
	if (spec->tty)
		args[n++] = "-t";
	if (spec->stdin_open)
		args[n++] = "-i";
	if (spec->stdin_open && !spec->stdin_once)
		args[n++] = "--leave-stdin-open";
	args[n] = NULL;
	MUST(n < ARGS_MAX);
	return n;
}

// conmon answers {"data": pid}, or {"data": -1, "message": why}.
static int read_answer(struct arena *a, int fd, struct str *out, struct err *e)
{
	char *text = arena_alloc(a, ANSWER_MAX);
	size_t n = 0;
	while (n < ANSWER_MAX && !memchr(text, '\n', n)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, CREATE_TIMEOUT_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return err_set(e, ERR_TIMEOUT, "conmon did not answer in %d s", CREATE_TIMEOUT_MS / 1000);
		ssize_t got = read(fd, text + n, ANSWER_MAX - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	*out = (struct str){text, n};
	return 0;
}

// crun's words for what the user's command did wrong, and what they mean. Where it names the root file system, no place
// could be made for a mount: it does not say that the disk is full.
static enum err_reason reason_of(struct str message)
{
	if (str_contains(message, STR("/rootfs/")))
		return ERR_INTERNAL;
	static const char *const users[] = {"executable file", "No such file or directory", "Permission denied",
					    "Exec format error", "Not a directory"};
	for (size_t i = 0; i < ARRAY_LEN(users); i++)
		if (str_contains(message, str_of(users[i])))
			return ERR_BAD_REQUEST;
	return ERR_INTERNAL;
}

static int understand(struct arena *a, struct str answer, const char *dir, int *pid, struct err *e)
{
	struct json *j;
	struct str said;
	if (json_parse(a, answer, NULL, &j, NULL) == 0) {
		int64_t data = json_i64(j, "data", -1);
		if (data > 0) {
			*pid = (int)data;
			return 0;
		}
		struct str message = str_trim(json_str(j, "message"));
		if (!str_empty(message))
			return err_set(e, reason_of(message), "%.*s", STR_FMT(message));
	}
	if (store_read_file(a, AT_FDCWD, arena_fmt(a, "%s/conmon.err", dir).p, ANSWER_MAX, &said, NULL) < 0)
		said = STR_NONE;
	return err_set(e, ERR_INTERNAL, "conmon could not make the container: %.*s", STR_FMT(str_trim(said)));
}

struct pipes {
	int start[2], sync[2], says;
};

static void close_pipes(struct pipes *p)
{
	int *all[] = {&p->start[0], &p->start[1], &p->sync[0], &p->sync[1], &p->says};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		tree_close_fd(all[i]);
}

static int open_pipes(struct pipes *p, struct arena *a, const char *dir, struct err *e)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, -1};
	p->says = open(arena_fmt(a, "%s/conmon.err", dir).p, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (p->says < 0 || pipe2(p->start, O_CLOEXEC) < 0 || pipe2(p->sync, O_CLOEXEC) < 0)
		return err_errno(e, errno, "pipe");
	return 0;
}

// conmon waits for a byte before it forks: time to put it where it counts to no pod and is not stopped with the agent.
static int let_go(struct engine *g, pid_t pid, struct pipes *p, struct err *e)
{
	if (cgroup_enter(&g->cgroups, CGROUP_MONITORS, pid, e) < 0)
		return -1;
	return write(p->start[1], "", 1) == 1 ? 0 : err_errno(e, errno, "conmon's start pipe");
}

int conmon_create(struct engine *g, struct arena *a, const struct runtime_container_spec *spec, const char *dir,
		  int *pid, struct err *e)
{
	const char *args[ARGS_MAX];
	const char *env[] = {engine_env[0], "_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4", NULL};
	struct pipes p __attribute__((cleanup(close_pipes)));
	struct str answer = STR_NONE;
	pid_t conmon;
	int status;
	if (open_pipes(&p, a, dir, e) < 0)
		return -1;
	make_args(g, a, spec, dir, args);
	struct spawn s = {
		.args = args, .env = env, .cwd = dir, .fds = {-1, -1, p.says, p.sync[1], p.start[0]}, .fd_count = 5};
	if (spawn_start(&s, &conmon, e) < 0)
		return -1;
	tree_close_fd(&p.sync[1]);
	p.sync[1] = -1;
	int result = let_go(g, conmon, &p, e);
	if (result < 0)
		kill(conmon, SIGKILL);
	else
		result = read_answer(a, p.sync[0], &answer, e);
	// The process we started has forked the one that stays, and ends.
	if (spawn_wait(conmon, CREATE_TIMEOUT_MS, &status, result < 0 ? NULL : e) < 0 || result < 0)
		return -1;
	return understand(a, answer, dir, pid, e);
}

// ---- later

// One command a write: conmon takes the first line of what it reads.
static int command(const char *dir, const char *text, struct err *e)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/ctl", dir);
	int fd CLEAN_FD = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_errno(e, errno, "conmon's control fifo");
	return 0;
}

// It puts a new file in the place of whatever has the log's name: once it is there, it must not be told again.
int conmon_reopen_log(const char *dir, const char *log, struct err *e)
{
	if (access(log, F_OK) == 0)
		return 0;
	if (command(dir, "2 0 0\n", e) < 0)
		return -1;
	for (int i = 0; i < REOPEN_TIMEOUT_MS; i++) {
		if (access(log, F_OK) == 0)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return err_set(e, ERR_TIMEOUT, "conmon did not begin %s in %d s", log, REOPEN_TIMEOUT_MS / 1000);
}

int conmon_resize(const char *dir, int width, int height, struct err *e)
{
	char text[64];
	snprintf(text, sizeof(text), "1 %d %d\n", height, width);
	return command(dir, text, e);
}

// A descriptor of the process, if it still is this container's conmon: process ids are used again.
static int open_conmon(struct arena *a, const char *dir, const char *id)
{
	char line[4096];
	int pid = (int)file_number(arena_fmt(a, "%s/conmon.pid", dir).p, 0);
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	size_t n = fd < 0 ? 0 : file_text(arena_fmt(a, "/proc/%d/cmdline", pid).p, line, sizeof(line));
	if (memmem(line, n, "conmon", 6) && memmem(line, n, id, strlen(id)))
		return fd;
	tree_close_fd(&fd);
	return -1;
}

bool conmon_runs(struct arena *a, const char *dir, const char *id)
{
	int fd CLEAN_FD = open_conmon(a, dir, id);
	return fd >= 0;
}

// With what it is running: a crun that is making the container is of its process group.
void conmon_kill(struct arena *a, const char *dir, const char *id)
{
	int fd CLEAN_FD = open_conmon(a, dir, id);
	int pid = (int)file_number(arena_fmt(a, "%s/conmon.pid", dir).p, 0);
	if (fd >= 0 && getpgid(pid) == pid)
		kill(-pid, SIGKILL);
	else if (fd >= 0)
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

void conmon_finish(struct arena *a, const char *dir, const char *id)
{
	int fd CLEAN_FD = open_conmon(a, dir, id);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (fd >= 0 && poll(&p, 1, FINISH_TIMEOUT_MS) != 1)
		conmon_kill(a, dir, id);
}
