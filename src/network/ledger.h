// SPDX-License-Identifier: Apache-2.0
// Who wants which element in the kernel's sets. Several Services may want the same one (a pod behind two of them is one
// hairpin element; two Services may claim one external address), so each is kept, and the last speaks; what changed since
// the last transaction is told as two sorted lists.
#ifndef NETWORK_LEDGER_H
#define NETWORK_LEDGER_H

#include "base/map.h"
#include "network/plan.h"

struct ledger {
	struct map entries; // set and key bytes -> struct ledger_entry
	struct map touched; // the same keys, of what may have changed
};

void ledger_init(struct ledger *l);
void ledger_finish(struct ledger *l);

// What is in the kernel now, as it has been read: at the start, and when a change has failed.
void ledger_found(struct ledger *l, const struct plan_element *elements, size_t count);
void ledger_want(struct ledger *l, const struct plan_element *elements, size_t count);
void ledger_unwant(struct ledger *l, const struct plan_element *elements, size_t count);
// From what the kernel has to what is wanted, both sorted, in the arena. Once the kernel has it: ledger_settle.
void ledger_changes(struct ledger *l, struct arena *a, struct plan_element **from, size_t *from_count,
		    struct plan_element **to, size_t *to_count);
void ledger_settle(struct ledger *l);

#endif
