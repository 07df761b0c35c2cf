// SPDX-License-Identifier: Apache-2.0
#include "base/times.h"
#include "wire/duplex.h"

enum { LOOK_MS = 20, PATIENCE_S = 60 }; // for a peer that takes nothing of what is left

struct side {
	struct splice *splice;
	struct duplex *from, *to;
	bool ended;
};

struct splice {
	struct side sides[2]; // [0]: a to b
	struct timer timer;   // while both have ended and something is still to leave
	size_t left;
	int64_t moved_ns;
};

static void finish(struct splice *s)
{
	timer_stop(&s->timer);
	duplex_close(s->sides[0].from);
	duplex_close(s->sides[1].from);
	free(s);
}

// Closing throws away what is pending: it leaves first, as long as it moves.
static void finish_when_sent(struct splice *s)
{
	struct loop *l = s->sides[0].from->loop;
	size_t left = duplex_pending(s->sides[0].from) + duplex_pending(s->sides[1].from);
	if (left != s->left)
		s->moved_ns = loop_now(l);
	s->left = left;
	if (left == 0 || loop_now(l) - s->moved_ns > PATIENCE_S * TIME_S)
		finish(s);
	else
		timer_start(l, &s->timer, LOOK_MS * TIME_MS);
}

static void on_timer(struct timer *t)
{
	finish_when_sent(CONTAINER_OF(t, struct splice, timer));
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct side *side = arg;
	struct splice *s = side->splice;
	if (e) {
		finish(s);
	} else if (data.n == 0) {
		side->ended = true;
		duplex_shutdown(side->to);
		if (s->sides[0].ended && s->sides[1].ended)
			finish_when_sent(s);
	} else {
		duplex_write_str(side->to, data);
		if (duplex_pending(side->to) > DUPLEX_HIGH)
			duplex_read(side->from, false);
	}
}

// What we wrote to `from` has left: its other side may be read again.
static void on_drain(void *arg)
{
	struct side *side = arg;
	if (!side->splice->sides[side == &side->splice->sides[0]].ended)
		duplex_read(side->to, true);
}

void duplex_splice(struct duplex *a, struct duplex *b)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct splice *s = MEM_NEW(struct splice);
	*s = (struct splice){.sides = {{s, a, b, false}, {s, b, a, false}}, .timer = {.fire = on_timer}};
	duplex_start(a, &events, &s->sides[0]);
	duplex_start(b, &events, &s->sides[1]);
}
