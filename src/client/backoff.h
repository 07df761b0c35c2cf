// SPDX-License-Identifier: Apache-2.0
// How long to wait before trying again: doubled each time between two bounds, the upper half of it by chance, so that
// many clients of a server that comes back do not arrive together.
#ifndef CLIENT_BACKOFF_H
#define CLIENT_BACKOFF_H

#include "base/times.h"
#include "sys/sys.h"

struct backoff {
	int64_t first_ns, max_ns;
	unsigned failures;
};

static inline int64_t backoff_next(struct backoff *b, struct loop *l)
{
	int64_t delay_ns = b->first_ns;
	for (unsigned i = 0; i < b->failures && delay_ns < b->max_ns; i++)
		delay_ns *= 2;
	b->failures++;
	if (delay_ns > b->max_ns)
		delay_ns = b->max_ns;
	return delay_ns / 2 + (int64_t)loop_random_below(l, (uint64_t)(delay_ns / 2) + 1);
}

static inline void backoff_reset(struct backoff *b)
{
	b->failures = 0;
}

#endif
