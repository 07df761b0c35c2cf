// SPDX-License-Identifier: Apache-2.0
// What the status of a pod may say, and which steps back it may not make.
#include "api/rules/pod.h"

#define STATUS AT(NULL, "status")

// Addresses

static void check_ips(struct check *c, const char *list)
{
	const struct path *p = AT_STR(STATUS, str_of(list));
	const struct json *ips = field(field(c->object, "status"), list);
	struct seen before CLEAN_SEEN;
	size_t i = 0, count[2] = {0};
	bool bad = false;
	seen_init(&before);
	seen_add_all(&before, field(field(c->old, "status"), list), "ip");
	json_each(ip, ips) {
		unsigned char bytes[16];
		struct str text = text_of(ip, "ip");
		size_t n = format_ip_bytes(text, bytes);
		if (!seen_has(&before, text))
			check_format(c, AT_INDEX(p, i), text, format_ip);
		bad = bad || n == 0;
		count[n == 16]++;
		i++;
	}
	if (i > 1 && bad)
		fail_internal(c, p, "an address can't be read");
	if (i > 1 && (bad || count[0] != 1 || count[1] != 1))
		fail_invalid(c, p, ips, "at most one address for each of IPv4 and IPv6");
}

static void check_host_ip(struct check *c)
{
	const struct json *status = field(c->object, "status"), *first = json_first(field(status, "hostIPs"));
	if (first && !str_eq(text_of(first, "ip"), text_of(status, "hostIP")))
		fail_invalid(c, AT(AT_INDEX(AT(STATUS, "hostIPs"), 0), "ip"), field(first, "ip"),
			     "must be equal to `hostIP`");
}

static void check_conditions(struct check *c)
{
	size_t i = 0;
	json_each(condition, json_at(c->object, "status.conditions")) {
		const struct path *at = AT_INDEX(AT(STATUS, "conditions"), i++);
		struct str type = text_of(condition, "type");
		check_not_negative(c, AT(at, "observedGeneration"), field(condition, "observedGeneration"));
		if (!IS_ONE_OF(type, "PodScheduled", "Ready", "Initialized"))
			check_format(c, AT(at, "Type"), type, format_qualified_name);
	}
}

static void check_nominated(struct check *c)
{
	const struct path *p = AT(STATUS, "nominatedNodeName");
	struct str now = json_str(c->object, "status.nominatedNodeName");
	if (!now.n || str_eq(now, json_str(c->old, "status.nominatedNodeName")))
		return;
	check_format(c, p, now, format_dns_subdomain);
	if (json_str(c->old, "spec.nodeName").n)
		fail_forbidden(c, p, "the pod is on a node already");
}

// Containers that have ended

static bool rule_matches(const struct json *rule, int64_t code)
{
	bool listed = false;
	json_each(value, json_at(rule, "exitCodes.values"))
		listed = listed || value->integer == code;
	return listed == str_is(json_str(rule, "exitCodes.operator"), "In");
}

static bool starts_again(const struct json *spec, const struct json *container, int64_t code)
{
	const struct json *own = field(container, "restartPolicy");
	struct str policy = own ? own->text : text_of(spec, "restartPolicy");
	if (own)
		json_each(rule, field(container, "restartPolicyRules"))
			if (rule_matches(rule, code))
				return true;
	return str_is(policy, "OnFailure") ? code != 0 : !str_is(policy, "Never");
}

static bool any_restarts_all(const struct json *spec)
{
	static const char *const lists[] = {"initContainers", "containers"};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_each(container, field(spec, lists[i]))
			json_each(rule, field(container, "restartPolicyRules"))
				if (str_is(text_of(rule, "action"), "RestartAllContainers"))
					return true;
	return false;
}

// What has ended and is not to be started again stays ended. `containers` is NULL for those that never start again.
static void check_ended(struct check *c, const char *list, const char *containers)
{
	const struct json *spec = field(c->old, "spec");
	const struct path *p = AT_STR(STATUS, str_of(list));
	struct index now CLEAN_INDEX, of CLEAN_INDEX;
	size_t i = 0;
	index_init(&now, field(field(c->object, "status"), list), "name");
	index_init(&of, containers ? field(spec, containers) : NULL, "name");
	if (containers && any_restarts_all(spec))
		return;
	json_each(before, field(field(c->old, "status"), list)) {
		const struct path *at = AT_INDEX(p, i++);
		const struct json *ended = json_at(before, "state.terminated");
		const struct json *after = index_get(&now, text_of(before, "name"));
		const struct json *container = index_get(&of, text_of(before, "name"));
		if (ended && after && !json_at(after, "state.terminated") &&
		    !(container && starts_again(spec, container, json_i64(ended, "exitCode", 0))))
			fail_forbidden(c, AT(at, "state"), "the container has ended for good");
	}
}

