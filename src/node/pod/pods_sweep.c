// SPDX-License-Identifier: Apache-2.0
#include "node/pod/pods_sweep.h"

#include "base/log.h"
#include "base/map.h"

struct sweep { // of one pod
	struct work work;
	struct pod_host *host;
	struct arena memory;
	struct str uid;
};

// The uids are gathered on a pool thread, for the network may have to look.
struct survey {
	struct work work;
	struct pod_host *host;
	struct arena memory;
	struct map seen;			  // uids that were looked at
	bool (*known)(void *arg, struct str uid); // NULL: abandoned
	void (*done)(void *arg);
	void *arg;
	struct str *found;
	size_t count;
};

static void run_sweep(struct work *w)
{
	struct sweep *s = CONTAINER_OF(w, struct sweep, work);
	struct pod_host *h = s->host;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (h->network->ops->detach(h->network, s->uid, &e) || h->disk.ops->tear_down(&h->disk, s->uid, &e))
		log_warn("clean up after pod %.*s: %s", STR_FMT(s->uid), err_text(&e));
	h->disk.ops->remove_logs(&h->disk, s->uid, STR_NONE, -1);
}

static void sweep_done(struct work *w)
{
	struct sweep *s = CONTAINER_OF(w, struct sweep, work);
	struct pod_host *h = s->host;
	arena_finish(&s->memory);
	free(s);
	host_leave(h);
}

static void containers_removed(void *arg, const struct err *e)
{
	struct sweep *s = arg;
	if (e)
		log_warn("clean up after pod %.*s: %s", STR_FMT(s->uid), err_text(e));
	loop_work(s->host->loop, &s->work);
}

static void sweep_one(struct pod_host *h, struct str uid)
{
	struct sweep *s = MEM_NEW(struct sweep);
	arena_init(&s->memory);
	s->work = (struct work){.run = run_sweep, .done = sweep_done};
	s->host = h;
	host_enter(h);
	s->uid = arena_str(&s->memory, uid);
	log_info("pod %.*s is gone: cleaning up after it", STR_FMT(uid));
	runtime_pod_remove(h->runtime, s->uid, containers_removed, s);
}

static void run_survey(struct work *w)
{
	struct survey *s = CONTAINER_OF(w, struct survey, work);
	struct str *networks = NULL, *dirs = NULL;
	size_t network_count = 0, dir_count = s->host->disk.ops->list(&s->host->disk, &s->memory, &dirs);
	s->host->network->ops->list(s->host->network, &s->memory, &networks, &network_count, NULL);
	s->found = ARENA_ARRAY(&s->memory, struct str, network_count + dir_count + 1);
	for (size_t i = 0; i < network_count; i++)
		s->found[s->count++] = networks[i];
	for (size_t i = 0; i < dir_count; i++)
		s->found[s->count++] = dirs[i];
}

static void look_at(struct survey *s, struct str uid)
{
	if (!map_set(&s->seen, uid, s) && !s->known(s->arg, uid))
		sweep_one(s->host, uid);
}

static void survey_done(struct work *w)
{
	struct survey *s = CONTAINER_OF(w, struct survey, work);
	for (size_t i = 0; i < s->count && s->known; i++)
		look_at(s, s->found[i]);
	if (s->known)
		s->done(s->arg);
	struct pod_host *h = s->host;
	map_finish(&s->seen);
	arena_finish(&s->memory);
	free(s);
	host_leave(h);
}

void pods_sweep_abandon(struct survey *s)
{
	if (s)
		s->known = NULL;
}

struct survey *pods_sweep(struct pod_host *h, bool (*known)(void *arg, struct str uid), void (*done)(void *arg),
			  void *arg)
{
	struct survey *s = MEM_NEW(struct survey);
	struct runtime_state *containers;
	struct str *uids;
	arena_init(&s->memory);
	map_init(&s->seen);
	s->host = h;
	host_enter(h);
	s->known = known;
	s->done = done;
	s->arg = arg;
	s->work = (struct work){.run = run_survey, .done = survey_done};
	size_t count = runtime_list_pods(h->runtime, &s->memory, &uids);
	for (size_t i = 0; i < count; i++)
		look_at(s, uids[i]);
	count = runtime_list(h->runtime, &s->memory, &containers); // a restart of the machine forgets pods, not these
	for (size_t i = 0; i < count; i++)
		look_at(s, containers[i].pod_uid);
	loop_work(h->loop, &s->work);
	return s;
}
