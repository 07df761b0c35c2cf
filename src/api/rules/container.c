// SPDX-License-Identifier: Apache-2.0
// Containers: those that do the pod's work, those that run before or beside them, and those added for debugging.
#include "api/rules/pod.h"

// Ports

static void check_container_port(struct check *c, const struct path *p, const struct json *ports,
				 const struct json *port)
{
	struct str name = text_of(port, "name");
	size_t before = c->failures;
	if (name.n)
		check_format(c, AT(p, "name"), name, format_port_name);
	json_each(other, ports) {
		if (other == port || !name.n || c->failures != before)
			break;
		if (same_field(other, port, "name"))
			fail_duplicate(c, AT(p, "name"), field(port, "name"));
	}
	if (!field(port, "containerPort"))
		fail_required(c, AT(p, "containerPort"), "says which port");
	else
		check_port(c, AT(p, "containerPort"), field(port, "containerPort"));
	if (field(port, "hostPort"))
		check_port(c, AT(p, "hostPort"), field(port, "hostPort"));
	if (text_of(port, "hostIP").n)
		check_format(c, AT(p, "hostIP"), text_of(port, "hostIP"), format_ip);
	ONE_OF(c, AT(p, "protocol"), field(port, "protocol"), "SCTP", "TCP", "UDP");
}

static void check_container_ports(struct check *c, const struct path *p, const struct json *ports)
{
	size_t i = 0;
	json_each(port, ports)
		check_container_port(c, AT_INDEX(p, i++), ports, port);
}

static bool clash(const struct json *a, const struct json *b)
{
	return field(a, "hostPort") && same_field(a, b, "hostPort") && same_field(a, b, "protocol") &&
	       str_eq(text_of(a, "hostIP"), text_of(b, "hostIP"));
}

// Whether a port before `port`, in this list of containers, takes the same port of the host.
static bool is_host_port_taken(const struct json *containers, const struct json *port)
{
	json_each(container, containers)
		json_each(other, field(container, "ports")) {
			if (other == port)
				return false;
			if (clash(other, port))
				return true;
		}
	return false;
}

static void check_host_ports(struct check *c, const struct path *p, const struct json *containers)
{
	size_t i = 0;
	json_each(container, containers) {
		const struct path *ports = AT(AT_INDEX(p, i++), "ports");
		size_t j = 0;
		json_each(port, field(container, "ports")) {
			if (is_host_port_taken(containers, port))
				fail_duplicate(c, AT(AT_INDEX(ports, j), "hostPort"), field(port, "hostPort"));
			j++;
		}
	}
}

// Mounts

static bool has_volume(const struct pod_scope *pod, struct str name)
{
	for (size_t i = 0; i < pod->volume_count; i++)
		if (str_eq(text_of(pod->volumes[i], "name"), name))
			return true;
	return false;
}

static bool has_before(const struct json *list, const struct json *element, const char *name)
{
	json_each(other, list) {
		if (other == element)
			return false;
		if (same_field(other, element, name))
			return true;
	}
	return false;
}

static void check_propagation(struct check *c, const struct path *p, const struct json *mode,
			      const struct json *container)
{
	const struct path *at = AT(p, "mountPropagation");
	if (!mode)
		return;
	ONE_OF(c, at, mode, "Bidirectional", "HostToContainer", "None");
	if (str_is(mode->text, "Bidirectional") && !json_is_true(container, "securityContext.privileged"))
		fail_forbidden(c, at, "only privileged containers have bidirectional propagation");
}

static void check_recursive(struct check *c, const struct path *p, const struct json *mount)
{
	const struct json *mode = field(mount, "recursiveReadOnly");
	const struct path *at = AT(p, "recursiveReadOnly");
	if (!mode || !ONE_OF(c, at, mode, "Disabled", "Enabled", "IfPossible") || str_is(mode->text, "Disabled"))
		return;
	if (!is_true(mount, "readOnly"))
		fail_forbidden(c, at, "only for mounts with `readOnly` true");
	if (!IS_ONE_OF(text_of(mount, "mountPropagation"), "", "None"))
		fail_forbidden(c, at, "only for mounts with `mountPropagation` None");
}

