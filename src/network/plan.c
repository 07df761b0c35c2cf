// SPDX-License-Identifier: Apache-2.0
#include "network/plan.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { ENDPOINTS_MAX = PLAN_NUMBERS_MAX, PORTS_MAX = 256, SOURCES_MAX = 256, STICKY_S = 10800, STICKY_MAX_S = 86400 };

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

static bool condition(const struct json *endpoint, const char *path, bool absent)
{
	const struct json *is = json_at(endpoint, path);
	return is && is->type == JSON_BOOL ? is->boolean : absent;
}

static bool is_ready(const struct json *endpoint)
{
	return condition(endpoint, "conditions.ready", true);
}

static bool still_serves(const struct json *endpoint)
{
	return condition(endpoint, "conditions.terminating", false) && condition(endpoint, "conditions.serving", false);
}

static int by_address(const void *x, const void *y)
{
	const struct endpoint *a = x, *b = y;
	int c = memcmp(&a->address, &b->address, sizeof a->address);
	return c ? c : (int)a->port - (int)b->port;
}

// In an order that does not hang on that of the slices, each once (an endpoint that moves between slices is in both).
static size_t arrange(struct endpoint *x, size_t n)
{
	size_t kept = 0;
	qsort(x, n, sizeof *x, by_address);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || by_address(&x[kept - 1], &x[i]) != 0)
			x[kept++] = x[i];
	return kept;
}

struct source { // where the endpoints of one port of a Service stand
	const struct json *const *slices;
	size_t slice_count;
	struct str port, node;
	uint8_t protocol;
};

static size_t collect(const struct source *s, struct endpoint *out, bool local_only, bool (*fits)(const struct json *))
{
	size_t count = 0;
	for (size_t i = 0; i < s->slice_count; i++) {
		uint16_t port = slice_port(s->slices[i], s->port, s->protocol);
		if (!port || !json_str_is(s->slices[i], "addressType", "IPv4"))
			continue;
		json_each(endpoint, json_at(s->slices[i], "endpoints")) {
			struct endpoint *x = &out[count];
			x->port = port;
			x->local = str_eq(json_str(endpoint, "nodeName"), s->node);
			if (count < ENDPOINTS_MAX && fits(endpoint) && (x->local || !local_only) &&
			    parse_address(json_str(endpoint, "addresses.0"), &x->address))
				count++;
		}
	}
	return count ? arrange(out, count) : 0;
}

struct endpoints {
	struct endpoint *list;
	size_t count;
};

static struct endpoints choose(struct arena *a, const struct source *s, bool local_only)
{
	struct endpoints x = {.list = ARENA_ARRAY(a, struct endpoint, ENDPOINTS_MAX + 1)};
	x.count = collect(s, x.list, local_only, is_ready);
	if (x.count == 0)
		x.count = collect(s, x.list, local_only, still_serves);
	return x;
}

// One way in (an address and port, or a node port) and where it leads. sticky_s 0: no affinity.
static void front(struct builder *b, const struct in_addr *address, uint8_t protocol, uint16_t port, uint32_t sticky_s,
		  struct endpoints to)
{
	if (to.count == 0) {
		key(add(b, address ? PLAN_REFUSED : PLAN_REFUSED_NODEPORTS), address, protocol, port);
		return;
	}
	struct plan_element *verdict = add(b, address ? PLAN_SERVICES : PLAN_NODEPORTS);
	key(verdict, address, protocol, port);
	verdict->verdict = (uint32_t)to.count;
	if (sticky_s) {
		struct plan_element *sticky = add(b, address ? PLAN_STICKY : PLAN_STICKY_NODEPORTS);
		key(sticky, address, protocol, port);
		sticky->verdict = sticky_s;
	}
	for (uint32_t i = 0; i < to.count; i++) {
		struct plan_element *x = add(b, address ? PLAN_ENDPOINTS : PLAN_NODE_ENDPOINTS);
		uint16_t wire = htons(to.list[i].port);
		key(x, address, protocol, port);
		key_part(x, &i, sizeof i);
		memcpy(x->data, &to.list[i].address, 4);
		memcpy(x->data + 4, &wire, 2);
		x->data_len = 8;
	}
}

// What the way back of connections to these endpoints needs.
static void returns(struct builder *b, uint8_t protocol, struct endpoints to)
{
	for (size_t i = 0; i < to.count; i++) {
		struct plan_element *x = add(b, PLAN_HAIRPIN);
		key_part(x, &to.list[i].address, 4);
		key_part(x, &to.list[i].address, 4);
		if (!to.list[i].local)
			key(add(b, PLAN_REMOTE), &to.list[i].address, protocol, to.list[i].port);
	}
}

struct way { // how endpoints are chosen
	struct endpoints inside, outside; // by internalTrafficPolicy and externalTrafficPolicy
	uint32_t sticky_s;
};

static void front_at(struct builder *b, struct str text, uint8_t protocol, uint16_t port, const struct way *w,
		     bool outside)
{
	struct in_addr address;
	if (parse_address(text, &address))
		front(b, &address, protocol, port, w->sticky_s, outside ? w->outside : w->inside);
}

struct range { // of clients, host byte order
	uint32_t first, last;
};

