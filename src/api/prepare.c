// SPDX-License-Identifier: Apache-2.0
// What a write does to an object before it is checked: metadata that only the server sets, the parts that this request
// may not write, and what the kind does of its own (rules/).
#include "api/object.h"
#include "api/rules/rules.h"
#include "base/times.h"

// Fields of the metadata that clients may send and that mean nothing.
static void drop_ignored(struct json *metadata)
{
	json_remove(metadata, STR("selfLink"));
	json_remove(metadata, STR("managedFields"));
}

static void set_or_remove(struct json *object, const char *key, struct json *value)
{
	if (value)
		json_put(object, key, value);
	else
		json_remove(object, str_of(key));
}

// An owner that stands there twice is kept once.
static void drop_repeated_owners(struct api_context *c, struct json *metadata)
{
	struct json *owners = json_get(metadata, STR("ownerReferences"));
	struct seen seen CLEAN_SEEN;
	seen_init(&seen);
	for (struct json *owner = json_first(owners), *next; owner; owner = next) {
		next = owner->next;
		if (!seen_add(&seen, json_text(c->arena, owner)))
			continue;
		api_warn(c->arena, c->warnings,
			 arena_fmt(c->arena, "metadata.ownerReferences: the owner %.*s stands there twice",
				   STR_FMT(text_of(owner, "name"))));
		json_unlink(owners, owner);
	}
}

static void copy_field(struct arena *a, struct json *object, const struct json *from, const char *key)
{
	set_or_remove(object, key, json_clone(a, json_get(from, str_of(key))));
}

// The namespace is the request's; an object may repeat it.
static int settle_namespace(struct api_context *c, const struct api_resource *r, struct json *metadata, struct err *e)
{
	struct str given = text_of(metadata, "namespace");
	if (!r->namespaced) {
		json_remove(metadata, STR("namespace"));
		return 0;
	}
	if (given.n && !str_eq(given, c->namespace))
		return err_set(e, ERR_BAD_REQUEST,
			       "the namespace of the object (%.*s) does not match the namespace of the request (%.*s)",
			       STR_FMT(given), STR_FMT(c->namespace));
	json_put_str(c->arena, metadata, "namespace", c->namespace);
	return 0;
}

enum { GENERATED_PREFIX_MAX = 58 }; // with the suffix a label's length

static void generate_name(struct api_context *c, struct json *metadata)
{
	struct str prefix = text_of(metadata, "generateName");
	if (text_of(metadata, "name").n || !prefix.n)
		return;
	prefix = str_sub(prefix, 0, GENERATED_PREFIX_MAX);
	json_put_str(c->arena, metadata, "name", arena_fmt(c->arena, "%.*s%.*s", STR_FMT(prefix), STR_FMT(c->suffix)));
}

int api_prepare_create(struct api_context *c, const struct api_resource *r, struct json *object, struct err *e)
{
	const struct kind_rules *rules = kind_rules_of(r);
	struct json *metadata = json_need_object(c->arena, object, "metadata");
	if (settle_namespace(c, r, metadata, e))
		return -1;
	drop_ignored(metadata);
	if (rules->traits & KIND_REVIEW)
		return 0;
	json_remove(metadata, STR("deletionTimestamp"));
	json_remove(metadata, STR("deletionGracePeriodSeconds"));
	json_put_str(c->arena, metadata, "uid", c->uid);
	json_put_str(c->arena, metadata, "creationTimestamp", time_format(c->arena, c->now_ns));
	if (rules->traits & KIND_GENERATION)
		json_put_int(c->arena, metadata, "generation", 1);
	drop_repeated_owners(c, metadata);
	generate_name(c, metadata);
	if (rules->traits & KIND_STATUS)
		json_remove(object, STR("status"));
	if (rules->prepare_create)
		rules->prepare_create(c, object);
	return 0;
}

