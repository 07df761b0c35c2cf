// SPDX-License-Identifier: Apache-2.0
#include "node/pod/resize_plan.h"

enum what { MEMORY, CPU };

struct planner {
	struct arena *arena;
	const struct pod_spec *spec;
	const struct pod_state *state;
	struct container_size *sizes; // what the containers will have after the steps so far
	struct runtime_resize_step *steps;
	size_t count;
};

// ---- amounts

// <0, 0, >0; 0 is no limit.
static int compare_limits(uint64_t a, uint64_t b)
{
	if (a == b)
		return 0;
	return !a || (b && a > b) ? 1 : -1;
}

static bool same_part(const struct container_size *a, const struct container_size *b, enum what what)
{
	return what == CPU ? a->cpu_request == b->cpu_request && a->cpu_limit == b->cpu_limit
			   : a->memory_request == b->memory_request && a->memory_limit == b->memory_limit;
}

static void take_part(struct container_size *to, const struct container_size *from, enum what what)
{
	if (what == CPU) {
		to->cpu_request = from->cpu_request;
		to->cpu_limit = from->cpu_limit;
	} else {
		to->memory_request = from->memory_request;
		to->memory_limit = from->memory_limit;
	}
}

static bool shrinks(const struct container_size *from, const struct container_size *to, enum what what)
{
	int64_t old_limit = what == CPU ? from->cpu_limit : from->memory_limit;
	int64_t new_limit = what == CPU ? to->cpu_limit : to->memory_limit;
	int64_t old_request = what == CPU ? from->cpu_request : from->memory_request;
	int64_t new_request = what == CPU ? to->cpu_request : to->memory_request;
	int by_limit = compare_limits((uint64_t)new_limit, (uint64_t)old_limit);
	return by_limit ? by_limit < 0 : new_request < old_request;
}

// ---- containers

static bool restarts_for(const struct container_spec *c, const char *resource)
{
	json_each(policy, json_get(c->json, STR("resizePolicy")))
		if (json_str_is(policy, "resourceName", resource))
			return json_str_is(policy, "restartPolicy", "RestartContainer");
	return false;
}

static bool is_resizable(const struct pod_spec *s, const struct pod_state *st, size_t i)
{
	return st->containers[i].stage == STAGE_RUNNING && s->containers[i].kind != CONTAINER_EPHEMERAL;
}

bool resize_needs_restart(const struct pod_spec *s, const struct pod_state *st, size_t i)
{
	const struct container_spec *c = &s->containers[i];
	struct container_size wanted = container_size_of(s, c);
	const struct container_size *has = &st->containers[i].size;
	return is_resizable(s, st, i) && ((!same_part(has, &wanted, CPU) && restarts_for(c, "cpu")) ||
					  (!same_part(has, &wanted, MEMORY) && restarts_for(c, "memory")));
}

static bool has_its_size(const struct planner *p, size_t i)
{
	struct container_size wanted = container_size_of(p->spec, &p->spec->containers[i]);
	return !container_is_alive(&p->state->containers[i]) || p->spec->containers[i].kind == CONTAINER_EPHEMERAL ||
	       container_size_same(&p->sizes[i], &wanted);
}

static bool all_have_their_size(const struct planner *p)
{
	for (size_t i = 0; i < p->spec->container_count; i++)
		if (!has_its_size(p, i))
			return false;
	return true;
}

static void change_container(struct planner *p, size_t i, const struct container_size *wanted, enum what what)
{
	const struct container_state *c = &p->state->containers[i];
	struct container_size *size = &p->sizes[i];
	struct cgroup_limits before = container_limits(size);
	take_part(size, wanted, what);
	struct cgroup_limits after = container_limits(size);
	unsigned parts = (before.cpu_shares != after.cpu_shares ? CGROUP_SHARES : 0U) |
			 (before.cpu_quota_us != after.cpu_quota_us ? CGROUP_QUOTA : 0U) |
			 (before.memory_bytes != after.memory_bytes ? CGROUP_MEMORY : 0U);
	p->steps[p->count++] = (struct runtime_resize_step){
		.id = str_of(c->run.id),
		.name = p->spec->containers[i].name,
		.parts = parts,
		.limits = after,
		.note = resize_note(p->arena, &(struct container_note){c->run.attempt, *size, c->image}),
	};
}

static void change_containers(struct planner *p, enum what what, bool shrinking)
{
	for (size_t i = 0; i < p->spec->container_count; i++) {
		struct container_size wanted = container_size_of(p->spec, &p->spec->containers[i]);
		if (is_resizable(p->spec, p->state, i) && !resize_needs_restart(p->spec, p->state, i) &&
		    !same_part(&p->sizes[i], &wanted, what) && shrinks(&p->sizes[i], &wanted, what) == shrinking)
			change_container(p, i, &wanted, what);
	}
}

