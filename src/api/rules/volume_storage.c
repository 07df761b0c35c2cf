// SPDX-License-Identifier: Apache-2.0
// Volumes from storage that the nodes here can't mount: what they say must be complete all the same.
#include "api/rules/volume.h"

enum { LUN_MAX = 255, PARTITION_MAX = 255, QUOBYTE_TENANT_MAX = 64 };

// What must be given, by kind; the lists end with NULL.
static const struct {
	const char *kind;
	const char *needed[4];
} complete[] = {
	{"gitRepo", {"repository"}},
	{"gcePersistentDisk", {"pdName"}},
	{"awsElasticBlockStore", {"volumeID"}},
	{"iscsi", {"targetPortal", "iqn"}},
	{"glusterfs", {"endpoints", "path"}},
	{"rbd", {"monitors", "image"}},
	{"cinder", {"volumeID"}},
	{"cephfs", {"monitors"}},
	{"quobyte", {"volume"}},
	{"flexVolume", {"driver"}},
	{"azureFile", {"secretName", "shareName"}},
	{"vsphereVolume", {"volumePath"}},
	{"photonPersistentDisk", {"pdID"}},
	{"portworxVolume", {"volumeID"}},
	{"azureDisk", {"diskName", "diskURI"}},
	{"storageos", {"volumeName"}},
	{"scaleIO", {"gateway", "system", "volumeName"}},
};

static void check_complete(struct check *c, const struct path *p, const struct json *source, struct str kind)
{
	const char *const *name = NULL;
	for (size_t i = 0; i < ARRAY_LEN(complete) && !name; i++)
		if (str_is(kind, complete[i].kind))
			name = complete[i].needed;
	for (; name && *name; name++) {
		const struct json *value = field(source, *name);
		if (!value || (value->type == JSON_STRING ? value->text.n == 0 : value->count == 0))
			fail_required(c, AT_STR(p, str_of(*name)), "a volume of this kind needs it");
	}
}

static void check_number(struct check *c, const struct path *p, const struct json *source, const char *name, int most)
{
	check_range(c, AT_STR(p, str_of(name)), field(source, name), 0, most);
}

static void check_secret_name(struct check *c, const struct path *p, const struct json *source)
{
	if (field(source, "secretRef") && !json_str(source, "secretRef.name").n)
		fail_required(c, AT(AT(p, "secretRef"), "name"), "says which Secret");
}

// Names of iSCSI: "iqn.2001-04.com.example:disk", or eui or naa and a number. Source: RFC 3720, 3.2.6.3.

static bool all_alphanumeric(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z')))
			return false;
	return true;
}

static bool is_iqn(struct str name)
{
	static const char shape[] = "iqn.dddd-dd.";
	struct str domain, disk;
	if (name.n < sizeof shape)
		return false;
	for (size_t i = 0; shape[i]; i++) {
		bool digit = name.p[i] >= '0' && name.p[i] <= '9';
		if (shape[i] == 'd' ? !digit : name.p[i] != shape[i])
			return false;
	}
	if (!str_cut(str_from(name, sizeof shape - 1), ':', &domain, &disk) || !domain.n || !disk.n)
		return false;
	for (size_t i = 0; i < domain.n; i++)
		if (!all_alphanumeric(str_sub(domain, i, 1)) && domain.p[i] != '-' && domain.p[i] != '.')
			return false;
	for (size_t i = 0; i < disk.n; i++)
		if (strchr(",;*&$| \t\n\r\f", disk.p[i]))
			return false;
	return true;
}

static bool is_iscsi_name(struct str name)
{
	if (str_starts(name, STR("iqn")))
		return is_iqn(name);
	size_t digits = str_starts(name, STR("eui")) ? 16 : str_starts(name, STR("naa")) ? 32 : 0;
	return digits && name.n == 4 + digits && all_alphanumeric(str_from(name, 4));
}

static void check_iscsi(struct check *c, const struct path *p, const struct json *source)
{
	struct str iqn = text_of(source, "iqn");
	const struct json *initiator = field(source, "initiatorName");
	if (iqn.n && !is_iscsi_name(iqn))
		fail_text(c, AT(p, "iqn"), iqn, "must be a name that begins with iqn, eui or naa");
	check_number(c, p, source, "lun", LUN_MAX);
	if ((is_true(source, "chapAuthDiscovery") || is_true(source, "chapAuthSession")) && !field(source, "secretRef"))
		fail_required(c, AT(p, "secretRef"), "CHAP needs a Secret");
	if (initiator && !is_iscsi_name(initiator->text))
		fail_invalid(c, AT(p, "initiatorname"), initiator, "must be a name that begins with iqn, eui or naa");
}

