// SPDX-License-Identifier: Apache-2.0
// In-place resizes: what is allocated beside what is asked for, the order in which limits change, who starts anew, and
// the whole of it on a node in virtual time.
#include <stdio.h>

#include "base/map.h"
#include "node/pod/allocation.h"
#include "node/pod/plan.h"
#include "node/pod/resize_plan.h"
#include "node/pod/status_resources.h"
#include "node_fixture.h"
#include "tar_maker.h"
#include "unit.h"

#define PODS "/api/v1/namespaces/d/pods"
#define MIB (1 << 20)

// ---- pure

static struct pod_spec *pod_of(const char *containers, int generation)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str text = arena_fmt(&a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\",\"generation\":%d},"
				    "\"spec\":{%s}}", generation, containers);
	struct blob *line = blob_create(text);
	struct pod_spec *s = pod_spec_create(line, blob_str(line));
	blob_unref(line);
	return s;
}

// "a:CPU/MEMORY" of containers: limits equal to requests, in thousandths and MiB.
static struct pod_spec *sized(struct arena *a, const char *list, const char *more)
{
	struct buf text CLEAN_BUF;
	struct str rest = str_of(list), one, name, sizes, cpu, memory;
	buf_init(&text);
	BUF_LIT(&text, "\"containers\":[");
	while (str_next(&rest, ' ', &one)) {
		str_cut(one, ':', &name, &sizes);
		str_cut(sizes, '/', &cpu, &memory);
		buf_fmt(&text, "%s{\"name\":\"%.*s\"%s,\"resources\":{\"requests\":{\"cpu\":\"%.*sm\",\"memory\":\"%.*sMi\"},"
			"\"limits\":{\"cpu\":\"%.*sm\",\"memory\":\"%.*sMi\"}}}", one.p == list ? "" : ",", STR_FMT(name),
			more, STR_FMT(cpu), STR_FMT(memory), STR_FMT(cpu), STR_FMT(memory));
	}
	BUF_LIT(&text, "]");
	return pod_of(arena_c(a, buf_str(&text)), 1);
}

// All run with what the spec says.
static struct pod_state *running(const struct pod_spec *s)
{
	struct pod_state *st = pod_state_create(s);
	st->sandbox = SANDBOX_READY;
	st->resize = (struct pod_resize){.kept = true, .pod = pod_limits(s)};
	for (size_t i = 0; i < s->container_count; i++) {
		struct container_state *c = &st->containers[i];
		c->stage = STAGE_RUNNING;
		c->size = container_size_of(s, &s->containers[i]);
		snprintf(c->run.id, sizeof(c->run.id), "%.*s", STR_FMT(s->containers[i].name));
	}
	return st;
}

// "pod+m a=m a=c": memory before cpu; parts s(hares), q(uota), m(emory).
static struct str steps_of(struct arena *a, const struct pod_spec *s, const struct pod_state *st)
{
	struct buf out CLEAN_BUF;
	struct resize_plan plan;
	buf_init(&out);
	resize_plan(a, s, st, &plan);
	for (size_t i = 0; i < plan.count; i++) {
		const struct runtime_resize_step *p = &plan.steps[i];
		buf_fmt(&out, "%s%.*s=%s%s%s", i ? " " : "", STR_FMT(p->id.n ? p->id : STR("pod")),
			p->parts & CGROUP_SHARES ? "s" : "", p->parts & CGROUP_QUOTA ? "q" : "", p->parts & CGROUP_MEMORY ? "m" : "");
	}
	return arena_str(a, buf_str(&out));
}

