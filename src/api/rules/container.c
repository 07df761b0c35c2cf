// SPDX-License-Identifier: Apache-2.0
// Containers: those that do the pod's work, those that run before or beside them, and those added for debugging.
#include "api/rules/pod.h"

// Ports

static void check_container_port(struct check *c, const struct path *p, const struct json *port, struct seen *names)
{
	struct str name = text_of(port, "name");
	size_t before = c->failures;
	if (name.n)
		check_format(c, AT(p, "name"), name, format_port_name);
	if (name.n && c->failures == before && seen_add(names, name))
		fail_duplicate(c, AT(p, "name"), field(port, "name"));
	if (!field(port, "containerPort"))
		fail_required(c, AT(p, "containerPort"), "says which port");
	else
		check_port(c, AT(p, "containerPort"), field(port, "containerPort"));
	if (field(port, "hostPort"))
		check_port(c, AT(p, "hostPort"), field(port, "hostPort"));
	ONE_OF(c, AT(p, "protocol"), field(port, "protocol"), "SCTP", "TCP", "UDP");
}

static void check_container_ports(struct check *c, const struct path *p, const struct json *ports)
{
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	size_t i = 0;
	json_each(port, ports)
		check_container_port(c, AT_INDEX(p, i++), port, &names);
}

// No two ports of the containers take the same port of the host; `taken` are those before.
static void check_host_ports(struct check *c, const struct path *p, const struct json *container, struct seen *taken)
{
	size_t i = 0;
	json_each(port, field(container, "ports")) {
		const struct path *at = AT_INDEX(AT(p, "ports"), i++);
		if (!field(port, "hostPort"))
			continue;
		struct str place = arena_fmt(c->arena, "%.*s/%.*s/%lld", STR_FMT(text_of(port, "protocol")),
					     STR_FMT(text_of(port, "hostIP")), (long long)json_i64(port, "hostPort", 0));
		if (seen_add(taken, place))
			fail_duplicate(c, AT(at, "hostPort"), json_string(c->arena, place));
	}
}

// What all containers share

static void check_resize_policy(struct check *c, const struct path *p, const struct json *policies,
				const struct json *spec)
{
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t i = 0;
	json_each(policy, policies) {
		struct str resource = text_of(policy, "resourceName"), restart = text_of(policy, "restartPolicy");
		if (seen_add(&known, resource))
			fail_duplicate(c, AT_INDEX(p, i), field(policy, "resourceName"));
		if (!resource.n)
			fail_required(c, p, "a resize policy names a resource");
		else
			ONE_OF(c, p, field(policy, "resourceName"), "cpu", "memory");
		if (!restart.n)
			fail_required(c, p, "a resize policy says whether to restart");
		else
			ONE_OF(c, p, field(policy, "restartPolicy"), "NotRequired", "RestartContainer");
		if (str_is(text_of(spec, "restartPolicy"), "Never") && !str_is(restart, "NotRequired"))
			fail_text(c, p, restart, "must be 'NotRequired' when the pod's restart policy is 'Never'");
		i++;
	}
}

static void check_container(struct check *c, const struct path *p, const struct json *container,
			    const struct pod_scope *pod)
{
	struct str name = text_of(container, "name"), image = text_of(container, "image");
	if (!name.n)
		fail_required(c, AT(p, "name"), "a container has a name");
	else
		check_format(c, AT(p, "name"), name, format_dns_label);
	if (!image.n)
		fail_required(c, AT(p, "image"), "a container is made from an image");
	else if (pod->is_pod && str_trim(image).n != image.n)
		fail_text(c, AT(p, "image"), image, "must not begin or end with a space");
	ONE_OF(c, AT(p, "terminationMessagePolicy"), field(container, "terminationMessagePolicy"), "File",
	       "FallbackToLogsOnError");
	check_container_ports(c, AT(p, "ports"), field(container, "ports"));
	check_env(c, AT(p, "env"), field(container, "env"));
	check_env_from(c, AT(p, "envFrom"), field(container, "envFrom"));
	check_container_volumes(c, p, container, pod);
	ONE_OF(c, AT(p, "imagePullPolicy"), field(container, "imagePullPolicy"), "Always", "IfNotPresent", "Never");
	check_container_resources(c, AT(p, "resources"), field(container, "resources"), pod);
	check_resize_policy(c, AT(p, "resizePolicy"), field(container, "resizePolicy"), pod->spec);
	check_container_security(c, AT(p, "securityContext"), field(container, "securityContext"), pod->spec);
}

// Restart policies of a container's own

enum { RESTART_RULES_MAX = 20, EXIT_CODES_MAX = 255 };

static void check_restart_rule(struct check *c, const struct path *p, const struct json *rule)
{
	const struct json *codes = field(rule, "exitCodes");
	const struct path *at = AT(p, "exitCodes");
	ONE_OF(c, AT(p, "action"), field(rule, "action"), "Restart", "RestartAllContainers");
	if (!codes) {
		fail_required(c, at, "says of which exit codes");
		return;
	}
	ONE_OF(c, AT(at, "operator"), field(codes, "operator"), "In", "NotIn");
	if (count_of(field(codes, "values")) > EXIT_CODES_MAX)
		fail_too_many(c, AT(at, "values"), count_of(field(codes, "values")), EXIT_CODES_MAX);
}

