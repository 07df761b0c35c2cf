// SPDX-License-Identifier: Apache-2.0
#include "node/node.h"

#include "client/events.h"
#include "client/informer.h"
#include "node/pod/pods.h"
#include "node/registration.h"

enum { PODS_MAX = 110, PARALLEL_STARTS = 6 };

struct node {
	struct arena arena; // of all strings
	struct machine machine;
	struct pod_host host;
	struct pods *pods; // once the Services are known, for containers see them as variables
	struct registration *registration;
	struct registration_config registration_config;
};

static void on_object(void *arg, struct str namespace, bool secret, struct str name)
{
	struct node *n = arg;
	if (n->pods)
		pods_object_changed(n->pods, namespace, secret, name);
}

static void on_token(void *arg, struct str uid, const struct err *error)
{
	struct node *n = arg;
	if (n->pods)
		pods_token_changed(n->pods, uid);
}

static void on_services(void *arg)
{
	struct node *n = arg;
	n->pods = pods_create(&n->host);
}

static void set_names(struct node *n, const struct node_config *c)
{
	n->host.names = (struct names_config){
		.cluster_domain = arena_str(&n->arena, str_of(c->cluster_domain ? c->cluster_domain : "cluster.local")),
		.nameserver = arena_str(&n->arena, str_of(c->nameserver)),
		.host_resolv = n->machine.resolv,
		.host_hosts = n->machine.hosts,
		.host_name = n->machine.hostname,
	};
}

static void set_host(struct node *n, const struct node_config *c)
{
	static const struct objects_events object_events = {on_object};
	struct pod_host *h = &n->host;
	int pods_max = c->pods_max ? c->pods_max : PODS_MAX;
	h->loop = c->loop;
	h->transport = c->transport;
	h->runtime = c->runtime;
	h->network = c->network;
	h->node_name = arena_str(&n->arena, str_of(c->name));
	h->host_ip = arena_str(&n->arena, str_of(c->address));
	h->pod_processes_max = c->pod_processes_max;
	h->unsafe_sysctls = str_of(c->unsafe_sysctls ? c->unsafe_sysctls : "");
	h->starting_max = c->parallel_starts ? c->parallel_starts : PARALLEL_STARTS;
	h->memory = n->machine.memory;
	h->allocatable = registration_allocatable(&n->machine, pods_max);
	if (c->data_dir)
		pod_disk_init(&h->disk, arena_c(&n->arena, str_of(c->data_dir)),
			      arena_c(&n->arena, str_of(c->run_dir ? c->run_dir : c->data_dir)));
	else
		pod_disk_init_none(&h->disk);
	set_names(n, c);
	h->events = events_create(c->transport, STR("kubelet"), h->node_name);
	h->objects = objects_create(c->transport, &object_events, n);
	h->tokens = tokens_create(c->transport, on_token, n);
	n->registration_config = (struct registration_config){
		.transport = c->transport,
		.machine = &n->machine,
		.name = h->node_name,
		.address = h->host_ip,
		.labels = arena_str(&n->arena, str_of(c->labels)),
		.data_dir = c->data_dir ? h->disk.data_dir : NULL,
		.pods_max = pods_max,
		.port = c->port,
		.on_ready = c->on_ready,
		.arg = c->arg,
	};
}

int node_create(const struct node_config *c, struct node **out, struct err *e)
{
	static const struct informer_events service_events = {.on_synced = on_services};
	struct node *n = MEM_NEW(struct node);
	arena_init(&n->arena);
	if (c->machine) {
		n->machine = *c->machine;
	} else if (machine_read(&n->arena, c->data_dir, &n->machine, e)) {
		node_destroy(n);
		return -1;
	}
	set_host(n, c);
	n->registration = registration_create(&n->registration_config);
	n->host.services = informer_create(c->transport, STR("/api/v1/services"));
	informer_listen(n->host.services, &service_events, n);
	*out = n;
	return 0;
}

static void free_node(struct pod_host *h)
{
	struct node *n = CONTAINER_OF(h, struct node, host);
	arena_finish(&n->arena);
	free(n);
}

void node_destroy(struct node *n)
{
	if (!n)
		return;
	pods_destroy(n->pods);
	registration_destroy(n->registration);
	informer_destroy(n->host.services);
	objects_destroy(n->host.objects);
	tokens_destroy(n->host.tokens);
	events_destroy(n->host.events);
	n->host.on_quiet = free_node;
	host_enter(&n->host); // frees it now, or when the last thing under way has come back
	host_leave(&n->host);
}

void node_move(struct node *n, const char *address)
{
	n->host.host_ip = arena_str(&n->arena, str_of(address));
	registration_move(n->registration, n->host.host_ip);
}

size_t node_pod_count(const struct node *n)
{
	return n->pods ? pods_count(n->pods) : 0;
}

// ---- for the streams, which may ask before the pods are known

static int need_pods(const struct node *n, struct err *e)
{
	return n->pods ? 0 : err_set(e, ERR_UNAVAILABLE, "the node does not know its pods yet");
}

static int find_pod(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid,
		    struct stream_pod *out, struct err *e)
{
	struct node *n = arg;
	return need_pods(n, e) ? -1 : pods_for_streams.find_pod(n->pods, a, namespace, name, uid, out, e);
}

static int find_container(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid,
			  struct str container, struct stream_container *out, struct err *e)
{
	struct node *n = arg;
	return need_pods(n, e) ? -1
			       : pods_for_streams.find_container(n->pods, a, namespace, name, uid, container, out, e);
}

static size_t list_pods(void *arg, struct arena *a, struct stream_pod **out)
{
	struct node *n = arg;
	return n->pods ? pods_for_streams.list(n->pods, a, out) : 0;
}

static void pods_json(void *arg, struct buf *out)
{
	struct node *n = arg;
	if (n->pods)
		pods_for_streams.pods_json(n->pods, out);
	else
		BUF_LIT(out, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[]}\n");
}

const struct stream_pods *node_stream_pods(const struct node *n)
{
	static const struct stream_pods table = {find_pod, find_container, list_pods, pods_json};
	return &table;
}

void *node_stream_arg(struct node *n)
{
	return n;
}
