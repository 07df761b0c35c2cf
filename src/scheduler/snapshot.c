// SPDX-License-Identifier: Apache-2.0
#include "scheduler/snapshot.h"

#include "api/quantity.h"

struct placed {
	struct placement *placement;
	bool leaving;
};

struct namespace_labels {
	struct arena memory;
	struct labels labels;
};

// ---- names of resources

size_t snapshot_resource(struct snapshot *s, struct str name)
{
	size_t found = (size_t)(uintptr_t)map_get(&s->resources, name);
	if (found)
		return found - 1;
	if (s->resource_count == s->resource_room) {
		s->resource_room = s->resource_room ? s->resource_room * 2 : 8;
		s->resource_names = mem_realloc(s->resource_names, s->resource_room * sizeof *s->resource_names);
	}
	char *copy = mem_alloc(name.n + 1);
	memcpy(copy, name.p, name.n);
	s->resource_names[s->resource_count++] = (struct str){copy, name.n};
	map_set(&s->resources, name, (void *)(uintptr_t)s->resource_count);
	return s->resource_count - 1;
}

struct str snapshot_resource_name(const struct snapshot *s, size_t resource)
{
	return s->resource_names[resource];
}

static int64_t *amount_at(int64_t **values, size_t *count, size_t resource)
{
	if (resource >= *count) {
		*values = mem_realloc(*values, (resource + 1) * sizeof **values);
		memset(*values + *count, 0, (resource + 1 - *count) * sizeof **values);
		*count = resource + 1;
	}
	return &(*values)[resource];
}

// ---- shapes

struct shape *snapshot_shape(struct snapshot *s, const struct json *pod)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str key = shape_key(&a, pod);
	struct shape *shape = map_get(&s->shapes, key);
	if (!shape) {
		shape = MEM_NEW(struct shape);
		shape_read(shape, s, key, pod);
		map_set(&s->shapes, key, shape);
	}
	shape->refs++;
	return shape;
}

void snapshot_shape_unref(struct snapshot *s, struct shape *shape)
{
	if (!shape || --shape->refs > 0)
		return;
	map_remove(&s->shapes, shape->key);
	shape_finish(shape);
	free(shape);
}

// ---- placements

static struct placement *placement_of(struct snapshot *s, struct node *node, struct shape *shape)
{
	for (size_t i = 0; i < node->placement_count; i++) {
		if (node->placements[i]->shape == shape)
			return node->placements[i];
	}
	struct placement *p = MEM_NEW(struct placement);
	*p = (struct placement){node, shape, 0, 0, node->placement_count, shape->placement_count};
	if (node->placement_count == node->placement_room) {
		node->placement_room = node->placement_room ? node->placement_room * 2 : 4;
		node->placements = mem_realloc(node->placements, node->placement_room * sizeof *node->placements);
	}
	if (shape->placement_count == shape->placement_room) {
		shape->placement_room = shape->placement_room ? shape->placement_room * 2 : 4;
		shape->placements = mem_realloc(shape->placements, shape->placement_room * sizeof *shape->placements);
	}
	node->placements[node->placement_count++] = p;
	shape->placements[shape->placement_count++] = p;
	s->repelling += shape->anti_affinity.n > 0;
	return p;
}

static void placement_drop(struct snapshot *s, struct placement *p)
{
	struct node *node = p->node;
	struct shape *shape = p->shape;
	node->placements[p->in_node] = node->placements[--node->placement_count];
	node->placements[p->in_node]->in_node = p->in_node;
	shape->placements[p->in_shape] = shape->placements[--shape->placement_count];
	shape->placements[p->in_shape]->in_shape = p->in_shape;
	s->repelling -= shape->anti_affinity.n > 0;
	free(p);
}

static void add_ports(struct node *node, const struct shape *shape)
{
	for (size_t i = 0; i < shape->port_count; i++) {
		if (node->port_count == node->port_room) {
			node->port_room = node->port_room ? node->port_room * 2 : 4;
			node->ports = mem_realloc(node->ports, node->port_room * sizeof *node->ports);
		}
		node->ports[node->port_count++] = (struct used_port){shape->ports[i], shape};
	}
}

static void drop_ports(struct node *node, const struct shape *shape)
{
	size_t left = shape->port_count; // those of one pod
	for (size_t i = node->port_count; i-- > 0 && left > 0;) {
		if (node->ports[i].shape != shape)
			continue;
		node->ports[i] = node->ports[--node->port_count];
		left--;
	}
}

