// SPDX-License-Identifier: Apache-2.0
// Pods that come to their end: in which order their containers are told, and how long each of them has; and what begins
// once more where a pod goes on.
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/volume/files.h"
#include "node_fixture.h"
#include "unit.h"

#define PODS "/api/v1/namespaces/d/pods"

static const struct fake_act acts[] = {
	{.command = "polite", .term_code = 0},
	{.command = "deaf", .term_code = -1},
	{.command = "brief", .runs_ns = 100 * TIME_MS},
	{.command = "second", .runs_ns = TIME_S},
	{.command = "fails", .runs_ns = 100 * TIME_MS, .exit_code = 1},
	{.command = "three", .runs_ns = 700 * TIME_MS, .exit_code = 3},
	{.command = "no", .runs_ns = 10 * TIME_MS, .exit_code = 1},
};

#define CONTAINER(name, command, more) \
	"{\"name\":\"" name "\",\"image\":\"i\",\"command\":[\"" command "\"]" more "}"
#define SIDECAR ",\"restartPolicy\":\"Always\""
// An exec hook that fails: the event tells that it was run.
#define FAILING_HOOK ",\"lifecycle\":{\"preStop\":{\"exec\":{\"command\":[\"no\"]}}}"

static void add_pod(struct world *w, const char *init, const char *containers, const char *more)
{
	struct str body = arena_fmt(&w->arena,
				    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\",%s"
				    "\"initContainers\":[%s],\"containers\":[%s]}}",
				    more, init, containers);
	CHECK_INT(fake_server_do(w->server, "POST", PODS, body.p), 201);
}

static void begin(struct world *w, const char *init, const char *containers, const char *more)
{
	world_begin(w, 4, NULL, acts, ARRAY_LEN(acts));
	add_pod(w, init, containers, more);
}

static const struct json *pod(struct world *w)
{
	return fake_server_get(w->server, &w->arena, PODS "/p");
}

static void check_state(struct world *w, const char *path, const char *want)
{
	struct str got = json_str(pod(w), arena_fmt(&w->arena, "status.%s", path).p);
	if (!str_is(got, want))
		unit_fail(__FILE__, __LINE__, "%s is \"%.*s\", not \"%s\"", path, STR_FMT(got), want);
}

static void check_condition(struct world *w, const char *type, const char *want)
{
	json_each(c, json_at(pod(w), "status.conditions"))
		if (json_str_is(c, "type", type)) {
			CHECK_STR(json_str(c, "status"), want);
			return;
		}
	unit_fail(__FILE__, __LINE__, "no condition %s", type);
}

static void label(struct world *w, int value)
{
	struct str body = arena_fmt(&w->arena, "{\"metadata\":{\"labels\":{\"x\":\"%d\"}}}", value);
	CHECK_INT(fake_server_do(w->server, "PATCH", PODS "/p", body.p), 200);
}

static size_t events_with(struct world *w, const char *reason, const char *about)
{
	size_t n = 0;
	struct json *list = fake_server_get(w->server, &w->arena, "/api/v1/namespaces/d/events");
	json_each(e, json_get(list, STR("items")))
		n += json_str_is(e, "reason", reason) && str_contains(json_str(e, "involvedObject.fieldPath"), str_of(about));
	return n;
}

// The grace of a sidecar is that of the pod, however often something is heard of the pod meanwhile.
TEST(news_do_not_shorten_the_grace_of_a_sidecar)
{
	struct world w;
	begin(&w, CONTAINER("s", "deaf", SIDECAR), CONTAINER("c", "polite", ""), "\"terminationGracePeriodSeconds\":30,");
	sim_run(w.sim, TIME_S);
	check_state(&w, "phase", "Running");
	fake_server_do(w.server, "DELETE", PODS "/p", NULL);
	for (int i = 0; i < 9; i++) {
		sim_run(w.sim, 3 * TIME_S);
		label(&w, i);
	}
	CHECK(pod(&w) != NULL);
	CHECK_INT(fake_runtime_running(w.runtime), 1);
	sim_run(w.sim, 6 * TIME_S);
	CHECK(!pod(&w));
	world_end(&w);
}

