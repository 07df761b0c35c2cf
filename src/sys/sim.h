// SPDX-License-Identifier: Apache-2.0
// A simulated world: virtual time, seeded chance, imitated network and files, all loops in one thread. The same seed
// and the same program give the same run to the last byte.
//
// Streams keep their order but not their pieces: what is written arrives later, joined and cut by chance. Work takes
// up to 2 ms. Files are of the whole world and there is no directory but "/", "/tmp" and those that were made.
#ifndef SYS_SIM_H
#define SYS_SIM_H

#include "sys/sys.h"

struct sim;

struct sim_faults { // chances in 1/1000; delays are uniform in [min, max]
	int64_t message_delay_min_ns, message_delay_max_ns;
	int connect_refused, stream_broken; // of each connection; of each message
	int file_write_failed;
};

struct sim *sim_create(uint64_t seed);
void sim_destroy(struct sim *s); // and its loops; tasks posted still run, nothing else does
void sim_set_faults(struct sim *s, const struct sim_faults *f); // NULL: none; messages take 50 to 500 us
struct loop *sim_loop(struct sim *s, const char *name);	       // belongs to the sim
// While isolated, nothing reaches or leaves the loop's streams; it arrives once they are reachable again. New
// connections time out after 10 s.
void sim_isolate(struct loop *l, bool isolated);
uint64_t sim_random(struct sim *s);
uint64_t sim_random_below(struct sim *s, uint64_t bound); // uniform in [0, bound)
int64_t sim_now(struct sim *s);
// Runs events until none is left or virtual time reaches now + duration, which it then is.
void sim_run(struct sim *s, int64_t duration_ns);
bool sim_step(struct sim *s); // one event; false when there is none
// A line into the trace (time and text); sim_trace gives all lines so far.
void sim_log(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct str sim_trace(struct sim *s);
// Of every event so far and every byte that went over a stream: two runs that agree in it have been the same.
uint64_t sim_digest(struct sim *s);

#endif
