// SPDX-License-Identifier: Apache-2.0
// Finds the objects of a cache by their managing owner (owner.h).
#ifndef CONTROLLERS_OWNED_H
#define CONTROLLERS_OWNED_H

#include "client/informer.h"
#include "controllers/owner.h"

struct owned;

struct owned_list { // valid until the next turn of the loop
	const struct informer_object **p;
	size_t n;
};

struct owned *owned_create(struct informer *i);
void owned_destroy(struct owned *o); // before its informer
struct owned_list owned_by(const struct owned *o, struct str uid);
struct owned_list owned_by_nobody(const struct owned *o, struct str namespace);

#endif
