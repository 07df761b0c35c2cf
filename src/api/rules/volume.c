// SPDX-License-Identifier: Apache-2.0
// Volumes of a pod: each is of one kind.
#include "api/quantity.h"
#include "api/rules/volume.h"

enum { MODE_MAX = 0777 };

bool path_climbs(struct str path)
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

void check_file_path(struct check *c, const struct path *p, struct str path)
{
	check_descending_path(c, p, path);
	if (str_starts(path, STR("..")) && !str_starts(path, STR("../")))
		fail_text(c, p, path, "must not start with '..'");
}

void check_file_mode(struct check *c, const struct path *p, const struct json *object, const char *name)
{
	const struct json *mode = field(object, name);
	if (mode && (mode->integer < 0 || mode->integer > MODE_MAX))
		fail_invalid(c, AT_STR(p, str_of(name)), mode, "must be between 0 and 0777 (octal)");
}

void check_needed_text(struct check *c, const struct path *p, const struct json *object, const char *name)
{
	if (!text_of(object, name).n)
		fail_required(c, AT_STR(p, str_of(name)), "a volume of this kind needs it");
}

void check_key_files(struct check *c, const struct path *p, const struct json *items)
{
	size_t i = 0;
	json_each(item, items) {
		const struct path *at = AT_INDEX(p, i++);
		check_needed_text(c, at, item, "key");
		check_needed_text(c, at, item, "path");
		check_file_path(c, AT(at, "path"), text_of(item, "path"));
		check_file_mode(c, at, item, "mode");
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
	if (path_climbs(path))
		fail_text(c, AT(p, "path"), path, "must not contain '..'");
	if (field(source, "type"))
		ONE_OF(c, AT(p, "type"), field(source, "type"), "", "BlockDevice", "CharDevice", "Directory",
		       "DirectoryOrCreate", "File", "FileOrCreate", "Socket");
}

static void check_nfs(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	check_needed_text(c, p, source, "server");
	check_needed_text(c, p, source, "path");
	check_format(c, AT(p, "path"), text_of(source, "path"), format_absolute_path);
}

static void check_secret(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	check_needed_text(c, p, source, "secretName");
	check_file_mode(c, p, source, "defaultMode");
	check_key_files(c, AT(p, "items"), field(source, "items"));
}

static void check_config_map(struct check *c, const struct path *p, const struct json *source,
			     const struct pod_scope *pod)
{
	check_needed_text(c, p, source, "name");
	check_file_mode(c, p, source, "defaultMode");
	check_key_files(c, AT(p, "items"), field(source, "items"));
}

static void check_claim(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	check_needed_text(c, p, source, "claimName");
}

void check_downward_file(struct check *c, const struct path *p, const struct json *file)
{
	const struct json *from_field = field(file, "fieldRef"), *from_resource = field(file, "resourceFieldRef");
	check_needed_text(c, p, file, "path");
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
	check_file_mode(c, p, file, "mode");
}

static void check_downward(struct check *c, const struct path *p, const struct json *source,
			   const struct pod_scope *pod)
{
	check_file_mode(c, p, source, "defaultMode");
	json_each(file, field(source, "items"))
		check_downward_file(c, p, file);
}

static void check_csi(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	struct str driver = text_of(source, "driver"), secret = json_str(source, "nodePublishSecretRef.name");
	if (!driver.n)
		check_needed_text(c, p, source, "driver");
	if (driver.n > 63)
		fail_too_long(c, AT(p, "driver"), 63);
	if (driver.n)
		check_lower_format(c, AT(p, "driver"), driver, format_dns_subdomain);
	if (!field(source, "nodePublishSecretRef"))
		return;
	if (!secret.n)
		fail_required(c, AT(AT(p, "nodePublishSecretRef"), "name"), "says which Secret");
	else
		check_format(c, AT(p, "name"), secret, format_dns_subdomain);
}

// A template may leave the image to who makes pods of it.
static void check_image(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	if (pod->is_pod)
		check_needed_text(c, p, source, "reference");
	if (field(source, "pullPolicy"))
		ONE_OF(c, AT(p, "pullPolicy"), field(source, "pullPolicy"), "Always", "IfNotPresent", "Never");
}

static const struct {
	const char *name;
	volume_check *check;
	const char *told; // how its faults call it, where that is not its name
	const char *again; // how it is called where it is one too many
} kinds[] = {
	{"emptyDir", check_empty_dir},
	{"hostPath", check_host_path},
	{"gitRepo", check_storage},
	{"gcePersistentDisk", check_storage, .told = "persistentDisk"},
	{"awsElasticBlockStore", check_storage},
	{"secret", check_secret},
	{"nfs", check_nfs},
	{"iscsi", check_storage},
	{"glusterfs", check_storage},
	{"flocker", check_storage},
	{"persistentVolumeClaim", check_claim},
	{"rbd", check_storage},
	{"cinder", check_storage},
	{"cephfs", check_storage, .again = "cephFS"},
	{"quobyte", check_storage},
	{"downwardAPI", check_downward, .again = "downwarAPI"},
	{"fc", check_storage},
	{"flexVolume", check_storage},
	{"configMap", check_config_map},
	{"azureFile", check_storage},
	{"vsphereVolume", check_storage},
	{"photonPersistentDisk", check_storage},
	{"portworxVolume", check_storage},
	{"azureDisk", check_storage},
	{"storageos", check_storage},
	{"projected", check_projected},
	{"scaleIO", check_storage},
	{"csi", check_csi},
	{"ephemeral", check_ephemeral},
	{"image", check_image},
};

// Notes in *kind the kind that counts, the first.
static void check_source(struct check *c, const struct path *p, const struct json *volume, const struct pod_scope *pod,
			 struct str *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct json *source = field(volume, kinds[i].name);
		const char *told = kinds[i].told ? kinds[i].told : kinds[i].name;
		const char *again = kinds[i].again ? kinds[i].again : kinds[i].name;
		if (!source)
			continue;
		if (kind->n) {
			fail_forbidden(c, AT_STR(p, str_of(again)), "a volume is of one kind");
			continue;
		}
		*kind = str_of(kinds[i].name);
		kinds[i].check(c, AT_STR(p, str_of(told)), source, pod);
	}
	if (!kind->n)
		fail_required(c, p, "the kind of the volume must be given");
}

