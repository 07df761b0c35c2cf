// SPDX-License-Identifier: Apache-2.0
#include "fake_runtime.h"

#include <signal.h>
#include <stdio.h>

#include "base/map.h"
#include "base/times.h"

enum { CREATE_MS = 8, START_MS = 5, REMOVE_MS = 2, KILL_MS = 1, RESIZE_MS = 3 };

struct container {
	struct fake_runtime *all;
	struct arena memory;
	struct str id, pod_uid, name, note, image_id, log_path, command;
	enum runtime_phase phase;
	int64_t created, started, finished;
	int exit_code, signal, attempt;
	bool oom, told;
	const struct fake_act *act;
	struct timer end;
	int end_code, end_signal;
	struct cgroup_limits limits;
};

struct group { // of a pod
	struct cgroup_limits limits;
};

struct fake_runtime {
	struct runtime table;
	struct loop *loop;
	struct fake_act *acts;
	size_t act_count, created;
	uint64_t memory_used; // by each container and pod
	const char *broken; // why no container can be made
	struct map containers, pods, images;
	const struct runtime_events *events;
	void *arg;
};

struct call { // a done to be told later
	struct timer timer;
	struct fake_runtime *all;
	runtime_done *done;
	void *arg;
	struct err error;
	struct str id;
	struct arena memory;
	void (*act)(struct call *c);
};

static struct fake_runtime *of(struct runtime *r)
{
	return CONTAINER_OF(r, struct fake_runtime, table);
}

static void call_fire(struct timer *t)
{
	struct call *c = CONTAINER_OF(t, struct call, timer);
	if (c->act)
		c->act(c);
	if (c->done)
		c->done(c->arg, c->error.reason ? &c->error : NULL);
	err_clear(&c->error);
	arena_finish(&c->memory);
	free(c);
}

static struct call *call_later(struct fake_runtime *f, int ms, runtime_done *done, void *arg, struct str id,
			       void (*act)(struct call *))
{
	struct call *c = MEM_NEW(struct call);
	arena_init(&c->memory);
	*c =
		(struct call){.timer.fire = call_fire, .all = f, .done = done, .arg = arg, .act = act, .memory = c->memory};
	c->id = arena_str(&c->memory, id);
	timer_start(f->loop, &c->timer, ms * TIME_MS);
	return c;
}

// ---- pods

static void fake_watch(struct runtime *r, const struct runtime_events *ev, void *arg)
{
	of(r)->events = ev;
	of(r)->arg = arg;
}

static void fake_pod_make(struct runtime *r, const struct runtime_pod_spec *p, runtime_done *done, void *arg)
{
	struct group *group = map_get(&of(r)->pods, p->uid);
	if (!group)
		map_set(&of(r)->pods, p->uid, group = MEM_NEW(struct group));
	if (p->limits.cpu_shares)
		group->limits = p->limits;
	call_later(of(r), 1, done, arg, p->uid, NULL);
}

static void drop(struct fake_runtime *f, struct container *c)
{
	timer_stop(&c->end);
	map_remove(&f->containers, c->id);
	arena_finish(&c->memory);
	free(c);
}

static void act_pod_remove(struct call *call)
{
	struct fake_runtime *f = call->all;
	for (size_t i = f->containers.count; i-- > 0;) {
		struct container *c = f->containers.entries[i].value;
		if (str_eq(c->pod_uid, call->id))
			drop(f, c);
	}
	free(map_remove(&f->pods, call->id));
}

static void fake_pod_remove(struct runtime *r, struct str uid, runtime_done *done, void *arg)
{
	call_later(of(r), 0, done, arg, uid, act_pod_remove);
}

// ---- containers

static void fill(const struct container *c, struct runtime_state *out)
{
	*out = (struct runtime_state){
		.id = c->id,
		.pod_uid = c->pod_uid,
		.name = c->name,
		.note = c->note,
		.image_id = c->image_id,
		.log_path = c->log_path,
		.phase = c->phase,
		.pid = c->phase == RUNTIME_RUNNING ? 1000 : 0,
		.created = c->created,
		.started = c->started,
		.finished = c->finished,
		.exit_code = c->exit_code,
		.signal = c->signal,
		.oom_killed = c->oom,
	};
}

