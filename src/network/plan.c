// SPDX-License-Identifier: Apache-2.0
#include "network/plan.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { ENDPOINTS_MAX = PLAN_NUMBERS_MAX, PORTS_MAX = 256 };

struct endpoint {
	struct in_addr address;
	uint16_t port; // host byte order
	bool local;
};

struct builder {
	struct arena *arena;
	struct plan_element *elements;
	size_t count, room;
};

static struct plan_element *add(struct builder *b, enum plan_set set)
{
	if (b->count == b->room) {
		b->room = b->room ? b->room * 2 : 32;
		struct plan_element *more = ARENA_ARRAY(b->arena, struct plan_element, b->room);
		if (b->count)
			memcpy(more, b->elements, b->count * sizeof *more);
		b->elements = more;
	}
	struct plan_element *x = &b->elements[b->count++];
	x->set = (uint8_t)set;
	return x;
}

static void key_part(struct plan_element *x, const void *bytes, size_t n)
{
	memcpy(x->key + x->key_len, bytes, n);
	x->key_len = (uint8_t)(x->key_len + 4);
}

// address NULL: a node port, whose address is any of the node's
static void key(struct plan_element *x, const struct in_addr *address, uint8_t protocol, uint16_t port)
{
	uint16_t wire = htons(port);
	if (address)
		key_part(x, address, sizeof *address);
	key_part(x, &protocol, 1);
	key_part(x, &wire, 2);
}

static bool parse_address(struct str text, struct in_addr *out)
{
	char c[INET_ADDRSTRLEN];
	return str_to_c(text, c, sizeof c) && inet_pton(AF_INET, c, out) == 1;
}

static uint8_t protocol_number(struct str name)
{
	return str_is(name, "UDP") ? IPPROTO_UDP : str_is(name, "SCTP") ? IPPROTO_SCTP : IPPROTO_TCP;
}

// The number that a slice gives to the Service port's name and protocol; 0: this slice has it not.
static uint16_t slice_port(const struct json *slice, struct str name, uint8_t protocol)
{
	json_each(port, json_at(slice, "ports"))
		if (str_eq(json_str(port, "name"), name) && protocol_number(json_str(port, "protocol")) == protocol)
			return (uint16_t)json_i64(port, "port", 0);
	return 0;
}

static bool serves(const struct json *endpoint)
{
	const struct json *ready = json_at(endpoint, "conditions.ready");
	return !ready || ready->type != JSON_BOOL || ready->boolean; // absent means ready
}

static size_t collect(struct endpoint *out, const struct json *const *slices, size_t n, struct str name,
		      uint8_t protocol, struct str node)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		uint16_t port = slice_port(slices[i], name, protocol);
		if (!port || !json_str_is(slices[i], "addressType", "IPv4"))
			continue;
		json_each(endpoint, json_at(slices[i], "endpoints")) {
			struct endpoint *x = &out[count];
			if (count == ENDPOINTS_MAX || !serves(endpoint) ||
			    !parse_address(json_str(endpoint, "addresses.0"), &x->address))
				continue;
			x->port = port;
			x->local = str_eq(json_str(endpoint, "nodeName"), node);
			count++;
		}
	}
	return count;
}

static size_t keep_local(struct endpoint *x, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (x[i].local)
			x[kept++] = x[i];
	return kept;
}

// One way in (an address and port, or a node port) and where it leads.
static void front(struct builder *b, const struct in_addr *address, uint8_t protocol, uint16_t port, bool sticky,
		  const struct endpoint *endpoints, size_t n)
{
	if (n == 0) {
		key(add(b, address ? PLAN_REFUSED : PLAN_REFUSED_NODEPORTS), address, protocol, port);
		return;
	}
	struct plan_element *verdict = add(b, address ? PLAN_SERVICES : PLAN_NODEPORTS);
	key(verdict, address, protocol, port);
	verdict->numbers = (uint16_t)n;
	verdict->sticky = sticky;
	for (uint32_t i = 0; i < n; i++) {
		struct plan_element *x = add(b, address ? PLAN_ENDPOINTS : PLAN_NODE_ENDPOINTS);
		uint16_t wire = htons(endpoints[i].port);
		key(x, address, protocol, port);
		key_part(x, &i, sizeof i);
		memcpy(x->data, &endpoints[i].address, 4);
		memcpy(x->data + 4, &wire, 2);
		x->data_len = 8;
	}
}

static void hairpins(struct builder *b, const struct endpoint *endpoints, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct plan_element *x = add(b, PLAN_HAIRPIN);
		key_part(x, &endpoints[i].address, 4);
		key_part(x, &endpoints[i].address, 4);
	}
}

struct way { // how endpoints are chosen
	const struct endpoint *all, *local;
	size_t all_count, local_count;
	bool sticky, inside_local, outside_local;
};

