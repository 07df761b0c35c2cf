// SPDX-License-Identifier: Apache-2.0
#include "cli/daemon.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 1 << 20 };

#define KILLED_LAST "-999" // as Kubernetes' node agents

static void raise_descriptor_limit(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max < DESCRIPTORS_MAX ? l.rlim_max : DESCRIPTORS_MAX;
	setrlimit(RLIMIT_NOFILE, &l);
}

// Needs CAP_SYS_RESOURCE.
static void be_killed_last(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, KILLED_LAST, strlen(KILLED_LAST));
	close(fd);
}

void daemon_prepare(void)
{
	raise_descriptor_limit();
	be_killed_last();
}