static void tell_exit(struct fake_runtime *f, struct container *c)
{
	struct runtime_state s;
	if (!f->events)
		return;
	c->told = true;
	fill(c, &s);
	f->events->on_exit(f->arg, &s);
}

static void on_end(struct timer *t)
{
	struct container *c = CONTAINER_OF(t, struct container, end);
	c->phase = RUNTIME_EXITED;
	c->finished = loop_wall(c->all->loop);
	c->exit_code = c->end_signal ? 128 + c->end_signal : c->end_code;
	c->signal = c->end_signal;
	c->oom = c->act && c->act->oom && c->end_signal != SIGTERM;
	tell_exit(c->all, c);
}

static const struct fake_act *find_act(const struct fake_runtime *f, struct str command)
{
	for (size_t i = 0; i < f->act_count; i++) {
		if (str_is(command, f->acts[i].command))
			return &f->acts[i];
	}
	return NULL;
}

static struct str join(struct arena *a, const struct str *args, size_t count)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_add_byte(&out, ' ');
		buf_add(&out, args[i]);
	}
	return arena_str(a, buf_str(&out));
}

static void fake_create(struct runtime *r, const struct runtime_container_spec *s, runtime_done *done, void *arg)
{
	struct fake_runtime *f = of(r);
	struct container *c = MEM_NEW(struct container);
	struct arena *a = &c->memory;
	arena_init(a);
	int64_t attempt = 0;
	struct str number, size;
	str_cut(s->note, ' ', &number, &size);
	str_to_i64(number, &attempt);
	c->all = f;
	c->id = arena_str(a, s->id);
	c->pod_uid = arena_str(a, s->pod_uid);
	c->name = arena_str(a, s->name);
	c->note = arena_str(a, s->note);
	c->image_id = arena_str(a, s->image_id);
	c->log_path = arena_str(a, s->log_path);
	c->command = join(a, s->args, s->arg_count);
	c->attempt = (int)attempt;
	c->act = find_act(f, c->command);
	c->created = loop_wall(f->loop);
	c->limits = s->limits;
	c->end.fire = on_end;
	f->created++;
	struct call *call = call_later(f, CREATE_MS, done, arg, c->id, NULL);
	if (f->broken || (c->act && c->act->fails)) {
		err_set(&call->error, f->broken ? ERR_INTERNAL : ERR_BAD_REQUEST, "%s", f->broken ? f->broken : c->act->fails);
		arena_finish(a);
		free(c);
		return;
	}
	map_set(&f->containers, c->id, c);
}

static void act_start(struct call *call)
{
	struct container *c = map_get(&call->all->containers, call->id);
	if (!c) {
		err_set(&call->error, ERR_NOT_FOUND, "no container %.*s", STR_FMT(call->id));
		return;
	}
	c->phase = RUNTIME_RUNNING;
	c->started = loop_wall(call->all->loop);
	if (!c->act || !c->act->runs_ns)
		return;
	c->end_code = c->act->until_attempt && c->attempt >= c->act->until_attempt ? 0 : c->act->exit_code;
	c->end_signal = c->act->oom ? SIGKILL : 0;
	timer_start(call->all->loop, &c->end, c->act->runs_ns);
}

static void fake_start(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	call_later(of(r), START_MS, done, arg, id, act_start);
}

static int fake_kill(struct runtime *r, struct str id, int number, struct err *e)
{
	struct container *c = map_get(&of(r)->containers, id);
	if (!c || c->phase != RUNTIME_RUNNING)
		return err_set(e, ERR_NOT_FOUND, "no such process");
	int heard = c->act ? c->act->term_code : -1;
	if (number != SIGKILL && heard < 0)
		return 0;
	c->end_code = heard;
	c->end_signal = number == SIGKILL ? SIGKILL : 0;
	timer_start(of(r)->loop, &c->end, KILL_MS * TIME_MS);
	return 0;
}

static void act_remove(struct call *call)
{
	struct container *c = map_get(&call->all->containers, call->id);
	if (c)
		drop(call->all, c);
}

