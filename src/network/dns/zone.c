// SPDX-License-Identifier: Apache-2.0
#include "network/dns/zone.h"

#include <arpa/inet.h>

#include "base/map.h"
#include "network/slices.h"

enum { TTL_S = 5, RECORDS_MAX = 2048, LABELS_MAX = 8 };

struct dns_zone {
	struct str name;
	struct informer *service_cache, *slice_cache;
	struct slices *slices;
	struct map namespaces;	// of Services -> how many (as a pointer)
	struct map by_address;	// cluster address -> "namespace/name" (heap)
	struct map by_endpoint; // endpoint address of a headless Service -> "namespace/name" (heap)
	struct map endpoints;	// "namespace/name" -> struct addresses: what by_endpoint has of it
	size_t turn;		// of endpoints: many clients take the first address that they are told
};

struct addresses {
	char **list;
	size_t count;
};

struct result {
	struct arena *arena;
	struct dns_answer *answer;
	size_t room; // for records
};

static bool ready(const struct json *endpoint)
{
	const struct json *is = json_at(endpoint, "conditions.ready");
	return !is || is->type != JSON_BOOL || is->boolean;
}

// ---- keeping the indexes

static void claim(struct map *owners, struct arena *a, struct str address, struct str service)
{
	free(map_set(owners, address, mem_strdup(arena_c(a, service))));
}

// Another may have got the address meanwhile: of a list the new ones are told before the ones that are gone.
static void release(struct map *owners, struct str address, struct str service)
{
	const char *owner = map_get(owners, address);
	if (owner && str_is(service, owner))
		free(map_remove(owners, address));
}

static void drop_addresses(struct dns_zone *z, struct str service)
{
	struct addresses *old = map_get(&z->endpoints, service);
	if (!old)
		return;
	for (size_t i = 0; i < old->count; i++) {
		release(&z->by_endpoint, str_of(old->list[i]), service);
		free(old->list[i]);
	}
	free(old->list);
	free(old);
	map_remove(&z->endpoints, service); // last: the name may be the map's own
}

static void on_slices(void *arg, struct str service)
{
	struct dns_zone *z = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct json *slices[SLICES_MAX];
	size_t n = slices_of(z->slices, &a, service, slices);
	drop_addresses(z, service);
	if (n == 0)
		return;
	struct addresses *fresh = MEM_NEW(struct addresses);
	for (size_t i = 0; i < n; i++)
		json_each(endpoint, json_at(slices[i], "endpoints")) {
			struct str address = json_str(endpoint, "addresses.0");
			bool named = json_str(endpoint, "hostname").n > 0; // others have no name to tell
			if (!named || !ready(endpoint))
				continue;
			fresh->list = mem_realloc(fresh->list, (fresh->count + 1) * sizeof *fresh->list);
			fresh->list[fresh->count++] = mem_strdup(arena_c(&a, address));
			claim(&z->by_endpoint, &a, address, service);
		}
	map_set(&z->endpoints, service, fresh);
}

static void count_namespace(struct dns_zone *z, struct str key, int change)
{
	struct str namespace, name;
	str_cut(key, '/', &namespace, &name);
	intptr_t count = (intptr_t)map_get(&z->namespaces, namespace) + change;
	if (count)
		map_set(&z->namespaces, namespace, (void *)count);
	else
		map_remove(&z->namespaces, namespace);
}

static void on_service(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct dns_zone *z = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (before) {
		json_each(ip, json_at(informer_parse(&a, before), "spec.clusterIPs"))
			release(&z->by_address, ip->text, before->key);
		count_namespace(z, before->key, -1);
	}
	if (now) {
		json_each(ip, json_at(informer_parse(&a, now), "spec.clusterIPs"))
			if (!str_is(ip->text, "None"))
				claim(&z->by_address, &a, ip->text, now->key);
		count_namespace(z, now->key, +1);
	}
}

