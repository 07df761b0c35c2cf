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
// Any RFC 3339 text, with fraction and offset; 0 or -1.
int time_parse(struct str text, int64_t *ns);
// As kubectl prints ages: 5s, 3m20s, 4h, 3d2h, 2y10d; "<invalid>" below zero.
struct str time_age(struct arena *a, int64_t elapsed_ns);

#endif
