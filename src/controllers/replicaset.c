// SPDX-License-Identifier: Apache-2.0
#include "controllers/replicaset.h"

#include "client/events.h"
#include "client/scan.h"
#include "controllers/expectations.h"
#include "controllers/owned.h"
#include "controllers/reconcile.h"
#include "controllers/replicaset_plan.h"

enum { PARALLEL = 64 };

struct replicaset_controller {
	struct cluster *cluster;
	struct informer *replicasets;
	struct owned *families;
	struct pod_cache *pods;
	struct expectations *expectations;
	struct events *events;
	struct reconciler *reconciler;
	struct map failures; // key -> struct failure, of those whose last try failed
};

struct failure {
	bool creating;
	struct str message; // behind the struct
};

struct attempt { // one pod being created or deleted
	struct replicaset_controller *controller;
	struct json *replicaset;
	struct str pod_name, pod_uid, pod_key;
};

// ---- what failed last

static void remember_failure(struct replicaset_controller *c, struct str key, bool creating, struct str message)
{
	struct failure *f = mem_zalloc(sizeof *f + message.n);
	memcpy(f + 1, message.p, message.n);
	*f = (struct failure){creating, {(char *)(f + 1), message.n}};
	free(map_set(&c->failures, key, f));
}

// ---- creating

static struct json *pod_of_template(struct arena *a, const struct json *replicaset)
{
	const struct json *template = json_at(replicaset, "spec.template");
	struct json *pod = json_object(a), *metadata;
	json_put_str(a, pod, "apiVersion", STR("v1"));
	json_put_str(a, pod, "kind", STR("Pod"));
	metadata = json_need_object(a, pod, "metadata");
	static const char *const kept[] = {"labels", "annotations", "finalizers"};
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct json *value = json_get(json_at(template, "metadata"), str_of(kept[i]));
		if (value)
			json_put(metadata, kept[i], json_clone(a, value));
	}
	// The longest that leaves room for what makes the name unique.
	struct str prefix = str_sub(json_str(replicaset, "metadata.name"), 0, 57);
	json_put_str(a, metadata, "generateName", arena_fmt(a, "%.*s-", STR_FMT(prefix)));
	json_push(json_need_array(a, metadata, "ownerReferences"), owner_reference(a, "apps/v1", "ReplicaSet", replicaset));
	const struct json *spec = json_at(template, "spec");
	json_put(pod, "spec", spec ? json_clone(a, spec) : json_object(a));
	return pod;
}

static bool namespace_goes(const struct err *e)
{
	return str_contains(str_of(err_text(e)), STR("being terminated"));
}

static bool created(void *arg, struct sync *s, const struct client_response *r)
{
	struct attempt *t = arg;
	struct replicaset_controller *c = t->controller;
	struct str owner_uid = json_str(t->replicaset, "metadata.uid");
	struct events_about about = events_about_object("apps/v1", "ReplicaSet", t->replicaset);
	if (!r->e) {
		free(map_remove(&c->failures, s->key));
		events_record(c->events, &about, EVENTS_NORMAL, "SuccessfulCreate", "Created pod: %.*s",
			      STR_FMT(t->pod_name));
		return true;
	}
	if (r->code == 0 || r->e->reason == ERR_TIMEOUT) { // it may exist
		expectations_doubt(c->expectations, owner_uid, t->pod_key, loop_now(c->cluster->loop));
		return false;
	}
	expectations_not_created(c->expectations, owner_uid, t->pod_key);
	if (r->e->reason == ERR_NOT_FOUND || (r->e->reason == ERR_FORBIDDEN && namespace_goes(r->e)))
		return true; // and the ReplicaSet with it
	remember_failure(c, s->key, true, str_of(err_text(r->e)));
	events_record(c->events, &about, EVENTS_WARNING, "FailedCreate", "Error creating: %s", err_text(r->e));
	return false;
}

