// SPDX-License-Identifier: Apache-2.0
// The lives of pods as Kubernetes v1.36 was seen to lead them (recorded beside the repository), led by this node in
// virtual time over an imitated runtime: the same steps, the same ends, the same events.
#include <stdio.h>
#include <stdlib.h>

#include "api/object.h"
#include "base/map.h"
#include "node_fixture.h"
#include "unit.h"

#define LIVES SOURCE_ROOT "/../shared/reference/kubernetes-1.36/lives/"
#define PODS "/api/v1/namespaces/lives/pods"

// What the recorded commands do. Scripts are told by their text.
static const struct fake_act acts[] = {
	{.command = "sleep 600", .term_code = -1},
	{.command = "sleep 1", .runs_ns = TIME_S, .term_code = -1},
	{.command = "sleep 2", .runs_ns = 2 * TIME_S, .term_code = -1},
	{.command = "true", .runs_ns = 5 * TIME_MS},
	{.command = "false", .runs_ns = 5 * TIME_MS, .exit_code = 1},
	{.command = "sh -c exit 0", .runs_ns = 5 * TIME_MS},
	{.command = "sh -c exit 3", .runs_ns = 5 * TIME_MS, .exit_code = 3},
	{.command = "sh -c sleep 1", .runs_ns = TIME_S, .term_code = -1},
	{.command = "sh -c echo x >> /v/n; test $(wc -l < /v/n) -ge 3",
	 .runs_ns = 5 * TIME_MS,
	 .exit_code = 1,
	 .until_attempt = 2},
	{.command = "/no/such", .fails = "executable /no/such not found"},
	{.command = "sh -c sleep 3; touch /tmp/ok; sleep 600",
	 .term_code = -1,
	 .good_from_ns = 3 * TIME_S,
	 .good_until_ns = 1000 * TIME_S},
	{.command = "sh -c touch /tmp/ok; sleep 3; rm /tmp/ok; sleep 600",
	 .term_code = -1,
	 .good_from_ns = TIME_MS,
	 .good_until_ns = 3 * TIME_S},
	{.command = "sh -c trap 'exit 7' TERM; while :; do sleep 0.1; done", .term_code = 7},
	{.command = "sh -c trap '' TERM; while :; do sleep 1; done", .term_code = -1},
	{.command = "sh -c sleep 1; cat /tmp/hook; sleep 600", .term_code = -1},
	{.command = "sh -c head -c 100m /dev/zero | tail", .runs_ns = 300 * TIME_MS, .oom = true},
	{.command = "sh -c echo from the file > /dev/termination-log; exit 1", .runs_ns = 5 * TIME_MS, .exit_code = 1},
	{.command = "sh -c echo from the log; exit 1", .runs_ns = 5 * TIME_MS, .exit_code = 1},
	{.command = "sh -c printf 'one\\ntwo'; printf ' more\\n\\n'; sleep 1; echo err >&2; sleep 1; printf 'no newline'",
	 .runs_ns = 2 * TIME_S},
};

struct witness { // of one life
	struct world world;
	struct map paths;  // container -> struct json array of steps
	struct json *last; // the pod as last seen
	bool gone;
};

// ---- the same summary as the recording tool makes

static struct str state_text(struct arena *a, const struct json *state)
{
	const struct json *detail = json_first(state);
	if (!detail)
		return STR("none");
	struct str reason = json_str(detail, "reason");
	struct str text = arena_fmt(a, "%.*s%s%.*s", STR_FMT(detail->key), reason.n ? ":" : "", STR_FMT(reason));
	if (str_is(detail->key, "terminated"))
		text = arena_fmt(a, "%.*s:%lld", STR_FMT(text), (long long)json_i64(detail, "exitCode", 0));
	return text;
}

static bool is_brief(struct str state)
{
	return str_ends(state, STR(":ContainerCreating")) || str_ends(state, STR(":PodInitializing")) ||
	       str_ends(state, STR(":CrashLoopBackOff"));
}

static struct str last_step(const struct json *steps)
{
	return steps->count ? steps->last->text : STR_NONE;
}

static void add_step(struct witness *w, struct json *steps, struct str step)
{
	json_push(steps, json_string(&w->world.arena, step));
}

static void note_container(struct witness *w, const struct json *status)
{
	struct arena *a = &w->world.arena;
	struct str name = json_str(status, "name"), now = state_text(a, json_get(status, STR("state")));
	struct json *steps = map_get(&w->paths, name);
	if (!steps) {
		steps = json_array(a);
		map_set(&w->paths, name, steps);
	}
	if (json_at(status, "lastState.terminated") && !str_eq(last_step(steps), now)) {
		struct str before = state_text(a, json_get(status, STR("lastState")));
		if (!str_eq(before, last_step(steps)) && str_starts(last_step(steps), STR("running")))
			add_step(w, steps, before);
	}
	if (is_brief(now) || str_eq(last_step(steps), now))
		return;
	if (str_starts(now, STR("terminated")) && !str_is(last_step(steps), "running"))
		add_step(w, steps, STR("running"));
	add_step(w, steps, now);
}

