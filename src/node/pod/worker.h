// SPDX-License-Identifier: Apache-2.0
// One pod on this node, from its arrival to its end: asks pod_plan what to do, does it, notes what came of it, reports
// the status, and asks again. Never polls: each step follows from a change of the pod, of an object it refers to, of
// one of its containers, or from the time that the plan named.
#ifndef NODE_POD_WORKER_H
#define NODE_POD_WORKER_H

#include "node/pod/host.h"
#include "node/pod/plan.h"

struct pod_worker;

// A new pod, or one whose containers a former agent started (then worker_adopt follows before the next turn).
// Takes over the caller's reference to the spec.
struct pod_worker *pod_worker_create(struct pod_host *h, struct pod_spec *spec);
// A pod whose end had been told before this agent came: nothing to do but to know where its logs are; once its deletion
// is asked for, what was left of it is taken away.
struct pod_worker *pod_worker_create_ended(struct pod_host *h, struct pod_spec *spec);
void worker_destroy(struct pod_worker *w); // containers live on

// The node does not take the pod on: it fails with this reason.
void worker_reject(struct pod_worker *w, const char *reason, struct str message);
// What the runtime still knows of the pod's containers, oldest first.
void worker_adopt(struct pod_worker *w, const struct runtime_state *runs, size_t count);
void worker_update(struct pod_worker *w, struct pod_spec *spec); // the same uid; takes over the reference
void worker_removed(struct pod_worker *w);			 // the API object is gone
void worker_exit(struct pod_worker *w, const struct runtime_state *s);
// A ConfigMap, Secret, token or image that the pod may be waiting for has changed.
void worker_inputs_changed(struct pod_worker *w);
void worker_object_changed(struct pod_worker *w, bool secret, struct str name);
bool worker_waits_for_image(const struct pod_worker *w);
void worker_retry_images(struct pod_worker *w); // starts those whose image has come

// The spec's resources that are wanted become those allocated (room was found), or must wait, or can never be had here.
void worker_allocate(struct pod_worker *w);
void worker_wait_for_room(struct pod_worker *w, enum resize_pending why, struct str message);

const struct pod_spec *worker_spec(const struct pod_worker *w);
const struct pod_state *worker_state(const struct pod_worker *w);
struct str worker_net_ns(const struct pod_worker *w);	      // empty: none yet, or the host's
const struct json *worker_status(const struct pod_worker *w); // as last told; NULL: never
// What of the node's resources it takes now.
struct node_amounts worker_uses(const struct pod_worker *w);

#endif
