// SPDX-License-Identifier: Apache-2.0
// Which EndpointSlices belong to which Service: an index over the cache of slices, for packets and for names.
#ifndef NETWORK_SLICES_H
#define NETWORK_SLICES_H

#include "client/informer.h"

struct slices;

// on_change: the slices of the Service "namespace/name" have changed.
struct slices *slices_create(struct informer *cache, void (*on_change)(void *arg, struct str service), void *arg);
void slices_destroy(struct slices *s);

enum { SLICES_MAX = 64 }; // of one Service: 6,400 endpoints; more are not used

// The parsed slices of a Service, in the arena (and pointing into the cache: for this turn of the loop only).
size_t slices_of(const struct slices *s, struct arena *a, struct str service, const struct json **out);

#endif
