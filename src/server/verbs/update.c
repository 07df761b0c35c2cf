// SPDX-License-Identifier: Apache-2.0
#include "server/respond.h"
#include "server/verbs/change.h"
#include "server/verbs/create.h"
#include "server/verbs/update.h"
#include "server/verbs/verbs.h"

struct update {
	struct change change;
	struct write_options options;
	struct json *body;
};

// Kinds whose every update must name the revision that it was made from.
static const char *const conditional[] = {"leases",
					  "poddisruptionbudgets",
					  "csidrivers",
					  "csinodes",
					  "csistoragecapacities",
					  "runtimeclasses",
					  "volumeattachments",
					  "customresourcedefinitions",
					  "apiservices"};
// Kinds that a PUT makes where they are absent.
static const char *const made_by_update[] = {
	"endpoints", "events", "leases", "limitranges", "services",
	"roles", "rolebindings", "clusterroles", "clusterrolebindings"};

static bool is_among(const struct api_resource *r, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_is(r->plural, list[i]))
			return true;
	return false;
}

static int check_conditional(const struct api_resource *r, struct str revision, struct err *e)
{
	if (!str_empty(revision) || !is_among(r, conditional, ARRAY_LEN(conditional)))
		return 0;
	err_cause(e, STR("metadata.resourceVersion"), "FieldValueInvalid",
		  "Invalid value: 0: must be specified for an update");
	return -1;
}

int update_check_identity(struct call *c, struct json *object, struct err *e)
{
	struct json *metadata = json_need_object(c->arena, object, "metadata");
	struct str name = json_str(metadata, "name"), namespace = json_str(metadata, "namespace");
	if (str_empty(name))
		return err_set(e, ERR_BAD_REQUEST, "the object has no name; the URL says %.*s", STR_FMT(c->route.name));
	if (!str_eq(name, c->route.name))
		return err_set(e, ERR_BAD_REQUEST,
			       "the name of the object (%.*s) does not match the name on the URL (%.*s)", STR_FMT(name),
			       STR_FMT(c->route.name));
	if (!c->route.resource->namespaced)
		return 0;
	if (str_empty(namespace))
		json_put_str(c->arena, metadata, "namespace", c->route.namespace);
	else if (!str_eq(namespace, c->route.namespace))
		return err_set(e, ERR_BAD_REQUEST,
			       "the namespace of the provided object does not match the namespace sent on the request");
	return 0;
}

static int make(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct update *u = CONTAINER_OF(ch, struct update, change);
	*now = json_clone(ch->call->arena, u->body);
	struct str revision = json_str(*now, "metadata.resourceVersion");
	if (change_check_uid(ch, old, json_str(*now, "metadata.uid"), e) < 0 ||
	    check_conditional(ch->resource, revision, e) < 0 || change_check_revision(ch, old, revision, e) < 0)
		return -1;
	return change_complete(ch, *now, old, e);
}

static int make_absent(struct change *ch, struct json **now, struct err *e)
{
	struct update *u = CONTAINER_OF(ch, struct update, change);
	*now = json_clone(ch->call->arena, u->body);
	if (!str_empty(json_str(*now, "metadata.uid")) || !str_empty(json_str(*now, "metadata.resourceVersion")))
		return status_not_found(e, ch->resource, ch->name);
	return create_complete(ch->call, ch->resource, *now, ch->snapshot, &ch->ops, e);
}

void verb_update(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct update *u = ARENA_NEW(c->arena, struct update);
	const struct api_resource *r = c->route.resource;
	u->change = (struct change){
		.call = c, .resource = r, .namespace = c->route.namespace, .name = c->route.name, .make = make};
	if (write_options_of(&c->query, &u->options, &e) < 0) {
		struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = STR("UpdateOptions")};
		respond_error(c, &e, &d);
		return;
	}
	if (decode_body(c, r->type, r, u->options.strictness, &u->body, &e) < 0 ||
	    update_check_identity(c, u->body, &e) < 0) {
		respond_failure(c, &e, c->route.name);
		return;
	}
	api_default(c->arena, r, u->body);
	u->change.dry_run = u->options.dry_run;
	if (str_empty(c->route.subresource) && is_among(r, made_by_update, ARRAY_LEN(made_by_update)))
		u->change.make_absent = make_absent;
	change_run(&u->change);
}
