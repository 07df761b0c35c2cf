// SPDX-License-Identifier: Apache-2.0
// The images that a container needs to start: its own, and those whose files its volumes show. What is not on the node
// becomes the reason for which the container waits.
#include "node/pod/worker_parts.h"

enum { FIRST_RETRY_S = 2, RETRY_S = 10 };

struct need {
	struct str name;
	enum pull_policy pull;
	int about; // whom events are told of: the container, or -1 for the pod (a volume's)
};

// Those of volumes first, the container's own last.
static struct need *needs_of(const struct pod_worker *w, size_t container, struct arena *a, size_t *count)
{
	const struct container_spec *c = &w->spec->containers[container];
	const struct json *mounts = json_get(c->json, STR("volumeMounts"));
	struct need *all = ARENA_ARRAY(a, struct need, (mounts ? mounts->count : 0) + 1);
	*count = 0;
	json_each(mount, mounts) {
		const struct json *source = json_get(pod_spec_volume(w->spec, json_str(mount, "name")), STR("image"));
		if (source)
			all[(*count)++] = (struct need){json_str(source, "reference"),
							pull_policy_of(json_str(source, "pullPolicy")), -1};
	}
	all[(*count)++] = (struct need){c->image, c->pull, (int)container};
	return all;
}

// ---- what is missing

static struct image_lack tell_bad_name(struct pod_worker *w, size_t container, const struct need *n, struct str why)
{
	tell(w, n->about, EVENTS_WARNING, "InspectFailed", "Failed to apply default image tag \"%.*s\": %.*s",
	     STR_FMT(n->name), STR_FMT(why));
	tell(w, (int)container, EVENTS_WARNING, "Failed", "Error: InvalidImageName");
	return (struct image_lack){"InvalidImageName", why, RETRY_S * TIME_S};
}

static struct image_lack tell_never(struct pod_worker *w, size_t container, const struct need *n, struct arena *a)
{
	struct str why =
		arena_fmt(a, "Container image \"%.*s\" is not present with pull policy of Never", STR_FMT(n->name));
	tell(w, n->about, EVENTS_WARNING, "ErrImageNeverPull", "%s", why.p);
	tell(w, (int)container, EVENTS_WARNING, "Failed", "Error: ErrImageNeverPull");
	return (struct image_lack){"ErrImageNeverPull", why, RETRY_S * TIME_S};
}

static struct image_lack tell_absent(struct pod_worker *w, size_t container, const struct need *n, struct arena *a)
{
	struct pod_backoff *backoff = &w->state->containers[container].image_backoff;
	int64_t now = worker_now(w);
	bool again = backoff->delay != 0;
	struct str why =
		arena_fmt(a, "image \"%.*s\" is not on this node and is not pulled; bring it with `onggi image import`",
			  STR_FMT(n->name));
	pod_backoff_next(backoff, now, now);
	if (!again) {
		tell(w, n->about, EVENTS_WARNING, "Failed", "Failed to pull image \"%.*s\": %s", STR_FMT(n->name),
		     why.p);
		tell(w, (int)container, EVENTS_WARNING, "Failed", "Error: ErrImagePull");
		return (struct image_lack){"ErrImagePull", why, FIRST_RETRY_S * TIME_S};
	}
	tell(w, n->about, EVENTS_NORMAL, "BackOff", "Back-off pulling image \"%.*s\"", STR_FMT(n->name));
	tell(w, (int)container, EVENTS_WARNING, "Failed", "Error: ImagePullBackOff");
	why = arena_fmt(a, "Back-off pulling image \"%.*s\": ErrImagePull: %s", STR_FMT(n->name), why.p);
	return (struct image_lack){"ImagePullBackOff", why, backoff->delay};
}

static struct image_lack tell_lack(struct pod_worker *w, size_t container, const struct need *n, struct arena *a,
				   const struct err *e)
{
	if (!timer_running(&w->host->image_look))
		timer_start(w->host->loop, &w->host->image_look, POD_IMAGE_LOOK_MS * TIME_MS);
	if (e->reason == ERR_BAD_REQUEST)
		return tell_bad_name(w, container, n, arena_str(a, str_of(err_text(e))));
	return n->pull == PULL_NEVER ? tell_never(w, container, n, a) : tell_absent(w, container, n, a);
}

// ---- looking

bool image_lacks(struct pod_worker *w, size_t container, struct arena *a, struct image *own, struct image_lack *lack)
{
	size_t count;
	const struct need *all = needs_of(w, container, a, &count);
	for (size_t i = 0; i < count; i++) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		if (!runtime_image(w->host->runtime, a, all[i].name, own, &e))
			continue;
		*lack = tell_lack(w, container, &all[i], a, &e);
		return true;
	}
	for (size_t i = 0; i < count; i++)
		tell(w, all[i].about, EVENTS_NORMAL, "Pulled", "Container image \"%.*s\" already present on machine",
		     STR_FMT(all[i].name));
	return false;
}

bool image_is_here(struct pod_worker *w, size_t container)
{
	struct arena a CLEAN_ARENA;
	struct image image;
	size_t count;
	arena_init(&a);
	const struct need *all = needs_of(w, container, &a, &count);
	for (size_t i = 0; i < count; i++)
		if (runtime_image(w->host->runtime, &a, all[i].name, &image, NULL))
			return false;
	return true;
}
