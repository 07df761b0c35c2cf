// SPDX-License-Identifier: Apache-2.0
// All pods as the controllers look at them: the facts they ask for, taken out of each object once a change, and where
// to find them by owner, by namespace and by node.
#ifndef CONTROLLERS_PODS_H
#define CONTROLLERS_PODS_H

#include "client/informer.h"

enum pod_phase { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED, POD_UNKNOWN };

enum pods_index { PODS_BY_OWNER, PODS_BY_NAMESPACE, PODS_BY_NODE, PODS_WITHOUT_OWNER, PODS_INDICES };

struct pod { // strings lie in object->text
	const struct informer_object *object;
	struct str key, namespace, name, uid;
	struct str labels; // JSON text; empty: none
	struct str owner_uid, owner_kind, owner_name; // of the managing owner (controller: true); empty: none
	struct str node, ip;
	struct str hostname, subdomain;
	struct str deletion_cost; // annotation controller.kubernetes.io/pod-deletion-cost
	enum pod_phase phase;
	bool deleting;	     // has a deletionTimestamp
	bool has_finalizers;
	bool scheduled;	     // condition PodScheduled is True
	bool ready;	     // condition Ready is True
	int64_t ready_since_ns; // wall; its lastTransitionTime
	int64_t created_ns;
	int restarts;	     // the most of its containers
	size_t places[PODS_INDICES]; // pods.c
};

struct pod_list { // valid until the next turn of the loop; in no particular order
	struct pod **p;
	size_t n;
};

struct pods;

struct pods_events {
	// As informer_events.on_change. Both are borrowed during the call.
	void (*on_change)(void *arg, const struct pod *before, const struct pod *now);
};

struct pods *pods_create(struct informer *i);
void pods_destroy(struct pods *p); // before its informer
const struct informer *pods_informer(const struct pods *p);
void pods_listen(struct pods *p, const struct pods_events *ev, void *arg); // at most 16; hears of those there, too
const struct pod *pods_get(const struct pods *p, struct str key);
struct pod_list pods_of_owner(const struct pods *p, struct str uid);
struct pod_list pods_without_owner(const struct pods *p, struct str namespace);
struct pod_list pods_in_namespace(const struct pods *p, struct str namespace);
struct pod_list pods_on_node(const struct pods *p, struct str node);
struct pod_list pods_all(const struct pods *p, struct arena *a);

// Not finished and not on its way out.
static inline bool pod_active(const struct pod *p)
{
	return p->phase != POD_SUCCEEDED && p->phase != POD_FAILED && !p->deleting;
}
static inline bool pod_terminal(const struct pod *p)
{
	return p->phase == POD_SUCCEEDED || p->phase == POD_FAILED;
}
// Ready for at least min_ready_ns. *wait_ns (may be NULL) gets the time until it will be, or 0.
bool pod_available(const struct pod *p, int64_t min_ready_ns, int64_t now_ns, int64_t *wait_ns);
struct json *pod_labels(struct arena *a, const struct pod *p); // NULL: none
struct json *pod_parse(struct arena *a, const struct pod *p); // lives as long as the arena and the pod

#endif
