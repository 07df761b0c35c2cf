// SPDX-License-Identifier: Apache-2.0
// What the containers of a pod request, or are limited to, together, by resource: the most that is in use at one time.
// Containers and sidecars run side by side; each container that only prepares runs with the sidecars before it.
// Source: the behaviour of Kubernetes v1.36 with pod-level resources.
#ifndef API_TOGETHER_H
#define API_TOGETHER_H

#include "api/quantity.h"
#include "base/map.h"

struct together {
	struct arena *arena; // holds the amounts
	struct map running;  // of those that run side by side
	struct map most;     // struct quantity by resource: the answer
};

// `part` is "requests" or "limits". The names live as long as the spec.
void together_init(struct together *t, struct arena *a, const struct json *spec, const char *part);
void together_finish(struct together *t);
const struct quantity *together_of(const struct together *t, struct str resource); // NULL: none has any
#define CLEAN_TOGETHER __attribute__((cleanup(together_finish)))

#endif
