// SPDX-License-Identifier: Apache-2.0
// The loop that every controller is: keys come in from informers, each is handled by reading caches, deciding (a pure
// X_plan) and sending what follows all at once; when every answer is in, the key is done, and comes again with back-off
// if one of them failed. No key is ever handled twice at a time.
#ifndef CONTROLLERS_RECONCILE_H
#define CONTROLLERS_RECONCILE_H

#include "client/informer.h"

struct reconciler;

struct sync {		    // one handling of one key
	struct arena arena; // lives until the last answer
	struct str key;	    // "namespace/name" or "name"
	struct str namespace, name;
};

typedef void reconcile(void *arg, struct sync *s);
// What came back of a request; r->e is NULL for success. Returns whether that is fine; if not, the key fails.
typedef bool sync_answer(void *arg, struct sync *s, const struct client_response *r);

struct reconciler *reconciler_create(struct transport *t, size_t parallel, reconcile *handle, void *arg);
// Answers that are still to come are forgotten: `arg` is not touched any more.
void reconciler_destroy(struct reconciler *r);
// Nothing is handled before this cache is complete. At most 8.
void reconciler_await(struct reconciler *r, const struct informer *i);
void reconciler_add(struct reconciler *r, struct str key);
void reconciler_add_after(struct reconciler *r, struct str key, int64_t delay_ns);

// PATCH sends a merge patch. Without `answer` every error fails the key, but for 404 of a DELETE.
void sync_send(struct sync *s, const char *method, struct str path, const struct json *body, sync_answer *answer,
	       void *arg);
// The same for an object that `cache` holds: the key is not handled again before the cache shows what was written (or
// five seconds have passed), so that no decision is made on a state that we know to be old.
void sync_write(struct sync *s, const struct informer *cache, const char *method, struct str path,
		const struct json *body, sync_answer *answer, void *arg);

#endif
