// SPDX-License-Identifier: Apache-2.0
// All pods as the controllers look at them: the facts they ask for, taken out of each object once a change, and where
// to find them by owner, by namespace and by node.
#ifndef CONTROLLERS_POD_CACHE_H
#define CONTROLLERS_POD_CACHE_H

#include "client/informer.h"

enum pod_phase { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED, POD_UNKNOWN };

enum pod_cache_index { PODS_BY_OWNER, PODS_BY_NAMESPACE, PODS_BY_NODE, PODS_WITHOUT_OWNER, PODS_INDICES };

struct pod { // strings lie in object->text
	const struct informer_object *object;
	struct str key, namespace, name, uid;
	struct str labels;			      // JSON text; empty: none
	struct str owner_uid, owner_kind, owner_name; // of the managing owner (controller: true); empty: none
	struct str node, ip;
	struct str hostname, subdomain;
	struct str deletion_cost; // annotation controller.kubernetes.io/pod-deletion-cost
	enum pod_phase phase;
	bool deleting; // has a deletionTimestamp
	bool has_finalizers;
	bool scheduled;		// condition PodScheduled is True
	bool ready;		// condition Ready is True
	int64_t ready_since_ns; // wall; its lastTransitionTime
	int64_t created_ns;
	int restarts;		     // the most of its containers
	size_t places[PODS_INDICES]; // pod_cache.c
};

struct pod_list { // valid until the next turn of the loop; in no particular order
	struct pod **p;
	size_t n;
};

struct pod_cache;

struct pod_cache_events {
	// As informer_events.on_change. Both are borrowed during the call.
	void (*on_change)(void *arg, const struct pod *before, const struct pod *now);
};

struct pod_cache *pod_cache_create(struct informer *i);
void pod_cache_destroy(struct pod_cache *p); // before its informer
const struct informer *pod_cache_informer(const struct pod_cache *p);
// At most 16 listeners. A new one hears of the pods that are there too, during the call.
void pod_cache_listen(struct pod_cache *p, const struct pod_cache_events *ev, void *arg);
const struct pod *pod_cache_get(const struct pod_cache *p, struct str key);
struct pod_list pod_cache_of_owner(const struct pod_cache *p, struct str uid);
struct pod_list pod_cache_without_owner(const struct pod_cache *p, struct str namespace);
struct pod_list pod_cache_in_namespace(const struct pod_cache *p, struct str namespace);
struct pod_list pod_cache_on_node(const struct pod_cache *p, struct str node);
struct pod_list pod_cache_all(const struct pod_cache *p, struct arena *a);

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

// The labels of one pod after another: those made of one template have the same text, which is parsed once.
struct pod_labels_reader {
	struct arena *a;
	struct str text; // of the last one
	struct json *labels;
};
struct json *pod_labels_next(struct pod_labels_reader *r, const struct pod *p); // NULL: none

struct json *pod_parse(struct arena *a, const struct pod *p);  // lives as long as the arena and the pod

#endif
