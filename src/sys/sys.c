// SPDX-License-Identifier: Apache-2.0
// What every loop can do with its random numbers.
#include "sys/sys.h"

uint64_t loop_random_below(struct loop *l, uint64_t bound)
{
	MUST(bound > 0);
	uint64_t uneven = (0 - bound) % bound; // the first values, which would make small results likelier
	for (;;) {
		uint64_t drawn;
		loop_random(l, &drawn, sizeof drawn);
		if (drawn >= uneven)
			return drawn % bound;
	}
}

struct str loop_uuid(struct loop *l, struct arena *a)
{
	unsigned char b[16];
	loop_random(l, b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); // version 4
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); // variant of RFC 4122
	return arena_fmt(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
			 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

struct str loop_random_name(struct loop *l, struct arena *a, size_t n)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789"; // no vowels: no words
	char *name = arena_alloc(a, n + 1);
	for (size_t i = 0; i < n; i++)
		name[i] = letters[loop_random_below(l, sizeof letters - 1)];
	return (struct str){name, n};
}
