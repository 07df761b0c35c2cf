// SPDX-License-Identifier: Apache-2.0
// What a controller has done that its cache does not show yet, so that a late watch makes it neither create nor delete
// twice. Pods are entered before the request goes out and leave when the cache shows the change, when the request is
// refused, or, where its fate stays unknown, after a few seconds.
#ifndef CONTROLLERS_EXPECTATIONS_H
#define CONTROLLERS_EXPECTATIONS_H

#include "controllers/pod_cache.h"

struct expectations;

struct expectations *expectations_create(void);
void expectations_destroy(struct expectations *x);

void expectations_creating(struct expectations *x, struct str owner_uid, struct str pod_key, int64_t now_ns);
// No answer came. Five seconds from now the cache is believed.
void expectations_doubt(struct expectations *x, struct str owner_uid, struct str pod_key, int64_t now_ns);
void expectations_not_created(struct expectations *x, struct str owner_uid, struct str pod_key);
void expectations_deleting(struct expectations *x, struct str owner_uid, struct str pod_uid, int64_t now_ns);
void expectations_not_deleted(struct expectations *x, struct str owner_uid, struct str pod_uid);

void expectations_observe(struct expectations *x, const struct pod *before, const struct pod *now); // each change
void expectations_forget(struct expectations *x, struct str owner_uid);				    // the owner is gone

// Pods under way for the owner that the cache does not show. *again_ns gets the time until one of them is given up,
// or 0.
size_t expectations_unseen(struct expectations *x, struct str owner_uid, int64_t now_ns, int64_t *again_ns);
bool expectations_is_doomed(struct expectations *x, struct str owner_uid, struct str pod_uid, int64_t now_ns);

#endif
