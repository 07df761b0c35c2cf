// SPDX-License-Identifier: Apache-2.0
// Environment variables, and the downward API that they and volumes take texts from.
#include "api/quantity.h"
#include "api/rules/pod.h"

static bool is_known_field(struct str path)
{
	return IS_ONE_OF(path, "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
			 "metadata.uid", "spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName",
			 "spec.schedulerName", "status.phase", "status.hostIP", "status.hostIPs", "status.podIP",
			 "status.podIPs", "spec.host");
}

// "metadata.labels['key']": *key gets the key. False when the path has no such ending.
static bool cut_subscript(struct str path, struct str *before, struct str *key)
{
	ptrdiff_t open = str_find(path, '[');
	if (open < 0 || !str_ends(path, STR("']")) || !str_starts(str_from(path, (size_t)open), STR("['")))
		return false;
	*before = str_sub(path, 0, (size_t)open);
	*key = str_sub(path, (size_t)open + 2, path.n - (size_t)open - 4);
	return true;
}

static void check_subscript(struct check *c, const struct path *p, struct str path, struct str key)
{
	if (str_is(path, "metadata.annotations"))
		check_lower_format(c, p, key, format_qualified_name);
	else if (str_is(path, "metadata.labels"))
		check_format(c, p, key, format_qualified_name);
	else
		fail_text(c, AT(p, "fieldPath"), path, "has no keys to choose from");
}

void check_field_ref(struct check *c, const struct path *p, const struct json *ref, bool in_volume)
{
	static const char *const volume_fields[] = {"metadata.annotations", "metadata.labels", "metadata.name",
						    "metadata.namespace", "metadata.uid", NULL};
	static const char *const env_fields[] = {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
						 "spec.serviceAccountName", "status.hostIP", "status.hostIPs",
						 "status.podIP", "status.podIPs", NULL};
	struct str version = text_of(ref, "apiVersion"), path = text_of(ref, "fieldPath"), before, key;
	const struct path *at = AT(p, "fieldPath");
	if (!version.n)
		fail_required(c, AT(p, "apiVersion"), "says how the field is named");
	else if (!path.n)
		fail_required(c, at, "says which field");
	else if (!str_is(version, "v1"))
		fail_text(c, at, path, "pods have no version \"%.*s\"", STR_FMT(version));
	else if (cut_subscript(path, &before, &key))
		check_subscript(c, p, before, key);
	else if (!is_known_field(path))
		fail_text(c, at, path, "no such field can be taken from a pod");
	else
		check_one_of(c, at, field(ref, "fieldPath"), in_volume ? volume_fields : env_fields);
}

static void check_divisor(struct check *c, const struct path *p, struct str resource, const struct json *divisor)
{
	struct quantity q;
	bool cpu = IS_ONE_OF(resource, "limits.cpu", "requests.cpu");
	bool bytes = IS_ONE_OF(resource, "limits.memory", "requests.memory", "limits.ephemeral-storage",
			       "requests.ephemeral-storage") || str_contains(resource, STR(".hugepages-"));
	if (quantity_of(divisor, &q) || q.nano == 0 || (!cpu && !bytes))
		return;
	struct str text = quantity_text(c->arena, q);
	bool good = cpu ? IS_ONE_OF(text, "1m", "1")
			: IS_ONE_OF(text, "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi",
				    "1Ei");
	if (!good)
		fail_text(c, AT(p, "divisor"), text, cpu ? "for cpu use 1m or 1" : "use 1 with a suffix, or 1");
}

void check_resource_ref(struct check *c, const struct path *p, const struct json *ref, bool in_volume)
{
	static const char *const resources[] = {"limits.cpu",
						"limits.ephemeral-storage",
						"limits.memory",
						"requests.cpu",
						"requests.ephemeral-storage",
						"requests.memory",
						NULL};
	struct str resource = text_of(ref, "resource");
	bool huge = str_starts(resource, STR("limits.hugepages-")) || str_starts(resource, STR("requests.hugepages-"));
	if (in_volume && !text_of(ref, "containerName").n)
		fail_required(c, AT(p, "containerName"), "says whose resource");
	else if (!resource.n)
		fail_required(c, AT(p, "resource"), "says which resource");
	else if (!huge)
		check_one_of(c, AT(p, "resource"), field(ref, "resource"), resources);
	check_divisor(c, p, resource, field(ref, "divisor"));
}

// A key of a ConfigMap or Secret.
static void check_key_ref(struct check *c, const struct path *p, const struct json *ref)
{
	check_format(c, AT(p, "name"), text_of(ref, "name"), format_dns_subdomain);
	if (text_of(ref, "key").n)
		check_format(c, AT(p, "key"), text_of(ref, "key"), format_config_key);
	else
		fail_required(c, AT(p, "key"), "says which key");
}

