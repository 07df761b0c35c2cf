// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/runtime/runtime.h"

// Process 1 of a pod's namespace: it reaps orphans until it is killed. The kernel keeps signals without handler from it.
void runtime_pod_init(void)
{
	sigset_t set;
	prctl(PR_SET_NAME, "pod-init");
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
