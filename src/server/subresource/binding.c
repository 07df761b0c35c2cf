// SPDX-License-Identifier: Apache-2.0
// A Binding gives a pod its node, once.
#include "server/respond.h"
#include "server/subresource/subresource.h"
#include "server/verbs/change.h"
#include "server/verbs/verbs.h"

struct binding {
	struct change change;
	struct json *body;
};

static const struct api_resource *pods(void)
{
	return api_resource_find(STR(""), STR("v1"), STR("pods"));
}

static void merge(struct arena *a, struct json *pod, const struct json *body, const char *what)
{
	json_each(entry, json_get(json_get(body, STR("metadata")), str_of(what)))
		json_set(json_need_object(a, json_need_object(a, pod, "metadata"), what), entry->key,
			 json_clone(a, entry));
}

static void set_scheduled(struct call *c, struct json *pod)
{
	struct arena *a = c->arena;
	struct json *list = json_need_array(a, json_need_object(a, pod, "status"), "conditions"), *condition = NULL;
	json_each(each, list)
		if (json_str_is(each, "type", "PodScheduled"))
			condition = each;
	if (!condition) {
		condition = json_push(list, json_object(a));
		json_put_str(a, condition, "type", STR("PodScheduled"));
	}
	if (json_str_is(condition, "status", "True"))
		return;
	json_put_str(a, condition, "status", STR("True"));
	json_put_str(a, condition, "lastTransitionTime", time_format(a, loop_wall(c->loop)));
	json_remove(condition, STR("reason"));
	json_remove(condition, STR("message"));
}

static int conflict(struct change *ch, struct err *e, const char *why)
{
	return err_set(e, ERR_CONFLICT, "Operation cannot be fulfilled on pods/binding \"%.*s\": %s", STR_FMT(ch->name),
		       why);
}

static int make(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct binding *b = CONTAINER_OF(ch, struct binding, change);
	struct call *c = ch->call;
	struct str node = json_str(old, "spec.nodeName"), uid = json_str(b->body, "metadata.uid");
	struct str revision = json_str(b->body, "metadata.resourceVersion");
	if (!str_empty(uid) && !str_eq(uid, json_str(old, "metadata.uid")))
		return conflict(ch, e, "the UID in the binding is not that of the pod");
	if (!str_empty(revision) && !str_eq(revision, json_str(old, "metadata.resourceVersion")))
		return conflict(ch, e, "the pod has changed: the binding is for another resourceVersion");
	if (json_at(old, "metadata.deletionTimestamp"))
		return conflict(ch, e, "the pod is being deleted, and cannot be assigned to a host");
	if (!str_empty(node))
		return conflict(ch, e,
				arena_fmt(c->arena, "the pod is already assigned to node \"%.*s\"", STR_FMT(node)).p);
	if (json_first(json_at(old, "spec.schedulingGates")))
		return conflict(ch, e, "the pod has scheduling gates");
	*now = json_clone(c->arena, old);
	json_put_str(c->arena, json_need_object(c->arena, *now, "spec"), "nodeName", json_str(b->body, "target.name"));
	merge(c->arena, *now, b->body, "annotations");
	merge(c->arena, *now, b->body, "labels");
	set_scheduled(c, *now);
	json_remove(json_get(*now, STR("status")), STR("nominatedNodeName"));
	return 0;
}

static void answer(struct change *ch, struct blob *object)
{
	blob_unref(object);
	respond_created(ch->call);
}

static void fail(struct change *ch, struct err *e)
{
	struct status_details d = {.present = true, .name = ch->name, .kind = STR("pods/binding")};
	if (e->reason == ERR_CONFLICT) {
		respond_error(ch->call, e, &d);
		return;
	}
	d.kind = STR("pods");
	respond_error(ch->call, e, &d);
}

static int check_target(const struct json *body, struct err *e)
{
	struct str kind = json_str(body, "target.kind");
	if (!str_empty(kind) && !str_is(kind, "Node"))
		err_cause(e, STR("target.kind"), "FieldValueNotSupported",
			  "Unsupported value: \"%.*s\": supported values: \"Node\", \"\"", STR_FMT(kind));
	if (str_empty(json_str(body, "target.name")))
		err_cause(e, STR("target.name"), "FieldValueRequired", "Required value");
	return e->reason ? -1 : 0;
}

void binding_create(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct binding *b = ARENA_NEW(c->arena, struct binding);
	struct write_options options;
	const struct api_type *type = c->route.sub ? c->route.sub->type : c->route.resource->type;
	struct status_details d = {.present = true, .kind = STR("Binding")};
	if (write_options_of(&c->query, &options, &e) < 0 ||
	    decode_body(c, type, NULL, options.strictness, &b->body, &e) < 0 || check_target(b->body, &e) < 0) {
		respond_error(c, &e, e.reason == ERR_INVALID ? &d : NULL);
		return;
	}
	struct str name = json_str(b->body, "metadata.name");
	if (str_empty(c->route.name))
		c->route.name = name;
	if (!str_eq(name, c->route.name)) {
		err_set(&e, ERR_BAD_REQUEST, "name in URL does not match name in Binding object");
		respond_error(c, &e, NULL);
		return;
	}
	b->change = (struct change){.call = c,
				    .resource = pods(),
				    .namespace = c->route.namespace,
				    .name = c->route.name,
				    .dry_run = options.dry_run,
				    .make = make,
				    .answer = answer,
				    .fail = fail};
	change_run(&b->change);
}
