// SPDX-License-Identifier: Apache-2.0
// An Eviction deletes a pod unless that would break a disruption budget; who is refused (429) tries again.
#include "api/selector.h"

#include "server/respond.h"
#include "server/subresource/subresource.h"
#include "server/verbs/delete.h"
#include "server/verbs/verbs.h"

enum { RETRY_AFTER_S = 10 };

struct search {
	struct arena *arena;
	const struct json *labels;
	struct json *budget; // the first that covers the pod
	size_t count;
};

static bool look_at(void *arg, const struct store_item *item)
{
	struct search *s = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct api_selector *selector;
	struct json *budget = object_parse(s->arena, item->value);
	if (api_selector_of(s->arena, json_at(budget, "spec.selector"), &selector, &e) == 0 &&
	    api_selector_matches(selector, s->labels) && s->count++ == 0)
		s->budget = budget;
	return true;
}

static int refuse(struct err *e, struct str budget, const char *why)
{
	err_cause(e, STR(""), "DisruptionBudget", "The disruption budget %.*s %s", STR_FMT(budget), why);
	e->reason = ERR_TOO_MANY_REQUESTS;
	free(e->text);
	e->text = mem_strdup("Cannot evict pod as it would violate the pod's disruption budget.");
	e->retry_after_s = RETRY_AFTER_S;
	return -1;
}

// A pod that does not run yet, or any more, may always go.
static bool needs_budget(const struct json *pod)
{
	return json_str_is(pod, "status.phase", "Running") && !json_at(pod, "metadata.deletionTimestamp");
}

static int ask_budgets(struct call *c, struct store_snapshot *snapshot, const struct json *pod, struct err *e)
{
	const struct api_resource *r = api_resource_find(STR("policy"), STR("v1"), STR("poddisruptionbudgets"));
	if (!r || !needs_budget(pod))
		return 0;
	struct search s = {.arena = c->arena, .labels = json_at(pod, "metadata.labels")};
	store_scan(snapshot, collection_prefix(c->arena, r, c->route.namespace), STR_NONE, look_at, &s);
	if (s.count == 0)
		return 0;
	struct str name = json_str(s.budget, "metadata.name");
	if (s.count > 1)
		return err_set(e, ERR_INTERNAL,
			       "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
			       "not support.");
	if (json_i64(s.budget, "status.observedGeneration", 0) < json_i64(s.budget, "metadata.generation", 0))
		return refuse(e, name, "is still being processed by the server.");
	if (json_i64(s.budget, "status.disruptionsAllowed", 0) <= 0)
		return refuse(e, name, "allows no more disruptions now.");
	return 0;
}

static void answer(struct change *ch, struct blob *object)
{
	blob_unref(object);
	respond_created(ch->call);
}

static int read_options(struct call *c, struct delete_options *o, struct err *e)
{
	struct write_options options;
	struct json *body;
	if (write_options_of(&c->query, &options, e) < 0 ||
	    decode_body(c, c->route.sub->type, NULL, options.strictness, &body, e) < 0)
		return -1;
	struct str name = json_str(body, "metadata.name");
	if (!str_eq(name, c->route.name))
		return err_set(e, ERR_BAD_REQUEST, "name in URL does not match name in Eviction object");
	if (delete_options_of(&c->query, json_get(body, STR("deleteOptions")), o, e) < 0)
		return -1;
	o->dry_run = o->dry_run || options.dry_run;
	return 0;
}

void eviction_create(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct delete_options o;
	struct store_item item;
	struct store_snapshot *snapshot = store_snapshot(c->server->store);
	bool found = store_get(snapshot, object_key(c->arena, c->route.resource, c->route.namespace, c->route.name),
			       &item);
	int ok = read_options(c, &o, &e);
	if (ok == 0 && !found)
		ok = status_not_found(&e, c->route.resource, c->route.name);
	if (ok == 0)
		ok = ask_budgets(c, snapshot, object_parse(c->arena, item.value), &e);
	store_snapshot_release(snapshot);
	if (ok == 0)
		delete_object(c, &o, answer);
	else if (e.reason == ERR_NOT_FOUND)
		respond_failure(c, &e, c->route.name);
	else
		respond_error(c, &e, NULL);
}
