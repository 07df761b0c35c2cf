// SPDX-License-Identifier: Apache-2.0
#include "server/admission/admission.h"
#include "server/present.h"
#include "server/respond.h"
#include "server/shallow.h"
#include "server/verbs/change.h"
#include "server/verbs/delete.h"
#include "server/verbs/verbs.h"

// Kinds whose deletion answers with the object; others with a Status of success.
static const char *const shows_object[] = {
	"pods", "podtemplates", "services", "serviceaccounts", "resourcequotas", "persistentvolumes",
	"persistentvolumeclaims", "storageclasses", "csidrivers", "csinodes", "volumeattachments",
	"volumeattributesclasses", "deviceclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices",
};

// ---- what a deletion makes of an object

static bool is_namespace(const struct api_resource *r)
{
	return str_empty(r->group) && str_is(r->plural, "namespaces");
}

static bool is_pod(const struct api_resource *r)
{
	return str_empty(r->group) && str_is(r->plural, "pods");
}

static bool has_item(const struct json *list, const char *text)
{
	json_each(item, list)
		if (item->type == JSON_STRING && str_is(item->text, text))
			return true;
	return false;
}

// The garbage collector's two finalizers as the options ask for them; without a word what is there stays.
static void set_collector_finalizers(struct arena *a, struct json *metadata, enum propagation p)
{
	struct json *before = json_get(metadata, STR("finalizers"));
	bool orphan = p == PROPAGATE_ORPHAN || (p == PROPAGATE_UNSAID && has_item(before, "orphan"));
	bool foreground = p == PROPAGATE_FOREGROUND ||
			  (p == PROPAGATE_UNSAID && has_item(before, "foregroundDeletion"));
	if (!before && !orphan && !foreground)
		return;
	struct json *after = json_array(a);
	json_each(f, before)
		if (!str_is(f->text, "orphan") && !str_is(f->text, "foregroundDeletion"))
			json_push(after, json_string(a, f->text));
	if (orphan)
		json_push(after, json_string(a, STR("orphan")));
	if (foreground)
		json_push(after, json_string(a, STR("foregroundDeletion")));
	json_put(metadata, "finalizers", after);
}

static void raise_generation(struct arena *a, struct json *metadata)
{
	int64_t generation = json_i64(metadata, "generation", 0);
	if (generation > 0)
		json_put_int(a, metadata, "generation", generation + 1);
}

static void mark(struct arena *a, struct json *metadata, int64_t at_ns, int64_t grace_s)
{
	if (!json_get(metadata, STR("deletionTimestamp")))
		raise_generation(a, metadata);
	json_put_str(a, metadata, "deletionTimestamp", time_format(a, at_ns));
	json_put_int(a, metadata, "deletionGracePeriodSeconds", grace_s);
}

// How long a pod has to end: what is asked for, or what it says itself; none where nothing runs.
static int64_t pod_grace(const struct json *pod, const struct delete_options *o)
{
	int64_t grace = o->has_grace ? o->grace_s : json_i64(pod, "spec.terminationGracePeriodSeconds", 0);
	if (str_empty(json_str(pod, "spec.nodeName")) || json_str_is(pod, "status.phase", "Failed") ||
	    json_str_is(pod, "status.phase", "Succeeded"))
		return 0;
	return grace < 0 ? 1 : grace;
}

// A pod that already ends: its time may only become shorter.
static void shorten_grace(struct arena *a, struct json *metadata, const struct delete_options *o)
{
	int64_t left = json_i64(metadata, "deletionGracePeriodSeconds", 0), at = 0;
	if (!o->has_grace || o->grace_s >= left || time_parse(json_str(metadata, "deletionTimestamp"), &at) < 0)
		return;
	json_put_str(a, metadata, "deletionTimestamp", time_format(a, at + (o->grace_s - left) * TIME_S));
	json_put_int(a, metadata, "deletionGracePeriodSeconds", o->grace_s);
}

bool deletion_apply(struct arena *a, const struct api_resource *r, struct json *object, const struct delete_options *o,
		    int64_t now_ns)
{
	struct json *metadata = json_need_object(a, object, "metadata");
	bool ending = json_get(metadata, STR("deletionTimestamp")) != NULL;
	if (is_namespace(r)) {
		if (!ending) {
			set_collector_finalizers(a, metadata, o->propagation);
			json_put_str(a, metadata, "deletionTimestamp", time_format(a, now_ns));
			json_put_str(a, json_need_object(a, object, "status"), "phase", STR("Terminating"));
		}
		return ending && !json_first(json_at(object, "spec.finalizers")) &&
		       !json_first(json_get(metadata, STR("finalizers")));
	}
	if (is_pod(r) && ending && json_i64(metadata, "deletionGracePeriodSeconds", 0) > 0) {
		shorten_grace(a, metadata, o);
	} else {
		set_collector_finalizers(a, metadata, o->propagation);
		if (is_pod(r) && !ending) {
			int64_t grace = pod_grace(object, o);
			mark(a, metadata, now_ns + grace * TIME_S, grace);
		} else if (json_first(json_get(metadata, STR("finalizers"))) && !ending) {
			mark(a, metadata, now_ns, 0);
		}
	}
	return !json_first(json_get(metadata, STR("finalizers"))) &&
	       json_i64(metadata, "deletionGracePeriodSeconds", 0) == 0;
}

// ---- one object

struct deletion {
	struct change change;
	struct delete_options options;
};

