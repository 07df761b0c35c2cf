// SPDX-License-Identifier: Apache-2.0
#include "controllers/replicaset_plan.h"

#include "base/map.h"
#include "base/times.h"
#include "controllers/conditions.h"

// ---- whose pods

static void push(struct pod_list *list, struct pod *p)
{
	list->p[list->n++] = p;
}

static struct pod_list list_for(struct arena *a, size_t n)
{
	return (struct pod_list){ARENA_ARRAY(a, struct pod *, n), 0};
}

// Sorts the pods into `mine` (selected) and plan->release, and finds plan->adopt.
static struct pod_list claim(struct arena *a, const struct replicaset_view *v, struct replicaset_plan *plan)
{
	struct pod_list mine = list_for(a, v->owned.n);
	plan->release = list_for(a, v->owned.n);
	plan->adopt = list_for(a, v->orphans.n);
	bool deleting = json_at(v->replicaset, "metadata.deletionTimestamp") != NULL;
	struct pod_labels_reader labels = {.a = a};
	for (size_t i = 0; i < v->owned.n; i++) {
		if (api_selector_matches(v->selector, pod_labels_next(&labels, v->owned.p[i])))
			push(&mine, v->owned.p[i]);
		else if (!deleting && !v->owned.p[i]->deleting)
			push(&plan->release, v->owned.p[i]);
	}
	for (size_t i = 0; !deleting && i < v->orphans.n; i++) {
		struct pod *p = v->orphans.p[i];
		if (pod_active(p) && api_selector_matches(v->selector, pod_labels_next(&labels, p)))
			push(&plan->adopt, p);
	}
	return mine;
}

// ---- which to delete first

struct ranked {
	struct pod *pod;
	int64_t cost;
	size_t neighbours; // pods of the family on the same node
	int64_t now_ns;
};

static int rank_of_phase(const struct pod *p)
{
	return p->phase == POD_PENDING ? 0 : p->phase == POD_UNKNOWN ? 1 : 2;
}

// Ages count by their order of magnitude, so that among pods of about one age it is chance (the uid) that decides.
static int magnitude(int64_t since_ns, int64_t now_ns)
{
	int64_t seconds = (now_ns - since_ns) / TIME_S;
	int bits = 0;
	for (; seconds > 0; seconds >>= 1)
		bits++;
	return bits;
}

static int compare_numbers(int64_t x, int64_t y)
{
	return x < y ? -1 : x > y;
}

static int compare_age(const struct ranked *x, int64_t x_since, const struct ranked *y, int64_t y_since)
{
	if (x_since == y_since)
		return 0;
	int order = compare_numbers(magnitude(x_since, x->now_ns), magnitude(y_since, y->now_ns));
	return order ? order : str_cmp(x->pod->uid, y->pod->uid);
}

// Negative: x goes first.
static int compare_ranked(const void *left, const void *right)
{
	const struct ranked *x = left, *y = right;
	const struct pod *p = x->pod, *q = y->pod;
	int order = compare_numbers(!str_empty(p->node), !str_empty(q->node));
	if (!order)
		order = compare_numbers(rank_of_phase(p), rank_of_phase(q));
	if (!order)
		order = compare_numbers(p->ready, q->ready);
	if (!order)
		order = compare_numbers(x->cost, y->cost);
	if (!order)
		order = -compare_numbers((int64_t)x->neighbours, (int64_t)y->neighbours);
	if (!order && p->ready && q->ready)
		order = compare_age(x, p->ready_since_ns, y, q->ready_since_ns);
	if (!order)
		order = -compare_numbers(p->restarts, q->restarts);
	if (!order)
		order = compare_age(x, p->created_ns, y, q->created_ns);
	return order ? order : str_cmp(p->name, q->name);
}

// Active pods of the family by node, as pointers.
static void count_by_node(const struct replicaset_view *v, struct map *counts)
{
	for (size_t i = 0; i < v->family_count; i++) {
		for (size_t n = 0; n < v->family[i].n; n++) {
			const struct pod *p = v->family[i].p[n];
			if (pod_active(p))
				map_set(counts, p->node, (void *)((uintptr_t)map_get(counts, p->node) + 1));
		}
	}
}

static void choose_deletions(struct arena *a, const struct replicaset_view *v, struct pod_list active, size_t count,
			     struct replicaset_plan *plan)
{
	struct ranked *ranked = ARENA_ARRAY(a, struct ranked, active.n);
	struct map counts CLEAN_MAP;
	map_init(&counts);
	count_by_node(v, &counts);
	for (size_t i = 0; i < active.n; i++) {
		ranked[i] = (struct ranked){.pod = active.p[i], .now_ns = v->now_ns};
		str_to_i64(active.p[i]->deletion_cost, &ranked[i].cost);
		ranked[i].neighbours = (uintptr_t)map_get(&counts, active.p[i]->node);
	}
	if (count < active.n)
		qsort(ranked, active.n, sizeof *ranked, compare_ranked);
	plan->delete = list_for(a, count);
	for (size_t i = 0; i < count; i++)
		push(&plan->delete, ranked[i].pod);
}

