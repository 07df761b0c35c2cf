// SPDX-License-Identifier: Apache-2.0
// Volumes of a pod. Each kind that pods here can use is checked; of the rest only that a volume is of one kind.
#include "api/quantity.h"
#include "api/rules/pod.h"

enum { MODE_MAX = 0777, TOKEN_SECONDS_MIN = 600 };
#define TOKEN_SECONDS_MAX (INT64_C(1) << 32)

static bool climbs(struct str path)
{
	struct str part;
	while (str_next(&path, '/', &part))
		if (str_is(part, ".."))
			return true;
	return false;
}

void check_descending_path(struct check *c, const struct path *p, struct str path)
{
	check_format(c, p, path, format_local_path);
}

// As a descending path, and not a name that updates of the volume use ("..data").
static void check_file_path(struct check *c, const struct path *p, struct str path)
{
	check_descending_path(c, p, path);
	if (str_starts(path, STR("..")) && !str_starts(path, STR("../")) && !str_is(path, ".."))
		fail_text(c, p, path, "must not start with '..'");
}

static void check_mode(struct check *c, const struct path *p, const struct json *object, const char *name)
{
	const struct json *mode = field(object, name);
	if (mode && (mode->integer < 0 || mode->integer > MODE_MAX))
		fail_invalid(c, AT_STR(p, str_of(name)), mode, "must be between 0 and 0777 (octal)");
}

static void need_text(struct check *c, const struct path *p, const struct json *object, const char *name)
{
	if (!text_of(object, name).n)
		fail_required(c, AT_STR(p, str_of(name)), "a volume of this kind needs it");
}

static void check_items(struct check *c, const struct path *p, const struct json *items)
{
	size_t i = 0;
	json_each(item, items) {
		const struct path *at = AT_INDEX(p, i++);
		need_text(c, at, item, "key");
		need_text(c, at, item, "path");
		check_file_path(c, AT(at, "path"), text_of(item, "path"));
		check_mode(c, at, item, "mode");
	}
}

static void check_empty_dir(struct check *c, const struct path *p, const struct json *source,
			    const struct pod_scope *pod)
{
	struct quantity limit;
	if (!quantity_of(field(source, "sizeLimit"), &limit) && limit.nano < 0)
		fail_forbidden(c, AT(p, "sizeLimit"), "a size is not negative");
}

static void check_host_path(struct check *c, const struct path *p, const struct json *source,
			    const struct pod_scope *pod)
{
	struct str path = text_of(source, "path");
	if (!path.n) {
		fail_required(c, AT(p, "path"), "says what of the host");
		return;
	}
	if (climbs(path))
		fail_text(c, AT(p, "path"), path, "must not contain '..'");
	if (field(source, "type"))
		ONE_OF(c, AT(p, "type"), field(source, "type"), "", "BlockDevice", "CharDevice", "Directory",
		       "DirectoryOrCreate", "File", "FileOrCreate", "Socket");
}

static void check_nfs(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	need_text(c, p, source, "server");
	need_text(c, p, source, "path");
	check_format(c, AT(p, "path"), text_of(source, "path"), format_absolute_path);
}

static void check_secret(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	need_text(c, p, source, "secretName");
	check_mode(c, p, source, "defaultMode");
	check_items(c, AT(p, "items"), field(source, "items"));
}

static void check_config_map(struct check *c, const struct path *p, const struct json *source,
			     const struct pod_scope *pod)
{
	need_text(c, p, source, "name");
	check_mode(c, p, source, "defaultMode");
	check_items(c, AT(p, "items"), field(source, "items"));
}

static void check_claim(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	need_text(c, p, source, "claimName");
}

// A file of the downward API. Its faults are told of the volume, without an index.
static void check_downward_file(struct check *c, const struct path *p, const struct json *file)
{
	const struct json *from_field = field(file, "fieldRef"), *from_resource = field(file, "resourceFieldRef");
	need_text(c, p, file, "path");
	check_file_path(c, AT(p, "path"), text_of(file, "path"));
	if (from_field) {
		check_field_ref(c, AT(p, "fieldRef"), from_field, true);
		if (from_resource)
			fail_text(c, p, STR("resource"), "fieldRef and resourceFieldRef can't be combined");
	} else if (from_resource) {
		check_resource_ref(c, AT(p, "resourceFieldRef"), from_resource, true);
	} else {
		fail_required(c, p, "fieldRef or resourceFieldRef is needed");
	}
	check_mode(c, p, file, "mode");
}