// All hooks run at once; only the signal waits for the sidecar's turn.
TEST(the_hook_of_a_sidecar_runs_though_the_main_container_takes_the_whole_grace)
{
	struct world w;
	begin(&w, CONTAINER("s", "polite", SIDECAR FAILING_HOOK), CONTAINER("c", "deaf", ""),
	      "\"terminationGracePeriodSeconds\":5,");
	sim_run(w.sim, TIME_S);
	check_state(&w, "phase", "Running");
	fake_server_do(w.server, "DELETE", PODS "/p", NULL);
	sim_run(w.sim, 2 * TIME_S);
	CHECK_INT(events_with(&w, "FailedPreStopHook", "{s}"), 1);
	CHECK_INT(events_with(&w, "Killing", "{s}"), 1);
	CHECK_INT(fake_runtime_running(w.runtime), 2);
	sim_run(w.sim, 4 * TIME_S);
	CHECK(!pod(&w));
	CHECK_INT(events_with(&w, "FailedPreStopHook", "{s}"), 1);
	world_end(&w);
}

TEST(sidecars_end_in_their_order)
{
	struct world w;
	begin(&w, CONTAINER("first", "polite", SIDECAR) "," CONTAINER("second", "deaf", SIDECAR), CONTAINER("c", "deaf", ""),
	      "\"terminationGracePeriodSeconds\":10,");
	sim_run(w.sim, TIME_S);
	fake_server_do(w.server, "DELETE", PODS "/p", NULL);
	sim_run(w.sim, 9 * TIME_S);
	CHECK_INT(fake_runtime_running(w.runtime), 3); // two do not hear, the other was not told
	sim_run(w.sim, 1500 * TIME_MS);
	CHECK_INT(fake_runtime_running(w.runtime), 1); // the grace is over: who has not been told yet is told now
	sim_run(w.sim, 3 * TIME_S);
	CHECK(!pod(&w));
	world_end(&w);
}

// kubectl debug is for pods that do not come up.
TEST(ephemeral_containers_beside_an_init_container_that_fails)
{
	struct world w;
	begin(&w, CONTAINER("i", "fails", ""), CONTAINER("c", "polite", ""), "");
	sim_run(w.sim, 2 * TIME_S);
	fake_server_do(
		w.server, "PATCH", PODS "/p",
		"{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\",\"command\":[\"polite\"]}]}}");
	sim_run(w.sim, TIME_S);
	CHECK(json_at(pod(&w), "status.ephemeralContainerStatuses.0.state.running"));
	check_state(&w, "phase", "Pending");
	world_end(&w);
}

// What init containers set up in the pod's network is gone with it.
TEST(init_containers_run_again_after_the_machine_was_restarted)
{
	struct world w;
	begin(&w, CONTAINER("i", "second", "") "," CONTAINER("s", "polite", SIDECAR), CONTAINER("c", "polite", ""), "");
	sim_run(w.sim, 3 * TIME_S);
	check_state(&w, "phase", "Running");
	node_destroy(w.node);
	fake_runtime_destroy(w.runtime); // nothing of it is left
	w.runtime = fake_runtime_create(w.loop, acts, ARRAY_LEN(acts));
	world_start_node(&w);
	CHECK_INT(fake_runtime_created(w.runtime), 3);
	check_state(&w, "phase", "Running");
	CHECK_INT(json_i64(pod(&w), "status.initContainerStatuses.0.restartCount", -1), 1);
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1), 1);
	world_end(&w);
}

static const char *log_of(struct world *w, int attempt)
{
	return arena_fmt(&w->arena, "%s/logs/%.*s/c.%d.log", w->data, STR_FMT(json_str(pod(w), "metadata.uid")), attempt).p;
}

// Its newest end is not taken for the one before it too, whose logs go when the next life begins.
TEST(agent_replaced_while_a_container_rests_keeps_its_logs)
{
	struct world w;
	world_begin(&w, 4, "ends", acts, ARRAY_LEN(acts));
	add_pod(&w, "", CONTAINER("c", "fails", ""), "");
	sim_run(w.sim, 25 * TIME_S);
	check_state(&w, "containerStatuses.0.state.waiting.reason", "CrashLoopBackOff");
	int newest = (int)json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1);
	CHECK_INT(newest, 2);
	const char *log = log_of(&w, newest);
	REQUIRE(!files_make_dirs(dirname(arena_c(&w.arena, str_of(log))), 0755, NULL));
	REQUIRE(!files_write(log, STR("why it failed"), 0644, NULL));
	node_destroy(w.node);
	fake_runtime_restart(w.runtime);
	world_start_node(&w);
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1), newest + 1);
	CHECK(access(log, F_OK) == 0);
	world_end(&w);
}