struct dns_zone *dns_zone_create(const char *name, struct informer *service_cache, struct informer *slice_cache)
{
	static const struct informer_events services = {.on_change = on_service};
	struct dns_zone *z = MEM_NEW(struct dns_zone);
	z->name = str_of(mem_strdup(name));
	z->service_cache = service_cache;
	z->slice_cache = slice_cache;
	map_init(&z->namespaces);
	map_init(&z->by_address);
	map_init(&z->by_endpoint);
	map_init(&z->endpoints);
	z->slices = slices_create(slice_cache, on_slices, z);
	informer_listen(service_cache, &services, z);
	return z;
}

void dns_zone_destroy(struct dns_zone *z)
{
	if (!z)
		return;
	slices_destroy(z->slices);
	while (z->endpoints.count)
		drop_addresses(z, z->endpoints.entries[0].key);
	map_each(entry, &z->by_address)
		free(entry->value);
	map_finish(&z->namespaces);
	map_finish(&z->by_address);
	map_finish(&z->by_endpoint);
	map_finish(&z->endpoints);
	free((char *)z->name.p);
	free(z);
}

// ---- answering

static struct dns_record *add(struct result *r, enum dns_type type)
{
	struct dns_answer *x = r->answer;
	if (x->count == r->room && r->room < RECORDS_MAX) {
		struct dns_record *before = x->answers;
		r->room = r->room ? r->room * 4 : 8;
		x->answers = ARENA_ARRAY(r->arena, struct dns_record, r->room);
		if (x->count)
			memcpy(x->answers, before, x->count * sizeof *before);
	}
	if (x->count == r->room)
		return &x->answers[x->count - 1];
	struct dns_record *fresh = &x->answers[x->count++];
	*fresh = (struct dns_record){.type = (uint16_t)type, .ttl_s = TTL_S};
	return fresh;
}

static void add_address(struct result *r, const struct dns_query *q, struct str text)
{
	char c[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	str_to_c(text, c, sizeof c);
	bool six = str_find(text, ':') >= 0;
	bool wanted = q->type == DNS_ANY || q->type == (six ? DNS_AAAA : DNS_A);
	if (wanted && inet_pton(six ? AF_INET6 : AF_INET, c, bytes) == 1)
		memcpy(add(r, six ? DNS_AAAA : DNS_A)->address, bytes, sizeof bytes);
}

// The name of an endpoint below its Service: its hostname, or its address with dashes.
static struct str host_of(struct arena *a, const struct json *endpoint)
{
	struct str host = json_str(endpoint, "hostname");
	if (host.n)
		return host;
	struct str address = arena_str(a, json_str(endpoint, "addresses.0"));
	for (size_t i = 0; i < address.n; i++)
		if (address.p[i] == '.' || address.p[i] == ':')
			((char *)address.p)[i] = '-';
	return address;
}

struct target { // a Service that was asked for
	struct dns_zone *zone;
	struct str key, full_name; // "namespace/name", "name.namespace.svc.zone"
	const struct json *service;
	const struct json *slices[SLICES_MAX];
	size_t slice_count;
	bool headless;
};

static bool find_service(struct dns_zone *z, struct arena *a, struct str name, struct str namespace, struct target *t)
{
	*t = (struct target){.zone = z, .key = arena_fmt(a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(name))};
	const struct informer_object *object = informer_get(z->service_cache, t->key);
	if (!object)
		return false;
	t->service = informer_parse(a, object);
	t->full_name = arena_fmt(a, "%.*s.%.*s.svc.%.*s", STR_FMT(name), STR_FMT(namespace), STR_FMT(z->name));
	t->headless = json_str_is(t->service, "spec.clusterIP", "None");
	if (t->headless)
		t->slice_count = slices_of(z->slices, a, t->key, t->slices);
	return true;
}

// host empty: all endpoints. Whether there was one.
static bool add_endpoints(struct result *r, const struct dns_query *q, const struct target *t, struct str host)
{
	bool any = false;
	for (size_t i = 0; i < t->slice_count; i++)
		json_each(endpoint, json_at(t->slices[i], "endpoints")) {
			if (!ready(endpoint) || (host.n && !str_eq_nocase(host_of(r->arena, endpoint), host)))
				continue;
			any = true;
			add_address(r, q, json_str(endpoint, "addresses.0"));
		}
	return any;
}

static void reverse(struct dns_record *list, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct dns_record x = list[i];
		list[i] = list[n - 1 - i];
		list[n - 1 - i] = x;
	}
}

