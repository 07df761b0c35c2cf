// SPDX-License-Identifier: Apache-2.0
#include "wire/duplex.h"

struct side {
	struct duplex_splice *splice;
	struct duplex *from, *to;
	bool ended;
};

struct duplex_splice {
	struct side sides[2]; // [0]: a to b
	void (*done)(void *arg);
	void *arg;
};

static void finish(struct duplex_splice *s)
{
	duplex_close(s->sides[0].from);
	duplex_close(s->sides[1].from);
	if (s->done)
		s->done(s->arg);
	free(s);
}

static void on_read(void *arg, struct str data, const struct err *e)
{
	struct side *side = arg;
	struct duplex_splice *s = side->splice;
	if (e) {
		finish(s);
	} else if (data.n == 0) {
		side->ended = true;
		duplex_shutdown(side->to);
		if (s->sides[0].ended && s->sides[1].ended)
			finish(s);
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

struct duplex_splice *duplex_splice(struct duplex *a, struct duplex *b, void (*done)(void *arg), void *arg)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct duplex_splice *s = MEM_NEW(struct duplex_splice);
	*s = (struct duplex_splice){{{s, a, b, false}, {s, b, a, false}}, done, arg};
	duplex_start(a, &events, &s->sides[0]);
	duplex_start(b, &events, &s->sides[1]);
	return s;
}

void duplex_splice_cancel(struct duplex_splice *s)
{
	s->done = NULL;
	finish(s);
}
