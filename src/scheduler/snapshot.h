// SPDX-License-Identifier: Apache-2.0
// The cluster as the scheduler sees it: nodes with what they have and what is taken, pods by shape and place. Kept up
// to date change by change; decisions (plan.h) only read it. Pure.
#ifndef SCHEDULER_SNAPSHOT_H
#define SCHEDULER_SNAPSHOT_H

#include "scheduler/shape.h"

struct taint {
	struct str key, value, effect;
};

struct used_port {
	struct host_port port; // strings of the shape
	const struct shape *shape;
};

// Pods of one shape on one node.
struct placement {
	struct node *node;
	struct shape *shape;
	size_t count;		  // all
	size_t leaving;		  // of these, with a deletionTimestamp
	size_t in_node, in_shape; // places in the lists of both
};

struct node_image {
	struct str name;
	int64_t size;
};

struct node {
	struct arena memory; // of what its object says
	size_t index;	     // in snapshot.nodes
	bool present;	     // false: only pods speak of it
	struct str name;
	struct labels labels;
	struct taint *taints;
	size_t taint_count;
	bool unschedulable;
	int64_t cpu_milli, memory_bytes, storage, pods; // allocatable
	int64_t *others;				// by resource
	size_t other_count;
	struct node_image *images;
	size_t image_count;

	char *own_name; // heap
	int64_t cpu_used, memory_used, storage_used, usual_cpu, usual_memory;
	size_t pod_count;
	int64_t *others_used; // by resource
	size_t others_used_count;
	struct used_port *ports;
	size_t port_count, port_room;
	struct placement **placements;
	size_t placement_count, placement_room;
};

struct snapshot {
	struct node **nodes; // in order of arrival; gaps are filled by the last
	size_t node_count, node_room;
	size_t present_count;
	struct map by_name;    // -> struct node
	struct map shapes;     // key -> struct shape
	struct map pods;       // key -> struct placed
	struct map namespaces; // name -> struct namespace_labels
	struct map images;     // name -> number of nodes that have it, as a pointer
	struct map resources;  // name -> index + 1, as a pointer
	struct str *resource_names;
	size_t resource_count, resource_room;
	size_t repelling; // placements whose shape has required anti-affinity
};

void snapshot_init(struct snapshot *s);
void snapshot_finish(struct snapshot *s);

void snapshot_set_node(struct snapshot *s, const struct json *node); // added or changed
void snapshot_remove_node(struct snapshot *s, struct str name);
// A pod that has a node and has not ended; again after any change.
void snapshot_set_pod(struct snapshot *s, struct str key, struct str node, struct shape *shape, bool leaving);
void snapshot_remove_pod(struct snapshot *s, struct str key); // none of that key: nothing happens
// The node that it counts on; empty: none. Borrowed until the next change.
struct str snapshot_pod_node(const struct snapshot *s, struct str key);
void snapshot_set_namespace(struct snapshot *s, struct str name, const struct json *labels);
void snapshot_remove_namespace(struct snapshot *s, struct str name);
struct labels snapshot_namespace(const struct snapshot *s, struct str name);

struct node *snapshot_node(const struct snapshot *s, struct str name); // NULL: none, or not present
size_t snapshot_image_nodes(const struct snapshot *s, struct str name);

// The shape of a pod, with one more reference.
struct shape *snapshot_shape(struct snapshot *s, const struct json *pod);
void snapshot_shape_unref(struct snapshot *s, struct shape *shape);

size_t snapshot_resource(struct snapshot *s, struct str name); // its index, made where it is new
struct str snapshot_resource_name(const struct snapshot *s, size_t resource);

#endif