// Another one comes first each time.
static void take_turns(struct dns_zone *z, struct dns_answer *x)
{
	if (x->count < 2)
		return;
	size_t first = z->turn++ % x->count;
	reverse(x->answers, first);
	reverse(x->answers + first, x->count - first);
	reverse(x->answers, x->count);
}

static bool answer_service(struct result *r, const struct dns_query *q, const struct target *t)
{
	if (json_str_is(t->service, "spec.type", "ExternalName")) {
		add(r, DNS_CNAME)->target = json_str(t->service, "spec.externalName");
		return true;
	}
	if (t->headless) {
		bool any = add_endpoints(r, q, t, STR_NONE);
		take_turns(t->zone, r->answer);
		return any;
	}
	json_each(ip, json_at(t->service, "spec.clusterIPs"))
		add_address(r, q, ip->text);
	return true;
}

static void add_srv(struct result *r, const struct dns_query *q, struct str target, int64_t port)
{
	if (q->type != DNS_SRV && q->type != DNS_ANY)
		return;
	struct dns_record *x = add(r, DNS_SRV);
	x->weight = 100;
	x->port = (uint16_t)port;
	x->target = target;
}

static bool port_is(const struct json *port, struct str name, struct str protocol)
{
	struct str is = json_str(port, "protocol");
	return str_eq_nocase(json_str(port, "name"), name) && str_eq_nocase(is.n ? is : STR("TCP"), protocol);
}

static struct str name_of_endpoint(struct arena *a, const struct target *t, struct str host)
{
	return arena_fmt(a, "%.*s.%.*s", STR_FMT(host), STR_FMT(t->full_name));
}

static bool answer_port(struct result *r, const struct dns_query *q, const struct target *t, struct str name,
			struct str protocol)
{
	bool any = false;
	if (!t->headless)
		json_each(port, json_at(t->service, "spec.ports"))
			if (port_is(port, name, protocol)) {
				add_srv(r, q, t->full_name, json_i64(port, "port", 0));
				any = true;
			}
	for (size_t i = 0; i < t->slice_count; i++)
		json_each(port, json_at(t->slices[i], "ports"))
			if (port_is(port, name, protocol))
				json_each(endpoint, json_at(t->slices[i], "endpoints")) {
					if (!ready(endpoint))
						continue;
					add_srv(r, q, name_of_endpoint(r->arena, t, host_of(r->arena, endpoint)),
						json_i64(port, "port", 0));
					any = true;
				}
	return any;
}

// labels: what stands before "svc", from the left.
static bool answer_below_svc(struct dns_zone *z, struct result *r, const struct dns_query *q, const struct str *labels,
			     size_t n)
{
	struct target t;
	if (n == 0)
		return true;
	if (n == 1)
		return map_has(&z->namespaces, labels[0]);
	if (!find_service(z, r->arena, labels[n - 2], labels[n - 1], &t))
		return false;
	if (n == 2)
		return answer_service(r, q, &t);
	if (n == 3 && labels[0].n && labels[0].p[0] != '_')
		return t.headless && add_endpoints(r, q, &t, labels[0]);
	if (n == 4 && labels[0].n > 1 && labels[1].n > 1 && labels[0].p[0] == '_' && labels[1].p[0] == '_')
		return answer_port(r, q, &t, str_from(labels[0], 1), str_from(labels[1], 1));
	return false;
}

