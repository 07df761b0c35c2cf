// SPDX-License-Identifier: Apache-2.0
// All pods of this node: follows the API's pods bound to it, keeps a worker for each, passes on what the runtime tells,
// takes over the containers of a former agent, and cleans up after pods that vanished meanwhile.
#ifndef NODE_POD_PODS_H
#define NODE_POD_PODS_H

#include "node/pod/worker.h"
#include "node/stream/stream_server.h"

struct pods;

// The host's on_idle and arg are set here; the rest must be filled. The host outlives the pods.
struct pods *pods_create(struct pod_host *h);
void pods_destroy(struct pods *p); // containers live on

// A ConfigMap or Secret, or a token, changed (see objects.h, tokens.h).
void pods_object_changed(struct pods *p, struct str namespace, bool secret, struct str name);
void pods_token_changed(struct pods *p, struct str uid);
size_t pods_count(const struct pods *p);

// What the streams ask; their argument is the struct pods.
extern const struct stream_pods pods_for_streams;

#endif
