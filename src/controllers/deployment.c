// SPDX-License-Identifier: Apache-2.0
#include "controllers/deployment.h"

#include "api/selector.h"
#include "client/events.h"
#include "client/scan.h"
#include "controllers/deployment_plan.h"
#include "controllers/owned.h"
#include "controllers/pod_cache.h"
#include "controllers/reconcile.h"

enum { PARALLEL = 64 };

struct deployment_controller {
	struct cluster *cluster;
	struct informer *deployments, *replicasets;
	struct owned *owned;
	struct pod_cache *pods;
	struct events *events;
	struct reconciler *reconciler;
};

struct step { // of one sync, for its answers
	struct deployment_controller *controller;
	struct json *deployment;
	struct deployment_plan plan;
};

static struct str path_of(struct sync *s, const char *plural, struct str name, const char *subresource)
{
	return client_path(&s->arena, STR("apps/v1"), s->namespace, str_of(plural), name, str_of(subresource));
}

static struct events_about about(const struct json *deployment)
{
	return events_about_object("apps/v1", "Deployment", deployment);
}

// ---- writing

static void write_status(struct deployment_controller *c, struct sync *s, const struct json *deployment,
			 struct json *status)
{
	struct json *patch = json_object(&s->arena);
	json_put_str(&s->arena, json_need_object(&s->arena, patch, "metadata"), "resourceVersion",
		     json_str(deployment, "metadata.resourceVersion"));
	json_put(patch, "status", status);
	sync_write(s, c->deployments, "PATCH", path_of(s, "deployments", s->name, "status"), patch, NULL, NULL);
}

// After the status, because that one names the version that it was decided on.
static void write_annotations(struct deployment_controller *c, struct sync *s, struct json *annotations)
{
	struct json *patch = json_object(&s->arena);
	json_put(json_need_object(&s->arena, patch, "metadata"), "annotations", annotations);
	sync_write(s, c->deployments, "PATCH", path_of(s, "deployments", s->name, NULL), patch, NULL, NULL);
}

static bool created(void *arg, struct sync *s, const struct client_response *r)
{
	struct step *step = arg;
	struct str name = json_str(step->plan.create, "metadata.name");
	struct events_about whom = about(step->deployment);
	if (!r->e) {
		int64_t size = json_i64(step->plan.create, "spec.replicas", 0);
		if (size > 0)
			events_record(step->controller->events, &whom, EVENTS_NORMAL, "ScalingReplicaSet",
				      "Scaled up replica set %.*s from 0 to %lld", STR_FMT(name), (long long)size);
		if (step->plan.status)
			write_status(step->controller, s, step->deployment, step->plan.status);
		if (step->plan.annotations)
			write_annotations(step->controller, s, step->plan.annotations);
		return true;
	}
	bool cache_is_late = r->e->reason == ERR_ALREADY_EXISTS, unknown = r->code == 0;
	if (cache_is_late || unknown)
		return false;
	if (r->e->reason == ERR_NOT_FOUND || str_contains(str_of(err_text(r->e)), STR("being terminated")))
		return true; // the namespace goes
	events_record(step->controller->events, &whom, EVENTS_WARNING, "ReplicaSetCreateError",
		      "Failed to create new replica set \"%.*s\": %s", STR_FMT(name), err_text(r->e));
	if (json_i64(step->deployment, "spec.progressDeadlineSeconds", INT32_MAX) != INT32_MAX)
		write_status(step->controller, s, step->deployment,
			     deployment_create_failed(&s->arena, step->deployment, name, err_text(r->e),
						      loop_wall(step->controller->cluster->loop)));
	return false;
}

struct resize {
	struct step *step;
	struct deployment_change *change;
};

static bool resized(void *arg, struct sync *s, const struct client_response *r)
{
	struct resize *resize = arg;
	const struct deployment_change *change = resize->change;
	if (r->e)
		return false;
	if (change->from == change->to)
		return true;
	struct events_about whom = about(resize->step->deployment);
	events_record(resize->step->controller->events, &whom, EVENTS_NORMAL, "ScalingReplicaSet",
		      "Scaled %s replica set %.*s from %lld to %lld", change->to > change->from ? "up" : "down",
		      STR_FMT(json_str(change->replicaset, "metadata.name")), (long long)change->from,
		      (long long)change->to);
	return true;
}