static void fake_remove(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	call_later(of(r), REMOVE_MS, done, arg, id, act_remove);
}

// ---- sizes

static void change(struct cgroup_limits *to, const struct runtime_resize_step *step)
{
	if (step->parts & CGROUP_SHARES)
		to->cpu_shares = step->limits.cpu_shares;
	if (step->parts & CGROUP_QUOTA)
		to->cpu_quota_us = step->limits.cpu_quota_us;
	if (step->parts & CGROUP_MEMORY)
		to->memory_bytes = step->limits.memory_bytes;
}

static void fake_resize(struct runtime *r, struct str uid, const struct runtime_resize_step *steps, size_t count,
			runtime_done *done, void *arg)
{
	struct fake_runtime *f = of(r);
	struct call *call = call_later(f, RESIZE_MS, done, arg, uid, NULL);
	for (size_t i = 0; i < count && !call->error.reason; i++) {
		struct container *c = steps[i].id.n ? map_get(&f->containers, steps[i].id) : NULL;
		struct group *group = map_get(&f->pods, uid);
		if (steps[i].parts & CGROUP_MEMORY && steps[i].limits.memory_bytes &&
		    steps[i].limits.memory_bytes <= f->memory_used)
			err_set(&call->error, ERR_CONFLICT, "memory limit (%llu) below current usage (%llu)",
				(unsigned long long)steps[i].limits.memory_bytes, (unsigned long long)f->memory_used);
		else if (c)
			change(&c->limits, &steps[i]), c->note = arena_str(&c->memory, steps[i].note);
		else if (!steps[i].id.n && group)
			change(&group->limits, &steps[i]);
	}
}

static bool fake_pod_limits(struct runtime *r, struct str uid, struct cgroup_limits *out)
{
	const struct group *group = map_get(&of(r)->pods, uid);
	*out = group ? group->limits : (struct cgroup_limits){0};
	return group != NULL;
}

static bool fake_state(struct runtime *r, struct arena *a, struct str id, struct runtime_state *out)
{
	struct container *c = map_get(&of(r)->containers, id);
	if (c)
		fill(c, out);
	return c != NULL;
}

static size_t fake_list(struct runtime *r, struct arena *a, struct runtime_state **out)
{
	size_t n = 0;
	*out = ARENA_ARRAY(a, struct runtime_state, of(r)->containers.count + 1);
	map_each(entry, &of(r)->containers)
		fill(entry->value, &(*out)[n++]);
	return n;
}

static size_t fake_list_pods(struct runtime *r, struct arena *a, struct str **uids)
{
	size_t n = 0;
	*uids = ARENA_ARRAY(a, struct str, of(r)->pods.count + 1);
	map_each(entry, &of(r)->pods)
		(*uids)[n++] = arena_str(a, entry->key);
	return n;
}

static int fake_image(struct runtime *r, struct arena *a, struct str name, struct image *out, struct err *e)
{
	static struct str command[] = {STR_INIT("default")};
	if (str_starts(name, STR("example.test/")) && !map_has(&of(r)->images, name))
		return err_set(e, ERR_NOT_FOUND, "no image %.*s", STR_FMT(name));
	*out = (struct image){.id = STR("sha256:1234"), .command = {command, 1}};
	return 0;
}

static void fake_reopen(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	call_later(of(r), 1, done, arg, id, NULL);
}

// ---- exec

struct session {
	struct runtime_session session;
	struct timer timer;
	const struct runtime_session_events *events;
	void *arg;
	int code;
};

static void session_fire(struct timer *t)
{
	struct session *s = CONTAINER_OF(t, struct session, timer);
	s->events->on_end(s->arg, s->code, NULL);
	free(s);
}

static struct runtime_session *fake_exec(struct runtime *r, const struct runtime_exec_spec *x,
					 const struct runtime_session_events *ev, void *arg)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct fake_runtime *f = of(r);
	struct str command = join(&a, x->args, x->arg_count);
	const struct container *c = map_get(&f->containers, x->id);
	struct session *s = MEM_NEW(struct session);
	*s = (struct session){{r}, .timer.fire = session_fire, .events = ev, .arg = arg};
	const struct fake_act *act = find_act(f, command), *of_container = c ? c->act : NULL;
	int64_t takes = act ? act->runs_ns : 10 * TIME_MS;
	s->code = act ? act->exit_code : 0;
	if (of_container && of_container->good_until_ns) {
		int64_t age = loop_wall(f->loop) - c->started;
		s->code = age >= of_container->good_from_ns && age < of_container->good_until_ns ? 0 : 1;
	}
	timer_start(f->loop, &s->timer, takes);
	return &s->session;
}

