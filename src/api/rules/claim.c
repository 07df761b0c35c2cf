// SPDX-License-Identifier: Apache-2.0
// Claims of storage that are made for a pod and go with it.
#include "api/quantity.h"
#include "api/rules/volume.h"

static void check_access(struct check *c, const struct path *p, const struct json *modes)
{
	static const char *const known[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", NULL};
	bool one_pod = false, shared = false;
	if (!count_of(modes))
		fail_required(c, p, "at least 1 access mode is needed");
	json_each(mode, modes) {
		bool good = check_one_of(c, p, mode, known), alone = str_is(mode->text, "ReadWriteOncePod");
		one_pod = one_pod || alone;
		shared = shared || (good && !alone);
	}
	if (one_pod && shared)
		fail_forbidden(c, p, "ReadWriteOncePod stands alone");
}

// What the storage is filled with: a claim, or an object of another group.
static void check_data_source(struct check *c, const struct path *p, const struct json *source)
{
	struct str group = text_of(source, "apiGroup"), kind = text_of(source, "kind");
	if (!source)
		return;
	if (!text_of(source, "name").n)
		fail_required(c, AT(p, "name"), "says which object");
	if (!kind.n)
		fail_required(c, AT(p, "kind"), "says what kind of object");
	if (group.n)
		check_format(c, AT(p, "apiGroup"), group, format_dns_subdomain);
	else if (!str_is(kind, "PersistentVolumeClaim"))
		fail_text(c, p, kind, "without a group it is a PersistentVolumeClaim");
	if (text_of(source, "namespace").n)
		check_format(c, AT(p, "namespace"), text_of(source, "namespace"), format_dns_label);
}

// The same is said twice: by the older field, and by the one that may name another namespace.
static void check_data_sources(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *source = field(spec, "dataSource"), *ref = field(spec, "dataSourceRef");
	check_data_source(c, AT(p, "dataSource"), source);
	check_data_source(c, AT(p, "dataSourceRef"), ref);
	if (!source || !ref)
		return;
	if (text_of(ref, "namespace").n)
		fail_text(c, p, STR("dataSource"), "can't be combined with dataSourceRef.namespace");
	else if (!same_field(source, ref, "apiGroup") || !same_field(source, ref, "kind") ||
		 !same_field(source, ref, "name"))
		fail_text(c, p, STR("dataSource"), "must be the same as dataSourceRef");
}

static void check_claim_spec(struct check *c, const struct path *p, const struct json *spec)
{
	static const char *const classes[] = {"storageClassName", "volumeAttributesClassName"};
	const struct json *size = json_at(spec, "resources.requests.storage");
	struct quantity q;
	check_label_selector(c, AT(p, "selector"), field(spec, "selector"));
	check_access(c, AT(p, "accessModes"), field(spec, "accessModes"));
	if (!size)
		fail_required(c, AT_KEY(AT(p, "resources"), STR("storage")), "says how much storage");
	else if (!quantity_of(size, &q) && q.nano <= 0)
		fail_invalid(c, AT_KEY(AT(p, "resources"), STR("storage")), size, "must be greater than 0");
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (text_of(spec, classes[i]).n)
			check_format(c, AT_STR(p, str_of(classes[i])), text_of(spec, classes[i]),
				     format_dns_subdomain);
	if (field(spec, "volumeMode"))
		ONE_OF(c, AT(p, "volumeMode"), field(spec, "volumeMode"), "Block", "Filesystem");
	check_data_sources(c, p, spec);
}

// Of its metadata only labels and annotations are its own.
static void check_claim_metadata(struct check *c, const struct path *p, const struct json *metadata)
{
	check_labels(c, AT(p, "labels"), field(metadata, "labels"));
	check_annotations(c, AT(p, "annotations"), field(metadata, "annotations"));
	json_each(value, metadata)
		if (!IS_ONE_OF(value->key, "labels", "annotations"))
			fail_forbidden(c, AT_STR(p, str_is(value->key, "uid") ? STR("uID") : value->key),
				       "can't be set");
}

void check_ephemeral(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	const struct path *at = AT(p, "volumeClaimTemplate");
	const struct json *template = field(source, "volumeClaimTemplate");
	if (!template) {
		fail_required(c, at, "says what to claim");
		return;
	}
	check_claim_metadata(c, AT(at, "metadata"), field(template, "metadata"));
	check_claim_spec(c, AT(at, "spec"), field(template, "spec"));
}