TEST(what_is_asked_for_is_not_yet_allocated)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *old = sized(&a, "a:100/64 b:50/32", ""), *now = sized(&a, "a:200/64 b:50/32", "");
	struct json *allocation = allocation_of(&a, old);
	allocation_carry(now, allocation);
	CHECK_STR(json_str(now->containers[0].json, "resources.requests.cpu"), "100m");
	CHECK_STR(json_str(now->wanted, "containers.a.requests.cpu"), "200m");
	CHECK_INT(pod_requests(now, NULL).cpu_milli, 150);
	struct pod_spec *accepted = allocation_accept(now);
	CHECK(!accepted->wanted);
	CHECK_INT(pod_requests(accepted, NULL).cpu_milli, 250);
	struct pod_spec *same = pod_of("\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"0.1\",\"memory\":\"67108864\"},"
				       "\"limits\":{\"memory\":\"64Mi\",\"cpu\":\"100m\"}}},{\"name\":\"b\",\"resources\":{\"requests\":{"
				       "\"cpu\":\"50m\",\"memory\":\"32Mi\"},\"limits\":{\"cpu\":\"50m\",\"memory\":\"32Mi\"}}}]", 2);
	allocation_carry(same, allocation); // other words for it
	CHECK(!same->wanted);
	CHECK_STR(json_str(same->containers[0].json, "resources.requests.cpu"), "0.1");
	pod_spec_unref(same);
	pod_spec_unref(accepted);
	pod_spec_unref(now);
	pod_spec_unref(old);
}

TEST(pod_grows_first_and_shrinks_last)
{
	static const struct {
		const char *from, *to, *steps;
	} cases[] = {
		{"a:100/64", "a:100/64", ""},
		{"a:100/64", "a:200/64", "pod=q pod=s a=sq"},
		{"a:200/64", "a:100/64", "a=sq pod=q pod=s"},
		{"a:100/64", "a:100/80", "pod=m a=m"},
		{"a:100/80", "a:100/64", "a=m pod=m"},
		{"a:100/64", "a:200/32", "a=m pod=q pod=s a=sq pod=m"},
		{"a:100/64 b:100/64", "a:150/64 b:80/64", "pod=q pod=s b=sq a=sq"},	// net growth
		{"a:100/64 b:100/64", "a:100/80 b:100/32", "b=m a=m pod=m"},		// net shrinking
		{"a:100/64 b:100/64", "a:120/64 b:80/64", "b=sq a=sq"},			// the pod stays
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct pod_spec *from = sized(&a, cases[i].from, ""), *to = sized(&a, cases[i].to, "");
		struct pod_state *st = running(from);
		CHECK_STR(steps_of(&a, to, st), cases[i].steps);
		CHECK(resize_is_done(to, st) == !cases[i].steps[0]);
		pod_state_destroy(st);
		pod_spec_unref(from);
		pod_spec_unref(to);
	}
}

TEST(only_what_the_policy_allows_is_done_in_place)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *policy = ",\"resizePolicy\":[{\"resourceName\":\"cpu\",\"restartPolicy\":\"NotRequired\"},"
			     "{\"resourceName\":\"memory\",\"restartPolicy\":\"RestartContainer\"}]";
	struct pod_spec *from = sized(&a, "a:100/64", policy), *cpu = sized(&a, "a:200/64", policy);
	struct pod_spec *both = sized(&a, "a:200/32", policy);
	struct pod_state *st = running(from);
	CHECK(!resize_needs_restart(cpu, st, 0) && resize_needs_restart(both, st, 0));
	CHECK_STR(steps_of(&a, both, st), "pod=q pod=s"); // it gets its size with its next life; only then may the pod shrink
	struct pod_plan plan;
	pod_plan(&a, both, st, TIME_S, &plan);
	REQUIRE(plan.count == 2);
	CHECK(plan.actions[0].kind == PLAN_RESIZE && plan.actions[1].kind == PLAN_STOP);
	CHECK(plan.actions[1].cause == STOP_RESIZE && plan.actions[1].restart);
	st->resize.kept = false; // first it is written down
	pod_plan(&a, both, st, TIME_S, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_KEEP);
	st->resize = (struct pod_resize){.kept = true, .retry_at = 9 * TIME_S, .pod = st->resize.pod};
	pod_plan(&a, cpu, st, TIME_S, &plan);
	CHECK(plan.count == 0 && plan.wake == 9 * TIME_S);
	st->containers[0].restart_at_exit = true;
	st->containers[0].stage = STAGE_STARTING;
	st->containers[0].size = container_size_of(both, &both->containers[0]);
	CHECK(!resize_is_done(both, st));
	st->containers[0].restart_at_exit = false;
	st->containers[0].stage = STAGE_RUNNING;
	CHECK_STR(steps_of(&a, both, st), "pod=q pod=s pod=m");
	st->resize.pod = pod_limits(both);
	CHECK(resize_is_done(both, st));
	pod_state_destroy(st);
	pod_spec_unref(from);
	pod_spec_unref(cpu);
	pod_spec_unref(both);
}