static bool answer_below_pod(struct dns_zone *z, struct result *r, const struct dns_query *q, const struct str *labels,
			     size_t n)
{
	if (n < 2)
		return n == 0 || map_has(&z->namespaces, labels[0]);
	struct str address = arena_str(r->arena, labels[0]);
	unsigned char bytes[4];
	for (size_t i = 0; i < address.n; i++)
		if (address.p[i] == '-')
			((char *)address.p)[i] = '.';
	if (n != 2 || inet_pton(AF_INET, address.p, bytes) != 1)
		return false;
	add_address(r, q, address);
	return true;
}

// Whether the name exists, with or without records of the type.
static bool answer_in_zone(struct dns_zone *z, struct result *r, const struct dns_query *q, struct str below)
{
	struct str labels[LABELS_MAX], label;
	size_t n = 0;
	if (below.n == 0)
		return true;
	while (str_next(&below, '.', &label)) {
		if (n == LABELS_MAX)
			return false;
		labels[n++] = label;
	}
	if (str_is(labels[n - 1], "svc"))
		return answer_below_svc(z, r, q, labels, n - 1);
	if (str_is(labels[n - 1], "pod"))
		return answer_below_pod(z, r, q, labels, n - 1);
	if (n == 1 && str_is(labels[0], "dns-version")) {
		if (q->type == DNS_TXT || q->type == DNS_ANY)
			add(r, DNS_TXT)->text = STR("1.1.0");
		return true;
	}
	return false;
}

// "4.3.2.1.in-addr.arpa" -> "1.2.3.4"
static struct str address_of_reverse(struct arena *a, struct str below)
{
	struct str parts[5];
	size_t n = 0;
	while (n < 5 && str_next(&below, '.', &parts[n]))
		n++;
	if (n != 4)
		return STR_NONE;
	return arena_fmt(a, "%.*s.%.*s.%.*s.%.*s", STR_FMT(parts[3]), STR_FMT(parts[2]), STR_FMT(parts[1]),
			 STR_FMT(parts[0]));
}

static bool answer_reverse(struct dns_zone *z, struct result *r, const struct dns_query *q, struct str below)
{
	struct str address = address_of_reverse(r->arena, below), namespace, name, host = STR_NONE;
	const char *service = map_get(&z->by_address, address), *headless = map_get(&z->by_endpoint, address);
	struct target t;
	if (!service && !headless)
		return false;
	str_cut(str_of(service ? service : headless), '/', &namespace, &name);
	if (!find_service(z, r->arena, name, namespace, &t))
		return false;
	for (size_t i = 0; !service && i < t.slice_count; i++)
		json_each(endpoint, json_at(t.slices[i], "endpoints"))
			if (str_eq(json_str(endpoint, "addresses.0"), address))
				host = host_of(r->arena, endpoint);
	if (q->type == DNS_PTR || q->type == DNS_ANY)
		add(r, DNS_PTR)->target = host.n ? name_of_endpoint(r->arena, &t, host) : t.full_name;
	return true;
}

// The part of `name` before ".suffix" (or all of it, empty); false where it does not end so.
static bool below_suffix(struct str name, struct str suffix, struct str *below)
{
	if (!str_ends(name, suffix))
		return false;
	*below = str_sub(name, 0, name.n - suffix.n);
	if (below->n == 0)
		return true;
	if (below->p[below->n - 1] != '.')
		return false;
	below->n--;
	return true;
}

bool dns_zone_answer(struct dns_zone *z, struct arena *a, const struct dns_query *q, struct dns_answer *out)
{
	struct result r = {.arena = a, .answer = out};
	struct str below;
	*out = (struct dns_answer){.authoritative = true, .recursion_available = true};
	if (below_suffix(q->name, STR("in-addr.arpa"), &below))
		return answer_reverse(z, &r, q, below);
	if (!below_suffix(q->name, z->name, &below))
		return false;
	if (!informer_synced(z->service_cache) || !informer_synced(z->slice_cache)) {
		out->code = DNS_FAILED; // not known yet is not the same as not there: ask again
		return true;
	}
	out->zone = z->name;
	if (!answer_in_zone(z, &r, q, below))
		out->code = DNS_NO_NAME;
	return true;
}