static void front_at(struct builder *b, struct str text, uint8_t protocol, uint16_t port, const struct way *w,
		     bool outside)
{
	struct in_addr address;
	bool local = outside ? w->outside_local : w->inside_local;
	if (parse_address(text, &address))
		front(b, &address, protocol, port, w->sticky, local ? w->local : w->all,
		      local ? w->local_count : w->all_count);
}

static void service_port(struct builder *b, const struct json *service, const struct json *port,
			 const struct json *const *slices, size_t slice_count, struct str node)
{
	uint8_t protocol = protocol_number(json_str(port, "protocol"));
	uint16_t number = (uint16_t)json_i64(port, "port", 0), node_port = (uint16_t)json_i64(port, "nodePort", 0);
	struct endpoint *all = ARENA_ARRAY(b->arena, struct endpoint, ENDPOINTS_MAX + 1);
	size_t n = collect(all, slices, slice_count, json_str(port, "name"), protocol, node);
	struct endpoint *local = ARENA_ARRAY(b->arena, struct endpoint, n + 1);
	memcpy(local, all, n * sizeof *all);
	struct way w = {
		.all = all, .all_count = n, .local = local, .local_count = keep_local(local, n),
		.sticky = json_str_is(service, "spec.sessionAffinity", "ClientIP"),
		.inside_local = json_str_is(service, "spec.internalTrafficPolicy", "Local"),
		.outside_local = json_str_is(service, "spec.externalTrafficPolicy", "Local"),
	};
	json_each(ip, json_at(service, "spec.clusterIPs"))
		if (ip->type == JSON_STRING)
			front_at(b, ip->text, protocol, number, &w, false);
	json_each(ip, json_at(service, "spec.externalIPs"))
		if (ip->type == JSON_STRING)
			front_at(b, ip->text, protocol, number, &w, true);
	json_each(ingress, json_at(service, "status.loadBalancer.ingress"))
		front_at(b, json_str(ingress, "ip"), protocol, number, &w, true);
	if (node_port)
		front(b, NULL, protocol, node_port, w.sticky, w.outside_local ? w.local : w.all,
		      w.outside_local ? w.local_count : w.all_count);
	hairpins(b, all, n);
}

int plan_element_cmp(const struct plan_element *x, const struct plan_element *y)
{
	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return memcmp(x->key, y->key, sizeof x->key);
}

bool plan_element_same(const struct plan_element *x, const struct plan_element *y)
{
	return plan_element_cmp(x, y) == 0 && x->numbers == y->numbers && x->sticky == y->sticky &&
	       memcmp(x->data, y->data, sizeof x->data) == 0;
}

static int by_set_and_key(const void *x, const void *y)
{
	return plan_element_cmp(x, y);
}

static void finish(struct builder *b, struct plan_element **elements, size_t *count)
{
	if (b->count)
		qsort(b->elements, b->count, sizeof *b->elements, by_set_and_key);
	size_t kept = 0;
	for (size_t i = 0; i < b->count; i++) // a pod that serves several ports stands once in the hairpin set
		if (kept == 0 || plan_element_cmp(&b->elements[kept - 1], &b->elements[i]) != 0)
			b->elements[kept++] = b->elements[i];
	*elements = b->elements;
	*count = kept;
}

void plan_service(struct arena *a, const struct json *service, const struct json *const *slices, size_t slice_count,
		  struct str node, struct plan_element **elements, size_t *count)
{
	struct builder b = {.arena = a};
	size_t ports = 0;
	if (!json_str_is(service, "spec.type", "ExternalName"))
		json_each(port, json_at(service, "spec.ports"))
			if (ports++ < PORTS_MAX)
				service_port(&b, service, port, slices, slice_count, node);
	finish(&b, elements, count);
}

static void container_port(struct builder *b, const struct json *port, struct in_addr address)
{
	struct str host = json_str(port, "hostIP");
	struct in_addr at;
	bool any = !host.n || str_is(host, "0.0.0.0") || str_is(host, "::");
	uint16_t host_port = (uint16_t)json_i64(port, "hostPort", 0);
	if (!host_port || (!any && !parse_address(host, &at)))
		return;
	struct endpoint pod = {.address = address, .port = (uint16_t)json_i64(port, "containerPort", 0), .local = true};
	front(b, any ? NULL : &at, protocol_number(json_str(port, "protocol")), host_port, false, &pod, 1);
	hairpins(b, &pod, 1);
}

void plan_pod(struct arena *a, const struct json *pod, struct str ip, struct plan_element **elements, size_t *count)
{
	struct builder b = {.arena = a};
	struct in_addr address;
	size_t ports = 0;
	const struct json *lists[] = {json_at(pod, "spec.initContainers"), json_at(pod, "spec.containers")};
	for (int i = 0; i < 2 && parse_address(ip, &address); i++)
		json_each(container, lists[i])
			json_each(port, json_get(container, STR("ports")))
				if (ports++ < PORTS_MAX)
					container_port(&b, port, address);
	finish(&b, elements, count);
}
