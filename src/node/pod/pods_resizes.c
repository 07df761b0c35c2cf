// SPDX-License-Identifier: Apache-2.0
// Which resizes this node takes on: each that fits beside what all other pods have. Those that do not fit wait, and are
// looked at again whenever a pod takes less than before.
#include <stdlib.h>

#include "node/pod/allocation.h"
#include "node/pod/plan.h"
#include "node/pod/pods_parts.h"
#include "node/pod/resize_plan.h"

struct waiting {
	struct pod_worker *worker;
	struct pod_spec *wanted;
	struct resize_claim claim;
};

static bool is_waiting(const struct pod_worker *w)
{
	const struct pod_spec *s = worker_spec(w);
	return s->wanted && !pod_is_stopping(s, worker_state(w)) && !pod_has_finished(s, worker_state(w));
}

static struct resize_claim claim_of(const struct pod_worker *w, const struct pod_spec *wanted)
{
	const struct pod_spec *s = worker_spec(w);
	const struct pod_resize *r = &worker_state(w)->resize;
	struct node_amounts now = pod_requests(s, NULL), then = pod_requests(wanted, NULL);
	return (struct resize_claim){
		.grows = then.cpu_milli > now.cpu_milli || then.memory > now.memory,
		.guaranteed = !strcmp(pod_qos(wanted->object), "Guaranteed"),
		.priority = json_i64(s->object, "spec.priority", 0),
		.since = r->pending == RESIZE_NOT_PENDING ? 0 : r->pending_since,
	};
}

static int compare(const void *a, const void *b)
{
	return resize_claim_cmp(&((const struct waiting *)a)->claim, &((const struct waiting *)b)->claim);
}

static void decide(struct pods *p, struct pod_worker *w, const struct pod_spec *wanted)
{
	struct arena a CLEAN_ARENA;
	const struct node_amounts *all = &pods_host(p)->allocatable, none = {0};
	struct node_amounts used = pods_used(p, w);
	const char *reason;
	struct str message;
	arena_init(&a);
	if (pod_fits(&a, wanted, all, &used, &reason, &message))
		worker_allocate(w);
	else if (pod_fits(&a, wanted, all, &none, &reason, &(struct str){0}))
		worker_wait_for_room(w, RESIZE_DEFERRED, message);
	else
		worker_wait_for_room(w, RESIZE_INFEASIBLE, message);
}

void pods_resize(struct pods *p)
{
	size_t count = 0;
	map_each(entry, pods_workers(p))
		count += is_waiting(entry->value);
	if (!count)
		return;
	struct waiting *all = mem_zalloc(count * sizeof *all);
	size_t n = 0;
	map_each(entry, pods_workers(p)) {
		if (!is_waiting(entry->value))
			continue;
		struct pod_spec *wanted = allocation_accept(worker_spec(entry->value));
		all[n++] = (struct waiting){entry->value, wanted, claim_of(entry->value, wanted)};
	}
	qsort(all, n, sizeof *all, compare);
	for (size_t i = 0; i < n; i++) {
		decide(p, all[i].worker, all[i].wanted);
		pod_spec_unref(all[i].wanted);
	}
	free(all);
}