static void apply(struct deployment_controller *c, struct sync *s, struct step *step)
{
	struct deployment_plan *plan = &step->plan;
	struct arena *a = &s->arena;
	for (size_t i = 0; i < plan->change_count; i++) {
		struct resize *resize = ARENA_NEW(a, struct resize);
		*resize = (struct resize){step, &plan->changes[i]};
		struct str name = json_str(plan->changes[i].replicaset, "metadata.name");
		sync_write(s, c->replicasets, "PATCH", path_of(s, "replicasets", name, NULL), plan->changes[i].patch,
			   resized, resize);
	}
	for (size_t i = 0; i < plan->delete_count; i++) {
		struct json *options = json_object(a);
		json_put_str(a, json_need_object(a, options, "preconditions"), "uid",
			     json_str(plan->delete[i], "metadata.uid"));
		struct str name = json_str(plan->delete[i], "metadata.name");
		sync_send(s, "DELETE", path_of(s, "replicasets", name, NULL), options, NULL, NULL);
	}
	if (plan->again_ns > 0)
		reconciler_add_after(c->reconciler, s->key, plan->again_ns);
	if (plan->create) {
		sync_write(s, c->replicasets, "POST", path_of(s, "replicasets", STR_NONE, NULL), plan->create, created,
			   step);
		return; // status and annotations follow
	}
	if (plan->status)
		write_status(c, s, step->deployment, plan->status);
	if (plan->annotations)
		write_annotations(c, s, plan->annotations);
}

// ---- whose ReplicaSets

static bool changed_owner(void *arg, struct sync *s, const struct client_response *r)
{
	return !r->e || r->e->reason == ERR_NOT_FOUND || r->e->reason == ERR_CONFLICT || r->e->reason == ERR_INVALID;
}

static void patch_owner(struct deployment_controller *c, struct sync *s, const struct json *replicaset,
			const struct json *deployment, bool adopt)
{
	struct arena *a = &s->arena;
	struct json *patch = json_object(a), *metadata = json_need_object(a, patch, "metadata"),
		    *references = json_array(a);
	struct str uid = json_str(deployment, "metadata.uid");
	json_each(reference, json_at(replicaset, "metadata.ownerReferences")) {
		if (!str_eq(json_str(reference, "uid"), uid))
			json_push(references, json_clone(a, reference));
	}
	if (adopt)
		json_push(references, owner_reference(a, "apps/v1", "Deployment", deployment));
	json_put_str(a, metadata, "uid", json_str(replicaset, "metadata.uid"));
	json_put_str(a, metadata, "resourceVersion", json_str(replicaset, "metadata.resourceVersion"));
	json_put(metadata, "ownerReferences", references->count ? references : json_null(a));
	sync_write(s, c->replicasets, "PATCH", path_of(s, "replicasets", json_str(replicaset, "metadata.name"), NULL),
		   patch, changed_owner, NULL);
}

struct claim {
	const struct json **p;
	size_t n;
	bool adopting;
};

// Those of the Deployment. Others that its selector fits are adopted, its own that it no longer fits let go; both
// come back through the cache.
static struct claim claim(struct deployment_controller *c, struct sync *s, const struct json *deployment,
			  const struct api_selector *selector)
{
	struct arena *a = &s->arena;
	struct owned_list own = owned_by(c->owned, json_str(deployment, "metadata.uid"));
	struct owned_list orphans = owned_by_nobody(c->owned, s->namespace);
	struct claim mine = {ARENA_ARRAY(a, const struct json *, own.n + 1), 0, false};
	bool deleting = json_at(deployment, "metadata.deletionTimestamp") != NULL;
	for (size_t i = 0; i < own.n; i++) {
		struct json *replicaset = cluster_object(a, c->replicasets, own.p[i]->key);
		if (api_selector_matches(selector, json_at(replicaset, "metadata.labels")))
			mine.p[mine.n++] = replicaset;
		else if (!deleting)
			patch_owner(c, s, replicaset, deployment, false);
	}
	for (size_t i = 0; i < orphans.n && !deleting; i++) {
		struct json *replicaset = cluster_object(a, c->replicasets, orphans.p[i]->key);
		if (!json_at(replicaset, "metadata.deletionTimestamp") &&
		    api_selector_matches(selector, json_at(replicaset, "metadata.labels"))) {
			patch_owner(c, s, replicaset, deployment, true);
			mine.adopting = true;
		}
	}
	return mine;
}

static bool has_living_pods(struct deployment_controller *c, const struct json *replicaset)
{
	struct pod_list pods = pod_cache_of_owner(c->pods, json_str(replicaset, "metadata.uid"));
	for (size_t i = 0; i < pods.n; i++) {
		if (!pod_terminal(pods.p[i]))
			return true;
	}
	return false;
}

// ---- the loop

struct lookup {
	struct deployment_controller *controller;
	struct sync *sync;
};

static bool name_taken(void *arg, struct str name)
{
	struct lookup *lookup = arg;
	struct sync *s = lookup->sync;
	struct str key = arena_fmt(&s->arena, "%.*s/%.*s", STR_FMT(s->namespace), STR_FMT(name));
	return informer_get(lookup->controller->replicasets, key) != NULL;
}