static void on_change(void *arg, const char *type, struct str resource, struct str object)
{
	struct witness *w = arg;
	struct arena *a = &w->world.arena;
	struct json *pod;
	if (!str_is(resource, "v1/pods") || json_parse(a, arena_str(a, object), NULL, &pod, NULL))
		return;
	w->last = pod;
	w->gone |= !strcmp(type, "DELETED");
	json_each(status, json_at(pod, "status.initContainerStatuses"))
		note_container(w, status);
	json_each(status, json_at(pod, "status.containerStatuses"))
		note_container(w, status);
}

static struct str end_state(struct arena *a, const struct json *status)
{
	struct str now = state_text(a, json_get(status, STR("state")));
	return str_ends(now, STR(":CrashLoopBackOff")) || str_ends(now, STR(":RunContainerError")) ||
		       str_ends(now, STR(":PostStartHookError"))
		   ? STR("waiting to run again")
		   : now;
}

static void summarize_containers(struct arena *a, const struct json *list, struct json *out)
{
	json_each(status, list) {
		struct json *c = json_set(out, json_str(status, "name"), json_object(a));
		json_put_str(a, c, "state", end_state(a, status));
		json_put_bool(a, c, "ready", json_is_true(status, "ready"));
		json_put_bool(a, c, "started", json_is_true(status, "started"));
		json_put_int(a, c, "restarts", json_i64(status, "restartCount", 0));
	}
}

static struct json *summary(struct witness *w)
{
	struct arena *a = &w->world.arena;
	struct json *out = json_object(a);
	if (w->gone) {
		json_put_bool(a, out, "gone", true);
		return out;
	}
	const struct json *status = json_get(w->last, STR("status"));
	struct json *conditions = json_put(out, "conditions", json_object(a)),
		    *containers = json_put(out, "containers", json_object(a));
	json_each(c, json_get(status, STR("conditions"))) {
		struct str reason = json_str(c, "reason");
		json_set(conditions, json_str(c, "type"),
			 json_string(a, arena_fmt(a, "%.*s%s%.*s", STR_FMT(json_str(c, "status")), reason.n ? " " : "",
						  STR_FMT(reason))));
	}
	summarize_containers(a, json_get(status, STR("initContainerStatuses")), containers);
	summarize_containers(a, json_get(status, STR("containerStatuses")), containers);
	json_put_str(a, out, "phase", json_str(status, "phase"));
	json_put(out, "reason",
		 json_get(status, STR("reason")) ? json_string(a, json_str(status, "reason")) : json_null(a));
	return out;
}

// ---- one life

static void witness_begin(struct witness *w)
{
	*w = (struct witness){.gone = false};
	map_init(&w->paths);
	world_begin(&w->world, 4, NULL, acts, ARRAY_LEN(acts));
	fake_server_on_change(w->world.server, on_change, w);
}

static void witness_end(struct witness *w)
{
	world_end(&w->world);
	map_finish(&w->paths);
}

static void create_pod(struct witness *w, const struct json *life)
{
	struct arena *a = &w->world.arena;
	const struct api_resource *r = api_resource_find(STR(""), STR("v1"), STR("pods"));
	struct json *pod = json_object(a), *meta = json_need_object(a, pod, "metadata");
	json_put_str(a, meta, "name", json_str(life, "name"));
	json_put_str(a, meta, "namespace", STR("lives"));
	json_put(pod, "spec", json_clone(a, json_get(life, STR("spec"))));
	api_default(a, r, pod);
	json_put_str(a, json_get(pod, STR("spec")), "nodeName", STR("n1"));
	CHECK_INT(fake_server_do(w->world.server, "POST", PODS, json_text(a, pod).p), 201);
}

static void do_action(struct witness *w, const struct json *life, struct str action)
{
	struct arena *a = &w->world.arena;
	struct str verb, kind, name;
	str_cut(action, ' ', &verb, &kind);
	if (str_is(verb, "delete")) {
		fake_server_do(w->world.server, "DELETE", arena_fmt(a, PODS "/%.*s", STR_FMT(json_str(life, "name"))).p,
			       NULL);
		return;
	}
	str_cut(kind, ' ', &kind, &name);
	struct str path = arena_fmt(a, "/api/v1/namespaces/lives/%.*ss", STR_FMT(kind));
	struct str body = arena_fmt(
		a, "{\"metadata\":{\"name\":\"%.*s\",\"namespace\":\"lives\"},\"data\":{\"k\":\"dg==\"}}", STR_FMT(name));
	CHECK_INT(fake_server_do(w->world.server, "POST", path.p, body.p), 201);
}

