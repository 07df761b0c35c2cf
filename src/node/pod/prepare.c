// SPDX-License-Identifier: Apache-2.0
// What the containers of a pod share: network and namespaces on one side, volumes on the other, made at the same time;
// and all of it taken away again. What fails is told and tried again.
#include "base/log.h"
#include "node/pod/launch.h"
#include "node/pod/worker_parts.h"

enum { RETRY_MS = 1000, VOLUME_RETRY_FIRST_MS = 500, VOLUME_RETRY_MAX_S = 120, REFRESH_RETRY_S = 10 };

struct network_work {
	struct work work;
	struct prepare *prepare;
	struct arena memory;
	struct str uid, hosts, resolv, hostname, net_ns, ip; // hosts is made when the address is known
	bool host_network;
	struct err error;
	int result;
};

struct volumes_work {
	struct work work;
	struct pod_worker *worker;
	struct prepare *prepare; // NULL: of a pod whose sandbox stands
	struct pod_spec *spec;
	struct arena memory;
	struct volume_set set;
	struct str which;
	struct err error;
	int result;
};

struct prepare {
	struct pod_worker *worker;
	struct pod_spec *spec; // as it was at the beginning
	bool network_open, volumes_open, network_done, volumes_done, failed, waiting;
	struct timer timer; // of the next try of the volumes
	int64_t retry_ns;
};

static void try_volumes(struct prepare *p);

// ---- the whole

static void prepare_free(struct prepare *p)
{
	timer_stop(&p->timer);
	pod_spec_unref(p->spec);
	free(p);
}

// The worker is no more; whatever comes back last frees it.
static void prepare_orphaned(struct prepare *p)
{
	if (!p->network_open && !p->volumes_open)
		prepare_free(p);
}

void prepare_abandon(struct pod_worker *w)
{
	struct prepare *p = w->prepare;
	w->prepare = NULL;
	timer_stop(&w->refresh_retry);
	if (!p)
		return;
	timer_stop(&p->timer);
	prepare_orphaned(p);
}

// When nothing of it is under way: the sandbox stands, or has to be made again.
static void conclude(struct prepare *p)
{
	struct pod_worker *w = p->worker;
	struct pod_state *st = w->state;
	bool stopping = pod_is_stopping(w->spec, st);
	if (p->network_open || p->volumes_open)
		return;
	if (!p->failed && !stopping && !(p->network_done && p->volumes_done))
		return;
	bool good = p->network_done && p->volumes_done;
	st->was_ready |= p->network_done;
	st->sandbox = good ? SANDBOX_READY : SANDBOX_NONE;
	if (p->failed)
		st->sandbox_retry_at = worker_now(w) + RETRY_MS * TIME_MS;
	w->prepare = NULL;
	w->adopting = false;
	prepare_free(p);
	worker_step_soon(w);
}

// ---- network and namespaces

static void run_network(struct work *work)
{
	struct network_work *n = CONTAINER_OF(work, struct network_work, work);
	struct pod_host *h = n->prepare->worker->host;
	struct arena *a = &n->memory;
	const struct pod_spec *s = n->prepare->spec;
	if (!n->host_network)
		n->result = h->network->ops->attach(h->network, a, n->uid, &n->net_ns, &n->ip, &n->error);
	if (n->result)
		return;
	n->hosts = names_hosts(a, s, &h->names, n->ip);
	n->resolv = names_resolv(a, s, &h->names);
	n->result = h->disk.ops->set_up_etc(&h->disk, n->uid, n->hosts, n->resolv, n->hostname, &n->error);
}

static void network_failed(struct prepare *p, const struct err *e)
{
	p->failed = true;
	tell(p->worker, -1, EVENTS_WARNING, "FailedCreatePodSandBox", "Failed to create pod sandbox: %s", err_text(e));
	log_warn("pod %.*s/%.*s: sandbox: %s", STR_FMT(p->spec->namespace), STR_FMT(p->spec->name), err_text(e));
}

static void network_succeeded(struct prepare *p)
{
	struct pod_network *network = p->worker->host->network;
	p->network_done = true;
	if (!p->spec->host_network)
		network->ops->expose(network, p->spec->uid, str_of(p->worker->state->ip), p->spec->object);
}

