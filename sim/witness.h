// SPDX-License-Identifier: Apache-2.0
// A witness follows one resource from one server of a simulated cluster and swears to what it hears: within one list and
// its watch revisions only rise; at one revision every witness of the resource hears the same; none misses what another
// hears. Whoever wants to judge every state in between is told of each change.
#ifndef SIM_WITNESS_H
#define SIM_WITNESS_H

#include "base/map.h"
#include "client/client.h"

enum { WITNESS_WORDS = 256 };

// What the witnesses of one resource have heard together.
struct chronicle {
	struct map told; // revision -> hash of what was told, as a pointer
};

struct witness;

// The object's JSON before and after; empty: it was not there. Also called for what a list shows.
typedef void witness_judge(void *arg, struct str before, struct str now);

void chronicle_finish(struct chronicle *c); // init by {0}; after its witnesses

struct witness *witness_create(struct transport *t, const char *path, struct chronicle *c, witness_judge *judge,
			       void *arg);
void witness_destroy(struct witness *w);
// What is wrong with what it has heard; NULL: nothing. Once all is quiet.
const char *witness_complaint(struct witness *w);
// Whether its picture is that of a list (of a GET).
bool witness_agrees(const struct witness *w, const struct json *list);

#endif