static int check_name(struct api_context *c, const struct json *metadata, struct err *e)
{
	struct str name = text_of(metadata, "name");
	if (!name.n)
		return err_set(e, ERR_BAD_REQUEST, "the object has no name; that of the request is %.*s",
			       STR_FMT(c->name));
	if (c->name.n && !str_eq(name, c->name))
		return err_set(e, ERR_BAD_REQUEST,
			       "the name of the object (%.*s) does not match the name of the request (%.*s)",
			       STR_FMT(name), STR_FMT(c->name));
	return 0;
}

// System metadata of the stored object stays.
static void carry_metadata(struct api_context *c, struct json *metadata, const struct json *old)
{
	drop_ignored(metadata);
	drop_repeated_owners(c, metadata);
	copy_field(c->arena, metadata, old, "generation");
	copy_field(c->arena, metadata, old, "creationTimestamp");
	if (!text_of(metadata, "uid").n)
		copy_field(c->arena, metadata, old, "uid");
	if (is_set(old, "deletionTimestamp"))
		copy_field(c->arena, metadata, old, "deletionTimestamp");
	if (field(old, "deletionGracePeriodSeconds") && !field(metadata, "deletionGracePeriodSeconds"))
		copy_field(c->arena, metadata, old, "deletionGracePeriodSeconds");
}

// An update of the status takes the status and leaves everything else but metadata; of that mostly labels.
static void keep_all_but_status(struct api_context *c, const struct kind_rules *rules, struct json *object,
				const struct json *old)
{
	struct json *metadata = json_get(object, STR("metadata"));
	for (struct json *part = json_first(object), *next; part; part = next) {
		next = part->next;
		if (!IS_ONE_OF(part->key, "status", "metadata", "apiVersion", "kind") && !json_get(old, part->key))
			json_unlink(object, part);
	}
	json_each(part, old)
		if (!IS_ONE_OF(part->key, "status", "metadata"))
			json_set(object, part->key, json_clone(c->arena, part));
	if (!(rules->traits & KIND_STATUS_LABELS))
		copy_field(c->arena, metadata, json_get(old, STR("metadata")), "labels");
}

const struct json *rules_comparable(struct api_context *c, const struct api_resource *r, const struct json *old)
{
	struct json *copy = json_clone(c->arena, old);
	struct err ignored CLEAN_ERR = ERR_EMPTY; // what was stored was valid
	api_conform(c->arena, copy, r->type, r, API_IGNORE, NULL, &ignored);
	return copy;
}

static void count_change(struct api_context *c, const struct kind_rules *rules, struct json *object,
			 const struct json *old)
{
	bool changed = rules->changed ? rules->changed(object, old) : !same_field(object, old, "spec");
	int64_t generation = json_i64(old, "metadata.generation", 0);
	if (changed)
		json_put_int(c->arena, json_get(object, STR("metadata")), "generation", generation + 1);
}

int api_prepare_update(struct api_context *c, const struct api_resource *r, struct json *object, const struct json *old,
		       struct err *e)
{
	const struct kind_rules *rules = kind_rules_of(r);
	struct json *metadata = json_need_object(c->arena, object, "metadata");
	if (check_name(c, metadata, e) || settle_namespace(c, r, metadata, e))
		return -1;
	if (rules->traits & KIND_REVIEW)
		return 0;
	bool is_status = str_is(c->subresource, "status");
	void (*prepare)(struct api_context *, struct json *, const struct json *) =
		is_status ? rules->prepare_status : rules->prepare_update;
	carry_metadata(c, metadata, json_get(old, STR("metadata")));
	if (is_status)
		keep_all_but_status(c, rules, object, old);
	else if (rules->traits & KIND_STATUS && !str_is(c->subresource, "finalize"))
		copy_field(c->arena, object, old, "status");
	if (prepare)
		prepare(c, object, old);
	if (rules->traits & KIND_GENERATION && !is_status)
		count_change(c, rules, object, rules_comparable(c, r, old));
	return 0;
}