// `p` is the list; the paths below a volume, and the propagation, are told of it without the index.
static void check_mount(struct check *c, const struct path *p, size_t i, const struct json *mount,
			const struct json *container, const struct pod_scope *pod)
{
	const struct path *at = AT_INDEX(p, i);
	struct str name = text_of(mount, "name"), path = text_of(mount, "mountPath");
	struct str sub = text_of(mount, "subPath"), expression = text_of(mount, "subPathExpr");
	if (!name.n)
		fail_required(c, AT(at, "name"), "says which volume");
	if (!has_volume(pod, name))
		fail_not_found(c, AT(at, "name"), json_string(c->arena, name));
	if (!path.n)
		fail_required(c, AT(at, "mountPath"), "says where");
	if (has_before(field(container, "volumeMounts"), mount, "mountPath"))
		fail_text(c, AT(at, "mountPath"), path, "another mount is there");
	json_each(device, field(container, "volumeDevices")) {
		if (str_eq(text_of(device, "name"), name))
			fail_text(c, AT(at, "name"), name, "the volume is used as a device too");
		if (str_eq(text_of(device, "devicePath"), path))
			fail_text(c, AT(at, "mountPath"), path, "a device is there");
	}
	if (sub.n)
		check_descending_path(c, AT(p, "subPath"), sub);
	if (sub.n && expression.n)
		fail_text(c, AT(at, "subPathExpr"), expression, "subPath and subPathExpr can't be combined");
	if (expression.n)
		check_descending_path(c, AT(p, "subPathExpr"), expression);
	check_propagation(c, p, field(mount, "mountPropagation"), container);
	check_recursive(c, at, mount);
}

static void check_devices(struct check *c, const struct path *p, const struct json *devices,
			  const struct pod_scope *pod)
{
	size_t i = 0;
	json_each(device, devices) {
		const struct path *at = AT_INDEX(p, i++);
		struct str name = text_of(device, "name"), path = text_of(device, "devicePath");
		if (!name.n)
			fail_required(c, AT(at, "name"), "says which volume");
		else if (has_before(devices, device, "name"))
			fail_text(c, AT(at, "name"), name, "the volume is a device already");
		else if (!has_volume(pod, name))
			fail_not_found(c, AT(at, "name"), field(device, "name"));
		if (!path.n)
			fail_required(c, AT(at, "devicePath"), "says where");
		else if (has_before(devices, device, "devicePath"))
			fail_text(c, AT(at, "devicePath"), path, "another device is there");
		else
			check_format(c, AT(at, "devicePath"), path, format_local_path);
	}
}

// What all containers share

