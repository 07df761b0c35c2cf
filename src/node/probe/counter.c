// SPDX-License-Identifier: Apache-2.0
#include "node/probe/counter.h"

enum { FIRST_AFTER_MS = 500 };

bool probe_count(struct probe_counter *c, const struct probe_spec *s, bool good)
{
	if (c->row && c->was_good == good) {
		c->row++;
	} else {
		c->row = 1;
		c->was_good = good;
	}
	int needed = good ? s->success_threshold : s->failure_threshold;
	if (c->row < (needed > 0 ? needed : 1))
		return false;
	enum probe_verdict verdict = good ? PROBE_GOOD : PROBE_BAD;
	bool changed = verdict != c->verdict || verdict == PROBE_BAD;
	c->verdict = verdict;
	c->row = needed; // no overflow in long lives
	return changed;
}

int64_t probe_first_ns(const struct probe_spec *s)
{
	int64_t soon = s->period_ns / 2 < FIRST_AFTER_MS * TIME_MS ? s->period_ns / 2 : FIRST_AFTER_MS * TIME_MS;
	return s->initial_delay_ns + soon;
}
