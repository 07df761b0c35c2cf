// SPDX-License-Identifier: Apache-2.0
#include "controllers/gc_graph.h"

#include "client/scan.h"

// ---- nodes

static char *copy_of(struct str s)
{
	char *copy = mem_alloc(s.n + 1);
	if (s.n)
		memcpy(copy, s.p, s.n);
	return copy;
}

static void set_text(struct str *field, struct str value)
{
	if (field->p && str_eq(*field, value))
		return;
	free((char *)field->p);
	*field = (struct str){copy_of(value), value.n};
}

static struct gc_node *need(struct gc_graph *g, struct str uid)
{
	struct gc_node *node = map_get(&g->nodes, uid);
	if (node)
		return node;
	node = MEM_NEW(struct gc_node);
	set_text(&node->uid, uid);
	map_set(&g->nodes, uid, node);
	return node;
}

static void node_destroy(struct gc_node *node)
{
	struct str *texts[] = {&node->uid, &node->namespace, &node->name};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free((char *)texts[i]->p);
	for (size_t i = 0; i < node->owner_count; i++)
		free(node->owners[i].claim);
	free(node->claim);
	free(node->owners);
	free(node->dependents);
	free(node);
}

static bool is_interesting(const struct gc_node *node)
{
	return node->owner_count > 0 || node->dependent_count > 0 || node->foreground || node->orphan;
}

static void drop_if_idle(struct gc_graph *g, struct gc_node *node)
{
	if (is_interesting(node))
		return;
	map_remove(&g->nodes, node->uid);
	node_destroy(node);
}

static void touch(struct gc_graph *g, const struct gc_node *node)
{
	g->touched(g->arg, node);
}

// ---- references

static void add_dependent(struct gc_node *owner, struct gc_node *dependent)
{
	if (owner->dependent_count == owner->dependent_room) {
		owner->dependent_room = owner->dependent_room ? owner->dependent_room * 2 : 4;
		owner->dependents = mem_realloc(owner->dependents, owner->dependent_room * sizeof *owner->dependents);
	}
	owner->dependents[owner->dependent_count++] = dependent;
}

static void drop_dependent(struct gc_graph *g, struct gc_node *owner, const struct gc_node *dependent)
{
	for (size_t i = 0; i < owner->dependent_count; i++) {
		if (owner->dependents[i] == dependent) {
			owner->dependents[i] = owner->dependents[--owner->dependent_count];
			break;
		}
	}
	if (owner->foreground || owner->orphan)
		touch(g, owner); // it may have waited for this one
	if (owner != dependent)
		drop_if_idle(g, owner);
}

static void forget_owners(struct gc_graph *g, struct gc_node *node)
{
	struct gc_reference *owners = node->owners;
	size_t count = node->owner_count;
	node->owners = NULL;
	node->owner_count = 0;
	for (size_t i = 0; i < count; i++) {
		free(owners[i].claim);
		drop_dependent(g, owners[i].owner, node);
	}
	free(owners);
}

// An owner is of the whole cluster, or of the namespace of what refers to it.
static struct gc_place claimed_place(struct str reference, struct str namespace)
{
	struct str group, version;
	if (!str_cut(scan_get_str(reference, "apiVersion"), '/', &group, &version)) {
		version = group;
		group = STR("");
	}
	const struct api_resource *r = api_resource_by_kind(group, version, scan_get_str(reference, "kind"));
	return (struct gc_place){r, r && !r->namespaced ? STR("") : namespace, scan_get_str(reference, "name")};
}

static bool same_place(struct gc_place x, struct gc_place y)
{
	return x.resource == y.resource && str_eq(x.namespace, y.namespace) && str_eq(x.name, y.name);
}

static struct gc_claim *claim_create(struct gc_place p)
{
	struct gc_claim *claim = mem_zalloc(sizeof *claim + p.namespace.n + p.name.n);
	char *texts = (char *)(claim + 1);
	if (p.namespace.n)
		memcpy(texts, p.namespace.p, p.namespace.n);
	if (p.name.n)
		memcpy(texts + p.namespace.n, p.name.p, p.name.n);
	claim->place = (struct gc_place){p.resource, {texts, p.namespace.n}, {texts + p.namespace.n, p.name.n}};
	return claim;
}

static struct gc_reference read_reference(struct gc_graph *g, struct gc_node *node, struct str reference)
{
	struct gc_node *owner = need(g, scan_get_str(reference, "uid"));
	struct gc_reference r = {owner, str_is(scan_get(reference, "blockOwnerDeletion"), "true"), NULL};
	if (owner->state != GC_UNSEEN)
		return r;
	struct gc_place place = claimed_place(reference, node->namespace);
	if (!owner->claim)
		owner->claim = claim_create(place);
	else if (!same_place(owner->claim->place, place))
		r.claim = claim_create(place);
	return r;
}

static bool same_owners(const struct gc_node *node, struct str references)
{
	struct str reference;
	size_t i = 0;
	while (scan_element(&references, &reference)) {
		if (i == node->owner_count || !str_eq(node->owners[i].owner->uid, scan_get_str(reference, "uid")) ||
		    node->owners[i].blocks != str_is(scan_get(reference, "blockOwnerDeletion"), "true"))
			return false;
		i++;
	}
	return i == node->owner_count;
}

