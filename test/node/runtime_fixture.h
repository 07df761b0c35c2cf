// SPDX-License-Identifier: Apache-2.0
// A real runtime in a directory of its own, with the busybox image in it, for tests as root on a machine with crun and
// conmon; elsewhere the test is skipped.
#ifndef TEST_RUNTIME_FIXTURE_H
#define TEST_RUNTIME_FIXTURE_H

#include <sys/types.h>

#include "node/runtime/runtime.h"
#include "sys/real.h"

struct rig {
	struct arena a;
	char *dir;
	const char *data, *run;
	const char *crun; // NULL: the machine's
	char parent[32]; // control group
	struct loop *loop;
	struct images *images;
	struct runtime *runtime;
	struct image busybox;
	struct err e; // of the last call
	struct runtime_state exited; // the last that ended
	int exits;
};

void rig_set_up(struct rig *g);
void rig_tear_down(struct rig *g); // and checks that nothing is left
#define CLEAN_RIG __attribute__((cleanup(rig_tear_down)))
void rig_open(struct rig *g);  // the runtime, again
void rig_close(struct rig *g); // as an agent that ends
// This program once more, with the runtime of the same directories open: it ends with what rig_agent returns. (Only
// forked, it would have none of the pool's threads.)
pid_t rig_start_agent(struct rig *g, const char *role);
int rig_agent(struct rig *g, const char *role); // of the test program that starts such agents

// A container of busybox running `sh -c script`, in the pod "p1".
struct runtime_container_spec rig_spec(struct rig *g, const char *id, const char *script);
int rig_pod(struct rig *g, const char *uid);
int rig_create(struct rig *g, const struct runtime_container_spec *s); // 0, or -1 and g->e
int rig_start(struct rig *g, const char *id);
int rig_run(struct rig *g, const char *id, const char *script); // pod, create and start
int rig_remove(struct rig *g, const char *id);
int rig_pod_remove(struct rig *g, const char *uid);
void rig_wait_exit(struct rig *g, const char *id); // until g->exited is that one; fails the test after 10 s
struct str rig_log(struct rig *g, const char *id); // the text of its log, without times
void rig_turn(struct rig *g, int64_t ms);	  // runs the loop that long
// Runs the loop until *flag; false after 10 s.
bool rig_until(struct rig *g, const bool *flag);

#endif
