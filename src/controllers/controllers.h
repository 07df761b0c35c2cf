// SPDX-License-Identifier: Apache-2.0
// All controllers as one: started together over one transport, sharing caches. Each is a pure decision over a snapshot
// (X_plan.c) and a small loop that applies it (X.c); the caches show what happens, so that several servers may run them
// at once and at worst lose a compare-and-swap.
#ifndef CONTROLLERS_CONTROLLERS_H
#define CONTROLLERS_CONTROLLERS_H

#include "client/client.h"

struct controllers;

struct controllers_options {
	struct str selection; // of --controllers; empty: all
	struct str root_ca;   // PEM that goes into kube-root-ca.crt; empty: that controller does nothing
};

// The transport must outlive them. ERR_BAD_REQUEST for a selection that names no controller.
struct controllers *controllers_start(struct transport *t, const struct controllers_options *o, struct err *e);
void controllers_stop(struct controllers *c);

// A selection is a list of names: "*" is all that run by default, "-name" all but this, "none" nothing; the last word
// on a name wins, and a list that begins with a "-name" begins with "*". "scheduler" may be named too: whoever starts
// the scheduler asks controllers_selected. The error for a name that is none lists all.
int controllers_check(struct str selection, struct err *e);
bool controllers_selected(struct str selection, const char *name);

#endif