static void set_owners(struct gc_graph *g, struct gc_node *node, struct str references)
{
	struct str rest = references, reference;
	size_t count = 0;
	while (scan_element(&rest, &reference))
		count++;
	// The new ones first, so that an owner that stays does not come to have no dependent in between.
	struct gc_reference *owners = mem_zalloc((count + 1) * sizeof *owners);
	for (size_t i = 0; scan_element(&references, &reference); i++) {
		owners[i] = read_reference(g, node, reference);
		add_dependent(owners[i].owner, node);
	}
	forget_owners(g, node);
	node->owners = owners;
	node->owner_count = count;
}

// ---- what comes

static bool has_finalizer(struct str finalizers, const char *name)
{
	struct str quoted;
	while (scan_element(&finalizers, &quoted)) {
		if (str_is(str_sub(quoted, 1, quoted.n - 2), name))
			return true;
	}
	return false;
}

struct sight { // of an object, in its text
	struct str uid, namespace, name, references;
	bool deleting, foreground, orphan;
};

// In one pass: every change of every object comes by here.
static struct sight look(struct str text)
{
	struct sight s = {0};
	struct str metadata = scan_get(text, "metadata"), key, value;
	while (scan_member(&metadata, &key, &value)) {
		struct str unquoted = str_sub(value, 1, value.n - 2);
		if (str_is(key, "uid"))
			s.uid = unquoted;
		else if (str_is(key, "namespace"))
			s.namespace = unquoted;
		else if (str_is(key, "name"))
			s.name = unquoted;
		else if (str_is(key, "ownerReferences"))
			s.references = value;
		else if (str_is(key, "deletionTimestamp"))
			s.deleting = !str_empty(unquoted);
		else if (str_is(key, "finalizers")) {
			s.foreground = has_finalizer(value, "foregroundDeletion");
			s.orphan = has_finalizer(value, "orphan");
		}
	}
	return s;
}

void gc_graph_see(struct gc_graph *g, const struct api_resource *r, struct str text, uint32_t round)
{
	struct sight s = look(text);
	struct gc_node *node = map_get(&g->nodes, s.uid);
	if (str_empty(s.uid) || (!node && s.references.n <= 2 && !s.foreground && !s.orphan))
		return;
	node = need(g, s.uid);
	bool was_seen = node->state == GC_PRESENT;
	bool waits = (s.foreground && !node->foreground) || (s.orphan && !node->orphan) || s.deleting != node->deleting;
	node->state = GC_PRESENT;
	node->resource = r;
	node->round = round;
	set_text(&node->namespace, s.namespace);
	set_text(&node->name, s.name);
	node->deleting = s.deleting;
	node->foreground = s.foreground;
	node->orphan = s.orphan;
	if (!same_owners(node, s.references)) {
		set_owners(g, node, s.references);
		waits = true;
	}
	if (waits || !was_seen)
		touch(g, node);
	if (waits && node->deleting && node->foreground) {
		for (size_t i = 0; i < node->dependent_count; i++)
			touch(g, node->dependents[i]);
	}
	drop_if_idle(g, node);
}

void gc_graph_lose(struct gc_graph *g, struct str uid)
{
	struct gc_node *node = map_get(&g->nodes, uid);
	if (!node)
		return;
	node->state = GC_ABSENT;
	node->foreground = node->orphan = false;
	forget_owners(g, node);
	for (size_t i = 0; i < node->dependent_count; i++)
		touch(g, node->dependents[i]);
	drop_if_idle(g, node);
}

void gc_graph_confirm(struct gc_graph *g, struct str uid, struct gc_place place, uint32_t round)
{
	struct gc_node *node = map_get(&g->nodes, uid);
	if (!node || node->state != GC_UNSEEN)
		return;
	node->state = GC_PRESENT;
	node->resource = place.resource;
	set_text(&node->namespace, place.namespace);
	set_text(&node->name, place.name);
	node->round = round;
}

void gc_graph_refute(struct gc_graph *g, struct str uid, struct str dependent_uid, struct gc_place place)
{
	struct gc_node *owner = map_get(&g->nodes, uid), *dependent = map_get(&g->nodes, dependent_uid);
	bool shared = false;
	for (size_t i = 0; owner && dependent && i < dependent->owner_count; i++) {
		struct gc_reference *r = &dependent->owners[i];
		struct gc_claim *claim = r->claim ? r->claim : owner->claim;
		if (r->owner != owner || !claim || !same_place(claim->place, place))
			continue;
		claim->refuted = true;
		shared |= !r->claim;
	}
	for (size_t i = 0; shared && i < owner->dependent_count; i++)
		touch(g, owner->dependents[i]);
}

bool gc_owner_is_near(const struct gc_node *owner, const struct gc_node *dependent)
{
	return str_empty(owner->namespace) || str_eq(owner->namespace, dependent->namespace);
}

// ---- all of it

void gc_graph_init(struct gc_graph *g, void (*touched)(void *arg, const struct gc_node *node), void *arg)
{
	*g = (struct gc_graph){.touched = touched, .arg = arg};
	map_init(&g->nodes);
}

void gc_graph_finish(struct gc_graph *g)
{
	map_each(slot, &g->nodes)
		node_destroy(slot->value);
	map_finish(&g->nodes);
}

struct gc_node *gc_graph_find(const struct gc_graph *g, struct str uid)
{
	return map_get(&g->nodes, uid);
}