static void create_pods(struct replicaset_controller *c, struct sync *s, struct json *replicaset, size_t count)
{
	struct arena *a = &s->arena;
	struct json *pod = pod_of_template(a, replicaset);
	struct json *metadata = json_get(pod, STR("metadata"));
	struct str path = client_path(a, STR("v1"), s->namespace, STR("pods"), STR_NONE, STR_NONE);
	for (size_t i = 0; i < count; i++) {
		struct attempt *t = ARENA_NEW(a, struct attempt);
		// Named here and not by the server, so that a lost answer does not hide which pod it was about.
		struct str suffix = loop_random_name(c->cluster->loop, a, 5);
		t->controller = c;
		t->replicaset = replicaset;
		t->pod_name = arena_fmt(a, "%.*s%.*s", STR_FMT(json_str(metadata, "generateName")), STR_FMT(suffix));
		t->pod_key = arena_fmt(a, "%.*s/%.*s", STR_FMT(s->namespace), STR_FMT(t->pod_name));
		json_put_str(a, metadata, "name", t->pod_name);
		expectations_creating(c->expectations, json_str(replicaset, "metadata.uid"), t->pod_key,
				      loop_now(c->cluster->loop));
		sync_send(s, "POST", path, pod, created, t);
	}
}

// ---- deleting

static bool deleted(void *arg, struct sync *s, const struct client_response *r)
{
	struct attempt *t = arg;
	struct replicaset_controller *c = t->controller;
	struct events_about about = events_about_object("apps/v1", "ReplicaSet", t->replicaset);
	if (!r->e) {
		free(map_remove(&c->failures, s->key));
		events_record(c->events, &about, EVENTS_NORMAL, "SuccessfulDelete", "Deleted pod: %.*s",
			      STR_FMT(t->pod_name));
		return true;
	}
	expectations_not_deleted(c->expectations, json_str(t->replicaset, "metadata.uid"), t->pod_uid);
	if (r->e->reason == ERR_NOT_FOUND)
		return true;
	remember_failure(c, s->key, false, str_of(err_text(r->e)));
	events_record(c->events, &about, EVENTS_WARNING, "FailedDelete", "Error deleting: %s", err_text(r->e));
	return false;
}

static void delete_pods(struct replicaset_controller *c, struct sync *s, struct json *replicaset, struct pod_list list)
{
	struct arena *a = &s->arena;
	for (size_t i = 0; i < list.n; i++) {
		struct attempt *t = ARENA_NEW(a, struct attempt);
		t->controller = c;
		t->replicaset = replicaset;
		t->pod_name = arena_str(a, list.p[i]->name);
		t->pod_uid = arena_str(a, list.p[i]->uid);
		struct json *options = json_object(a);
		json_put_str(a, json_need_object(a, options, "preconditions"), "uid", t->pod_uid);
		expectations_deleting(c->expectations, json_str(replicaset, "metadata.uid"), t->pod_uid,
				      loop_now(c->cluster->loop));
		sync_send(s, "DELETE", client_path(a, STR("v1"), s->namespace, STR("pods"), t->pod_name, STR_NONE),
			  options, deleted, t);
	}
}

// ---- taking and letting go

static bool changed_owner(void *arg, struct sync *s, const struct client_response *r)
{
	// Gone or changed meanwhile: the cache will tell, and the ReplicaSet comes again.
	return !r->e || r->e->reason == ERR_NOT_FOUND || r->e->reason == ERR_CONFLICT || r->e->reason == ERR_INVALID;
}

// Replaces the pod's references by those of others and, with `owner`, this one.
static void patch_owner(struct replicaset_controller *c, struct sync *s, const struct pod *p, struct str own_uid,
			struct json *owner)
{
	struct arena *a = &s->arena;
	struct json *patch = json_object(a), *metadata = json_need_object(a, patch, "metadata");
	struct json *pod = pod_parse(a, p), *references = json_array(a);
	json_each(reference, json_at(pod, "metadata.ownerReferences")) {
		if (!str_eq(json_str(reference, "uid"), own_uid))
			json_push(references, json_clone(a, reference));
	}
	if (owner)
		json_push(references, owner);
	json_put_str(a, metadata, "uid", p->uid);
	json_put_str(a, metadata, "resourceVersion", json_str(pod, "metadata.resourceVersion"));
	json_put(metadata, "ownerReferences", references->count ? references : json_null(a));
	sync_write(s, pod_cache_informer(c->pods), "PATCH",
		   client_path(a, STR("v1"), p->namespace, STR("pods"), p->name, STR_NONE), patch, changed_owner, NULL);
}

