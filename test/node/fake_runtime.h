// SPDX-License-Identifier: Apache-2.0
// A runtime that only imagines containers, on any loop and so in virtual time. What a command does is told beforehand;
// one that nobody told of runs until it is killed.
#ifndef TEST_NODE_FAKE_RUNTIME_H
#define TEST_NODE_FAKE_RUNTIME_H

#include "node/pod_network.h"
#include "node/runtime/runtime.h"

struct fake_runtime;

struct fake_act {
	const char *command; // args joined by spaces, or the container's name where `by_name`
	int64_t runs_ns;     // then it ends; 0: never by itself
	int exit_code;
	int term_code; // how it ends on SIGTERM; -1: it does not hear
	bool oom;
	const char *fails;		     // it cannot be started: why
	int64_t good_from_ns, good_until_ns; // as a probe's exec: exit 0 when the container's age is between
	int until_attempt;		     // ends with exit_code only before this attempt, then with 0
};

struct fake_runtime *fake_runtime_create(struct loop *l, const struct fake_act *acts, size_t count);
void fake_runtime_destroy(struct fake_runtime *f);
struct runtime *fake_runtime_table(struct fake_runtime *f);
// Images that are there; others are not. At first: any but those that begin with "example.test/".
void fake_runtime_add_image(struct fake_runtime *f, const char *name);
// From now on containers cannot be made, and not by fault of theirs; NULL: again they can.
void fake_runtime_break(struct fake_runtime *f, const char *why);
void fake_runtime_use_memory(struct fake_runtime *f, uint64_t bytes); // each container and pod from now on
bool fake_runtime_limits(struct fake_runtime *f, struct str id, struct cgroup_limits *out);
size_t fake_runtime_running(const struct fake_runtime *f);
size_t fake_runtime_pods(const struct fake_runtime *f);
size_t fake_runtime_created(const struct fake_runtime *f); // how many containers there ever were
// The table again, as if the agent had been replaced: the watcher is forgotten, containers stay.
void fake_runtime_restart(struct fake_runtime *f);

// Gives each pod an address and no namespace.
struct pod_network *fake_network(void);

#endif