TEST(limits_of_the_pod_stand_for_those_that_containers_have_not)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	static const char format[] = "\"resources\":{\"requests\":{\"cpu\":\"100m\"},\"limits\":{\"cpu\":\"%s\"}},"
				     "\"containers\":[{\"name\":\"a\"},{\"name\":\"b\",\"resources\":{\"limits\":{\"cpu\":\"50m\"}}}]";
	struct pod_spec *from = pod_of(arena_fmt(&a, format, "200m").p, 1), *to = pod_of(arena_fmt(&a, format, "300m").p, 2);
	struct pod_state *st = running(from);
	CHECK_INT(st->containers[0].size.cpu_limit, 200);
	CHECK_INT(st->containers[1].size.cpu_limit, 50);
	CHECK_INT(pod_limits(from).cpu_quota_us, 20000);
	CHECK_STR(steps_of(&a, to, st), "pod=q a=sq");
	pod_state_destroy(st);
	pod_spec_unref(from);
	pod_spec_unref(to);
}

TEST(notes_tell_sizes)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct container_note note = {7, {1, 2, 3LL << 40, 4}, INT64_MAX}, read = {0};
	CHECK(resize_read_note(resize_note(&a, &note), &read));
	CHECK(read.attempt == 7 && container_size_same(&note.size, &read.size) && read.image == INT64_MAX);
	CHECK(resize_read_note(STR("5 1 2 3298534883328 4"), &read) && read.attempt == 5 && !read.image); // of older agents
	CHECK(!resize_read_note(STR("5 1 2 x"), &read) && container_size_same(&note.size, &read.size));
	CHECK(!resize_read_note(STR("6"), &read) && read.attempt == 6);
}

TEST(who_waits_first)
{
	static const struct resize_claim order[] = {
		{.grows = false},
		{.grows = true, .priority = 9, .since = 5},
		{.grows = true, .guaranteed = true, .since = 7},
		{.grows = true, .since = 2},
		{.grows = true, .since = 3},
		{.grows = true, .since = 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		for (size_t k = 0; k < ARRAY_LEN(order); k++) {
			int got = resize_claim_cmp(&order[i], &order[k]);
			CHECK((got < 0) == (i < k) && (got > 0) == (i > k));
		}
}

TEST(what_a_resizing_pod_counts)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *s = sized(&a, "a:100/64 b:50/32", "");
	struct container_size held[] = {{300, 300, 1, 1}, {10, 10, 40 * MIB, 0}};
	CHECK_INT(pod_requests(s, held).cpu_milli, 350);
	CHECK_INT(pod_requests(s, held).memory, 104 * MIB);
	pod_spec_unref(s);
}

TEST(what_the_status_says_of_the_whole_pod)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *s = sized(&a, "a:100/64 b:50/32", "");
	struct pod_spec *own = pod_of("\"resources\":{\"requests\":{\"cpu\":\"0.2\",\"memory\":\"10m\"}},\"containers\":[{\"name\":\"c\"}]", 1);
	struct pod_resize going = {.in_progress = true, .pod = pod_limits(s)};
	going.pod.memory_bytes = 128 * MIB;
	struct json *status = json_object(&a);
	status_put_pod(&a, status, s, &(struct pod_resize){0});
	CHECK_STR(json_text(&a, status), "{\"resources\":{\"requests\":{\"cpu\":\"150m\",\"memory\":\"96Mi\"},\"limits\":{\"cpu\":\"150m\","
		  "\"memory\":\"96Mi\"}},\"allocatedResources\":{\"cpu\":\"150m\",\"memory\":\"96Mi\"}}");
	status_put_pod(&a, status, s, &going);
	CHECK_STR(json_str(status, "resources.limits.memory"), "128Mi");
	status_put_pod(&a, status, own, &(struct pod_resize){0});
	CHECK_STR(json_str(status, "allocatedResources.cpu"), "0.2");
	CHECK_STR(json_str(status, "resources.requests.memory"), "10m");
	pod_spec_unref(own);
	pod_spec_unref(s);
}