// ---- the loop

static bool is_doomed(void *arg, const struct pod *p)
{
	struct replicaset_controller *c = arg;
	return expectations_is_doomed(c->expectations, p->owner_uid, p->uid, loop_now(c->cluster->loop));
}

static void view_family(struct replicaset_controller *c, struct arena *a, struct str uid, struct str text,
			struct replicaset_view *v)
{
	struct str family_uid = owner_of(text).uid;
	struct owned_list family = str_empty(family_uid) ? (struct owned_list){0} : owned_by(c->families, family_uid);
	v->family = ARENA_ARRAY(a, struct pod_list, family.n + 1);
	if (family.n == 0)
		v->family[v->family_count++] = pod_cache_of_owner(c->pods, uid);
	for (size_t i = 0; i < family.n; i++) {
		struct str sibling_uid = scan_get_str(scan_get(family.p[i]->text, "metadata"), "uid");
		v->family[v->family_count++] = pod_cache_of_owner(c->pods, sibling_uid);
	}
}

static void write_status(struct replicaset_controller *c, struct sync *s, const struct json *replicaset,
			 struct json *status)
{
	struct arena *a = &s->arena;
	struct json *patch = json_object(a);
	json_put_str(a, json_need_object(a, patch, "metadata"), "resourceVersion",
		     json_str(replicaset, "metadata.resourceVersion"));
	json_put(patch, "status", status);
	sync_write(s, c->replicasets, "PATCH",
		   client_path(a, STR("apps/v1"), s->namespace, STR("replicasets"), s->name, STR("status")), patch,
		   NULL, NULL);
}

static void handle(void *arg, struct sync *s)
{
	struct replicaset_controller *c = arg;
	struct arena *a = &s->arena;
	struct json *replicaset = cluster_object(a, c->replicasets, s->key);
	struct api_selector *selector;
	if (!replicaset || api_selector_of(a, json_at(replicaset, "spec.selector"), &selector, NULL) < 0)
		return;
	struct str uid = json_str(replicaset, "metadata.uid");
	struct failure *failure = map_get(&c->failures, s->key);
	int64_t given_up_ns;
	struct replicaset_view view = {
		.replicaset = replicaset,
		.selector = selector,
		.owned = pod_cache_of_owner(c->pods, uid),
		.orphans = pod_cache_without_owner(c->pods, s->namespace),
		.unseen = expectations_unseen(c->expectations, uid, loop_now(c->cluster->loop), &given_up_ns),
		.is_doomed = is_doomed,
		.arg = c,
		.now_ns = loop_wall(c->cluster->loop),
		.failure = failure ? arena_str(a, failure->message) : STR_NONE,
		.failed_creating = failure && failure->creating,
	};
	view_family(c, a, uid, informer_get(c->replicasets, s->key)->text, &view);
	struct replicaset_plan plan;
	replicaset_plan(a, &view, &plan);
	for (size_t i = 0; i < plan.adopt.n; i++)
		patch_owner(c, s, plan.adopt.p[i], uid, owner_reference(a, "apps/v1", "ReplicaSet", replicaset));
	for (size_t i = 0; i < plan.release.n; i++)
		patch_owner(c, s, plan.release.p[i], uid, NULL);
	// After a failure (a quota, say) one attempt shows whether it holds on; otherwise all go at once.
	create_pods(c, s, replicaset, failure && plan.create ? 1 : plan.create);
	delete_pods(c, s, replicaset, plan.delete);
	if (plan.status)
		write_status(c, s, replicaset, plan.status);
	if (given_up_ns > 0)
		reconciler_add_after(c->reconciler, s->key, given_up_ns);
	if (plan.again_ns > 0)
		reconciler_add_after(c->reconciler, s->key, plan.again_ns);
	if (plan.create == 0 && plan.delete.n == 0)
		free(map_remove(&c->failures, s->key));
}

