// SPDX-License-Identifier: Apache-2.0
// Counters of a worker's calls, written by its loop alone and read by any (/metrics).
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdint.h>

struct call;
struct metrics;

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m);
void metrics_count(struct metrics *m, const struct call *c, int64_t duration_ns); // an answer

#endif
