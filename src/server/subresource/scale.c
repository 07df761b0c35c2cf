// SPDX-License-Identifier: Apache-2.0
// autoscaling/v1 Scale: the replicas of a workload and its selector as text, as an object of its own.
#include "server/present.h"
#include "server/respond.h"
#include "server/subresource/subresource.h"
#include "server/verbs/change.h"
#include "server/verbs/patch.h"
#include "server/verbs/update.h"
#include "server/verbs/verbs.h"

struct scaling {
	struct change change;
	struct write_options options;
	struct json *body; // of an update
	enum api_patch kind;
	struct json *patch;
};

// ---- from the workload

static void add_expression(struct buf *out, const struct json *x)
{
	struct str op = json_str(x, "operator"), key = json_str(x, "key");
	if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
		buf_fmt(out, "%s%.*s", str_is(op, "Exists") ? "" : "!", STR_FMT(key));
		return;
	}
	buf_fmt(out, "%.*s %s (", STR_FMT(key), str_is(op, "In") ? "in" : "notin");
	json_each(v, json_get(x, STR("values")))
		buf_fmt(out, "%s%.*s", v == json_first(json_get(x, STR("values"))) ? "" : ",", STR_FMT(v->text));
	buf_add_byte(out, ')');
}

static struct str selector_text(struct arena *a, const struct json *selector)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	json_each(label, json_get(selector, STR("matchLabels")))
		buf_fmt(&out, "%s%.*s=%.*s", out.n ? "," : "", STR_FMT(label->key), STR_FMT(label->text));
	json_each(x, json_get(selector, STR("matchExpressions"))) {
		if (out.n)
			buf_add_byte(&out, ',');
		add_expression(&out, x);
	}
	return arena_str(a, buf_str(&out));
}

static void copy(struct arena *a, struct json *to, const struct json *from, const char *key)
{
	struct json *value = json_get(from, str_of(key));
	if (value)
		json_put(to, key, json_clone(a, value));
}

static struct json *scale_of(struct arena *a, const struct json *workload)
{
	static const char *const shown[] = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"};
	struct json *scale = json_object(a);
	json_put_str(a, scale, "kind", STR("Scale"));
	json_put_str(a, scale, "apiVersion", STR("autoscaling/v1"));
	struct json *metadata = json_put(scale, "metadata", json_object(a));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		copy(a, metadata, json_get(workload, STR("metadata")), shown[i]);
	struct json *spec = json_put(scale, "spec", json_object(a));
	int64_t replicas = json_i64(workload, "spec.replicas", 0);
	if (replicas)
		json_put_int(a, spec, "replicas", replicas);
	struct json *status = json_put(scale, "status", json_object(a));
	json_put_int(a, status, "replicas", json_i64(workload, "status.replicas", 0));
	struct str selector = selector_text(a, json_at(workload, "spec.selector"));
	if (!str_empty(selector))
		json_put_str(a, status, "selector", selector);
	return scale;
}

static void answer(struct change *ch, struct blob *object)
{
	struct call *c = ch->call;
	struct json *scale = scale_of(c->arena, object_parse(c->arena, object));
	struct buf out CLEAN_BUF;
	buf_init(&out);
	json_write(&out, scale);
	blob_unref(object);
	respond_buf(c, 200, &out);
}

void scale_get(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct store_item item;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	struct store_snapshot *snapshot = store_snapshot(c->server->store);
	if (store_get(snapshot, object_key(c->arena, c->route.resource, c->route.namespace, c->route.name), &item))
		json_write(&out, scale_of(c->arena, object_parse(c->arena, item.value)));
	else
		status_not_found(&e, c->route.resource, c->route.name);
	store_snapshot_release(snapshot);
	if (e.reason)
		respond_failure(c, &e, c->route.name);
	else
		respond_buf(c, 200, &out);
}

// ---- to the workload

static int apply(struct change *ch, const struct json *old, struct json *scale, struct json **now, struct err *e)
{
	struct call *c = ch->call;
	if (update_check_identity(c, scale, e) < 0)
		return -1;
	struct str revision = json_str(scale, "metadata.resourceVersion");
	bool named = !str_eq(revision, json_str(old, "metadata.resourceVersion"));
	if (change_check_uid(ch, old, json_str(scale, "metadata.uid"), e) < 0 ||
	    (named && change_check_revision(ch, old, revision, e) < 0))
		return -1;
	int64_t replicas = json_i64(scale, "spec.replicas", 0);
	if (replicas < 0) {
		err_cause(e, STR("spec.replicas"), "FieldValueInvalid",
			  "Invalid value: %lld: must be greater than or equal to 0", (long long)replicas);
		return -1;
	}
	*now = json_clone(c->arena, old);
	json_put_int(c->arena, json_need_object(c->arena, *now, "spec"), "replicas", replicas);
	// The rest is an update of the workload itself.
	struct str subresource = c->route.subresource;
	c->route.subresource = STR("");
	int ok = change_complete(ch, *now, old, e);
	c->route.subresource = subresource;
	return ok;
}

static int make_update(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct scaling *s = CONTAINER_OF(ch, struct scaling, change);
	return apply(ch, old, json_clone(ch->call->arena, s->body), now, e);
}

static int make_patch(struct change *ch, const struct json *old, struct json **now, struct err *e)
{
	struct scaling *s = CONTAINER_OF(ch, struct scaling, change);
	struct call *c = ch->call;
	const struct api_type *type = c->route.sub->type;
	struct json *scale = scale_of(c->arena, old);
	if (patch_apply(c, s->kind, s->patch, type, &scale, e) < 0 ||
	    patch_conform(c, scale, type, NULL, s->options.strictness, e) < 0)
		return -1;
	return apply(ch, old, scale, now, e);
}

static void fail(struct change *ch, struct err *e)
{
	struct status_details d = {
		.present = true, .name = ch->name, .group = STR("autoscaling"), .kind = STR("Scale")};
	if (e->reason == ERR_INVALID)
		respond_error(ch->call, e, &d);
	else
		respond_failure(ch->call, e, ch->name);
}

static struct scaling *scaling_of(struct call *c)
{
	struct scaling *s = ARENA_NEW(c->arena, struct scaling);
	s->change = (struct change){.call = c,
				    .resource = c->route.resource,
				    .namespace = c->route.namespace,
				    .name = c->route.name,
				    .answer = answer,
				    .fail = fail};
	return s;
}

typedef int options_of(const struct query *q, struct write_options *out, struct err *e);

static bool read_options(struct call *c, struct scaling *s, options_of *read, const char *kind)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (read(&c->query, &s->options, &e) == 0) {
		s->change.dry_run = s->options.dry_run;
		return true;
	}
	struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = str_of(kind)};
	respond_error(c, &e, &d);
	return false;
}

void scale_update(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct scaling *s = scaling_of(c);
	if (!read_options(c, s, write_options_of, "UpdateOptions"))
		return;
	s->change.make = make_update;
	if (decode_body(c, c->route.sub->type, NULL, s->options.strictness, &s->body, &e) < 0)
		respond_error(c, &e, NULL);
	else
		change_run(&s->change);
}

void scale_patch(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct scaling *s = scaling_of(c);
	if (patch_read(c, &s->kind, &s->patch, &e) < 0) {
		patch_respond_unreadable(c, &e);
		return;
	}
	if (!read_options(c, s, patch_options_of, "PatchOptions"))
		return;
	s->change.make = make_patch;
	change_run(&s->change);
}