// ---- on a node

static void begin(struct world *w)
{
	static const struct fake_act acts[] = {{.command = "polite", .term_code = 0}};
	world_begin(w, 1, "resize", acts, ARRAY_LEN(acts));
}

static void add_pod(struct world *w, const char *name, const char *cpu, const char *more)
{
	struct str body = arena_fmt(&w->arena,
				    "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"generation\":1},\"spec\":{\"nodeName\":\"n1\","
				    "\"terminationGracePeriodSeconds\":1,\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"polite\"],"
				    "%s\"resources\":{\"requests\":{\"cpu\":\"%s\"},\"limits\":{\"cpu\":\"%s\",\"memory\":\"64Mi\"}}}]}}",
				    name, more, cpu, cpu);
	CHECK_INT(fake_server_do(w->server, "POST", PODS, body.p), 201);
	sim_run(w->sim, TIME_S);
}

static void ask(struct world *w, const char *name, const char *more, const char *cpu, const char *memory, int generation)
{
	struct str body = arena_fmt(&w->arena,
				    "{\"metadata\":{\"generation\":%d},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"polite\"],"
				    "%s\"resources\":{\"requests\":{\"cpu\":\"%s\"},\"limits\":{\"cpu\":\"%s\",\"memory\":\"%s\"}}}]}}",
				    generation, more, cpu, cpu, memory);
	CHECK_INT(fake_server_do(w->server, "PATCH", arena_fmt(&w->arena, PODS "/%s", name).p, body.p), 200);
	sim_run(w->sim, TIME_S);
}

static const struct json *status(struct world *w, const char *name)
{
	return json_get(fake_server_get(w->server, &w->arena, arena_fmt(&w->arena, PODS "/%s", name).p), STR("status"));
}

static const struct json *condition(struct world *w, const char *name, const char *type)
{
	json_each(c, json_get(status(w, name), STR("conditions")))
		if (json_str_is(c, "type", type) && json_str_is(c, "status", "True"))
			return c;
	return NULL;
}

static int events_of(struct world *w, const char *reason)
{
	int n = 0;
	json_each(event, json_get(fake_server_get(w->server, &w->arena, "/api/v1/namespaces/d/events"), STR("items")))
		n += json_str_is(event, "reason", reason);
	return n;
}

static struct cgroup_limits limits_of(struct world *w, const char *name)
{
	struct cgroup_limits limits = {0};
	struct str id = json_str(status(w, name), "containerStatuses.0.containerID");
	CHECK(fake_runtime_limits(w->runtime, str_from(id, strlen("crun://")), &limits));
	return limits;
}

static void check_has(struct world *w, const char *name, const char *cpu)
{
	CHECK_STR(json_str(status(w, name), "containerStatuses.0.resources.limits.cpu"), cpu);
	CHECK_STR(json_str(status(w, name), "containerStatuses.0.allocatedResources.cpu"), cpu);
	CHECK(!condition(w, name, "PodResizePending") && !condition(w, name, "PodResizeInProgress"));
}