static void on_replicaset(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct replicaset_controller *c = arg;
	reconciler_add(c->reconciler, now ? now->key : before->key);
	if (now)
		return;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	expectations_forget(c->expectations, json_str(informer_parse(&a, before), "metadata.uid"));
	free(map_remove(&c->failures, before->key));
}

struct orphan {
	struct replicaset_controller *controller;
	const struct pod *pod;
	struct arena *arena;
	struct json *labels;
};

static bool wake_if_selects(void *arg, const struct informer_object *o)
{
	struct orphan *orphan = arg;
	struct str namespace, name;
	str_cut(o->key, '/', &namespace, &name);
	struct api_selector *selector;
	if (str_eq(namespace, orphan->pod->namespace) &&
	    api_selector_of(orphan->arena, json_at(informer_parse(orphan->arena, o), "spec.selector"), &selector,
			    NULL) == 0 &&
	    api_selector_matches(selector, orphan->labels))
		reconciler_add(orphan->controller->reconciler, o->key);
	return true;
}

// A pod that nobody manages: those whose selector matches may adopt it.
static void wake_adopters(struct replicaset_controller *c, const struct pod *p)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct orphan orphan = {c, p, &a, pod_labels(&a, p)};
	if (orphan.labels && pod_active(p))
		informer_each(c->replicasets, wake_if_selects, &orphan);
}

static void wake_owner(struct replicaset_controller *c, const struct pod *p)
{
	if (!p || !str_is(p->owner_kind, "ReplicaSet"))
		return;
	struct buf key CLEAN_BUF;
	buf_init(&key);
	buf_fmt(&key, "%.*s/%.*s", STR_FMT(p->namespace), STR_FMT(p->owner_name));
	reconciler_add(c->reconciler, buf_str(&key));
}

static void on_pod(void *arg, const struct pod *before, const struct pod *now)
{
	struct replicaset_controller *c = arg;
	expectations_observe(c->expectations, before, now);
	wake_owner(c, now);
	if (!now || (before && !str_eq(before->owner_uid, now->owner_uid)))
		wake_owner(c, before);
	if (now && str_empty(now->owner_uid) &&
	    (!before || !str_eq(before->labels, now->labels) || !str_empty(before->owner_uid)))
		wake_adopters(c, now);
}

void *replicaset_start(struct cluster *cluster)
{
	static const struct informer_events on_replicasets = {.on_change = on_replicaset};
	static const struct pod_cache_events on_pods = {on_pod};
	struct replicaset_controller *c = MEM_NEW(struct replicaset_controller);
	c->cluster = cluster;
	c->replicasets = cluster_informer(cluster, "/apis/apps/v1/replicasets");
	c->pods = cluster_pods(cluster);
	c->families = owned_create(c->replicasets);
	c->expectations = expectations_create();
	c->events = events_create(cluster->transport, STR("replicaset-controller"), STR_NONE);
	c->reconciler = reconciler_create(cluster->transport, PARALLEL, handle, c);
	map_init(&c->failures);
	reconciler_await(c->reconciler, c->replicasets);
	reconciler_await(c->reconciler, pod_cache_informer(c->pods));
	informer_listen(c->replicasets, &on_replicasets, c);
	pod_cache_listen(c->pods, &on_pods, c);
	return c;
}

void replicaset_stop(void *controller)
{
	struct replicaset_controller *c = controller;
	reconciler_destroy(c->reconciler);
	events_destroy(c->events);
	expectations_destroy(c->expectations);
	owned_destroy(c->families);
	map_each(slot, &c->failures)
		free(slot->value);
	map_finish(&c->failures);
	free(c);
}