static int check_preconditions(struct change *ch, const struct json *old, const struct delete_options *o, struct err *e)
{
	const struct api_resource *r = ch->resource;
	struct str uid = json_str(old, "metadata.uid"), revision = json_str(old, "metadata.resourceVersion");
	if (!str_empty(o->uid) && !str_eq(o->uid, uid))
		return err_set(
			e, ERR_CONFLICT,
			"Operation cannot be fulfilled on %.*s \"%.*s\": the UID in the precondition (%.*s) does not "
			"match the UID in record (%.*s). The object might have been deleted and then recreated",
			STR_FMT(r->kind), STR_FMT(ch->name), STR_FMT(o->uid), STR_FMT(uid));
	if (!str_empty(o->resource_version) && !str_eq(o->resource_version, revision))
		return err_set(e, ERR_CONFLICT,
			       "Operation cannot be fulfilled on %.*s \"%.*s\": the ResourceVersion in the "
			       "precondition (%.*s) does not match the ResourceVersion in record (%.*s). The object "
			       "might have been modified",
			       STR_FMT(r->kind), STR_FMT(ch->name), STR_FMT(o->resource_version), STR_FMT(revision));
	if (!str_empty(o->resource_version))
		ch->no_retry = true;
	return 0;
}

static int make(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct deletion *d = CONTAINER_OF(ch, struct deletion, change);
	struct call *c = ch->call;
	struct admission a = {.call = c,
			      .operation = OPERATION_DELETE,
			      .resource = ch->resource,
			      .namespace = ch->namespace,
			      .name = ch->name,
			      .old = old,
			      .snapshot = ch->snapshot,
			      .ops = &ch->ops};
	if (check_preconditions(ch, old, &d->options, e) < 0 || admission_run(&a, e) < 0)
		return -1;
	*now = json_clone(c->arena, old);
	ch->remove = deletion_apply(c->arena, ch->resource, *now, &d->options, loop_wall(c->loop));
	if (ch->remove && str_is(ch->resource->plural, "services"))
		return service_addresses_release(old, NULL, c->arena, &ch->ops, e);
	return 0;
}

static void fail(struct change *ch, struct err *e)
{
	// A failed precondition names the Kind, anything else the plural.
	struct deletion *d = CONTAINER_OF(ch, struct deletion, change);
	bool preconditions = d->options.uid.n || d->options.resource_version.n;
	struct status_details kind = status_of_kind(ch->resource, ch->name);
	if (e->reason == ERR_CONFLICT && preconditions)
		respond_error(ch->call, e, &kind);
	else
		respond_failure(ch->call, e, ch->name);
}

static void answer(struct change *ch, struct blob *object)
{
	bool shown = !ch->remove;
	for (size_t i = 0; i < ARRAY_LEN(shows_object); i++)
		shown = shown || str_is(ch->resource->plural, shows_object[i]);
	if (shown) {
		respond_object(ch->call, 200, object);
		return;
	}
	struct str metadata = STR("{}"), uid = STR_NONE;
	if (shallow_get(blob_str(object), "metadata", &metadata) && shallow_get(metadata, "uid", &uid))
		uid = arena_str(ch->call->arena, str_sub(uid, 1, uid.n - 2));
	blob_unref(object);
	struct status_details d = status_of_resource(ch->resource, ch->name);
	d.uid = uid;
	respond_json(ch->call, 200, status_success(ch->call->arena, &d));
}

// A body of another kind is no options: who sends it means something else.
static int check_kind(const struct json *body, struct err *e)
{
	struct str kind = json_str(body, "kind");
	if (str_empty(kind) || str_is(kind, "DeleteOptions"))
		return 0;
	return err_set(e, ERR_BAD_REQUEST, "the body holds a %.*s where DeleteOptions belong", STR_FMT(kind));
}

int delete_options_read(struct call *c, struct delete_options *out, struct err *e)
{
	struct json *body = NULL;
	enum api_media media = API_JSON;
	struct str content_type = call_header(c, "Content-Type");
	if (!str_empty(c->body)) {
		const struct api_type *type = api_type_find(STR("v1.DeleteOptions"));
		if (!str_empty(content_type) && api_media_of(content_type, &media, e) < 0)
			return -1;
		if (type ? api_decode(c->arena, c->body, media, type, NULL, API_IGNORE, NULL, &body, e) < 0
			 : json_parse(c->arena, c->body, NULL, &body, e) < 0)
			return -1;
		if (check_kind(body, e) < 0)
			return -1;
	}
	return delete_options_of(&c->query, body, out, e);
}

void delete_respond_options(struct call *c, struct err *e)
{
	struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = STR("DeleteOptions")};
	respond_error(c, e, e->reason == ERR_INVALID ? &d : NULL);
}

void delete_object(struct call *c, const struct delete_options *o, void (*answer_fn)(struct change *, struct blob *))
{
	struct deletion *d = ARENA_NEW(c->arena, struct deletion);
	d->options = *o;
	d->change = (struct change){.call = c,
				    .resource = c->route.resource,
				    .namespace = c->route.namespace,
				    .name = c->route.name,
				    .dry_run = o->dry_run,
				    .make = make,
				    .answer = answer_fn ? answer_fn : answer,
				    .fail = fail};
	change_run(&d->change);
}

void verb_delete(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct delete_options o;
	if (delete_options_read(c, &o, &e) < 0)
		delete_respond_options(c, &e);
	else
		delete_object(c, &o, NULL);
}