// A container that ends as one of its rules says takes all others with it, and the pod begins anew.
TEST(all_containers_start_anew_with_one)
{
	struct world w;
	begin(&w, CONTAINER("i", "brief", "") "," CONTAINER("s", "polite", SIDECAR),
	      CONTAINER("c", "three", ",\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"RestartAllContainers\","
				     "\"exitCodes\":{\"operator\":\"In\",\"values\":[3]}}]") "," CONTAINER("d", "polite", ""),
	      "\"restartPolicy\":\"Never\",");
	sim_run(w.sim, 800 * TIME_MS);
	check_state(&w, "phase", "Running");
	CHECK_INT(fake_runtime_created(w.runtime), 4);
	check_condition(&w, "AllContainersRestarting", "False");
	sim_run(w.sim, 700 * TIME_MS);
	CHECK_INT(fake_runtime_created(w.runtime), 8);
	check_state(&w, "phase", "Running");
	check_condition(&w, "Initialized", "True");
	for (int i = 0; i < 2; i++) {
		const struct json *status = pod(&w);
		CHECK_INT(json_i64(status, i ? "status.initContainerStatuses.1.restartCount" :
					       "status.initContainerStatuses.0.restartCount", -1), 1);
		CHECK_INT(json_i64(status, i ? "status.containerStatuses.1.restartCount" :
					       "status.containerStatuses.0.restartCount", -1), 1);
	}
	check_state(&w, "containerStatuses.1.lastState.terminated.reason", "RestartingAllContainers");
	sim_run(w.sim, 60 * TIME_S); // the second time it rests first
	CHECK(fake_runtime_created(w.runtime) > 8 && fake_runtime_created(w.runtime) < 32);
	world_end(&w);
}

// Files that are being brought up to date while the pod is taken away do not outlive it.
TEST(volumes_that_change_while_the_pod_is_taken_away)
{
	struct world w;
	static const char spec[] = "\"restartPolicy\":\"Never\",\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"m\"}}],";
	static const char configs[] = "/api/v1/namespaces/d/configmaps";
	world_begin(&w, 4, "ends", acts, ARRAY_LEN(acts));
	fake_server_do(w.server, "POST", configs, "{\"metadata\":{\"name\":\"m\",\"namespace\":\"d\"},\"data\":{\"k\":\"0\"}}");
	for (int i = 0; i < 60; i++) {
		add_pod(&w, "", CONTAINER("c", "brief", ""), spec);
		const char *dir = arena_fmt(&w.arena, "%s/pods/%.*s", w.data, STR_FMT(json_str(pod(&w), "metadata.uid"))).p;
		while (fake_runtime_running(w.runtime) == 0)
			sim_run(w.sim, TIME_MS / 10);
		CHECK(access(dir, F_OK) == 0);
		sim_run(w.sim, 98 * TIME_MS + i * TIME_MS / 20);
		fake_server_do(w.server, "PATCH", arena_fmt(&w.arena, "%s/m", configs).p,
			       arena_fmt(&w.arena, "{\"data\":{\"k\":\"%d\"}}", i + 1).p);
		sim_run(w.sim, TIME_S);
		check_state(&w, "phase", "Succeeded");
		CHECK(access(dir, F_OK) != 0);
		fake_server_do(w.server, "DELETE", PODS "/p", NULL);
		sim_run(w.sim, TIME_S);
	}
	world_end(&w);
}

// An image is the one thing of a container that may change while it runs.
TEST(container_with_a_new_image_starts_anew)
{
	struct world w;
	begin(&w, CONTAINER("s", "polite", SIDECAR), CONTAINER("c", "polite", "") "," CONTAINER("d", "polite", ""),
	      "\"restartPolicy\":\"Never\",");
	sim_run(w.sim, TIME_S);
	CHECK_INT(fake_runtime_created(w.runtime), 3);
	fake_server_do(w.server, "PATCH", PODS "/p",
		       "{\"spec\":{\"containers\":[" CONTAINER("c", "polite", "") ","
		       "{\"name\":\"d\",\"image\":\"newer\",\"command\":[\"polite\"]}]}}");
	sim_run(w.sim, 3 * TIME_S);
	CHECK_INT(fake_runtime_created(w.runtime), 4);
	check_state(&w, "phase", "Running");
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1), 0);
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.1.restartCount", -1), 1);
	check_state(&w, "containerStatuses.1.image", "newer");
	node_destroy(w.node);
	fake_runtime_restart(w.runtime);
	sim_run(w.sim, TIME_S);
	fake_server_do(w.server, "PATCH", PODS "/p",
		       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"newer\",\"command\":[\"polite\"]},"
		       "{\"name\":\"d\",\"image\":\"newer\",\"command\":[\"polite\"]}]}}");
	world_start_node(&w);
	sim_run(w.sim, 3 * TIME_S);
	CHECK_INT(fake_runtime_created(w.runtime), 5);
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1), 1);
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.1.restartCount", -1), 1);
	world_end(&w);
}

