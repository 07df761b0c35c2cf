// SPDX-License-Identifier: Apache-2.0
#include "node/pod/pods.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/map.h"
#include "client/scan.h"
#include "node/pod/admit.h"
#include "node/pod/pods_parts.h"
#include "node/pod/pods_sweep.h"

struct pods {
	struct pod_host *host;
	struct informer *informer;
	struct map workers; // by uid
	bool synced;
	struct map leaving; // uid -> worker whose memory goes in the next turn
	struct task free_leaving;
	bool free_posted;
	struct timer resize;
	struct survey *survey; // while it goes on
};

// ---- workers

static bool has_ended(const struct pod_spec *s)
{
	return json_str_is(s->object, "status.phase", "Succeeded") || json_str_is(s->object, "status.phase", "Failed");
}

struct node_amounts pods_used(const struct pods *p, const struct pod_worker *except)
{
	struct node_amounts sum = {0};
	map_each(entry, &p->workers) {
		if (entry->value == except)
			continue;
		struct node_amounts one = worker_uses(entry->value);
		sum.cpu_milli += one.cpu_milli;
		sum.memory += one.memory;
		sum.storage += one.storage;
		sum.pods += one.pods;
	}
	return sum;
}

static bool was_begun(const struct pod_spec *s)
{
	return json_at(s->object, "status.startTime") != NULL;
}

static bool another_has_its_ports(const struct pods *p, const struct pod_worker *w)
{
	map_each(entry, &p->workers)
		if (entry->value != w && worker_uses(entry->value).pods &&
		    pods_share_host_port(worker_spec(w), worker_spec(entry->value)))
			return true;
	return false;
}

// A pod that nobody has looked at yet may be one too many, or none for this node.
static void admit(struct pods *p, struct pod_worker *w, const struct node_amounts *used)
{
	struct arena a CLEAN_ARENA;
	const char *reason;
	struct str message;
	arena_init(&a);
	struct admit_rules rules = {p->host->allocatable, p->host->unsafe_sysctls};
	if (was_begun(worker_spec(w)))
		return;
	if (!pod_admit(&a, worker_spec(w), &rules, used, &reason, &message))
		worker_reject(w, reason, message);
	else if (another_has_its_ports(p, w))
		worker_reject(w, "NodePorts",
			      STR("Predicate NodePorts failed: another pod has a port of the host that this one asks for"));
}

static void adopt(struct pod_worker *w, const struct runtime_state *all, size_t count)
{
	struct runtime_state *mine = mem_zalloc((count + 1) * sizeof *mine);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (str_eq(all[i].pod_uid, worker_spec(w)->uid))
			mine[n++] = all[i];
	}
	for (size_t i = 1; i < n; i++) { // oldest first; there are few
		for (size_t k = i; k > 0 && mine[k].created < mine[k - 1].created; k--) {
			struct runtime_state other = mine[k];
			mine[k] = mine[k - 1];
			mine[k - 1] = other;
		}
	}
	worker_adopt(w, mine, n);
	free(mine);
}

static struct pod_worker *add(struct pods *p, struct pod_spec *spec)
{
	struct node_amounts used = pods_used(p, NULL);
	bool ended = has_ended(spec);
	struct pod_worker *w = ended ? pod_worker_create_ended(p->host, spec) : pod_worker_create(p->host, spec);
	map_set(&p->workers, spec->uid, w);
	if (!ended)
		admit(p, w, &used);
	return w;
}

static void free_leaving(struct task *t)
{
	struct pods *p = CONTAINER_OF(t, struct pods, free_leaving);
	p->free_posted = false;
	map_each(entry, &p->leaving)
		worker_destroy(entry->value);
	map_clear(&p->leaving);
}

static void run_resize(struct timer *t)
{
	struct pods *p = CONTAINER_OF(t, struct pods, resize);
	if (p->synced)
		pods_resize(p);
}

static void on_room(void *arg)
{
	struct pods *p = arg;
	timer_start(p->host->loop, &p->resize, 0);
}

static void on_idle(void *arg, struct pod_worker *w)
{
	struct pods *p = arg;
	struct str uid = worker_spec(w)->uid;
	map_set(&p->leaving, uid, w);
	map_remove(&p->workers, uid);
	on_room(p);
	if (!p->free_posted)
		loop_post(p->host->loop, &p->free_leaving);
	p->free_posted = true;
}

// ---- what the API tells

