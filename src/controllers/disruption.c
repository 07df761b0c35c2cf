// SPDX-License-Identifier: Apache-2.0
#include "controllers/disruption.h"

#include "controllers/conditions.h"

struct deletion {
	const struct disruption *why;
	struct str path, uid;
};

static void send_delete(struct sync *s, const struct deletion *deletion)
{
	struct arena *a = &s->arena;
	struct json *options = json_object(a);
	if (deletion->why->lost)
		json_put_int(a, options, "gracePeriodSeconds", 0);
	json_put_str(a, json_need_object(a, options, "preconditions"), "uid", deletion->uid);
	sync_send(s, "DELETE", deletion->path, options, NULL, NULL);
}

static bool told(void *arg, struct sync *s, const struct client_response *r)
{
	if (r->e)
		return r->e->reason == ERR_NOT_FOUND;
	send_delete(s, arg);
	return true;
}

// NULL: the status says all there is to say.
static struct json *status_change(struct arena *a, const struct json *pod, const struct disruption *d, bool ended,
				  int64_t now_ns)
{
	if (d->lost && ended)
		return NULL;
	struct json *status = json_object(a);
	const struct json *known = json_at(pod, "status.conditions");
	if (d->lost)
		json_put_str(a, status, "phase", STR("Failed"));
	if (d->reason && !condition_is(known, "DisruptionTarget", "True")) {
		struct json *conditions = known ? json_clone(a, known) : json_array(a);
		struct condition c = {"DisruptionTarget", "True", d->reason, str_of(d->message), false};
		condition_set(a, conditions, &c, now_ns);
		json_put(status, "conditions", conditions);
	}
	return status->count ? status : NULL;
}

void disruption_delete(struct sync *s, const struct pod *p, const struct disruption *d, int64_t now_ns)
{
	struct arena *a = &s->arena;
	struct json *pod = pod_parse(a, p), *status = status_change(a, pod, d, pod_terminal(p), now_ns);
	struct deletion *deletion = ARENA_NEW(a, struct deletion);
	*deletion = (struct deletion){
		d, client_path(a, STR("v1"), p->namespace, STR("pods"), p->name, STR_NONE), arena_str(a, p->uid)};
	if (!status) {
		send_delete(s, deletion);
		return;
	}
	struct json *patch = json_object(a), *metadata = json_need_object(a, patch, "metadata");
	json_put_str(a, metadata, "uid", p->uid);
	json_put_str(a, metadata, "resourceVersion", json_str(pod, "metadata.resourceVersion"));
	json_put(patch, "status", status);
	sync_send(s, "PATCH", arena_fmt(a, "%.*s/status", STR_FMT(deletion->path)), patch, told, deletion);
}