struct readiness {
	struct arena *arena;
	int told, missing; // how often the pod was told of, and how often not as ready
};

static void note_readiness(void *arg, const char *type, struct str resource, struct str object)
{
	struct readiness *r = arg;
	struct json *pod;
	bool ready = false;
	if (!str_is(resource, "v1/pods") || json_parse(r->arena, arena_str(r->arena, object), NULL, &pod, NULL))
		return;
	json_each(c, json_at(pod, "status.conditions"))
		ready |= json_str_is(c, "type", "Ready") && json_str_is(c, "status", "True");
	r->told++;
	r->missing += !ready;
}

// As from kubelet: where the next life stands for the one before at once, nobody is told of the moment between.
TEST(a_new_image_leaves_the_pod_ready)
{
	struct world w;
	begin(&w, "", CONTAINER("c", "polite", ""), "");
	struct readiness r = {.arena = &w.arena};
	sim_run(w.sim, TIME_S);
	fake_server_on_change(w.server, note_readiness, &r);
	fake_server_do(w.server, "PATCH", PODS "/p",
		       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"newer\",\"command\":[\"polite\"]}]}}");
	sim_run(w.sim, 3 * TIME_S);
	CHECK_INT(json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1), 1);
	CHECK(r.told >= 2);
	CHECK_INT(r.missing, 0);
	fake_server_do(w.server, "PATCH", PODS "/p",
		       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"example.test/none\",\"command\":[\"polite\"]}]}}");
	sim_run(w.sim, 3 * TIME_S);
	CHECK(r.missing > 0);
	check_condition(&w, "Ready", "False");
	world_end(&w);
}

TEST(another_image_is_tried_at_once)
{
#define OF_IMAGE(image, command) "{\"name\":\"c\",\"image\":\"" image "\",\"command\":[\"" command "\"]}"
#define SET_IMAGE(image, command) "{\"spec\":{\"containers\":[" OF_IMAGE(image, command) "]}}"
	struct world w;
	begin(&w, "", OF_IMAGE("example.test/typo:1", "polite"), "");
	sim_run(w.sim, 60 * TIME_S);
	check_state(&w, "containerStatuses.0.state.waiting.reason", "ImagePullBackOff");
	fake_server_do(w.server, "PATCH", PODS "/p", SET_IMAGE("example.test/typo:2", "polite"));
	sim_run(w.sim, TIME_S);
	check_state(&w, "containerStatuses.0.state.waiting.reason", "ErrImagePull");
	fake_server_do(w.server, "PATCH", PODS "/p", SET_IMAGE("i", "fails"));
	sim_run(w.sim, 120 * TIME_S);
	check_state(&w, "containerStatuses.0.state.waiting.reason", "CrashLoopBackOff");
	fake_server_do(w.server, "PATCH", PODS "/p", SET_IMAGE("j", "polite"));
	sim_run(w.sim, TIME_S);
	check_state(&w, "phase", "Running");
	CHECK(json_at(pod(&w), "status.containerStatuses.0.state.running"));
	fake_server_do(w.server, "PATCH", PODS "/p", SET_IMAGE("example.test/typo:3", "polite"));
	sim_run(w.sim, TIME_S);
	check_state(&w, "containerStatuses.0.state.waiting.reason", "ErrImagePull");
	CHECK_INT(fake_runtime_running(w.runtime), 0);
	world_end(&w);
}

// Whenever agents end, while the pod starts and while it ends, the next ones lead it to its end.
TEST(agents_replaced_at_every_moment)
{
	struct world w;
	world_begin(&w, 4, "ends", acts, ARRAY_LEN(acts));
	for (int ms = 0; ms < 400; ms += 9) {
		add_pod(&w, CONTAINER("i", "brief", "") "," CONTAINER("s", "polite", SIDECAR FAILING_HOOK) ","
			CONTAINER("t", "polite", SIDECAR), CONTAINER("c", "polite", FAILING_HOOK) "," CONTAINER("d", "deaf", ""),
			"\"terminationGracePeriodSeconds\":3,\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],");
		sim_run(w.sim, ms * TIME_MS);
		world_replace_node(&w);
		sim_run(w.sim, TIME_S);
		check_state(&w, "phase", "Running");
		CHECK_INT(fake_runtime_running(w.runtime), 4);
		CHECK_INT(json_i64(pod(&w), "status.containerStatuses.0.restartCount", -1), 0);
		CHECK_INT(json_i64(pod(&w), "status.initContainerStatuses.0.restartCount", -1), 0);
		fake_server_do(w.server, "DELETE", PODS "/p", NULL);
		sim_run(w.sim, 10 * ms * TIME_MS);
		world_replace_node(&w);
		sim_run(w.sim, 6 * TIME_S);
		CHECK(!pod(&w));
		CHECK_INT(fake_runtime_pods(w.runtime), 0);
		CHECK_INT(fake_runtime_running(w.runtime), 0);
		CHECK_INT(node_pod_count(w.node), 0);
	}
	world_end(&w);
}

