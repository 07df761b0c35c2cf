// SPDX-License-Identifier: Apache-2.0
// metadata: what all kinds share.
#include "api/rules/rules.h"

static bool is_standard_finalizer(struct str name)
{
	return IS_ONE_OF(name, "kubernetes", "orphan", "foregroundDeletion");
}

void check_finalizer_domain(struct check *c, const struct path *p, struct str name)
{
	if (str_find(name, '/') < 0 && !is_standard_finalizer(name))
		fail_text(c, p, name,
			  "a finalizer's name is a domain, '/' and a name (such as 'example.com/clean-up')");
}

void check_finalizer_domains(struct check *c)
{
	size_t i = 0;
	if (kind_rules_of(c->resource)->traits & KIND_LAX_FINALIZERS)
		return;
	json_each(finalizer, json_at(c->object, "metadata.finalizers"))
		check_finalizer_domain(c, AT_INDEX(AT(AT(NULL, "metadata"), "finalizers"), i++), finalizer->text);
}

static void check_finalizers(struct check *c, const struct path *p, const struct json *finalizers)
{
	bool orphan = false, foreground = false;
	json_each(finalizer, finalizers) {
		check_format(c, p, finalizer->text, format_qualified_name);
		orphan = orphan || str_is(finalizer->text, "orphan");
		foreground = foreground || str_is(finalizer->text, "foregroundDeletion");
	}
	if (orphan && foreground)
		fail_invalid(c, p, finalizers, "'orphan' and 'foregroundDeletion' can't both be set");
}

static void check_owners(struct check *c, const struct path *p, const struct json *owners)
{
	const struct json *controller = NULL;
	json_each(owner, owners) {
		struct str version = text_of(owner, "apiVersion");
		if (version.n == 0 || version.p[version.n - 1] == '/')
			fail_text(c, AT(p, "apiVersion"), version, "the version must not be empty");
		if (!text_of(owner, "kind").n)
			fail_text(c, AT(p, "kind"), STR(""), "must not be empty");
		if (!text_of(owner, "name").n)
			fail_text(c, AT(p, "name"), STR(""), "must not be empty");
		if (!text_of(owner, "uid").n)
			fail_text(c, AT(p, "uid"), STR(""), "must not be empty");
		if (str_is(version, "v1") && str_is(text_of(owner, "kind"), "Event"))
			fail_invalid(c, p, owner, "an Event can't own anything");
		if (!is_true(owner, "controller"))
			continue;
		if (controller)
			fail_invalid(c, p, owners, "only one owner can be the controller, not both %.*s and %.*s",
				     STR_FMT(text_of(controller, "name")), STR_FMT(text_of(owner, "name")));
		controller = owner;
	}
}

// A name that the server will make from generateName may not yet end as a name must: a letter stands for its last two
// bytes, whatever the first of them is.
static void check_generate_name(struct check *c, const struct path *p, struct str prefix, format_check *name)
{
	if (prefix.n > 1 && prefix.p[prefix.n - 1] == '-') {
		char *masked = arena_c(c->arena, prefix);
		masked[prefix.n - 2] = 'a';
		prefix = (struct str){masked, prefix.n - 1};
	}
	check_format(c, p, prefix, name);
}

static void check_namespace(struct check *c, const struct path *p, struct str namespace, bool namespaced)
{
	if (!namespaced && namespace.n)
		fail_forbidden(c, p, "objects of this kind are in no namespace");
	else if (namespaced && !namespace.n)
		fail_required(c, p, "objects of this kind are in a namespace");
	else if (namespaced)
		check_format(c, p, namespace, format_dns_label);
}

void check_metadata(struct check *c, const struct path *p, const struct json *metadata, bool namespaced,
		    format_check *name)
{
	struct str given = text_of(metadata, "name"), prefix = text_of(metadata, "generateName");
	if (prefix.n)
		check_generate_name(c, AT(p, "generateName"), prefix, name);
	if (given.n)
		check_format(c, AT(p, "name"), given, name);
	else
		fail_required(c, AT(p, "name"), "a name or generateName is needed");
	check_namespace(c, AT(p, "namespace"), text_of(metadata, "namespace"), namespaced);
	check_not_negative(c, AT(p, "generation"), field(metadata, "generation"));
	check_labels(c, AT(p, "labels"), field(metadata, "labels"));
	check_annotations(c, AT(p, "annotations"), field(metadata, "annotations"));
	check_owners(c, AT(p, "ownerReferences"), field(metadata, "ownerReferences"));
	check_finalizers(c, AT(p, "finalizers"), field(metadata, "finalizers"));
}

static void check_no_new_finalizers(struct check *c, const struct path *p, const struct json *now,
				    const struct json *before)
{
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	json_each(finalizer, before)
		seen_add(&known, finalizer->text);
	json_each(finalizer, now)
		if (!seen_has(&known, finalizer->text)) {
			fail_forbidden(
				c, p,
				"the object is being deleted: finalizers such as \"%.*s\" can't be added any more",
				STR_FMT(finalizer->text));
			return;
		}
}

void check_metadata_update(struct check *c, const struct path *p, const struct json *now, const struct json *old)
{
	static const char *const fixed[] = {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
					    "deletionGracePeriodSeconds"};
	if (is_set(old, "deletionTimestamp"))
		check_no_new_finalizers(c, AT(p, "finalizers"), field(now, "finalizers"), field(old, "finalizers"));
	if (json_i64(now, "generation", 0) < json_i64(old, "generation", 0))
		fail_invalid(c, AT(p, "generation"), field(now, "generation"), "must not become less");
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		check_immutable(c, AT_STR(p, str_of(fixed[i])), field(now, fixed[i]), field(old, fixed[i]));
	check_labels(c, AT(p, "labels"), field(now, "labels"));
	check_annotations(c, AT(p, "annotations"), field(now, "annotations"));
	check_owners(c, AT(p, "ownerReferences"), field(now, "ownerReferences"));
}
