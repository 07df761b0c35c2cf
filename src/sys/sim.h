// SPDX-License-Identifier: Apache-2.0
// A simulated world: virtual time, seeded chance, imitated network and files, all loops in one thread. The same seed
// and the same program give the same run to the last byte.
#ifndef SYS_SIM_H
#define SYS_SIM_H

#include "sys/sys.h"

struct sim;

struct sim_faults { // chances in 1/1000; delays are uniform in [min, max]
	int64_t message_delay_min_ns, message_delay_max_ns;
	int connect_refused, stream_broken;
};

struct sim *sim_create(uint64_t seed);
void sim_destroy(struct sim *s);
void sim_set_faults(struct sim *s, const struct sim_faults *f);
struct loop *sim_loop(struct sim *s, const char *name); // belongs to the sim
uint64_t sim_random(struct sim *s);
int64_t sim_now(struct sim *s);
// Runs events until none is left or virtual time reaches now + duration.
void sim_run(struct sim *s, int64_t duration_ns);
bool sim_step(struct sim *s); // one event; false when there is none
// A line into the trace (time and text); sim_trace gives all lines so far.
void sim_log(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct str sim_trace(struct sim *s);

#endif
