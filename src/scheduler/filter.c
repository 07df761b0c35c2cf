// SPDX-License-Identifier: Apache-2.0
#include "scheduler/filter.h"

// ---- names of nodes

static bool is_listed(const struct str *list, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list[i], name))
			return true;
	}
	return false;
}

// The names that one term allows, where it says so by metadata.name; false: it does not.
static bool names_of_term(struct arena *a, const struct node_term *term, struct str **names, size_t *count)
{
	bool found = false;
	*count = 0;
	for (size_t i = 0; i < term->fields.n; i++) {
		const struct requirement *r = &term->fields.p[i];
		if (r->op != MATCH_IN || !str_is(r->key, "metadata.name"))
			continue;
		struct str *both = ARENA_ARRAY(a, struct str, r->count + 1);
		size_t n = 0;
		for (size_t v = 0; v < r->count; v++) {
			if (!found || is_listed(*names, *count, r->values[v]))
				both[n++] = r->values[v];
		}
		*names = both;
		*count = n;
		found = true;
	}
	return found;
}

// When every term names its nodes, no other needs to be looked at.
static void find_only_nodes(struct filter *f)
{
	struct str *all = NULL;
	size_t n = 0;
	for (size_t i = 0; i < f->shape->node_required.n; i++) {
		struct str *names = NULL;
		size_t count;
		if (!names_of_term(f->arena, &f->shape->node_required.p[i], &names, &count))
			return;
		struct str *more = ARENA_ARRAY(f->arena, struct str, n + count + 1);
		if (n)
			memcpy(more, all, n * sizeof *more);
		if (count)
			memcpy(more + n, names, count * sizeof *more);
		all = more;
		n += count;
	}
	f->only_nodes = all;
	f->only_count = n;
}

// ---- the simple rules

bool filter_tolerates_node(const struct shape *shape, const struct node *node)
{
	for (size_t i = 0; i < node->taint_count; i++) {
		const struct taint *t = &node->taints[i];
		if (!str_is(t->effect, "PreferNoSchedule") && !shape_tolerates(shape, t->key, t->value, t->effect))
			return false;
	}
	return true;
}

static bool ports_clash(const struct host_port *x, const struct host_port *y)
{
	return x->port == y->port && str_eq(x->protocol, y->protocol) &&
	       (str_eq(x->ip, y->ip) || str_is(x->ip, "0.0.0.0") || str_is(y->ip, "0.0.0.0"));
}

static bool ports_free(const struct shape *shape, const struct node *node)
{
	for (size_t i = 0; i < shape->port_count; i++) {
		for (size_t n = 0; n < node->port_count; n++) {
			if (ports_clash(&shape->ports[i], &node->ports[n].port))
				return false;
		}
	}
	return true;
}

static bool fits(const struct shape *shape, const struct node *node, struct reasons *out)
{
	const struct requests *r = &shape->requests;
	if ((int64_t)node->pod_count + 1 > node->pods)
		reasons_add(out, REASON_PODS);
	if (r->cpu_milli > 0 && r->cpu_milli > node->cpu_milli - node->cpu_used)
		reasons_add(out, REASON_CPU);
	if (r->memory > 0 && r->memory > node->memory_bytes - node->memory_used)
		reasons_add(out, REASON_MEMORY);
	if (r->storage > 0 && r->storage > node->storage - node->storage_used)
		reasons_add(out, REASON_STORAGE);
	for (size_t i = 0; i < r->other_count; i++) {
		size_t resource = r->others[i].resource;
		int64_t has = resource < node->other_count ? node->others[resource] : 0;
		int64_t used = resource < node->others_used_count ? node->others_used[resource] : 0;
		if (r->others[i].value > 0 && r->others[i].value > has - used)
			reasons_add(out, (unsigned)(REASON_OTHERS + resource));
	}
	return out->n == 0;
}

// ---- all of them

void filter_init(struct filter *f, struct arena *a, const struct snapshot *s, const struct shape *shape)
{
	*f = (struct filter){.snapshot = s, .shape = shape, .arena = a};
	f->namespace_labels = snapshot_namespace(s, shape->namespace);
	find_only_nodes(f);
	spread_init(f);
	pod_affinity_init(f);
}

void filter_finish(struct filter *f)
{
	for (size_t i = 0; i < f->shape->spread_count; i++)
		map_finish(&f->spreads[i]);
	for (size_t i = 0; i < f->shape->affinity.n; i++)
		map_finish(&f->affinities[i]);
	for (size_t i = 0; i < f->shape->anti_affinity.n; i++)
		map_finish(&f->anti_affinities[i]);
	for (size_t i = 0; i < f->repelled_count; i++)
		map_finish(&f->repelled[i].counts);
}

void filter_node(const struct filter *f, const struct node *node, struct reasons *out)
{
	const struct shape *shape = f->shape;
	out->n = 0;
	if (f->only_nodes && !is_listed(f->only_nodes, f->only_count, node->name))
		reasons_add(out, REASON_NODE_AFFINITY);
	else if (node->unschedulable &&
		 !shape_tolerates(shape, STR("node.kubernetes.io/unschedulable"), STR_NONE, STR("NoSchedule")))
		reasons_add(out, REASON_UNSCHEDULABLE);
	else if (!filter_tolerates_node(shape, node))
		reasons_add(out, REASON_TAINT);
	else if (!shape_wants_node(shape, node->labels, node->name))
		reasons_add(out, REASON_NODE_AFFINITY);
	else if (!ports_free(shape, node))
		reasons_add(out, REASON_PORT);
	else if (fits(shape, node, out) && spread_allows(f, node, out))
		pod_affinity_allows(f, node, out);
}

struct str filter_reason_text(struct arena *a, const struct snapshot *s, unsigned reason)
{
	static const char *const texts[] = {
		[REASON_UNSCHEDULABLE] = "node(s) were unschedulable",
		[REASON_TAINT] = "node(s) had untolerated taint(s)",
		[REASON_NODE_AFFINITY] = "node(s) didn't match Pod's node affinity/selector",
		[REASON_PORT] = "node(s) didn't have free ports for the requested pod ports",
		[REASON_PODS] = "Too many pods",
		[REASON_CPU] = "Insufficient cpu",
		[REASON_MEMORY] = "Insufficient memory",
		[REASON_STORAGE] = "Insufficient ephemeral-storage",
		[REASON_SPREAD_LABEL] = "node(s) didn't match pod topology spread constraints (missing required label)",
		[REASON_SPREAD] = "node(s) didn't match pod topology spread constraints",
		[REASON_POD_AFFINITY] = "node(s) didn't match pod affinity rules",
		[REASON_POD_ANTI_AFFINITY] = "node(s) didn't match pod anti-affinity rules",
		[REASON_EXISTING_ANTI_AFFINITY] = "node(s) didn't satisfy existing pods anti-affinity rules",
	};
	if (reason < ARRAY_LEN(texts))
		return str_of(texts[reason]);
	struct str name = snapshot_resource_name(s, reason - REASON_OTHERS);
	return arena_fmt(a, "Insufficient %.*s", STR_FMT(name));
}