static void check_fibre_channel(struct check *c, const struct path *p, const struct json *source)
{
	bool target = is_set(source, "targetWWNs"), world = is_set(source, "wwids");
	if (!target && !world)
		fail_required(c, AT(p, "targetWWNs"), "either targetWWNs or wwids must be given");
	if (target && world)
		fail_invalid(c, AT(p, "targetWWNs"), field(source, "targetWWNs"), "can't be combined with wwids");
	if (target && !field(source, "lun"))
		fail_required(c, AT(p, "lun"), "goes with targetWWNs");
	else if (target)
		check_number(c, p, source, "lun", LUN_MAX);
}

static void check_flocker(struct check *c, const struct path *p, const struct json *source)
{
	struct str name = text_of(source, "datasetName"), uuid = text_of(source, "datasetUUID");
	if (!name.n && !uuid.n)
		fail_required(c, p, "one of datasetName and datasetUUID must be given");
	if (name.n && uuid.n)
		fail_text(c, p, STR("resource"), "datasetName and datasetUUID can't be combined");
	if (str_find(name, '/') >= 0)
		fail_text(c, AT(p, "datasetName"), name, "must not contain '/'");
}

// Whether it is HOST:PORT, or [HOST]:PORT where the host has colons.
static bool is_host_port(struct str s)
{
	ptrdiff_t colon = str_find_last(s, ':');
	struct str host = str_sub(s, 0, colon < 0 ? 0 : (size_t)colon);
	if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
		host = str_sub(host, 1, host.n - 2);
	else if (str_find(host, ':') >= 0)
		return false;
	return colon >= 0 && str_find(host, '[') < 0 && str_find(host, ']') < 0;
}

static void check_quobyte(struct check *c, const struct path *p, const struct json *source)
{
	struct str all = text_of(source, "registry"), rest = all, one;
	if (!all.n) {
		fail_required(c, AT(p, "registry"), "HOST:PORT, or several with commas between");
		return;
	}
	if (text_of(source, "tenant").n > QUOBYTE_TENANT_MAX) {
		fail_required(c, AT(p, "tenant"), "a UUID of at most %d characters", QUOBYTE_TENANT_MAX);
		return;
	}
	while (str_next(&rest, ',', &one))
		if (!is_host_port(one))
			fail_text(c, AT(p, "registry"), all, "must be HOST:PORT, or several with commas between");
}

static void check_flex(struct check *c, const struct path *p, const struct json *source)
{
	json_each(option, field(source, "options")) {
		struct str domain = option->key, rest;
		str_cut(option->key, '/', &domain, &rest);
		if (str_eq_nocase(domain, STR("kubernetes.io")) || str_eq_nocase(domain, STR("k8s.io")) ||
		    str_ends(domain, STR(".kubernetes.io")) || str_ends(domain, STR(".k8s.io")))
			fail_text(c, AT_KEY(AT(p, "options"), option->key), option->key, "the domain is reserved");
	}
}

static void check_azure_disk(struct check *c, const struct path *p, const struct json *source)
{
	static const char *const managed[] = {"/subscriptions/{sub-id}/...", NULL};
	static const char *const blob[] = {"https://{account-name}.blob.core.windows.net/...", NULL};
	const struct json *kind = field(source, "kind"), *uri = field(source, "diskURI");
	if (field(source, "cachingMode"))
		ONE_OF(c, AT(p, "cachingMode"), field(source, "cachingMode"), "None", "ReadOnly", "ReadWrite");
	if (!kind)
		return;
	ONE_OF(c, AT(p, "kind"), kind, "Dedicated", "Managed", "Shared");
	bool is_managed = str_is(kind->text, "Managed");
	if (!str_starts(text_of(source, "diskURI"), is_managed ? STR("/subscriptions/") : STR("https://")))
		fail_unsupported(c, AT(p, "diskURI"), uri, is_managed ? managed : blob);
}

static void check_storageos(struct check *c, const struct path *p, const struct json *source)
{
	static const char *const names[] = {"volumeName", "volumeNamespace"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (text_of(source, names[i]).n)
			check_format(c, AT_STR(p, str_of(names[i])), text_of(source, names[i]), format_dns_label);
	check_secret_name(c, p, source);
}

void check_storage(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	struct str kind = source->key;
	check_complete(c, p, source, kind);
	if (str_is(kind, "gitRepo"))
		check_descending_path(c, AT(p, "directory"), text_of(source, "directory"));
	else if (IS_ONE_OF(kind, "gcePersistentDisk", "awsElasticBlockStore"))
		check_number(c, p, source, "partition", PARTITION_MAX);
	else if (str_is(kind, "iscsi"))
		check_iscsi(c, p, source);
	else if (str_is(kind, "fc"))
		check_fibre_channel(c, p, source);
	else if (str_is(kind, "flocker"))
		check_flocker(c, p, source);
	else if (str_is(kind, "quobyte"))
		check_quobyte(c, p, source);
	else if (str_is(kind, "flexVolume"))
		check_flex(c, p, source);
	else if (str_is(kind, "azureDisk"))
		check_azure_disk(c, p, source);
	else if (str_is(kind, "storageos"))
		check_storageos(c, p, source);
	else if (str_is(kind, "cinder"))
		check_secret_name(c, p, source);
}