static void check_file_ref(struct check *c, const struct path *p, const struct json *ref)
{
	struct str key = text_of(ref, "key"), volume = text_of(ref, "volumeName"), path = text_of(ref, "path");
	if (!key.n)
		fail_required(c, AT(p, "key"), "says which variable of the file");
	else
		check_format(c, AT(p, "key"), key, format_env_name);
	if (!volume.n)
		fail_required(c, AT(p, "volumeName"), "says in which volume the file is");
	else
		check_format(c, AT(p, "volumeName"), volume, format_dns_label);
	if (!path.n)
		fail_required(c, AT(p, "path"), "says which file");
	else if (path_climbs(path))
		fail_text(c, AT(p, "path"), path, "must not contain '..'");
}

static void check_value_from(struct check *c, const struct path *p, const struct json *variable)
{
	const struct json *from = field(variable, "valueFrom");
	if (!from)
		return;
	if (field(from, "fieldRef"))
		check_field_ref(c, AT(p, "fieldRef"), field(from, "fieldRef"), false);
	if (field(from, "resourceFieldRef"))
		check_resource_ref(c, AT(p, "resourceFieldRef"), field(from, "resourceFieldRef"), false);
	if (field(from, "configMapKeyRef"))
		check_key_ref(c, AT(p, "configMapKeyRef"), field(from, "configMapKeyRef"));
	if (field(from, "secretKeyRef"))
		check_key_ref(c, AT(p, "secretKeyRef"), field(from, "secretKeyRef"));
	if (field(from, "fileKeyRef"))
		check_file_ref(c, AT(p, "fileKeyRef"), field(from, "fileKeyRef"));
	if (from->count == 0)
		fail_text(
			c, p, STR(""),
			"one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef and fileKeyRef is needed");
	else if (text_of(variable, "value").n)
		fail_text(c, p, STR(""), "may not be given together with `value`");
	else if (from->count > 1)
		fail_text(c, p, STR(""), "only one source may be given");
}

void check_env(struct check *c, const struct path *p, const struct json *env)
{
	size_t i = 0;
	json_each(variable, env) {
		const struct path *at = AT_INDEX(p, i++);
		if (text_of(variable, "name").n)
			check_format(c, AT(at, "name"), text_of(variable, "name"), format_env_name);
		else
			fail_required(c, AT(at, "name"), "a variable has a name");
		check_value_from(c, AT(at, "valueFrom"), variable);
	}
}

static void check_env_file(struct check *c, const struct path *p, const struct json *container, void *volumes)
{
	size_t i = 0;
	json_each(variable, field(container, "env")) {
		const struct path *at = AT(AT(AT_INDEX(AT(p, "env"), i++), "valueFrom"), "fileKeyRef");
		const struct json *ref = json_at(variable, "valueFrom.fileKeyRef"), *volume;
		struct str name = text_of(ref, "volumeName");
		if (!ref)
			continue;
		volume = index_get(volumes, name);
		if (!volume)
			fail_not_found(c, AT(at, "volumeName"), json_string(c->arena, name));
		else if (!field(volume, "emptyDir"))
			fail_text(c, AT(at, "volumeName"), name, "must be an emptyDir");
	}
}

void check_env_files(struct check *c, const struct path *p, const struct json *spec)
{
	struct index volumes CLEAN_INDEX;
	index_init(&volumes, field(spec, "volumes"), "name");
	each_container(c, p, spec, check_env_file, &volumes);
}

static void check_source(struct check *c, const struct path *p, const struct json *ref)
{
	if (text_of(ref, "name").n)
		check_format(c, AT(p, "name"), text_of(ref, "name"), format_dns_subdomain);
	else
		fail_required(c, AT(p, "name"), "says which object");
}

void check_env_from(struct check *c, const struct path *p, const struct json *sources)
{
	size_t i = 0;
	json_each(source, sources) {
		const struct path *at = AT_INDEX(p, i++);
		const struct json *map = field(source, "configMapRef"), *secret = field(source, "secretRef");
		if (text_of(source, "prefix").n)
			check_format(c, AT(at, "prefix"), text_of(source, "prefix"), format_env_name);
		if (map)
			check_source(c, AT(at, "configMapRef"), map);
		if (secret)
			check_source(c, AT(at, "secretRef"), secret);
		if (!map == !secret)
			fail_text(c, p, STR(""), "one of `configMapRef` and `secretRef` is needed");
	}
}
