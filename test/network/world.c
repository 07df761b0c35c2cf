// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "network/link.h"
#include "unit.h"

void world_enter(void)
{
	static bool entered;
	if (entered)
		return;
	if (geteuid() != 0)
		unit_skip("needs root");
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		unit_skip("may not make network namespaces here");
	struct link_socket *s = link_open(NULL);
	link_up(s, 1, NULL);
	link_close(s);
	entered = true;
}