TEST(in_place)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "200m", "");
	check_has(&w, "p", "200m");
	CHECK_INT(limits_of(&w, "p").cpu_quota_us, 20000);
	ask(&w, "p", "", "300m", "32Mi", 2);
	check_has(&w, "p", "300m");
	CHECK_INT(limits_of(&w, "p").cpu_quota_us, 30000);
	CHECK_INT(limits_of(&w, "p").memory_bytes, 32 * MIB);
	CHECK_INT(json_i64(status(&w, "p"), "observedGeneration", 0), 2);
	CHECK_INT(json_i64(status(&w, "p"), "containerStatuses.0.restartCount", 9), 0);
	CHECK_INT(events_of(&w, "ResizeStarted"), 1);
	CHECK_INT(events_of(&w, "ResizeCompleted"), 1);
	world_end(&w);
}

TEST(deferred_until_there_is_room)
{
	struct world w;
	begin(&w);
	add_pod(&w, "big", "600m", "");
	add_pod(&w, "p", "300m", "");
	ask(&w, "p", "", "700m", "64Mi", 2);
	const struct json *pending = condition(&w, "p", "PodResizePending");
	CHECK_STR(json_str(pending, "reason"), "Deferred");
	CHECK_INT(json_i64(pending, "observedGeneration", 0), 2);
	CHECK_STR(json_str(status(&w, "p"), "containerStatuses.0.resources.limits.cpu"), "300m");
	CHECK_STR(json_str(status(&w, "p"), "containerStatuses.0.allocatedResources.cpu"), "300m");
	CHECK_INT(limits_of(&w, "p").cpu_quota_us, 30000);
	ask(&w, "big", "", "200m", "64Mi", 2); // shrinks
	sim_run(w.sim, TIME_S);
	check_has(&w, "p", "700m");
	CHECK_INT(limits_of(&w, "p").cpu_quota_us, 70000);
	ask(&w, "p", "", "2000m", "64Mi", 3); // more than the machine has
	CHECK_STR(json_str(condition(&w, "p", "PodResizePending"), "reason"), "Infeasible");
	CHECK_INT(events_of(&w, "ResizeDeferred"), 1);
	CHECK_INT(events_of(&w, "ResizeInfeasible"), 1);
	ask(&w, "p", "", "700m", "64Mi", 4); // taken back
	check_has(&w, "p", "700m");
	world_end(&w);
}

TEST(room_of_a_pod_that_goes)
{
	struct world w;
	begin(&w);
	add_pod(&w, "big", "600m", "");
	add_pod(&w, "p", "300m", "");
	ask(&w, "p", "", "700m", "64Mi", 2);
	CHECK(condition(&w, "p", "PodResizePending"));
	fake_server_do(w.server, "DELETE", PODS "/big", NULL);
	sim_run(w.sim, 5 * TIME_S);
	check_has(&w, "p", "700m");
	world_end(&w);
}

TEST(memory_in_use_is_not_taken_away)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "200m", "");
	fake_runtime_use_memory(w.runtime, 20 * MIB);
	ask(&w, "p", "", "200m", "10Mi", 2);
	const struct json *progress = condition(&w, "p", "PodResizeInProgress");
	CHECK_STR(json_str(progress, "reason"), "Error");
	CHECK(strstr(json_str(progress, "message").p, "memory limit (10485760) below current usage"));
	CHECK_STR(json_str(status(&w, "p"), "containerStatuses.0.resources.limits.memory"), "64Mi");
	CHECK_INT(limits_of(&w, "p").memory_bytes, 64 * MIB);
	sim_run(w.sim, 60 * TIME_S);
	CHECK_INT(events_of(&w, "ResizeError"), 1);
	fake_runtime_use_memory(w.runtime, 5 * MIB); // and it goes on by itself
	sim_run(w.sim, 15 * TIME_S);
	CHECK_INT(limits_of(&w, "p").memory_bytes, 10 * MIB);
	CHECK(!condition(&w, "p", "PodResizeInProgress"));
	world_end(&w);
}