static struct pod_worker *worker_of(const struct pods *p, const struct informer_object *o)
{
	return map_get(&p->workers, scan_get_str(scan_get(o->text, "metadata"), "uid"));
}

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct pods *p = arg;
	if (!p->synced) // on_synced takes them all together, with what the runtime knows
		return;
	struct pod_worker *w = worker_of(p, now ? now : before);
	if (!now && w)
		worker_removed(w);
	else if (now && w)
		worker_update(w, pod_spec_create(now->line, now->text));
	else if (now)
		add(p, pod_spec_create(now->line, now->text));
	pods_resize(p); // before anything is told of the change
}

static void on_exit_event(void *arg, const struct runtime_state *s)
{
	struct pods *p = arg;
	struct pod_worker *w = map_get(&p->workers, s->pod_uid);
	if (w)
		worker_exit(w, s);
}

struct taking {
	struct pods *pods;
	struct runtime_state *runs;
	size_t count;
};

static bool take_one(void *arg, const struct informer_object *o)
{
	struct taking *t = arg;
	struct pod_spec *spec = pod_spec_create(o->line, o->text);
	struct pod_worker *w = add(t->pods, spec);
	if (!has_ended(spec))
		adopt(w, t->runs, t->count);
	return true;
}

static bool is_known(void *arg, struct str uid)
{
	struct pods *p = arg;
	return map_has(&p->workers, uid);
}

static void survey_over(void *arg)
{
	((struct pods *)arg)->survey = NULL;
}

static void on_synced(void *arg)
{
	static const struct runtime_events events = {on_exit_event};
	struct pods *p = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct taking t = {.pods = p};
	t.count = runtime_list(p->host->runtime, &a, &t.runs);
	p->synced = true;
	informer_each(p->informer, take_one, &t);
	pods_resize(p);
	runtime_watch(p->host->runtime, &events, p);
	p->survey = pods_sweep(p->host, is_known, survey_over, p);
}

// ---- news from elsewhere

void pods_object_changed(struct pods *p, struct str namespace, bool secret, struct str name)
{
	map_each(entry, &p->workers) {
		if (str_eq(worker_spec(entry->value)->namespace, namespace))
			worker_object_changed(entry->value, secret, name);
	}
}

void pods_token_changed(struct pods *p, struct str uid)
{
	struct pod_worker *w = map_get(&p->workers, uid);
	if (w)
		worker_inputs_changed(w);
}

// An import may have brought an image that pods wait for; nothing tells of it, so while any waits the (cached) index is
// asked now and then.
static void look_for_images(struct timer *t)
{
	struct pod_host *h = CONTAINER_OF(t, struct pod_host, image_look);
	struct pods *p = h->arg;
	bool any = false;
	map_each(entry, &p->workers) {
		if (!worker_waits_for_image(entry->value))
			continue;
		worker_retry_images(entry->value);
		any = true;
	}
	if (any)
		timer_start(h->loop, &h->image_look, POD_IMAGE_LOOK_MS * TIME_MS);
}

size_t pods_count(const struct pods *p)
{
	return p->workers.count;
}

struct pod_worker *pods_find(const struct pods *p, struct str namespace, struct str name, struct str uid)
{
	map_each(entry, &p->workers) {
		const struct pod_spec *s = worker_spec(entry->value);
		if (str_eq(s->name, name) && str_eq(s->namespace, namespace) && (!uid.n || str_eq(s->uid, uid)) &&
		    !worker_state(entry->value)->deleted)
			return entry->value;
	}
	return NULL;
}

const struct map *pods_workers(const struct pods *p)
{
	return &p->workers;
}

const struct pod_host *pods_host(const struct pods *p)
{
	return p->host;
}

// ---- life

struct pods *pods_create(struct pod_host *h)
{
	static const struct informer_events events = {on_change, on_synced};
	struct pods *p = MEM_NEW(struct pods);
	struct buf path CLEAN_BUF;
	buf_init(&path);
	p->host = h;
	h->on_idle = on_idle;
	h->on_room = on_room;
	h->arg = p;
	map_init(&p->workers);
	map_init(&p->leaving);
	p->free_leaving.run = free_leaving;
	p->resize.fire = run_resize;
	h->image_look.fire = look_for_images;
	BUF_LIT(&path, "/api/v1/pods?fieldSelector=spec.nodeName%3D");
	encode_url(&path, h->node_name);
	p->informer = informer_create(h->transport, buf_str(&path));
	informer_listen(p->informer, &events, p);
	return p;
}

void pods_destroy(struct pods *p)
{
	if (!p)
		return;
	timer_stop(&p->host->image_look);
	timer_stop(&p->resize);
	pods_sweep_abandon(p->survey);
	informer_destroy(p->informer);
	map_each(entry, &p->workers)
		worker_destroy(entry->value);
	map_each(entry, &p->leaving)
		worker_destroy(entry->value);
	map_finish(&p->workers);
	map_finish(&p->leaving);
	free(p);
}
