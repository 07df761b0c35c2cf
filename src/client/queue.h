// SPDX-License-Identifier: Apache-2.0
// A work queue of keys for a reconcile loop: each key at most once in the queue and never handled twice at a time; a
// key added while it is handled comes again after; failures come back later, 5 ms doubled up to 16 min.
#ifndef CLIENT_QUEUE_H
#define CLIENT_QUEUE_H

#include "sys/sys.h"

struct queue;

// `handle` starts work on a key (borrowed during the call) and sees to it that queue_done is called exactly once for
// it, then or later. At most `parallel` keys are being handled at once.
struct queue *queue_create(struct loop *l, size_t parallel, void (*handle)(void *arg, struct str key), void *arg);
void queue_destroy(struct queue *q);
void queue_add(struct queue *q, struct str key);
void queue_add_after(struct queue *q, struct str key, int64_t delay_ns); // an earlier one stands
void queue_done(struct queue *q, struct str key, bool failed);
size_t queue_length(const struct queue *q);

#endif