static void on_pod_made(void *arg, const struct err *e)
{
	struct prepare *p = arg;
	p->network_open = false;
	if (!worker_leave(p->worker)) {
		prepare_orphaned(p);
		return;
	}
	if (e)
		network_failed(p, e);
	else
		network_succeeded(p);
	conclude(p);
}

static void make_pod(struct prepare *p, struct network_work *n)
{
	struct runtime_pod_spec spec;
	struct cgroup_limits *has = &p->worker->state->resize.pod;
	launch_pod(&n->memory, p->spec, n->net_ns, n->hostname, &spec);
	if (runtime_pod_limits(p->worker->host->runtime, p->spec->uid, has)) {
		spec.limits = (struct cgroup_limits){0}; // of containers that run: changed in order only (resize_plan.h)
	} else {
		adopt_anew(p->worker);
		*has = spec.limits;
	}
	spec.limits.pids = p->worker->host->pod_processes_max;
	worker_enter(p->worker);
	runtime_pod_make(p->worker->host->runtime, &spec, on_pod_made, p);
}

static void keep(char **to, struct str s)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	free(*to);
	*to = s.n ? mem_strdup(arena_c(&a, s)) : NULL;
}

static void network_made(struct work *work)
{
	struct network_work *n = CONTAINER_OF(work, struct network_work, work);
	struct prepare *p = n->prepare;
	if (!worker_leave(p->worker)) {
		p->network_open = false;
		prepare_orphaned(p);
	} else if (n->result) {
		p->network_open = false;
		network_failed(p, &n->error);
		conclude(p);
	} else {
		keep(&p->worker->state->ip, n->ip);
		keep(&p->worker->net_ns, n->net_ns);
		make_pod(p, n);
	}
	err_clear(&n->error);
	arena_finish(&n->memory);
	free(n);
}

static void start_network(struct prepare *p)
{
	struct pod_host *h = p->worker->host;
	struct network_work *n = MEM_NEW(struct network_work);
	arena_init(&n->memory);
	n->work = (struct work){.run = run_network, .done = network_made};
	n->prepare = p;
	n->uid = p->spec->uid;
	n->host_network = p->spec->host_network;
	n->hostname = names_hostname(&n->memory, p->spec, &h->names);
	if (n->host_network)
		n->ip = h->host_ip;
	p->network_open = true;
	worker_enter(p->worker);
	loop_work(h->loop, &n->work);
}

// ---- volumes

struct object_check {
	struct pod_worker *worker;
	bool all_known;
};

static void check_object(void *arg, bool secret, struct str name)
{
	struct object_check *c = arg;
	c->all_known &= objects_known(c->worker->host->objects, c->worker->spec->namespace, secret, name);
}

static const struct json *lookup_object(void *arg, bool secret, struct str name)
{
	struct volumes_work *v = arg;
	return objects_get(v->worker->host->objects, &v->memory, v->spec->namespace, secret, name);
}

static bool lookup_token(void *arg, const struct volume_token *t, struct str *value)
{
	struct volumes_work *v = arg;
	struct str found;
	if (!tokens_get(v->worker->host->tokens, v->spec->uid, t, &found))
		return false;
	*value = arena_str(&v->memory, found);
	return true;
}

static void check_token(void *arg, const struct volume_token *t)
{
	struct object_check *c = arg;
	struct str value;
	c->all_known &= tokens_get(c->worker->host->tokens, c->worker->spec->uid, t, &value);
}

static bool all_is_here(struct pod_worker *w)
{
	struct object_check c = {w, true};
	volumes_each_object(w->spec, check_object, &c);
	volumes_each_token(w->spec, check_token, &c);
	return c.all_known;
}

bool prepare_knows_objects_of(struct pod_worker *w, const struct container_spec *container)
{
	struct object_check c = {w, true};
	volumes_each_object_of(container, check_object, &c);
	return c.all_known;
}

// What comes out of the cache does not outlive this turn.
static void copy_files(struct arena *a, struct volume_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		for (size_t f = 0; f < set->items[i].file_count; f++)
			set->items[i].files[f].bytes = arena_str(a, set->items[i].files[f].bytes);
		for (size_t f = 0; f < set->items[i].file_count; f++)
			set->items[i].files[f].path = arena_str(a, set->items[i].files[f].path);
	}
}

