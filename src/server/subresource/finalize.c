// SPDX-License-Identifier: Apache-2.0
// A namespace's spec.finalizers are written only here: when the last one is gone and the namespace ends, it goes.
#include "server/respond.h"
#include "server/subresource/subresource.h"
#include "server/verbs/change.h"
#include "server/verbs/update.h"
#include "server/verbs/verbs.h"

struct finalization {
	struct change change;
	struct json *body;
};

static int make(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct finalization *f = CONTAINER_OF(ch, struct finalization, change);
	struct arena *a = ch->call->arena;
	if (change_check_uid(ch, old, json_str(f->body, "metadata.uid"), e) < 0 ||
	    change_check_revision(ch, old, json_str(f->body, "metadata.resourceVersion"), e) < 0)
		return -1;
	*now = json_clone(a, old);
	struct json *spec = json_need_object(a, *now, "spec"), *wanted = json_at(f->body, "spec.finalizers");
	json_remove(spec, STR("finalizers"));
	if (json_first(wanted))
		json_put(spec, "finalizers", json_clone(a, wanted));
	ch->remove = !json_first(wanted) && json_at(old, "metadata.deletionTimestamp") &&
		     !json_first(json_at(old, "metadata.finalizers"));
	struct api_context context = api_context_of(ch->call);
	return api_validate_update(&context, ch->resource, *now, old, e);
}

void finalize_update(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct finalization *f = ARENA_NEW(c->arena, struct finalization);
	struct write_options options;
	const struct api_resource *r = c->route.resource;
	if (write_options_of(&c->query, &options, &e) < 0 ||
	    decode_body(c, r->type, r, options.strictness, &f->body, &e) < 0 ||
	    update_check_identity(c, f->body, &e) < 0) {
		respond_failure(c, &e, c->route.name);
		return;
	}
	f->change = (struct change){
		.call = c, .resource = r, .name = c->route.name, .dry_run = options.dry_run, .make = make};
	change_run(&f->change);
}