static bool parse_range(struct str text, struct range *out)
{
	struct str address, prefix;
	struct in_addr in;
	uint64_t bits;
	if (!str_cut(str_trim(text), '/', &address, &prefix) || !parse_address(address, &in) ||
	    str_to_u64(prefix, &bits) < 0 || bits > 32)
		return false;
	uint32_t rest = bits ? (uint32_t)((1ULL << (32 - bits)) - 1) : UINT32_MAX;
	*out = (struct range){ntohl(in.s_addr) & ~rest, ntohl(in.s_addr) | rest};
	return true;
}

// Those that do not lie within others: two such ranges are either one within the other, or apart.
static size_t parse_ranges(const struct json *list, struct range out[SOURCES_MAX])
{
	size_t n = 0;
	json_each(text, list) {
		struct range x;
		size_t kept = 0;
		bool within = false;
		if (text->type != JSON_STRING || !parse_range(text->text, &x))
			continue;
		for (size_t i = 0; i < n; i++) {
			within |= out[i].first <= x.first && x.last <= out[i].last;
			if (!(x.first <= out[i].first && out[i].last <= x.last))
				out[kept++] = out[i];
		}
		n = within ? n : kept;
		if (!within && n < SOURCES_MAX)
			out[n++] = x;
	}
	return n;
}

// spec.loadBalancerSourceRanges: who may call a load balancer's address. None said: everybody.
static void guard(struct builder *b, const struct json *service, struct str address_text, uint8_t protocol, uint16_t port)
{
	const struct json *list = json_at(service, "spec.loadBalancerSourceRanges");
	struct range ranges[SOURCES_MAX];
	struct in_addr address;
	if (!list || list->count == 0 || !parse_address(address_text, &address))
		return;
	key(add(b, PLAN_GUARDED), &address, protocol, port);
	size_t n = parse_ranges(list, ranges);
	for (size_t i = 0; i < n; i++) {
		struct plan_element *x = add(b, PLAN_SOURCES);
		uint32_t first = htonl(ranges[i].first), last = htonl(ranges[i].last);
		key(x, &address, protocol, port);
		key_part(x, &first, sizeof first);
		memcpy(x->data, &last, sizeof last);
	}
}

static uint32_t sticky_seconds(const struct json *service)
{
	if (!json_str_is(service, "spec.sessionAffinity", "ClientIP"))
		return 0;
	int64_t s = json_i64(service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", STICKY_S);
	return s < 1 ? STICKY_S : s > STICKY_MAX_S ? STICKY_MAX_S : (uint32_t)s;
}

static void service_port(struct builder *b, const struct json *service, const struct json *port,
			 const struct json *const *slices, size_t slice_count, struct str node)
{
	uint8_t protocol = protocol_number(json_str(port, "protocol"));
	uint16_t number = (uint16_t)json_i64(port, "port", 0), node_port = (uint16_t)json_i64(port, "nodePort", 0);
	const struct source source = {slices, slice_count, json_str(port, "name"), node, protocol};
	bool inside_local = json_str_is(service, "spec.internalTrafficPolicy", "Local");
	bool outside_local = json_str_is(service, "spec.externalTrafficPolicy", "Local");
	struct way w = {.inside = choose(b->arena, &source, inside_local), .sticky_s = sticky_seconds(service)};
	w.outside = inside_local == outside_local ? w.inside : choose(b->arena, &source, outside_local);
	json_each(ip, json_at(service, "spec.clusterIPs"))
		if (ip->type == JSON_STRING)
			front_at(b, ip->text, protocol, number, &w, false);
	json_each(ip, json_at(service, "spec.externalIPs"))
		if (ip->type == JSON_STRING)
			front_at(b, ip->text, protocol, number, &w, true);
	json_each(ingress, json_at(service, "status.loadBalancer.ingress")) {
		if (json_str_is(ingress, "ipMode", "Proxy")) // the balancer itself must see the connections
			continue;
		front_at(b, json_str(ingress, "ip"), protocol, number, &w, true);
		guard(b, service, json_str(ingress, "ip"), protocol, number);
	}
	if (node_port)
		front(b, NULL, protocol, node_port, w.sticky_s, w.outside);
	returns(b, protocol, w.inside);
	if (inside_local != outside_local)
		returns(b, protocol, w.outside);
}

int plan_element_cmp(const struct plan_element *x, const struct plan_element *y)
{
	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return memcmp(x->key, y->key, sizeof x->key);
}

bool plan_element_same(const struct plan_element *x, const struct plan_element *y)
{
	return plan_element_cmp(x, y) == 0 && x->verdict == y->verdict &&
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

// Not so one that another proxy carries, and those whose clients go to the endpoints, or elsewhere, by themselves.
static bool is_carried(const struct json *service)
{
	const struct json *labels = json_at(service, "metadata.labels");
	struct str address = json_str(service, "spec.clusterIPs.0");
	return address.n && !str_is(address, "None") && !json_str_is(service, "spec.type", "ExternalName") &&
	       !json_get(labels, STR("service.kubernetes.io/service-proxy-name")) &&
	       !json_get(labels, STR("service.kubernetes.io/headless"));
}

void plan_service(struct arena *a, const struct json *service, const struct json *const *slices, size_t slice_count,
		  struct str node, struct plan_element **elements, size_t *count)
{
	struct builder b = {.arena = a};
	size_t ports = 0;
	if (is_carried(service))
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
	struct endpoints to = {&pod, 1};
	uint8_t protocol = protocol_number(json_str(port, "protocol"));
	front(b, any ? NULL : &at, protocol, host_port, 0, to);
	returns(b, protocol, to);
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