static struct volumes_work *volumes_work_create(struct pod_worker *w, struct prepare *p)
{
	struct volumes_work *v = MEM_NEW(struct volumes_work);
	arena_init(&v->memory);
	v->worker = w;
	v->prepare = p;
	v->spec = pod_spec_ref(w->spec);
	struct downward_context downward = worker_downward(w);
	struct volume_context x = {&downward, lookup_object, v, lookup_token, v};
	v->result = volumes_gather(&v->memory, &x, &v->set, &v->which, &v->error);
	if (!v->result)
		copy_files(&v->memory, &v->set);
	return v;
}

static void volumes_work_free(struct volumes_work *v)
{
	err_clear(&v->error);
	pod_spec_unref(v->spec);
	arena_finish(&v->memory);
	free(v);
}

static void run_volumes(struct work *work)
{
	struct volumes_work *v = CONTAINER_OF(work, struct volumes_work, work);
	struct pod_disk *disk = &v->worker->host->disk;
	v->result = disk->ops->set_up_volumes(disk, v->spec->uid, &v->set, &v->which, &v->error);
}

static void on_volumes_timer(struct timer *t)
{
	try_volumes(CONTAINER_OF(t, struct prepare, timer));
}

static void volumes_failed(struct prepare *p, const struct volumes_work *v)
{
	struct loop *l = p->worker->host->loop;
	tell(p->worker, -1, EVENTS_WARNING, "FailedMount", "MountVolume.SetUp failed for volume \"%.*s\" : %s",
	     STR_FMT(v->which), err_text(&v->error));
	p->retry_ns = p->retry_ns ? p->retry_ns * 2 : VOLUME_RETRY_FIRST_MS * TIME_MS;
	if (p->retry_ns > VOLUME_RETRY_MAX_S * TIME_S)
		p->retry_ns = VOLUME_RETRY_MAX_S * TIME_S;
	timer_start(l, &p->timer, p->retry_ns);
	worker_report(p->worker); // so that it shows as Pending
}

static void volumes_made(struct work *work)
{
	struct volumes_work *v = CONTAINER_OF(work, struct volumes_work, work);
	struct prepare *p = v->prepare;
	p->volumes_open = false;
	if (!worker_leave(v->worker)) {
		prepare_orphaned(p);
	} else {
		if (v->result)
			volumes_failed(p, v);
		else
			p->volumes_done = true;
		conclude(p);
	}
	volumes_work_free(v);
}

static bool has_volumes(const struct pod_spec *s)
{
	const struct json *volumes = json_at(s->object, "spec.volumes");
	return volumes && volumes->count;
}

// Also of a pod without volumes: its environment may refer to objects.
static void try_volumes(struct prepare *p)
{
	struct pod_worker *w = p->worker;
	timer_stop(&p->timer);
	if (p->volumes_open || p->volumes_done)
		return;
	if (!all_is_here(w)) { // prepare_objects_changed comes when it is
		worker_report(w);
		return;
	}
	if (!has_volumes(w->spec)) {
		p->volumes_done = true;
		conclude(p);
		return;
	}
	struct volumes_work *v = volumes_work_create(w, p);
	if (v->result) {
		volumes_failed(p, v);
		volumes_work_free(v);
		return;
	}
	p->volumes_open = true;
	v->work = (struct work){.run = run_volumes, .done = volumes_made};
	worker_enter(w);
	loop_work(w->host->loop, &v->work);
}

void prepare_begin(struct pod_worker *w)
{
	struct prepare *p = MEM_NEW(struct prepare);
	p->worker = w;
	p->spec = pod_spec_ref(w->spec);
	p->timer.fire = on_volumes_timer;
	w->prepare = p;
	w->state->sandbox = SANDBOX_STARTING;
	start_network(p);
	try_volumes(p);
}

void prepare_objects_changed(struct pod_worker *w)
{
	if (!w->prepare)
		return;
	w->prepare->retry_ns = 0;
	if (pod_is_stopping(w->spec, w->state))
		conclude(w->prepare);
	else
		try_volumes(w->prepare);
}