static void fake_cancel(struct runtime_session *session)
{
	struct session *s = CONTAINER_OF(session, struct session, session);
	timer_stop(&s->timer);
	free(s);
}

// ---- the rest

struct fake_runtime *fake_runtime_create(struct loop *l, const struct fake_act *acts, size_t count)
{
	static const struct runtime_ops ops = {
		.watch = fake_watch,
		.pod_make = fake_pod_make,
		.pod_remove = fake_pod_remove,
		.create = fake_create,
		.start = fake_start,
		.kill = fake_kill,
		.remove = fake_remove,
		.resize = fake_resize,
		.pod_limits = fake_pod_limits,
		.state = fake_state,
		.list = fake_list,
		.list_pods = fake_list_pods,
		.image = fake_image,
		.reopen_log = fake_reopen,
		.exec = fake_exec,
		.session_cancel = fake_cancel,
	};
	struct fake_runtime *f = MEM_NEW(struct fake_runtime);
	f->table = (struct runtime){&ops, l};
	f->loop = l;
	f->acts = mem_alloc((count + 1) * sizeof *acts);
	if (count)
		memcpy(f->acts, acts, count * sizeof *acts);
	f->act_count = count;
	map_init(&f->containers);
	map_init(&f->pods);
	map_init(&f->images);
	return f;
}

void fake_runtime_destroy(struct fake_runtime *f)
{
	while (f->containers.count)
		drop(f, f->containers.entries[0].value);
	map_finish(&f->containers);
	map_each(entry, &f->pods)
		free(entry->value);
	map_finish(&f->pods);
	map_finish(&f->images);
	free(f->acts);
	free(f);
}

struct runtime *fake_runtime_table(struct fake_runtime *f)
{
	return &f->table;
}

void fake_runtime_add_image(struct fake_runtime *f, const char *name)
{
	map_set(&f->images, str_of(name), f);
}

void fake_runtime_break(struct fake_runtime *f, const char *why)
{
	f->broken = why;
}

void fake_runtime_use_memory(struct fake_runtime *f, uint64_t bytes)
{
	f->memory_used = bytes;
}

bool fake_runtime_limits(struct fake_runtime *f, struct str id, struct cgroup_limits *out)
{
	const struct container *c = map_get(&f->containers, id);
	if (c)
		*out = c->limits;
	return c != NULL;
}

size_t fake_runtime_running(const struct fake_runtime *f)
{
	size_t n = 0;
	map_each(entry, &f->containers)
		n += ((struct container *)entry->value)->phase == RUNTIME_RUNNING;
	return n;
}

size_t fake_runtime_pods(const struct fake_runtime *f)
{
	return f->pods.count;
}

size_t fake_runtime_created(const struct fake_runtime *f)
{
	return f->created;
}

void fake_runtime_restart(struct fake_runtime *f)
{
	f->events = NULL;
}

static int attach(struct pod_network *n, struct arena *a, struct str uid, struct str *ns_path, struct str *ip,
		  struct err *e)
{
	*ns_path = STR_NONE;
	*ip = STR("10.1.2.3");
	return 0;
}

static int detach(struct pod_network *n, struct str uid, struct err *e)
{
	return 0;
}

static void expose(struct pod_network *n, struct str uid, struct str ip, const struct json *pod)
{
}

static void conceal(struct pod_network *n, struct str uid)
{
}

static int list(struct pod_network *n, struct arena *a, struct str **uids, size_t *count, struct err *e)
{
	*count = 0;
	return 0;
}

struct pod_network *fake_network(void)
{
	static const struct pod_network_ops ops = {attach, detach, expose, conceal, list};
	static struct pod_network network = {&ops};
	return &network;
}