static void handle(void *arg, struct sync *s)
{
	struct deployment_controller *c = arg;
	struct arena *a = &s->arena;
	struct json *deployment = cluster_object(a, c->deployments, s->key);
	struct api_selector *selector;
	if (!deployment || api_selector_of(a, json_at(deployment, "spec.selector"), &selector, NULL) < 0)
		return;
	struct claim mine = claim(c, s, deployment, selector);
	if (mine.adopting)
		return; // their pods count: no step before they are seen among its own
	bool *has_pods = ARENA_ARRAY(a, bool, mine.n + 1);
	for (size_t i = 0; i < mine.n; i++)
		has_pods[i] = has_living_pods(c, mine.p[i]);
	struct lookup lookup = {c, s};
	struct deployment_view view = {
		deployment, mine.p, has_pods, mine.n, name_taken, &lookup, loop_wall(c->cluster->loop)};
	struct step *step = ARENA_NEW(a, struct step);
	step->controller = c;
	step->deployment = deployment;
	deployment_plan(a, &view, &step->plan);
	if (step->plan.selects_everything) {
		struct events_about whom = about(deployment);
		events_record(c->events, &whom, EVENTS_WARNING, "SelectingAll",
			      "This deployment is selecting all pods. A non-empty selector is required.");
	}
	apply(c, s, step);
}

static void on_deployment(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct deployment_controller *c = arg;
	reconciler_add(c->reconciler, now ? now->key : before->key);
}

struct orphan {
	struct deployment_controller *controller;
	struct arena *arena;
	struct str namespace;
	struct json *labels;
};

static bool wake_if_selects(void *arg, const struct informer_object *o)
{
	struct orphan *orphan = arg;
	struct str namespace, name;
	str_cut(o->key, '/', &namespace, &name);
	struct api_selector *selector;
	if (str_eq(namespace, orphan->namespace) &&
	    api_selector_of(orphan->arena, json_at(informer_parse(orphan->arena, o), "spec.selector"), &selector,
			    NULL) == 0 &&
	    api_selector_matches(selector, orphan->labels))
		reconciler_add(orphan->controller->reconciler, o->key);
	return true;
}

// The Deployment that owns the ReplicaSet, or those that might adopt it.
static void wake_owner(struct deployment_controller *c, const struct informer_object *replicaset)
{
	struct owner owner = owner_of(replicaset->text);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str namespace, name;
	str_cut(replicaset->key, '/', &namespace, &name);
	if (str_is(owner.kind, "Deployment")) {
		reconciler_add(c->reconciler, arena_fmt(&a, "%.*s/%.*s", STR_FMT(namespace), STR_FMT(owner.name)));
	} else if (str_empty(owner.uid)) {
		struct json *labels = json_at(informer_parse(&a, replicaset), "metadata.labels");
		struct orphan orphan = {c, &a, namespace, labels};
		informer_each(c->deployments, wake_if_selects, &orphan);
	}
}

static void on_replicaset(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	if (now)
		wake_owner(arg, now);
	if (before && (!now || !str_eq(owner_of(before->text).uid, owner_of(now->text).uid)))
		wake_owner(arg, before);
}

// Recreate waits for the last of the old pods.
static void on_pod(void *arg, const struct pod *before, const struct pod *now)
{
	struct deployment_controller *c = arg;
	bool ended = before && (!now || (pod_terminal(now) && !pod_terminal(before)));
	if (!ended || !str_is(before->owner_kind, "ReplicaSet"))
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct informer_object *replicaset = informer_get(
		c->replicasets, arena_fmt(&a, "%.*s/%.*s", STR_FMT(before->namespace), STR_FMT(before->owner_name)));
	if (!replicaset)
		return;
	struct str owner_name = owner_of(replicaset->text).name;
	struct str key = arena_fmt(&a, "%.*s/%.*s", STR_FMT(before->namespace), STR_FMT(owner_name));
	const struct informer_object *deployment = informer_get(c->deployments, key);
	if (deployment &&
	    str_is(scan_get_str(scan_get(scan_get(deployment->text, "spec"), "strategy"), "type"), "Recreate"))
		reconciler_add(c->reconciler, key);
}

void *deployment_start(struct cluster *cluster)
{
	static const struct informer_events on_deployments = {.on_change = on_deployment};
	static const struct informer_events on_replicasets = {.on_change = on_replicaset};
	static const struct pod_cache_events on_pods = {on_pod};
	struct deployment_controller *c = MEM_NEW(struct deployment_controller);
	c->cluster = cluster;
	c->deployments = cluster_informer(cluster, "/apis/apps/v1/deployments");
	c->replicasets = cluster_informer(cluster, "/apis/apps/v1/replicasets");
	c->pods = cluster_pods(cluster);
	c->owned = owned_create(c->replicasets);
	c->events = events_create(cluster->transport, STR("deployment-controller"), STR_NONE);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	reconciler_await(c->reconciler, c->deployments);
	reconciler_await(c->reconciler, c->replicasets);
	reconciler_await(c->reconciler, pod_cache_informer(c->pods));
	informer_listen(c->deployments, &on_deployments, c);
	informer_listen(c->replicasets, &on_replicasets, c);
	pod_cache_listen(c->pods, &on_pods, c);
	return c;
}

void deployment_stop(void *controller)
{
	struct deployment_controller *c = controller;
	reconciler_destroy(c->reconciler);
	events_destroy(c->events);
	owned_destroy(c->owned);
	free(c);
}
