// SPDX-License-Identifier: Apache-2.0
// Runs one behaviour of loops in the real world and in the simulated one.
#ifndef TEST_SYS_WORLD_H
#define TEST_SYS_WORLD_H

#include "sys/sys.h"

struct world {
	struct loop *loop;	// where the test runs
	struct loop *other;	// on another thread in the real world
	const char *address;	// to listen on
	// Runs the loop until *done or two seconds have gone (then the test fails).
	void (*run)(struct world *w, const bool *done);
	struct sim *sim;
};

// TEST_BOTH(name) { uses struct world *w } makes name_real and name_sim.
#define TEST_BOTH(name)                                    \
	static void both_##name(struct world *w);          \
	TEST(name##_real)                                  \
	{                                                  \
		world_run_real(both_##name);               \
	}                                                  \
	TEST(name##_sim)                                   \
	{                                                  \
		world_run_sim(both_##name);                \
	}                                                  \
	static void both_##name(struct world *w)

void world_run_real(void (*test)(struct world *w));
void world_run_sim(void (*test)(struct world *w));

#endif