// ---- files of a running pod

static void on_refresh_timer(struct timer *t)
{
	prepare_refresh(CONTAINER_OF(t, struct pod_worker, refresh_retry));
}

// Nothing else would bring the news again, for the objects need not change any more.
static void refresh_failed(struct pod_worker *w, const struct volumes_work *v)
{
	log_warn("pod %.*s/%.*s: volume %.*s: %s", STR_FMT(v->spec->namespace), STR_FMT(v->spec->name),
		 STR_FMT(v->which), err_text(&v->error));
	w->refresh_retry.fire = on_refresh_timer;
	timer_start(w->host->loop, &w->refresh_retry, REFRESH_RETRY_S * TIME_S);
}

static void take_away(struct pod_worker *w);

static void refresh_done(struct work *work)
{
	struct volumes_work *v = CONTAINER_OF(work, struct volumes_work, work);
	struct pod_worker *w = v->worker;
	w->refresh = NULL;
	if (worker_leave(w)) {
		if (v->result)
			refresh_failed(w, v);
		if (w->state->sandbox == SANDBOX_STOPPING)
			take_away(w);
		else if (w->refresh_again)
			prepare_refresh(w);
	}
	volumes_work_free(v);
}

static bool has_files(const struct volume_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->items[i].kind == VOLUME_FILES)
			return true;
	}
	return false;
}

void prepare_refresh(struct pod_worker *w)
{
	w->refresh_again = w->refresh != NULL;
	timer_stop(&w->refresh_retry);
	if (w->refresh || w->state->sandbox != SANDBOX_READY || !has_volumes(w->spec))
		return;
	struct volumes_work *v = volumes_work_create(w, NULL);
	if (v->result || !has_files(&v->set)) { // gone again: the files stay as they were
		volumes_work_free(v);
		return;
	}
	v->work = (struct work){.run = run_volumes, .done = refresh_done};
	w->refresh = &v->work;
	worker_enter(w);
	loop_work(w->host->loop, &v->work);
}

// ---- the end

struct teardown_work {
	struct work work;
	struct pod_worker *worker;
	struct pod_spec *spec;
	struct err error;
	int result;
};

static void run_teardown(struct work *work)
{
	struct teardown_work *t = CONTAINER_OF(work, struct teardown_work, work);
	struct pod_host *h = t->worker->host;
	if (!t->spec->host_network)
		t->result = h->network->ops->detach(h->network, t->spec->uid, &t->error);
	if (h->disk.ops->tear_down(&h->disk, t->spec->uid, t->result ? NULL : &t->error))
		t->result = -1;
}

static void teardown_done(struct work *work)
{
	struct teardown_work *t = CONTAINER_OF(work, struct teardown_work, work);
	struct pod_worker *w = t->worker;
	if (worker_leave(w)) {
		if (t->result)
			log_warn("pod %.*s/%.*s: clean up: %s", STR_FMT(t->spec->namespace), STR_FMT(t->spec->name),
				 err_text(&t->error));
		w->state->sandbox = SANDBOX_GONE;
		keep(&w->net_ns, STR_NONE);
		worker_step_soon(w);
	}
	err_clear(&t->error);
	pod_spec_unref(t->spec);
	free(t);
}

static void on_pod_removed(void *arg, const struct err *e)
{
	struct teardown_work *t = arg;
	if (e)
		log_warn("pod %.*s/%.*s: remove: %s", STR_FMT(t->spec->namespace), STR_FMT(t->spec->name), err_text(e));
	loop_work(t->worker->host->loop, &t->work);
}

static void take_away(struct pod_worker *w)
{
	struct teardown_work *t = MEM_NEW(struct teardown_work);
	t->work = (struct work){.run = run_teardown, .done = teardown_done};
	t->worker = w;
	t->spec = pod_spec_ref(w->spec);
	worker_enter(w);
	runtime_pod_remove(w->host->runtime, w->spec->uid, on_pod_removed, t);
}

void prepare_teardown(struct pod_worker *w)
{
	w->state->sandbox = SANDBOX_STOPPING;
	w->host->network->ops->conceal(w->host->network, w->spec->uid);
	if (!w->refresh) // else refresh_done comes back
		take_away(w);
}