// ---- status

static bool fully_labeled(const struct json *template_labels, const struct json *labels)
{
	json_each(wanted, template_labels) {
		const struct json *have = json_get(labels, wanted->key);
		if (!have || !json_equal(have, wanted))
			return false;
	}
	return true;
}

static void put_conditions(struct arena *a, const struct replicaset_view *v, struct json *status)
{
	const struct json *known = json_at(v->replicaset, "status.conditions");
	struct json *conditions = known ? json_clone(a, known) : json_array(a);
	if (str_empty(v->failure)) {
		condition_remove(conditions, "ReplicaFailure");
	} else if (!condition_find(conditions, "ReplicaFailure")) {
		struct condition c = {"ReplicaFailure", "True", v->failed_creating ? "FailedCreate" : "FailedDelete",
				      v->failure, false};
		condition_set(a, conditions, &c, v->now_ns);
	}
	json_put(status, "conditions", conditions->count ? conditions : json_null(a));
}

static struct json *status_of(struct arena *a, const struct replicaset_view *v, struct pod_list mine, int64_t *again_ns)
{
	const struct json *template_labels = json_at(v->replicaset, "spec.template.metadata.labels");
	int64_t min_ready_ns = json_i64(v->replicaset, "spec.minReadySeconds", 0) * TIME_S;
	int64_t replicas = 0, labeled = 0, ready = 0, available = 0, terminating = 0;
	struct pod_labels_reader labels = {.a = a};
	for (size_t i = 0; i < mine.n; i++) {
		const struct pod *p = mine.p[i];
		terminating += p->deleting && !pod_terminal(p);
		if (!pod_active(p))
			continue;
		int64_t wait_ns;
		replicas++;
		labeled += fully_labeled(template_labels, pod_labels_next(&labels, p));
		ready += p->ready;
		available += pod_available(p, min_ready_ns, v->now_ns, &wait_ns);
		if (wait_ns > 0 && (*again_ns == 0 || wait_ns < *again_ns))
			*again_ns = wait_ns;
	}
	struct json *status = json_object(a);
	json_put_int(a, status, "replicas", replicas + (int64_t)v->unseen);
	json_put_int(a, status, "fullyLabeledReplicas", labeled);
	json_put_int(a, status, "readyReplicas", ready);
	json_put_int(a, status, "availableReplicas", available);
	json_put_int(a, status, "terminatingReplicas", terminating);
	json_put_int(a, status, "observedGeneration", json_i64(v->replicaset, "metadata.generation", 0));
	put_conditions(a, v, status);
	return status;
}

static bool status_differs(const struct json *status, const struct json *known)
{
	json_each(value, status) {
		const struct json *have = json_get(known, value->key);
		bool empty = value->type == JSON_NULL || (value->type == JSON_INT && value->integer == 0 &&
							  !str_is(value->key, "terminatingReplicas"));
		if (have ? !json_equal(have, value) : !empty)
			return true;
	}
	return false;
}

// ---- all of it

void replicaset_plan(struct arena *a, const struct replicaset_view *v, struct replicaset_plan *plan)
{
	*plan = (struct replicaset_plan){0};
	struct pod_list mine = claim(a, v, plan);
	struct json *status = status_of(a, v, mine, &plan->again_ns);
	const struct json *known = json_at(v->replicaset, "status");
	if (status_differs(status, known))
		plan->status = status;
	if (json_at(v->replicaset, "metadata.deletionTimestamp"))
		return;
	struct pod_list active = list_for(a, mine.n + plan->adopt.n);
	for (size_t i = 0; i < mine.n; i++) {
		if (pod_active(mine.p[i]) && !v->is_doomed(v->arg, mine.p[i]))
			push(&active, mine.p[i]);
	}
	for (size_t i = 0; i < plan->adopt.n; i++)
		push(&active, plan->adopt.p[i]);
	size_t wanted = (size_t)json_i64(v->replicaset, "spec.replicas", 1), have = active.n + v->unseen;
	if (have < wanted) {
		plan->create = wanted - have > REPLICASET_BURST ? REPLICASET_BURST : wanted - have;
	} else if (have > wanted && v->unseen == 0) { // those to be seen are the first to go
		size_t surplus = have - wanted > REPLICASET_BURST ? REPLICASET_BURST : have - wanted;
		choose_deletions(a, v, active, surplus > active.n ? active.n : surplus, plan);
	}
}