static void check_restart(struct check *c, const struct path *p, const struct json *container, bool is_init)
{
	const struct json *policy = field(container, "restartPolicy"), *rules = field(container, "restartPolicyRules");
	const struct path *at = AT(p, "restartPolicyRules");
	size_t i = 0;
	if (policy)
		ONE_OF(c, AT(p, "restartPolicy"), policy, "Always", "Never", "OnFailure");
	else if (count_of(rules))
		fail_required(c, AT(p, "restartPolicy"), "goes with restart rules");
	if (is_init && !policy)
		return;
	if (count_of(rules) > RESTART_RULES_MAX)
		fail_too_many(c, at, count_of(rules), RESTART_RULES_MAX);
	json_each(rule, rules)
		check_restart_rule(c, AT_INDEX(at, i++), rule);
}

// The three lists. `names` are those of all containers before.

static void check_name(struct check *c, const struct path *p, const struct json *container, struct seen *names)
{
	if (seen_add(names, text_of(container, "name")))
		fail_duplicate(c, AT(p, "name"), field(container, "name"));
}

static void check_work(struct check *c, const struct path *p, const struct pod_scope *pod, struct seen *names)
{
	const struct json *containers = field(pod->spec, "containers");
	struct seen host_ports CLEAN_SEEN;
	seen_init(&host_ports);
	size_t i = 0;
	if (!count_of(containers))
		fail_required(c, p, "a pod has a container");
	json_each(container, containers) {
		const struct path *at = AT_INDEX(p, i++);
		check_container(c, at, container, pod);
		check_restart(c, at, container, false);
		check_probes(c, at, container, pod);
		check_name(c, at, container, names);
		check_host_ports(c, at, container, &host_ports);
	}
}

// Containers that only prepare are neither probed nor told that they started.
static void check_preparing(struct check *c, const struct path *p, const struct json *container)
{
	static const char *const not_for_them[] = {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"};
	for (size_t i = 0; i < ARRAY_LEN(not_for_them); i++)
		if (field(container, not_for_them[i]))
			fail_forbidden(c, AT_STR(p, str_of(not_for_them[i])),
				       "only for init containers with `restartPolicy` Always");
	size_t i = 0;
	json_each(policy, field(container, "resizePolicy")) {
		const struct path *at = AT_INDEX(AT(p, "resizePolicy"), i++);
		if (str_is(text_of(policy, "restartPolicy"), "RestartContainer"))
			fail_invalid(c, AT(at, "restartPolicy"), field(policy, "restartPolicy"),
				     "a container that ends by itself is not restarted for a resize");
	}
}

static void check_init(struct check *c, const struct path *p, const struct pod_scope *pod, struct seen *names)
{
	size_t i = 0;
	json_each(container, field(pod->spec, "initContainers")) {
		const struct path *at = AT_INDEX(p, i++);
		struct seen host_ports CLEAN_SEEN; // each runs by itself
		seen_init(&host_ports);
		check_container(c, at, container, pod);
		check_restart(c, at, container, true);
		if (text_of(container, "name").n || seen_has(names, STR_NONE))
			check_name(c, at, container, names);
		check_host_ports(c, at, container, &host_ports);
		if (str_is(text_of(container, "restartPolicy"), "Always"))
			check_probes(c, at, container, pod);
		else
			check_preparing(c, at, container);
	}
}

static void check_debugger(struct check *c, const struct path *p, const struct json *container)
{
	static const char *const not_for_them[] = {
		"ports",	"livenessProbe", "readinessProbe",    "startupProbe", "lifecycle",
		"resizePolicy", "restartPolicy", "restartPolicyRules"};
	if (is_set(container, "resources"))
		fail_forbidden(c, AT(p, "resources"), "not for an ephemeral container");
	for (size_t i = 0; i < ARRAY_LEN(not_for_them); i++)
		if (field(container, not_for_them[i]))
			fail_forbidden(c, AT_STR(p, str_of(not_for_them[i])), "not for an ephemeral container");
	size_t i = 0;
	json_each(mount, field(container, "volumeMounts")) {
		const struct path *at = AT_INDEX(AT(p, "volumeMounts"), i++);
		if (text_of(mount, "subPath").n)
			fail_forbidden(c, AT(at, "subPath"), "not for an ephemeral container");
		if (text_of(mount, "subPathExpr").n)
			fail_forbidden(c, AT(at, "subPathExpr"), "not for an ephemeral container");
	}
}

static void check_debuggers(struct check *c, const struct path *p, const struct pod_scope *pod, struct seen *names)
{
	struct seen targets CLEAN_SEEN;
	seen_init(&targets);
	seen_add_all(&targets, field(pod->spec, "containers"), "name");
	seen_add_all(&targets, field(pod->spec, "initContainers"), "name");
	size_t i = 0;
	json_each(container, field(pod->spec, "ephemeralContainers")) {
		const struct path *at = AT_INDEX(p, i++);
		struct str target = text_of(container, "targetContainerName");
		check_container(c, at, container, pod);
		check_name(c, at, container, names);
		if (target.n && !seen_has(&targets, target))
			fail_not_found(c, AT(at, "targetContainerName"), field(container, "targetContainerName"));
		check_debugger(c, at, container);
	}
}

void check_containers(struct check *c, const struct path *spec, const struct pod_scope *pod)
{
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	check_work(c, AT(spec, "containers"), pod, &names);
	check_init(c, AT(spec, "initContainers"), pod, &names);
	if (is_set(pod->spec, "ephemeralContainers"))
		check_debuggers(c, AT(spec, "ephemeralContainers"), pod, &names);
}