static void lead(struct witness *w, const struct json *life)
{
	int64_t seconds = json_i64(life, "seconds", 12), begun = sim_now(w->world.sim), ends = begun + seconds * TIME_S;
	const struct json *then = json_first(json_get(life, STR("then")));
	struct str until = json_str(life, "until");
	while (sim_now(w->world.sim) < ends && !w->gone && !(until.n && str_eq(json_str(w->last, "status.phase"), until))) {
		if (then && sim_now(w->world.sim) >= begun + then->first->integer * TIME_S) {
			do_action(w, life, then->last->text);
			then = then->next;
		}
		int64_t left = ends - sim_now(w->world.sim);
		sim_run(w->world.sim, left < 5 * TIME_MS ? left : 5 * TIME_MS);
	}
}

static bool has_event(const struct json *list, struct str what)
{
	json_each(e, list) {
		if (str_eq(e->text, what))
			return true;
	}
	return false;
}

static struct json *events_of(struct witness *w)
{
	struct arena *a = &w->world.arena;
	struct json *out = json_array(a), *list = fake_server_get(w->world.server, a, "/api/v1/namespaces/lives/events");
	json_each(e, json_get(list, STR("items"))) {
		struct str what =
			arena_fmt(a, "%.*s %.*s", STR_FMT(json_str(e, "type")), STR_FMT(json_str(e, "reason")));
		if (!has_event(out, what))
			json_push(out, json_string(a, what));
	}
	return out;
}

static void compare_events(struct witness *w, const char *name, const struct json *want)
{
	struct json *got = events_of(w);
	json_each(e, want) {
		if (!str_is(e->text, "Normal Scheduled") && !has_event(got, e->text))
			unit_fail(__FILE__, __LINE__, "%s: no event %.*s", name, STR_FMT(e->text));
	}
	json_each(e, got) {
		if (!has_event(want, e->text))
			unit_fail(__FILE__, __LINE__, "%s: an event too many: %.*s", name, STR_FMT(e->text));
	}
}

static void compare(struct witness *w, const char *name, const struct json *want)
{
	struct arena *a = &w->world.arena;
	struct json *paths = json_object(a), *end = summary(w), *wanted = json_clone(a, json_get(want, STR("end")));
	map_each(entry, &w->paths)
		json_set(paths, entry->key, entry->value);
	json_each(c, json_get(wanted, STR("containers")))
		json_remove(c, STR("message")); // the disk's and the runtime's
	json_remove(json_get(wanted, STR("conditions")), STR("PodScheduled"));
	json_remove(json_get(end, STR("conditions")), STR("PodScheduled"));
	if (!json_equal(paths, json_get(want, STR("path"))))
		unit_fail(__FILE__, __LINE__, "%s: path %s, not %s", name, json_text(a, paths).p,
			  json_text(a, json_get(want, STR("path"))).p);
	if (!json_equal(end, wanted))
		unit_fail(__FILE__, __LINE__, "%s: end %s, not %s", name, json_text(a, end).p, json_text(a, wanted).p);
	sim_run(w->world.sim, TIME_S);
	compare_events(w, name, json_get(want, STR("events")));
}

// ---- all of them

static char *read_whole(const char *path, size_t *n)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	*n = (size_t)ftell(f);
	rewind(f);
	char *text = malloc(*n + 1);
	*n = fread(text, 1, *n, f);
	fclose(f);
	return text;
}

// Decided before the node hears of them, or by what only a real process can do.
static bool is_of_others(struct str name)
{
	static const char *const names[] = {"gated",	   "fits-nowhere", "too-big",  "http-and-tcp", "http-wrong",
					    "environment", "volumes",	   "identity", "capabilities", "defaults",
					    "names",	   "shared",	   "limits"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i]))
			return true;
	}
	return false;
}

TEST(lives_as_recorded)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	size_t yaml_n, known_n;
	char *yaml CLEAN_FREE = read_whole(LIVES "pods.yaml", &yaml_n),
		   *known_text CLEAN_FREE = read_whole(LIVES "lives.json", &known_n);
	if (!yaml || !known_text)
		unit_skip("the recorded lives are not here");
	struct json *lives, *known;
	REQUIRE(!api_yaml_parse(&a, (struct str){yaml, yaml_n}, NULL, &lives, NULL));
	REQUIRE(!json_parse(&a, (struct str){known_text, known_n}, NULL, &known, NULL));
	size_t led = 0;
	const char *only = getenv("ONLY_LIFE");
	json_each(life, lives) {
		if (is_of_others(json_str(life, "name")) || (only && !str_is(json_str(life, "name"), only)))
			continue;
		struct witness w;
		witness_begin(&w);
		create_pod(&w, life);
		lead(&w, life);
		compare(&w, arena_c(&a, json_str(life, "name")), json_get(known, json_str(life, "name")));
		witness_end(&w);
		led++;
	}
	CHECK(only || led >= 29);
}