static void check_resize_policy(struct check *c, const struct path *p, const struct json *policies,
				const struct json *spec)
{
	size_t i = 0;
	json_each(policy, policies) {
		struct str resource = text_of(policy, "resourceName"), restart = text_of(policy, "restartPolicy");
		if (has_before(policies, policy, "resourceName"))
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
	else if (str_trim(image).n != image.n)
		fail_text(c, AT(p, "image"), image, "must not begin or end with a space");
	ONE_OF(c, AT(p, "terminationMessagePolicy"), field(container, "terminationMessagePolicy"), "File",
	       "FallbackToLogsOnError");
	check_container_ports(c, AT(p, "ports"), field(container, "ports"));
	check_env(c, AT(p, "env"), field(container, "env"));
	check_env_from(c, AT(p, "envFrom"), field(container, "envFrom"));
	size_t i = 0;
	json_each(mount, field(container, "volumeMounts"))
		check_mount(c, AT(p, "volumeMounts"), i++, mount, container, pod);
	check_devices(c, AT(p, "volumeDevices"), field(container, "volumeDevices"), pod);
	ONE_OF(c, AT(p, "imagePullPolicy"), field(container, "imagePullPolicy"), "Always", "IfNotPresent", "Never");
	check_container_resources(c, AT(p, "resources"), field(container, "resources"));
	check_resize_policy(c, AT(p, "resizePolicy"), field(container, "resizePolicy"), pod->spec);
	check_container_security(c, AT(p, "securityContext"), field(container, "securityContext"), pod->spec);
	if (field(container, "restartPolicy"))
		ONE_OF(c, AT(p, "restartPolicy"), field(container, "restartPolicy"), "Always", "Never", "OnFailure");
}

// The three lists

static bool has_name(const struct json *containers, struct str name)
{
	json_each(container, containers)
		if (str_eq(text_of(container, "name"), name))
			return true;
	return false;
}

static void check_work(struct check *c, const struct path *p, const struct pod_scope *pod)
{
	const struct json *containers = field(pod->spec, "containers");
	size_t i = 0;
	if (!count_of(containers))
		fail_required(c, p, "a pod has a container");
	json_each(container, containers) {
		const struct path *at = AT_INDEX(p, i++);
		check_container(c, at, container, pod);
		check_probes(c, at, container, pod);
		if (has_before(containers, container, "name") && text_of(container, "name").n)
			fail_duplicate(c, AT(at, "name"), field(container, "name"));
	}
	check_host_ports(c, p, containers);
}

// Containers that only prepare are neither probed nor told that they started.
static void check_preparing(struct check *c, const struct path *p, const struct json *container)
{
	static const char *const not_for_them[] = {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"};
	for (size_t i = 0; i < ARRAY_LEN(not_for_them); i++)
		if (field(container, not_for_them[i]))
			fail_forbidden(c, AT_STR(p, str_of(not_for_them[i])),
				       "only for init containers with `restartPolicy` Always");
}

static void check_init(struct check *c, const struct path *p, const struct pod_scope *pod)
{
	const struct json *containers = field(pod->spec, "initContainers");
	size_t i = 0;
	json_each(container, containers) {
		const struct path *at = AT_INDEX(p, i++);
		struct str name = text_of(container, "name");
		struct json alone = {.type = JSON_ARRAY, .count = 1}, copy = *container; // each runs by itself
		check_container(c, at, container, pod);
		if (name.n &&
		    (has_name(field(pod->spec, "containers"), name) || has_before(containers, container, "name")))
			fail_duplicate(c, AT(at, "name"), field(container, "name"));
		copy.next = NULL;
		alone.first = alone.last = &copy;
		check_host_ports(c, p, &alone);
		if (str_is(text_of(container, "restartPolicy"), "Always"))
			check_probes(c, at, container, pod);
		else
			check_preparing(c, at, container);
	}
}

static void check_debugging(struct check *c, const struct path *p, const struct pod_scope *pod)
{
	static const char *const not_for_them[] = {"ports",	 "livenessProbe", "readinessProbe", "startupProbe",
						   "lifecycle", "resources",	 "resizePolicy",   "restartPolicy"};
	const struct json *containers = field(pod->spec, "ephemeralContainers");
	size_t i = 0;
	json_each(container, containers) {
		const struct path *at = AT_INDEX(p, i++);
		struct str name = text_of(container, "name"), target = text_of(container, "targetContainerName");
		check_container(c, at, container, pod);
		if (name.n &&
		    (has_name(field(pod->spec, "containers"), name) || has_before(containers, container, "name") ||
		     has_name(field(pod->spec, "initContainers"), name)))
			fail_duplicate(c, AT(at, "name"), field(container, "name"));
		if (target.n && !has_name(field(pod->spec, "containers"), target) &&
		    !has_name(field(pod->spec, "initContainers"), target))
			fail_not_found(c, AT(at, "targetContainerName"), field(container, "targetContainerName"));
		for (size_t k = 0; k < ARRAY_LEN(not_for_them); k++)
			if (is_set(container, not_for_them[k]))
				fail_forbidden(c, AT_STR(at, str_of(not_for_them[k])),
					       "not for an ephemeral container");
		size_t j = 0;
		json_each(mount, field(container, "volumeMounts")) {
			const struct path *m = AT_INDEX(AT(at, "volumeMounts"), j++);
			if (text_of(mount, "subPath").n)
				fail_forbidden(c, AT(m, "subPath"), "not for an ephemeral container");
			if (text_of(mount, "subPathExpr").n)
				fail_forbidden(c, AT(m, "subPathExpr"), "not for an ephemeral container");
		}
	}
}

void check_containers(struct check *c, const struct path *spec, const struct pod_scope *pod)
{
	check_work(c, AT(spec, "containers"), pod);
	check_init(c, AT(spec, "initContainers"), pod);
	check_debugging(c, AT(spec, "ephemeralContainers"), pod);
}
