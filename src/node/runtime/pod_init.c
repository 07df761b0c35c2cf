// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/runtime/engine.h"

// Process 1 of the namespace: it reaps orphans until it is killed. The kernel keeps signals without handler from it.
__attribute__((noreturn)) static void reap(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		int got;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (sigwait(&set, &got) == 0 && got == SIGTERM)
			_exit(0);
	}
}

void runtime_pod_init(const char *path)
{
	struct err e = ERR_EMPTY;
	char go;
	prctl(PR_SET_NAME, "pod-init");
	if (read(STDIN_FILENO, &go, 1) != 1 || unshare(CLONE_NEWPID) < 0)
		_exit(EXIT_FAILURE);
	pid_t first = fork();
	if (first == 0)
		reap();
	if (first > 0 && namespace_hold("/proc/self/ns/pid_for_children", path, &e) == 0)
		_exit(EXIT_SUCCESS);
	dprintf(STDERR_FILENO, "%s\n", first < 0 ? strerror(errno) : err_text(&e));
	if (first > 0)
		kill(first, SIGKILL);
	_exit(EXIT_FAILURE);
}