// The claim of an ephemeral volume is named after the pod and the volume.
static struct str claim_name(struct check *c, const struct json *volume, const struct pod_scope *pod)
{
	return arena_fmt(c->arena, "%.*s-%.*s", STR_FMT(pod->pod_name), STR_FMT(text_of(volume, "name")));
}

static void check_claim_name(struct check *c, const struct path *p, const struct json *volume,
			     const struct pod_scope *pod)
{
	struct str name = text_of(volume, "name");
	if (!name.n || !pod->pod_name.n)
		return;
	struct str claim = claim_name(c, volume, pod);
	struct format_faults f = {0};
	format_dns_subdomain(claim, &f);
	for (size_t i = 0; i < f.count; i++)
		fail_text(c, p, name, "the claim \"%.*s\" can't be named so: %s", STR_FMT(claim), f.text[i]);
}

enum { ISCSI_SESSION_MAX = 64 };

// The name of an iSCSI session is made of the volume's name and the portal.
static void check_session_name(struct check *c, const struct path *p, const struct json *volume)
{
	const struct json *iscsi = field(volume, "iscsi");
	struct str name = text_of(volume, "name");
	if (field(iscsi, "initiatorName") && name.n + 1 + text_of(iscsi, "targetPortal").n > ISCSI_SESSION_MAX)
		fail_text(c, p, name, "with the portal it must be no more than %d characters", ISCSI_SESSION_MAX);
}

static void check_volume(struct check *c, const struct path *p, const struct json *volume, struct pod_scope *pod)
{
	const struct path *at_name = AT(p, "name");
	struct str name = text_of(volume, "name"), kind = STR_NONE;
	size_t before = c->failures;
	check_source(c, p, volume, pod, &kind);
	check_session_name(c, at_name, volume);
	if (str_is(kind, "ephemeral"))
		check_claim_name(c, at_name, volume, pod);
	if (name.n)
		check_format(c, at_name, name, format_dns_label);
	else
		fail_required(c, at_name, "a volume has a name");
	if (name.n && seen_has(&pod->volumes, name))
		fail_duplicate(c, at_name, field(volume, "name"));
	if (c->failures != before)
		return;
	seen_add(&pod->volumes, name);
	if (IS_ONE_OF(kind, "persistentVolumeClaim", "ephemeral"))
		seen_add(&pod->claimed, name);
}

void check_volumes(struct check *c, const struct path *p, const struct json *volumes, struct pod_scope *pod)
{
	struct seen made CLEAN_SEEN; // claims that are made for the pod
	size_t i = 0;
	seen_init(&made);
	json_each(volume, volumes)
		if (pod->pod_name.n && field(volume, "ephemeral"))
			seen_add(&made, claim_name(c, volume, pod));
	json_each(volume, volumes) {
		const struct path *at = AT_INDEX(p, i++);
		const struct json *claim = field(volume, "persistentVolumeClaim");
		check_volume(c, at, volume, pod);
		if (claim && seen_has(&made, text_of(claim, "claimName")))
			fail_invalid(c, AT(AT(at, "persistentVolumeClaim"), "claimName"), field(claim, "claimName"),
				     "the claim is made for another volume of the pod");
	}
}
