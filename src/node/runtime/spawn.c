// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "node/images/tree.h"

enum { SAID_MAX = 4096 };

// Sources are first moved above them all, out of the way of the targets and of each other, then each to its number; the
// rest is closed.
static int arrange(posix_spawn_file_actions_t *a, const struct spawn *s)
{
	int code = 0, high = (int)s->fd_count;
	for (size_t i = 0; i < s->fd_count; i++)
		high = s->fds[i] >= high ? s->fds[i] + 1 : high;
	for (size_t i = 0; i < s->fd_count && !code; i++)
		if (s->fds[i] >= 0)
			code = posix_spawn_file_actions_adddup2(a, s->fds[i], high + (int)i);
	for (size_t i = 0; i < s->fd_count && !code; i++)
		code = s->fds[i] < 0 ? posix_spawn_file_actions_addopen(a, (int)i, "/dev/null", O_RDWR, 0)
				     : posix_spawn_file_actions_adddup2(a, high + (int)i, (int)i);
	if (!code)
		code = posix_spawn_file_actions_addclosefrom_np(a, (int)s->fd_count);
	if (!code && s->cwd)
		code = posix_spawn_file_actions_addchdir_np(a, s->cwd);
	return code;
}

int spawn_start(const struct spawn *s, pid_t *pid, struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	int code = arrange(&actions, s);
	if (!code) // posix_spawn does not write to the arrays
		code = posix_spawn(pid, s->args[0], &actions, &attributes, (char **)(uintptr_t)s->args,
				   (char **)(uintptr_t)s->env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return code ? err_errno(e, code, "run %s", s->args[0]) : 0;
}

// Looks at the child every millisecond: for where no descriptor of it is to be had, too many being open.
static bool is_seen_to_end(pid_t pid, int timeout_ms)
{
	for (int i = 0; i < timeout_ms; i++) {
		siginfo_t info = {0};
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return false;
}

static bool ends_within(pid_t pid, int timeout_ms)
{
	int fd CLEAN_FD = pidfd_open(pid, 0), ready;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (fd < 0)
		return is_seen_to_end(pid, timeout_ms);
	do
		ready = poll(&p, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	return ready != 0;
}

int spawn_wait(pid_t pid, int timeout_ms, int *status, struct err *e)
{
	bool in_time = ends_within(pid, timeout_ms);
	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return err_errno(e, errno, "wait for process %d", (int)pid);
	return in_time ? 0 : err_set(e, ERR_TIMEOUT, "not done after %d ms", timeout_ms);
}

static struct str said(int fd, char room[SAID_MAX])
{
	ssize_t n = pread(fd, room, SAID_MAX, 0);
	return str_trim((struct str){room, n > 0 ? (size_t)n : 0});
}

int spawn_run(const char *const *args, const char *const *env, int timeout_ms, struct err *e)
{
	char room[SAID_MAX];
	int says CLEAN_FD = memfd_create("said", MFD_CLOEXEC), status;
	struct spawn s = {.args = args, .env = env, .fds = {-1, -1, says}, .fd_count = 3};
	pid_t pid;
	if (says < 0)
		return err_errno(e, errno, "memfd_create");
	if (spawn_start(&s, &pid, e) < 0)
		return -1;
	if (spawn_wait(pid, timeout_ms, &status, e) < 0)
		return err_wrap(e, "%s", args[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, ERR_INTERNAL, "%s: %.*s", args[0], STR_FMT(said(says, room)));
}
