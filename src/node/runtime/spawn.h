// SPDX-License-Identifier: Apache-2.0
// Starting programs: nothing but the descriptors named is inherited. Callable from any thread.
#ifndef NODE_SPAWN_H
#define NODE_SPAWN_H

#include <sys/types.h>

#include "base/err.h"

struct spawn {
	const char *const *args; // args[0] is a path; ends with NULL
	const char *const *env;	 // ends with NULL
	const char *cwd;	 // NULL: ours
	int fds[8];		 // fds[n] becomes descriptor n; -1 in the first three: /dev/null
	size_t fd_count;	 // at least 3
};

int spawn_start(const struct spawn *s, pid_t *pid, struct err *e);
// Waits at most timeout_ms for the child; its exit status as of waitpid in *status. ERR_TIMEOUT: killed and reaped.
int spawn_wait(pid_t pid, int timeout_ms, int *status, struct err *e);
// Runs a program to its end; what it says on stderr (at most 4 KiB) is in the error when it fails.
int spawn_run(const char *const *args, const char *const *env, int timeout_ms, struct err *e);

#endif
