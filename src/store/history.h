// SPDX-License-Identifier: Apache-2.0
// The recent changes in order, bounded: from them watches catch up, and with them a tree is led back to an earlier
// revision.
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/tree.h"

// What was replaced or deleted is held by the history alone: its bytes are bounded. What is current costs nothing.
enum { HISTORY_CHANGES_MAX = 65536, HISTORY_BYTES_MAX = 16 << 20 };

struct history {
	struct change *ring;
	size_t room;	 // a power of two
	uint64_t first;	 // place of the oldest change; places rise by one a change, for ever
	uint64_t end;	 // place of the next
	size_t bytes;	 // of values replaced
	int64_t floor;	 // changes up to this revision are not (all) here
};

void history_init(struct history *h, int64_t revision); // knows what follows `revision`
void history_finish(struct history *h);
// Takes over the references. Forgets the oldest beyond the bounds, but none from place `told` on: what nobody was told of
// yet must not be missed. Once it was told: history_trim.
void history_add(struct history *h, struct change c, uint64_t told);
bool history_is_beyond(const struct history *h); // the bounds
void history_trim(struct history *h);

static inline const struct change *history_at(const struct history *h, uint64_t place) // first <= place < end
{
	return &h->ring[place & (h->room - 1)];
}
uint64_t history_after(const struct history *h, int64_t revision); // place of the first change after it; end: none

// Undoes on t, which is as after the newest change, all changes after `revision` (at least floor).
void history_undo(const struct history *h, struct tree *t, int64_t revision);

#endif
