// SPDX-License-Identifier: Apache-2.0
// Points in time as nanoseconds since 1970 UTC, and their RFC 3339 texts. Nobody here reads a clock (see sys/sys.h).
#ifndef BASE_TIMES_H
#define BASE_TIMES_H

#include "base/arena.h"

#define TIME_MS INT64_C(1000000)
#define TIME_S INT64_C(1000000000)

struct str time_format(struct arena *a, int64_t ns);	   // 2006-01-02T15:04:05Z
struct str time_format_micro(struct arena *a, int64_t ns); // 2006-01-02T15:04:05.000000Z
struct str time_format_nano(struct arena *a, int64_t ns);  // 2006-01-02T15:04:05.999999999Z
// Any RFC 3339 text, with fraction and offset, of the years 1678 to 2261; 0 or -1.
int time_parse(struct str text, int64_t *ns);

// What clients store may lie further away than nanoseconds in 64 bits reach: any time of the years 0 to 9999.
struct far_time {
	int64_t seconds; // since 1970
	int64_t ns;	 // 0 to 999,999,999
};

bool far_time_in_range(struct far_time t);
bool far_time_is_zero(struct far_time t); // 0001-01-01T00:00:00Z, with which Go's clients mean "no time"

int far_time_parse(struct str text, struct far_time *out); // 0 or -1
struct str far_time_format(struct arena *a, struct far_time t);
struct str far_time_format_micro(struct arena *a, struct far_time t);
// As kubectl prints ages: 5s, 3m20s, 4h, 3d2h, 2y10d; "<invalid>" below zero.
struct str time_age(struct arena *a, int64_t elapsed_ns);

#endif
