// SPDX-License-Identifier: Apache-2.0
#include "api/patch.h"

#include "server/respond.h"
#include "server/verbs/change.h"
#include "server/verbs/patch.h"
#include "server/verbs/update.h"
#include "server/verbs/verbs.h"

struct patch {
	struct change change;
	struct write_options options;
	enum api_patch kind;
	struct json *document;
	bool malformed; // the patch itself could not be applied: details say nothing
};

int patch_read(struct call *c, enum api_patch *kind, struct json **document, struct err *e)
{
	if (api_patch_of(call_header(c, "Content-Type"), kind, e) < 0)
		return -1;
	if (*kind == API_PATCH_APPLY)
		return err_set(e, ERR_UNSUPPORTED_MEDIA, "server-side apply is not supported");
	if (json_parse(c->arena, c->body, NULL, document, e) < 0)
		return err_wrap(e, "error decoding patch");
	enum json_type wanted = *kind == API_PATCH_JSON ? JSON_ARRAY : JSON_OBJECT;
	if ((*document)->type != wanted)
		return err_set(e, ERR_BAD_REQUEST, "error decoding patch: it must be %s, not %s",
			       wanted == JSON_ARRAY ? "an array" : "an object", json_type_name((*document)->type));
	return 0;
}

int patch_apply(struct call *c, enum api_patch kind, const struct json *document, const struct api_type *type,
		struct json **object, struct err *e)
{
	switch (kind) {
	case API_PATCH_JSON:
		return api_patch_json(c->arena, object, document, e);
	case API_PATCH_MERGE:
		api_patch_merge(c->arena, object, document);
		return 0;
	default:
		return api_patch_strategic(c->arena, type, object, document, e);
	}
}

// The patched tree must still be an object of its kind; what is wrong with it is the patch's fault (422, field
// "patch").
int patch_conform(struct call *c, struct json *object, const struct api_type *type, const struct api_resource *r,
		  enum api_strictness strictness, struct err *e)
{
	struct err why CLEAN_ERR = ERR_EMPTY;
	if (object->type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "the result of the patch is no object");
	if (api_conform(c->arena, object, type, r, strictness, c->warnings, &why) == 0)
		return 0;
	err_cause(e, STR("patch"), "FieldValueInvalid", "Invalid value: %s", err_text(&why));
	return -1;
}

static int make(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct patch *p = CONTAINER_OF(ch, struct patch, change);
	struct call *c = ch->call;
	*now = json_clone(c->arena, old);
	p->malformed = true;
	if (patch_apply(c, p->kind, p->document, ch->resource->type, now, e) < 0 ||
	    patch_conform(c, *now, ch->resource->type, ch->resource, p->options.strictness, e) < 0)
		return -1;
	p->malformed = false;
	if (update_check_identity(c, *now, e) < 0)
		return -1;
	struct str revision = json_str(*now, "metadata.resourceVersion");
	bool named = !str_eq(revision, json_str(old, "metadata.resourceVersion"));
	if (named && change_check_revision(ch, old, revision, e) < 0)
		return -1;
	return change_complete(ch, *now, old, e);
}

static void fail(struct change *ch, struct err *e)
{
	struct patch *p = CONTAINER_OF(ch, struct patch, change);
	struct status_details empty = status_empty();
	if (p->malformed && e->reason == ERR_INVALID)
		respond_error(ch->call, e, &empty);
	else
		respond_failure(ch->call, e, ch->name);
}

void patch_respond_unreadable(struct call *c, struct err *e)
{
	struct status_details empty = status_empty();
	respond_error(c, e, e->reason == ERR_UNSUPPORTED_MEDIA ? &empty : NULL);
}

void verb_patch(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct patch *p = ARENA_NEW(c->arena, struct patch);
	p->change = (struct change){.call = c,
				    .resource = c->route.resource,
				    .namespace = c->route.namespace,
				    .name = c->route.name,
				    .make = make,
				    .fail = fail};
	if (patch_read(c, &p->kind, &p->document, &e) < 0) {
		patch_respond_unreadable(c, &e);
	} else if (patch_options_of(&c->query, &p->options, &e) < 0) {
		struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = STR("PatchOptions")};
		respond_error(c, &e, &d);
	} else {
		p->change.dry_run = p->options.dry_run;
		change_run(&p->change);
	}
}
