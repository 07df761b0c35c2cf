// SPDX-License-Identifier: Apache-2.0
#include "controllers/backends.h"

#include "client/scan.h"

// ---- ports

static int64_t port_named(const struct json *containers, struct str name, struct str protocol, bool sidecars_only)
{
	json_each(container, containers) {
		if (sidecars_only && !json_str_is(container, "restartPolicy", "Always"))
			continue;
		json_each(port, json_get(container, STR("ports"))) {
			struct str known = json_str(port, "protocol");
			if (str_eq(json_str(port, "name"), name) &&
			    str_eq(str_empty(known) ? STR("TCP") : known, protocol))
				return json_i64(port, "containerPort", 0);
		}
	}
	return 0;
}

// The pod's number for the Service's port; 0: it has none.
static int64_t target_port(struct arena *a, const struct json *port, struct str protocol, const struct pod *pod,
			   struct json **parsed)
{
	const struct json *target = json_get(port, STR("targetPort"));
	if (!target || (target->type == JSON_INT && target->integer == 0))
		return json_i64(port, "port", 0);
	if (target->type == JSON_INT)
		return target->integer;
	if (!*parsed)
		*parsed = pod_parse(a, pod);
	int64_t number = port_named(json_at(*parsed, "spec.containers"), target->text, protocol, false);
	return number ? number : port_named(json_at(*parsed, "spec.initContainers"), target->text, protocol, true);
}

static struct json *ports_of(struct arena *a, const struct json *service, const struct pod *pod)
{
	struct json *ports = json_array(a), *parsed = NULL;
	json_each(port, json_at(service, "spec.ports")) {
		struct str protocol = json_str(port, "protocol");
		if (str_empty(protocol))
			protocol = STR("TCP");
		int64_t number = target_port(a, port, protocol, pod, &parsed);
		if (number == 0)
			continue;
		struct json *out = json_push(ports, json_object(a));
		json_put_str(a, out, "name", json_str(port, "name"));
		json_put_str(a, out, "protocol", protocol);
		json_put_int(a, out, "port", number);
		if (!str_empty(json_str(port, "appProtocol")))
			json_put_str(a, out, "appProtocol", json_str(port, "appProtocol"));
	}
	return ports;
}

// ---- pods

static bool is_of_family(struct str ip, struct str family)
{
	return (str_find(ip, ':') >= 0) == str_is(family, "IPv6");
}

static struct str ip_of(const struct pod *pod, struct str family)
{
	if (!str_empty(pod->ip) && is_of_family(pod->ip, family))
		return pod->ip;
	struct str all = scan_get(scan_get(pod->object->text, "status"), "podIPs"), one;
	while (scan_element(&all, &one)) {
		struct str ip = scan_get_str(one, "ip");
		if (!str_empty(ip) && is_of_family(ip, family))
			return ip;
	}
	return STR_NONE;
}

static int compare_backends(const void *left, const void *right)
{
	const struct backend *x = left, *y = right;
	int order = str_cmp(x->ip, y->ip);
	return order ? order : str_cmp(x->pod->uid, y->pod->uid);
}

struct backends backends_of(struct arena *a, const struct json *service, struct pod_list pods, struct str family)
{
	struct backends all = {ARENA_ARRAY(a, struct backend, pods.n + 1), 0};
	bool unready_too = json_is_true(service, "spec.publishNotReadyAddresses");
	struct str name = json_str(service, "metadata.name");
	for (size_t i = 0; i < pods.n; i++) {
		const struct pod *pod = pods.p[i];
		struct str ip = ip_of(pod, family);
		if (str_empty(ip) || pod_terminal(pod))
			continue;
		all.p[all.n++] = (struct backend){
			.pod = pod,
			.ip = ip,
			.ports = ports_of(a, service, pod),
			.ready = unready_too || (pod->ready && !pod->deleting),
			.serving = pod->ready,
			.terminating = pod->deleting,
			.named = !str_empty(pod->hostname) && str_eq(pod->subdomain, name),
		};
	}
	qsort(all.p, all.n, sizeof *all.p, compare_backends);
	return all;
}

// ---- groups

static int compare_groups(const void *left, const void *right)
{
	const struct backend_group *x = left, *y = right;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	return str_cmp(json_text(&a, x->ports), json_text(&a, y->ports));
}

static struct backend_group *group_for(struct backend_group *groups, size_t count, const struct json *ports)
{
	for (size_t i = 0; i < count; i++) {
		if (json_equal(groups[i].ports, ports))
			return &groups[i];
	}
	return NULL;
}

size_t backends_group(struct arena *a, struct backends all, struct backend_group **out)
{
	struct backend_group *groups = NULL;
	size_t count = 0, room = 0;
	for (size_t i = 0; i < all.n; i++) {
		struct backend_group *g = group_for(groups, count, all.p[i].ports);
		if (!g) {
			if (count == room) { // seldom more than one
				struct backend_group *more = ARENA_ARRAY(a, struct backend_group, room * 2 + 2);
				if (count)
					memcpy(more, groups, count * sizeof *more);
				groups = more;
				room = room * 2 + 2;
			}
			g = &groups[count++];
			*g = (struct backend_group){all.p[i].ports, {ARENA_ARRAY(a, struct backend, all.n), 0}};
		}
		g->members.p[g->members.n++] = all.p[i];
	}
	if (count > 1)
		qsort(groups, count, sizeof *groups, compare_groups);
	*out = groups;
	return count;
}