// ---- the pod

static void change_pod(struct planner *p, unsigned part, const struct cgroup_limits *limits)
{
	p->steps[p->count++] = (struct runtime_resize_step){.name = p->spec->name, .parts = part, .limits = *limits};
}

static void change_pod_if(struct planner *p, enum what what, int direction)
{
	const struct cgroup_limits *has = &p->state->resize.pod;
	struct cgroup_limits wanted = pod_limits(p->spec);
	int shares = wanted.cpu_shares == has->cpu_shares ? 0 : wanted.cpu_shares > has->cpu_shares ? 1 : -1;
	int quota = compare_limits((uint64_t)wanted.cpu_quota_us, (uint64_t)has->cpu_quota_us);
	if (what == MEMORY && compare_limits(wanted.memory_bytes, has->memory_bytes) == direction)
		change_pod(p, CGROUP_MEMORY, &wanted);
	if (what == CPU && quota == direction)
		change_pod(p, CGROUP_QUOTA, &wanted);
	if (what == CPU && shares == direction)
		change_pod(p, CGROUP_SHARES, &wanted);
}

static void change(struct planner *p, enum what what)
{
	change_pod_if(p, what, 1);
	change_containers(p, what, true);
	change_containers(p, what, false);
}

static void begin(struct planner *p, struct arena *a, const struct pod_spec *s, const struct pod_state *st)
{
	*p = (struct planner){.arena = a, .spec = s, .state = st};
	p->steps = ARENA_ARRAY(a, struct runtime_resize_step, 2 * s->container_count + 4);
	p->sizes = ARENA_ARRAY(a, struct container_size, s->container_count + 1);
	for (size_t i = 0; i < s->container_count; i++)
		p->sizes[i] = st->containers[i].size;
}

void resize_plan(struct arena *a, const struct pod_spec *s, const struct pod_state *st, struct resize_plan *out)
{
	struct planner p;
	begin(&p, a, s, st);
	change(&p, MEMORY);
	change(&p, CPU);
	if (all_have_their_size(&p)) {
		change_pod_if(&p, MEMORY, -1);
		change_pod_if(&p, CPU, -1);
	}
	*out = (struct resize_plan){p.steps, p.count};
}

static bool same_limits(const struct cgroup_limits *a, const struct cgroup_limits *b)
{
	return a->cpu_shares == b->cpu_shares && a->cpu_quota_us == b->cpu_quota_us &&
	       a->memory_bytes == b->memory_bytes;
}

bool resize_is_done(const struct pod_spec *s, const struct pod_state *st)
{
	struct arena a CLEAN_ARENA;
	struct planner p;
	arena_init(&a);
	begin(&p, &a, s, st);
	struct cgroup_limits wanted = pod_limits(s);
	for (size_t i = 0; i < st->count; i++)
		if (st->containers[i].restart_at_exit && st->containers[i].stage != STAGE_NONE)
			return false; // its next life does not stand yet
	return all_have_their_size(&p) && (st->sandbox != SANDBOX_READY || same_limits(&wanted, &st->resize.pod));
}

// ---- notes

struct str resize_note(struct arena *a, const struct container_note *n)
{
	const struct container_size *z = &n->size;
	return arena_fmt(a, "%d %lld %lld %lld %lld %lld", n->attempt, (long long)z->cpu_request,
			 (long long)z->cpu_limit, (long long)z->memory_request, (long long)z->memory_limit,
			 (long long)n->image);
}

bool resize_read_note(struct str text, struct container_note *out)
{
	enum { WITH_SIZE = 5 };
	int64_t numbers[6] = {0};
	struct str word;
	size_t n = 0;
	while (n < ARRAY_LEN(numbers) && str_next(&text, ' ', &word) && !str_to_i64(word, &numbers[n]))
		n++;
	out->attempt = (int)numbers[0];
	out->image = numbers[5];
	if (n < WITH_SIZE)
		return false;
	out->size = (struct container_size){numbers[1], numbers[2], numbers[3], numbers[4]};
	return true;
}

// ---- those that wait

int resize_claim_cmp(const struct resize_claim *a, const struct resize_claim *b)
{
	if (a->grows != b->grows)
		return a->grows ? 1 : -1;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a->guaranteed != b->guaranteed)
		return a->guaranteed ? -1 : 1;
	if (a->since == b->since)
		return 0;
	return !a->since || (b->since && b->since < a->since) ? 1 : -1;
}