// What containers have of the node

static void check_id(struct check *c, const struct path *p, const struct json *id)
{
	check_range(c, p, id, 0, INT32_MAX);
}

static void check_user(struct check *c, const struct path *p, const struct json *user)
{
	const struct json *linux_user = field(user, "linux");
	struct str system = json_str(c->object, "spec.os.name");
	size_t i = 0;
	if (!linux_user)
		return;
	if (str_is(system, "windows")) {
		fail_forbidden(c, p, "not for a pod of windows");
		return;
	}
	check_id(c, AT(p, "uid"), field(linux_user, "uid"));
	check_id(c, AT(p, "gid"), field(linux_user, "gid"));
	json_each(group, field(linux_user, "supplementalGroups"))
		check_id(c, AT_INDEX(AT(p, "supplementalGroups"), i++), group);
}

// Whether the container asks for the resource, or has the claim: "claim:NAME/REQUEST".
static bool is_of_container(struct check *c, const struct json *container, struct str name)
{
	if (!str_starts(name, STR("claim:")))
		return json_get(json_at(container, "resources.requests"), name) != NULL;
	struct str claimed = str_from(name, sizeof "claim:" - 1);
	json_each(claim, json_at(container, "resources.claims")) {
		struct str request = text_of(claim, "request");
		struct str text = arena_fmt(c->arena, "%.*s%s%.*s", STR_FMT(text_of(claim, "name")),
					    request.n ? "/" : "", STR_FMT(request));
		if (str_eq(text, claimed))
			return true;
	}
	return false;
}

enum { HEALTH_MESSAGE_MAX = 1024 };

static void check_device_health(struct check *c, const struct path *p, const struct json *device, struct seen *ids)
{
	const struct json *message = field(device, "message");
	ONE_OF(c, AT(p, "health"), field(device, "health"), "Healthy", "Unhealthy", "Unknown");
	if (message && !message->text.n)
		fail_required(c, AT(p, "message"), "says something where it is given");
	else if (message && message->text.n > HEALTH_MESSAGE_MAX)
		fail_too_long(c, AT(p, "message"), HEALTH_MESSAGE_MAX);
	if (seen_add(ids, text_of(device, "resourceID")))
		fail_duplicate(c, AT(p, "resourceID"), field(device, "resourceID"));
}

static void check_allocated(struct check *c, const struct path *p, const struct json *allocated,
			    const struct json *container)
{
	struct seen ids CLEAN_SEEN;
	size_t i = 0;
	seen_init(&ids);
	if (container && !is_of_container(c, container, text_of(allocated, "name")))
		fail_invalid(c, AT(p, "name"), field(allocated, "name"), "the container does not ask for it");
	json_each(device, field(allocated, "resources"))
		check_device_health(c, AT_INDEX(AT(p, "resources"), i++), device, &ids);
}

static void check_statuses(struct check *c, const char *list, const char *containers)
{
	const struct path *p = AT_STR(STATUS, str_of(list));
	struct index of CLEAN_INDEX;
	size_t i = 0;
	index_init(&of, containers ? field(field(c->object, "spec"), containers) : NULL, "name");
	json_each(status, field(field(c->object, "status"), list)) {
		const struct path *at = AT_INDEX(p, i++), *all = AT(at, "allocatedResourcesStatus");
		size_t j = 0;
		check_user(c, AT(AT(at, "user"), "linux"), field(status, "user"));
		if (!containers && is_set(status, "allocatedResourcesStatus"))
			fail_forbidden(c, all, "such a container has no devices");
		else
			json_each(allocated, field(status, "allocatedResourcesStatus"))
				check_allocated(c, AT_INDEX(all, j++), allocated,
						index_get(&of, text_of(status, "name")));
	}
}

