// SPDX-License-Identifier: Apache-2.0
// What the workers of one node have in common.
#ifndef NODE_POD_HOST_H
#define NODE_POD_HOST_H

#include "client/events.h"
#include "client/informer.h"
#include "node/pod/names.h"
#include "node/pod/objects.h"
#include "node/pod/resources.h"
#include "node/pod/tokens.h"
#include "node/pod_network.h"
#include "node/runtime/runtime.h"
#include "node/volume/disk.h"

enum { POD_IMAGE_LOOK_MS = 1000 };

struct pod_worker;
struct container_start;

struct pod_host {
	struct loop *loop;
	struct transport *transport;
	struct runtime *runtime;
	struct pod_network *network;
	struct pod_disk disk;
	struct events *events;
	struct objects *objects;
	struct tokens *tokens;
	struct informer *services;
	struct names_config names;
	struct str node_name, host_ip;
	struct node_amounts allocatable;
	int64_t memory; // of the whole machine
	int64_t pod_processes_max; // 0: any number
	struct str unsafe_sysctls; // admit.h

	// Containers being created: more at a time than the processors can do only makes each of them slower.
	unsigned starting, starting_max;
	struct container_start *waiting_first, *waiting_last;

	// Runs while pods wait for an image (start it then; pods.c looks for all of them).
	struct timer image_look;

	// The worker is done and its pod is gone: its memory may go (in a later turn).
	void (*on_idle)(void *arg, struct pod_worker *w);
	// A pod takes less than before: others may wait for room (pods_resizes.c).
	void (*on_room)(void *arg);
	void *arg;

	// What is under way (on the pool, in the runtime, at the API) and will look at the host when it comes back.
	unsigned busy;
	void (*on_quiet)(struct pod_host *h); // NULL while the node lives
};

static inline void host_enter(struct pod_host *h)
{
	h->busy++;
}

static inline void host_leave(struct pod_host *h)
{
	if (--h->busy == 0 && h->on_quiet)
		h->on_quiet(h);
}

#endif