static void account(struct node *node, const struct shape *shape, int sign)
{
	node->cpu_used += sign * shape->requests.cpu_milli;
	node->memory_used += sign * shape->requests.memory;
	node->storage_used += sign * shape->requests.storage;
	node->usual_cpu += sign * shape->usual_cpu_milli;
	node->usual_memory += sign * shape->usual_memory;
	for (size_t i = 0; i < shape->requests.other_count; i++) {
		const struct amount *other = &shape->requests.others[i];
		*amount_at(&node->others_used, &node->others_used_count, other->resource) += sign * other->value;
	}
	if (sign > 0) {
		node->pod_count++;
		add_ports(node, shape);
	} else {
		node->pod_count--;
		drop_ports(node, shape);
	}
}

// ---- nodes

static struct node *need_node(struct snapshot *s, struct str name)
{
	struct node *node = map_get(&s->by_name, name);
	if (node)
		return node;
	node = MEM_NEW(struct node);
	arena_init(&node->memory);
	node->own_name = mem_alloc(name.n + 1);
	memcpy(node->own_name, name.p, name.n);
	node->name = (struct str){node->own_name, name.n};
	if (s->node_count == s->node_room) {
		s->node_room = s->node_room ? s->node_room * 2 : 16;
		s->nodes = mem_realloc(s->nodes, s->node_room * sizeof *s->nodes);
	}
	node->index = s->node_count;
	s->nodes[s->node_count++] = node;
	map_set(&s->by_name, name, node);
	return node;
}

static void count_images(struct snapshot *s, const struct node *node, int sign)
{
	for (size_t i = 0; i < node->image_count; i++) {
		intptr_t nodes = (intptr_t)map_get(&s->images, node->images[i].name) + sign;
		if (nodes > 0)
			map_set(&s->images, node->images[i].name, (void *)nodes);
		else
			map_remove(&s->images, node->images[i].name);
	}
}

static void node_destroy(struct node *node)
{
	arena_finish(&node->memory);
	free(node->others);
	free(node->others_used);
	free(node->ports);
	free(node->placements);
	free(node->own_name);
	free(node);
}

static void node_forget(struct snapshot *s, struct node *node)
{
	struct node *last = s->nodes[--s->node_count];
	s->nodes[node->index] = last;
	last->index = node->index;
	map_remove(&s->by_name, node->name);
	node_destroy(node);
}

static void read_allocatable(struct snapshot *s, struct node *node, const struct json *allocatable)
{
	node->cpu_milli = node->memory_bytes = node->storage = node->pods = 0;
	if (node->other_count)
		memset(node->others, 0, node->other_count * sizeof *node->others);
	json_each(value, allocatable) {
		struct quantity q;
		if (quantity_of(value, &q) < 0)
			continue;
		if (str_is(value->key, "cpu"))
			node->cpu_milli = quantity_milli(q);
		else if (str_is(value->key, "memory"))
			node->memory_bytes = quantity_value(q);
		else if (str_is(value->key, "ephemeral-storage"))
			node->storage = quantity_value(q);
		else if (str_is(value->key, "pods"))
			node->pods = quantity_value(q);
		else
			*amount_at(&node->others, &node->other_count, snapshot_resource(s, value->key)) =
				quantity_value(q);
	}
}

static void read_taints(struct node *node, const struct json *taints)
{
	struct arena *a = &node->memory;
	node->taint_count = 0;
	node->taints = ARENA_ARRAY(a, struct taint, taints ? taints->count : 0);
	json_each(taint, taints)
		node->taints[node->taint_count++] =
			(struct taint){arena_str(a, json_str(taint, "key")), arena_str(a, json_str(taint, "value")),
				       arena_str(a, json_str(taint, "effect"))};
}

static void read_images(struct node *node, const struct json *images)
{
	size_t count = 0;
	json_each(image, images) {
		const struct json *names = json_get(image, STR("names"));
		count += names ? names->count : 0;
	}
	node->image_count = 0;
	node->images = ARENA_ARRAY(&node->memory, struct node_image, count);
	json_each(image, images) {
		json_each(name, json_get(image, STR("names")))
			node->images[node->image_count++] =
				(struct node_image){arena_str(&node->memory, name->text), json_i64(image, "sizeBytes", 0)};
	}
}