// Where nothing begins again, it is not told so.
TEST(probes_that_fail_where_nothing_is_restarted)
{
	struct world w;
	begin(&w, "", CONTAINER("c", "polite", ",\"livenessProbe\":{\"exec\":{\"command\":[\"no\"]},\"periodSeconds\":1,"
				"\"failureThreshold\":1}"), "\"restartPolicy\":\"Never\",");
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "phase", "Succeeded");
	struct json *list = fake_server_get(w.server, &w.arena, "/api/v1/namespaces/d/events");
	json_each(e, json_get(list, STR("items")))
		if (json_str_is(e, "reason", "Killing"))
			CHECK_STR(json_str(e, "message"), "Container c failed liveness probe");
	CHECK_INT(events_with(&w, "Killing", "{c}"), 1);
	world_end(&w);
}

#define RESTARTS_ALL ",\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"RestartAllContainers\"," \
	"\"exitCodes\":{\"operator\":\"In\",\"values\":[3]}}]"

static void storm(struct world *w, unsigned *seed, int step)
{
	static const char *const changes[] = {
		"{\"metadata\":{\"labels\":{\"x\":\"%u\"}}}",
		"{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i%u\",\"command\":[\"polite\"]},"
		"{\"name\":\"d\",\"image\":\"i\",\"command\":[\"three\"]" RESTARTS_ALL "}]}}",
		"{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\",\"command\":[\"deaf\"]}]}}",
		"{\"spec\":{\"activeDeadlineSeconds\":%u}}",
	};
	unsigned dice = (unsigned)rand_r(seed) % 12;
	const char *configs = "/api/v1/namespaces/d/configmaps/m";
	if (dice < ARRAY_LEN(changes))
		fake_server_do(w->server, "PATCH", PODS "/p", arena_fmt(&w->arena, changes[dice], 1 + rand_r(seed) % 9).p);
	else if (dice == 4)
		fake_server_do(w->server, "DELETE", PODS "/p", NULL);
	else if (dice == 5)
		fake_server_do(w->server, "DELETE", PODS "/p?gracePeriodSeconds=0", "{\"gracePeriodSeconds\":0}");
	else if (dice == 6)
		world_replace_node(w);
	else if (dice == 7)
		fake_server_do(w->server, "PATCH", configs, arena_fmt(&w->arena, "{\"data\":{\"k\":\"%d\"}}", step).p);
	else if (!pod(w))
		add_pod(w, CONTAINER("i", "brief", "") "," CONTAINER("s", "polite", SIDECAR FAILING_HOOK) ","
			CONTAINER("t", "deaf", SIDECAR), CONTAINER("c", "polite", FAILING_HOOK) "," CONTAINER("d", "three", RESTARTS_ALL),
			"\"terminationGracePeriodSeconds\":2,\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"m\"}}],");
	sim_run(w->sim, (int64_t)(rand_r(seed) % 900) * TIME_MS);
}

// Whatever comes upon pods, and in whatever order: at the end nothing of them is left.
TEST(pods_in_a_storm)
{
	struct world w;
	unsigned seed = 1;
	world_begin(&w, 4, "ends", acts, ARRAY_LEN(acts));
	fake_server_do(w.server, "POST", "/api/v1/namespaces/d/configmaps",
		       "{\"metadata\":{\"name\":\"m\",\"namespace\":\"d\"},\"data\":{\"k\":\"0\"}}");
	fake_server_set_faults(w.server, (struct fake_faults){
		.request_lost = 30, .answer_lost = 30, .watch_broken = 10, .delay_max_ns = 20 * TIME_MS});
	for (int step = 0; step < 2000; step++)
		storm(&w, &seed, step);
	fake_server_do(w.server, "DELETE", PODS "/p", NULL);
	sim_run(w.sim, 60 * TIME_S);
	CHECK(!pod(&w));
	CHECK_INT(fake_runtime_pods(w.runtime), 0);
	CHECK_INT(fake_runtime_running(w.runtime), 0);
	CHECK_INT(node_pod_count(w.node), 0);
	world_end(&w);
}