static void check_claims(struct check *c)
{
	struct seen known CLEAN_SEEN, claims CLEAN_SEEN;
	size_t i = 0;
	seen_init(&known);
	seen_init(&claims);
	seen_add_all(&claims, json_at(c->object, "spec.resourceClaims"), "name");
	json_each(status, json_at(c->object, "status.resourceClaimStatuses")) {
		const struct path *at = AT_INDEX(AT(STATUS, "resourceClaimStatuses"), i++);
		struct str name = text_of(status, "name");
		if (!seen_has(&claims, name))
			fail_text(c, AT(at, "name"), name, "the pod has no such claim");
		if (seen_add(&known, name))
			fail_duplicate(c, AT(at, "name"), json_string(c->arena, name));
		if (field(status, "resourceClaimName"))
			check_format(c, AT(at, "resourceClaimName"), text_of(status, "resourceClaimName"),
				     format_dns_subdomain);
	}
}

// The claim that was made for what containers request of vendors' resources

struct mappings {
	const struct path *path; // of the status
	struct index containers, preparing;
	struct seen known;
};

static void check_mapping(struct check *c, const struct path *at, const struct json *mapping, struct mappings *all)
{
	static const char *const names[] = {"containerName", "resourceName", "requestName"};
	struct str name = text_of(mapping, "containerName"), resource = text_of(mapping, "resourceName");
	const struct json *container = index_get(&all->containers, name);
	if (!container)
		container = index_get(&all->preparing, name);
	if (!container)
		fail_text(c, AT(at, "containerName"), name, "the pod has no such container");
	else if (!json_get(json_at(container, "resources.requests"), resource))
		fail_text(c, AT(at, "resourceName"), resource, "the container does not request it");
	check_format(c, AT(all->path, "requestName"), text_of(mapping, "requestName"), format_dns_label);
	if (seen_add(&all->known, arena_fmt(c->arena, "%.*s %.*s %.*s", STR_FMT(name), STR_FMT(resource),
					    STR_FMT(text_of(mapping, "requestName")))))
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			fail_duplicate(c, AT_STR(at, str_of(names[i])), field(mapping, names[i]));
}

static void mappings_init(struct mappings *all, const struct path *p, const struct json *spec)
{
	all->path = p;
	index_init(&all->containers, field(spec, "containers"), "name");
	index_init(&all->preparing, field(spec, "initContainers"), "name");
	seen_init(&all->known);
}

static void mappings_finish(struct mappings *all)
{
	index_finish(&all->containers);
	index_finish(&all->preparing);
	seen_finish(&all->known);
}

static void check_extended(struct check *c)
{
	const struct path *p = AT(STATUS, "extendedResourceClaimStatus"), *at = AT(p, "requestMappings");
	const struct json *status = json_at(c->object, "status.extendedResourceClaimStatus");
	struct str claim = text_of(status, "resourceClaimName");
	struct mappings all __attribute__((cleanup(mappings_finish)));
	size_t i = 0;
	mappings_init(&all, p, field(c->object, "spec"));
	if (!status)
		return;
	if (!is_set(status, "requestMappings"))
		fail_required(c, at, "at least one is needed");
	json_each(mapping, field(status, "requestMappings"))
		check_mapping(c, AT_INDEX(at, i++), mapping, &all);
	if (!claim.n)
		fail_required(c, AT(p, "resourceClaimName"), "says which claim");
	else
		check_format(c, AT(p, "resourceClaimName"), claim, format_dns_subdomain);
}

void rules_pod_status(struct check *c)
{
	check_pod_annotations(c, AT(AT(NULL, "metadata"), "annotations"), c->object, c->old);
	check_kept_annotations(c);
	check_conditions(c);
	check_nominated(c);
	check_not_negative(c, AT(STATUS, "observedGeneration"), json_at(c->object, "status.observedGeneration"));
	check_immutable(c, AT(STATUS, "qosClass"), json_at(c->object, "status.qosClass"),
			json_at(c->old, "status.qosClass"));
	check_ended(c, "containerStatuses", "containers");
	check_ended(c, "initContainerStatuses", "initContainers");
	check_ended(c, "ephemeralContainerStatuses", NULL);
	check_claims(c);
	check_extended(c);
	check_ips(c, "podIPs");
	check_host_ip(c);
	check_ips(c, "hostIPs");
	check_statuses(c, "containerStatuses", "containers");
	check_statuses(c, "initContainerStatuses", "initContainers");
	check_statuses(c, "ephemeralContainerStatuses", NULL);
}