void snapshot_set_node(struct snapshot *s, const struct json *object)
{
	struct node *node = need_node(s, json_str(object, "metadata.name"));
	s->present_count += !node->present;
	node->present = true;
	count_images(s, node, -1);
	arena_finish(&node->memory);
	arena_init(&node->memory);
	node->labels = labels_of(&node->memory, json_at(object, "metadata.labels"));
	node->unschedulable = json_is_true(object, "spec.unschedulable");
	read_taints(node, json_at(object, "spec.taints"));
	read_allocatable(s, node, json_at(object, "status.allocatable"));
	read_images(node, json_at(object, "status.images"));
	count_images(s, node, 1);
}

void snapshot_remove_node(struct snapshot *s, struct str name)
{
	struct node *node = map_get(&s->by_name, name);
	if (!node)
		return;
	s->present_count -= node->present;
	node->present = false;
	count_images(s, node, -1);
	node->image_count = 0;
	if (node->pod_count == 0)
		node_forget(s, node);
}

struct node *snapshot_node(const struct snapshot *s, struct str name)
{
	struct node *node = map_get(&s->by_name, name);
	return node && node->present ? node : NULL;
}

size_t snapshot_image_nodes(const struct snapshot *s, struct str name)
{
	return (size_t)(intptr_t)map_get(&s->images, name);
}

// ---- pods

void snapshot_set_pod(struct snapshot *s, struct str key, struct str node_name, struct shape *shape, bool leaving)
{
	shape->refs++; // first: the old state may hold the last reference
	snapshot_remove_pod(s, key);
	struct node *node = need_node(s, node_name);
	struct placement *p = placement_of(s, node, shape);
	struct placed *placed = MEM_NEW(struct placed);
	*placed = (struct placed){p, leaving};
	p->count++;
	p->leaving += leaving;
	account(node, shape, 1);
	map_set(&s->pods, key, placed);
}

void snapshot_remove_pod(struct snapshot *s, struct str key)
{
	struct placed *placed = map_remove(&s->pods, key);
	if (!placed)
		return;
	struct placement *p = placed->placement;
	struct node *node = p->node;
	struct shape *shape = p->shape;
	account(node, shape, -1);
	p->count--;
	p->leaving -= placed->leaving;
	free(placed);
	if (p->count == 0)
		placement_drop(s, p);
	snapshot_shape_unref(s, shape);
	if (!node->present && node->pod_count == 0)
		node_forget(s, node);
}

struct str snapshot_pod_node(const struct snapshot *s, struct str key)
{
	const struct placed *placed = map_get(&s->pods, key);
	return placed ? placed->placement->node->name : STR_NONE;
}

// ---- namespaces

void snapshot_set_namespace(struct snapshot *s, struct str name, const struct json *labels)
{
	struct namespace_labels *n = map_get(&s->namespaces, name);
	if (!n) {
		n = MEM_NEW(struct namespace_labels);
		map_set(&s->namespaces, name, n);
	} else {
		arena_finish(&n->memory);
	}
	arena_init(&n->memory);
	n->labels = labels_of(&n->memory, labels);
}

void snapshot_remove_namespace(struct snapshot *s, struct str name)
{
	struct namespace_labels *n = map_remove(&s->namespaces, name);
	if (!n)
		return;
	arena_finish(&n->memory);
	free(n);
}

struct labels snapshot_namespace(const struct snapshot *s, struct str name)
{
	struct namespace_labels *n = map_get(&s->namespaces, name);
	return n ? n->labels : (struct labels){NULL, 0};
}

// ---- all of it

void snapshot_init(struct snapshot *s)
{
	*s = (struct snapshot){0};
}

void snapshot_finish(struct snapshot *s)
{
	while (s->pods.count)
		snapshot_remove_pod(s, s->pods.entries[s->pods.count - 1].key);
	for (size_t i = 0; i < s->node_count; i++)
		node_destroy(s->nodes[i]);
	while (s->namespaces.count)
		snapshot_remove_namespace(s, s->namespaces.entries[0].key);
	for (size_t i = 0; i < s->shapes.count; i++) { // those that the caller did not give back
		shape_finish(s->shapes.entries[i].value);
		free(s->shapes.entries[i].value);
	}
	for (size_t i = 0; i < s->resource_count; i++)
		free((char *)s->resource_names[i].p);
	free(s->resource_names);
	free(s->nodes);
	struct map *maps[] = {&s->by_name, &s->shapes, &s->pods, &s->namespaces, &s->images, &s->resources};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		map_finish(maps[i]);
}
