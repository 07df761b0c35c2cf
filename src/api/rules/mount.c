// SPDX-License-Identifier: Apache-2.0
// What of a pod's volumes a container sees: mounts and devices.
#include "api/rules/pod.h"

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

// The places that a container's mounts and devices take, and the volumes that are its devices.
struct places {
	struct seen mounts, devices; // paths
	struct seen mounted, device_volumes;
};

static void places_init(struct places *t, const struct json *container)
{
	seen_init(&t->mounts);
	seen_init(&t->mounted);
	seen_init(&t->devices);
	seen_init(&t->device_volumes);
	seen_add_all(&t->devices, field(container, "volumeDevices"), "devicePath");
	seen_add_all(&t->mounted, field(container, "volumeMounts"), "name");
	seen_add_all(&t->device_volumes, field(container, "volumeDevices"), "name");
}

static void places_finish(struct places *t)
{
	seen_finish(&t->mounts);
	seen_finish(&t->mounted);
	seen_finish(&t->devices);
	seen_finish(&t->device_volumes);
}

static void check_place(struct check *c, const struct path *p, const struct json *mount, struct places *places)
{
	struct str name = text_of(mount, "name"), path = text_of(mount, "mountPath");
	if (!path.n)
		fail_required(c, AT(p, "mountPath"), "says where");
	if (seen_add(&places->mounts, path))
		fail_text(c, AT(p, "mountPath"), path, "another mount is there");
	if (seen_has(&places->device_volumes, name))
		fail_text(c, AT(p, "name"), name, "the volume is used as a device too");
	if (seen_has(&places->devices, path))
		fail_text(c, AT(p, "mountPath"), path, "a device is there");
}

// The part of the volume that is mounted; told of the list, without the index.
static void check_part(struct check *c, const struct path *list, const struct path *p, const struct json *mount)
{
	struct str part = text_of(mount, "subPath"), expression = text_of(mount, "subPathExpr");
	if (part.n)
		check_descending_path(c, AT(list, "subPath"), part);
	if (part.n && expression.n)
		fail_text(c, AT(p, "subPathExpr"), expression, "subPath and subPathExpr can't be combined");
	if (expression.n)
		check_descending_path(c, AT(list, "subPathExpr"), expression);
}

static void check_mounts(struct check *c, const struct path *list, const struct json *container,
			 const struct pod_scope *pod, struct places *places)
{
	size_t i = 0;
	json_each(mount, field(container, "volumeMounts")) {
		const struct path *p = AT_INDEX(list, i++);
		struct str name = text_of(mount, "name");
		if (!name.n)
			fail_required(c, AT(p, "name"), "says which volume");
		if (!seen_has(&pod->volumes, name))
			fail_not_found(c, AT(p, "name"), json_string(c->arena, name));
		check_place(c, p, mount, places);
		check_part(c, list, p, mount);
		check_propagation(c, list, field(mount, "mountPropagation"), container);
		check_recursive(c, list, mount);
	}
}

static void check_device_path(struct check *c, const struct path *p, struct str path, struct seen *paths,
			      struct places *places)
{
	if (!path.n)
		fail_required(c, p, "says where");
	if (seen_has(paths, path))
		fail_text(c, p, path, "another device is there");
	if (path_climbs(path))
		fail_text(c, p, path, "must not contain '..'");
	else
		seen_add(paths, path);
	if (seen_has(&places->mounts, path))
		fail_text(c, p, path, "a mount is there");
}

static void check_device(struct check *c, const struct path *p, const struct json *device, const struct pod_scope *pod,
			 struct seen *names, struct places *places)
{
	struct str name = text_of(device, "name");
	if (!name.n)
		fail_required(c, AT(p, "name"), "says which volume");
	else if (seen_add(names, name))
		fail_text(c, AT(p, "name"), name, "the volume is a device already");
	if (!seen_has(&pod->volumes, name))
		fail_not_found(c, AT(p, "name"), json_string(c->arena, name));
	else if (!seen_has(&pod->claimed, name))
		fail_text(c, AT(p, "name"), name, "only claims of storage can be devices");
	if (seen_has(&places->mounted, name))
		fail_text(c, AT(p, "name"), name, "the volume is mounted too");
}

void check_container_volumes(struct check *c, const struct path *p, const struct json *container,
			     const struct pod_scope *pod)
{
	struct places places __attribute__((cleanup(places_finish)));
	struct seen names CLEAN_SEEN, paths CLEAN_SEEN;
	size_t i = 0;
	places_init(&places, container);
	seen_init(&names);
	seen_init(&paths);
	check_mounts(c, AT(p, "volumeMounts"), container, pod, &places);
	json_each(device, field(container, "volumeDevices")) {
		const struct path *at = AT_INDEX(AT(p, "volumeDevices"), i++);
		check_device(c, at, device, pod, &names, &places);
		check_device_path(c, AT(at, "devicePath"), text_of(device, "devicePath"), &paths, &places);
	}
}
