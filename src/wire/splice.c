// SPDX-License-Identifier: Apache-2.0
#include "wire/duplex.h"

struct side {
	struct splice *splice;
	struct duplex *from, *to;
	bool ended;
};

struct splice {
	struct side sides[2]; // [0]: a to b
};

static void finish(struct splice *s)
{
	duplex_close(s->sides[0].from);
	duplex_close(s->sides[1].from);
	free(s);
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

void duplex_splice(struct duplex *a, struct duplex *b)
{
	static const struct duplex_events events = {on_read, on_drain};
	struct splice *s = MEM_NEW(struct splice);
	*s = (struct splice){{{s, a, b, false}, {s, b, a, false}}};
	duplex_start(a, &events, &s->sides[0]);
	duplex_start(b, &events, &s->sides[1]);
}