TEST(started_anew_for_its_size)
{
	static const char policy[] = "\"resizePolicy\":[{\"resourceName\":\"cpu\",\"restartPolicy\":\"RestartContainer\"}],";
	struct world w;
	begin(&w);
	add_pod(&w, "p", "200m", policy);
	struct str before = json_str(status(&w, "p"), "containerStatuses.0.containerID");
	ask(&w, "p", policy, "200m", "32Mi", 2);
	CHECK_INT(json_i64(status(&w, "p"), "containerStatuses.0.restartCount", 9), 0);
	ask(&w, "p", policy, "300m", "32Mi", 3);
	sim_run(w.sim, 3 * TIME_S);
	check_has(&w, "p", "300m");
	CHECK_INT(json_i64(status(&w, "p"), "containerStatuses.0.restartCount", 0), 1);
	CHECK(!str_eq(before, json_str(status(&w, "p"), "containerStatuses.0.containerID")));
	CHECK_INT(limits_of(&w, "p").cpu_quota_us, 30000);
	CHECK(json_is_true(status(&w, "p"), "containerStatuses.0.ready"));
	ask(&w, "p", policy, "200m", "32Mi", 4); // again at once: it is no failure that would have to rest
	sim_run(w.sim, 3 * TIME_S);
	check_has(&w, "p", "200m");
	CHECK_INT(json_i64(status(&w, "p"), "containerStatuses.0.restartCount", 0), 2);
	world_end(&w);
}

TEST(agents_find_what_was_allocated)
{
	struct world w;
	begin(&w);
	add_pod(&w, "big", "600m", "");
	add_pod(&w, "p", "300m", "");
	ask(&w, "p", "", "700m", "64Mi", 2);
	node_destroy(w.node); // while one waits
	fake_runtime_restart(w.runtime);
	sim_run(w.sim, TIME_S);
	ask(&w, "big", "", "650m", "64Mi", 2); // and another comes
	world_start_node(&w);
	CHECK_STR(json_str(condition(&w, "p", "PodResizePending"), "reason"), "Deferred");
	CHECK_STR(json_str(status(&w, "p"), "containerStatuses.0.allocatedResources.cpu"), "300m");
	check_has(&w, "big", "650m");
	CHECK_INT(limits_of(&w, "big").cpu_quota_us, 65000);
	CHECK_INT(limits_of(&w, "p").cpu_quota_us, 30000);
	CHECK_INT(fake_runtime_created(w.runtime), 2);
	fake_runtime_use_memory(w.runtime, 20 * MIB);
	ask(&w, "big", "", "650m", "10Mi", 3);
	CHECK(condition(&w, "big", "PodResizeInProgress"));
	node_destroy(w.node); // while one goes on
	fake_runtime_restart(w.runtime);
	sim_run(w.sim, TIME_S);
	fake_runtime_use_memory(w.runtime, 5 * MIB);
	world_start_node(&w);
	sim_run(w.sim, 15 * TIME_S);
	CHECK_INT(limits_of(&w, "big").memory_bytes, 10 * MIB);
	CHECK(!condition(&w, "big", "PodResizeInProgress"));
	world_end(&w);
}

// A pod that is gone from the API takes nothing, for the scheduler has given its room away, even if some of it still ends.
TEST(room_of_a_pod_that_is_no_longer_there)
{
	struct world w;
	begin(&w);
	add_pod(&w, "first", "800m", "");
	fake_server_do(w.server, "DELETE", PODS "/first?gracePeriodSeconds=0", "{\"gracePeriodSeconds\":0}");
	add_pod(&w, "second", "800m", "");
	check_has(&w, "second", "800m");
	world_end(&w);
}