static void check_downward(struct check *c, const struct path *p, const struct json *source,
			   const struct pod_scope *pod)
{
	check_mode(c, p, source, "defaultMode");
	json_each(file, field(source, "items"))
		check_downward_file(c, p, file);
}

// Projected volumes: several sources write into one directory, each path once.

struct projection {
	const struct path *path; // of the volume's source
	struct seen paths;
};

static void claim_path(struct check *c, struct projection *all, const struct json *path)
{
	if (path && path->text.n && seen_add(&all->paths, path->text))
		fail_invalid(c, all->path, path, "two sources write the same path");
}

static void check_projected_items(struct check *c, const struct path *p, const struct json *source,
				  struct projection *all)
{
	need_text(c, p, source, "name");
	check_items(c, AT(p, "items"), field(source, "items"));
	json_each(item, field(source, "items"))
		claim_path(c, all, field(item, "path"));
}

static void check_token(struct check *c, const struct path *p, const struct json *source, struct projection *all)
{
	const struct json *seconds = field(source, "expirationSeconds");
	if (seconds && seconds->integer < TOKEN_SECONDS_MIN)
		fail_invalid(c, AT(p, "expirationSeconds"), seconds, "must not be less than 10 minutes");
	if (seconds && seconds->integer > TOKEN_SECONDS_MAX)
		fail_invalid(c, AT(p, "expirationSeconds"), seconds, "must not be more than 2^32 seconds");
	if (!text_of(source, "path").n)
		fail_required(c, AT(all->path, "path"), "says where the token is to be");
	else
		check_file_path(c, AT(all->path, "path"), text_of(source, "path"));
	claim_path(c, all, field(source, "path"));
}

static void check_projected_source(struct check *c, const struct path *p, const struct json *source,
				   struct projection *all)
{
	static const char *const kinds[] = {"secret", "configMap", "downwardAPI", "serviceAccountToken"};
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct json *part = field(source, kinds[i]);
		const struct path *at = AT_STR(p, str_of(kinds[i]));
		if (!part)
			continue;
		if (found) {
			fail_forbidden(c, at, "a source is of one kind");
		} else if (i < 2) {
			check_projected_items(c, at, part, all);
		} else if (i == 2) {
			json_each(file, field(part, "items")) {
				check_downward_file(c, at, file);
				claim_path(c, all, field(file, "path"));
			}
		} else {
			check_token(c, at, part, all);
		}
		found = true;
	}
}

static void check_projected(struct check *c, const struct path *p, const struct json *source,
			    const struct pod_scope *pod)
{
	struct projection all = {.path = p};
	size_t i = 0;
	seen_init(&all.paths);
	check_mode(c, p, source, "defaultMode");
	json_each(part, field(source, "sources"))
		check_projected_source(c, AT_INDEX(AT(p, "sources"), i++), part, &all);
	seen_finish(&all.paths);
}

static void check_csi(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	struct str driver = text_of(source, "driver"), secret = json_str(source, "nodePublishSecretRef.name");
	if (!driver.n)
		need_text(c, p, source, "driver");
	else if (driver.n > 63)
		fail_too_long(c, AT(p, "driver"), 63);
	if (driver.n)
		check_format(c, AT(p, "driver"), driver, format_dns_subdomain);
	if (!field(source, "nodePublishSecretRef"))
		return;
	if (!secret.n)
		fail_required(c, AT(AT(p, "nodePublishSecretRef"), "name"), "says which Secret");
	else
		check_format(c, AT(p, "name"), secret, format_dns_subdomain);
}

// The claim that is made for a pod: at least one way of access, and a size.
static void check_claim_spec(struct check *c, const struct path *p, const struct json *spec)
{
	static const char *const modes[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", NULL};
	const struct json *access = field(spec, "accessModes"), *size = json_at(spec, "resources.requests.storage");
	struct quantity q;
	check_label_selector(c, AT(p, "selector"), field(spec, "selector"));
	if (!count_of(access))
		fail_required(c, AT(p, "accessModes"), "at least 1 access mode is needed");
	json_each(mode, access)
		check_one_of(c, AT(p, "accessModes"), mode, modes);
	if (!size)
		fail_required(c, AT_KEY(AT(p, "resources"), STR("storage")), "says how much storage");
	else if (!quantity_of(size, &q) && q.nano <= 0)
		fail_invalid(c, AT_KEY(AT(p, "resources"), STR("storage")), size, "must be greater than 0");
	if (text_of(spec, "storageClassName").n)
		check_format(c, AT(p, "storageClassName"), text_of(spec, "storageClassName"), format_dns_subdomain);
	if (field(spec, "volumeMode"))
		ONE_OF(c, AT(p, "volumeMode"), field(spec, "volumeMode"), "Block", "Filesystem");
}

static void check_ephemeral(struct check *c, const struct path *p, const struct json *source,
			    const struct pod_scope *pod)
{
	const struct path *at = AT(p, "volumeClaimTemplate");
	const struct json *template = field(source, "volumeClaimTemplate");
	if (!template) {
		fail_required(c, at, "says what to claim");
		return;
	}
	check_labels(c, AT(AT(at, "metadata"), "labels"), json_at(template, "metadata.labels"));
	check_annotations(c, AT(AT(at, "metadata"), "annotations"), json_at(template, "metadata.annotations"));
	check_claim_spec(c, AT(at, "spec"), field(template, "spec"));
}

static void check_image(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	need_text(c, p, source, "reference");
	if (field(source, "pullPolicy"))
		ONE_OF(c, AT(p, "pullPolicy"), field(source, "pullPolicy"), "Always", "IfNotPresent", "Never");
}

static const struct {
	const char *name;
	void (*check)(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod);
} kinds[] = {
	{"emptyDir", check_empty_dir},
	{"hostPath", check_host_path},
	{"gitRepo", NULL},
	{"gcePersistentDisk", NULL},
	{"awsElasticBlockStore", NULL},
	{"secret", check_secret},
	{"nfs", check_nfs},
	{"iscsi", NULL},
	{"glusterfs", NULL},
	{"flocker", NULL},
	{"persistentVolumeClaim", check_claim},
	{"rbd", NULL},
	{"cinder", NULL},
	{"cephfs", NULL},
	{"quobyte", NULL},
	{"downwardAPI", check_downward},
	{"fc", NULL},
	{"flexVolume", NULL},
	{"configMap", check_config_map},
	{"azureFile", NULL},
	{"vsphereVolume", NULL},
	{"photonPersistentDisk", NULL},
	{"portworxVolume", NULL},
	{"azureDisk", NULL},
	{"storageos", NULL},
	{"projected", check_projected},
	{"scaleIO", NULL},
	{"csi", check_csi},
	{"ephemeral", check_ephemeral},
	{"image", check_image},
};

static void check_source(struct check *c, const struct path *p, const struct json *volume, const struct pod_scope *pod)
{
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct json *source = field(volume, kinds[i].name);
		const struct path *at = AT_STR(p, str_of(kinds[i].name));
		if (!source)
			continue;
		if (found)
			fail_forbidden(c, at, "a volume is of one kind");
		else if (kinds[i].check)
			kinds[i].check(c, at, source, pod);
		found = true;
	}
	if (!found)
		fail_required(c, p, "the kind of the volume must be given");
}

// The claim of an ephemeral volume is named after the pod and the volume.
static void check_claim_name(struct check *c, const struct path *p, const struct json *volume,
			     const struct pod_scope *pod)
{
	struct str name = text_of(volume, "name");
	if (!field(volume, "ephemeral") || !name.n || !pod->pod_name.n)
		return;
	struct str claim = arena_fmt(c->arena, "%.*s-%.*s", STR_FMT(pod->pod_name), STR_FMT(name));
	struct format_faults f = {0};
	format_dns_subdomain(claim, &f);
	for (size_t i = 0; i < f.count; i++)
		fail_text(c, p, name, "the claim \"%.*s\" can't be named so: %s", STR_FMT(claim), f.text[i]);
}

void check_volumes(struct check *c, const struct path *p, const struct json *volumes, struct pod_scope *pod)
{
	size_t i = 0;
	json_each(volume, volumes) {
		const struct path *at = AT_INDEX(p, i++), *at_name = AT(at, "name");
		struct str name = text_of(volume, "name");
		size_t before = c->failures;
		check_source(c, at, volume, pod);
		check_claim_name(c, at_name, volume, pod);
		if (name.n)
			check_format(c, at_name, name, format_dns_label);
		else
			fail_required(c, at_name, "a volume has a name");
		if (name.n && seen_has(&pod->volumes, name))
			fail_duplicate(c, at_name, field(volume, "name"));
		if (c->failures == before)
			seen_add(&pod->volumes, name);
	}
}
