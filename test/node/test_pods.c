// SPDX-License-Identifier: Apache-2.0
// The node as a whole in virtual time: agents that come back, images that come late, objects that change, pods that are
// too many, and many at once.
#include <unistd.h>

#include "base/map.h"
#include "node/volume/files.h"
#include "node_fixture.h"
#include "unit.h"

#define PODS "/api/v1/namespaces/d/pods"

static const struct fake_act acts[] = {
	{.command = "polite", .term_code = 0},
	{.command = "deaf", .term_code = -1},
	{.command = "brief", .runs_ns = 100 * TIME_MS},
	{.command = "slow", .good_from_ns = 20 * TIME_S, .good_until_ns = 1000 * TIME_S},
};

static void begin(struct world *w)
{
	world_begin(w, 4, NULL, acts, ARRAY_LEN(acts));
}

static void add_pod(struct world *w, const char *name, const char *image, const char *command, const char *more)
{
	struct str body =
		arena_fmt(&w->arena,
			  "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\",%s"
			  "\"containers\":[{\"name\":\"c\",\"image\":\"%s\",\"command\":[\"%s\"]}]}}",
			  name, more, image, command);
	CHECK_INT(fake_server_do(w->server, "POST", PODS, body.p), 201);
}

static const struct json *pod(struct world *w, const char *name)
{
	return fake_server_get(w->server, &w->arena, arena_fmt(&w->arena, PODS "/%s", name).p);
}

static void check_state(struct world *w, const char *name, const char *path, const char *want)
{
	struct str got = json_str(pod(w, name), arena_fmt(&w->arena, "status.%s", path).p);
	if (!str_is(got, want))
		unit_fail(__FILE__, __LINE__, "%s of %s is \"%.*s\", not \"%s\"", path, name, STR_FMT(got), want);
}

TEST(registers_and_renews)
{
	struct world w;
	begin(&w);
	const struct json *node = fake_server_get(w.server, &w.arena, "/api/v1/nodes/n1");
	CHECK_STR(json_str(node, "status.capacity.cpu"), "4");
	CHECK_STR(json_str(node, "status.conditions.3.status"), "True");
	CHECK_STR(json_str(json_at(node, "status.addresses.0"), "address"), "192.0.2.1");
	const char *lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
	struct str first = json_str(fake_server_get(w.server, &w.arena, lease), "spec.renewTime");
	size_t requests = fake_server_requests(w.server);
	sim_run(w.sim, 60 * TIME_S);
	struct str later = json_str(fake_server_get(w.server, &w.arena, lease), "spec.renewTime");
	CHECK(first.n && !str_eq(first, later));
	CHECK(fake_server_requests(w.server) - requests <= 7); // an idle node is quiet
	world_end(&w);
}

TEST(agent_comes_back)
{
	struct world w;
	begin(&w);
	add_pod(&w, "stays", "i", "polite", "");
	add_pod(&w, "goes", "i", "polite", "");
	sim_run(w.sim, TIME_S);
	check_state(&w, "stays", "phase", "Running");
	struct str id = json_str(pod(&w, "stays"), "status.containerStatuses.0.containerID");
	node_destroy(w.node);
	fake_runtime_restart(w.runtime);
	fake_server_do(w.server, "DELETE", PODS "/goes?gracePeriodSeconds=0", "{\"gracePeriodSeconds\":0}");
	sim_run(w.sim, 5 * TIME_S);
	CHECK_INT(fake_runtime_running(w.runtime), 2);
	world_start_node(&w);
	sim_run(w.sim, 5 * TIME_S);
	CHECK_INT(fake_runtime_running(w.runtime), 1); // what vanished meanwhile was taken away
	CHECK_INT(fake_runtime_created(w.runtime), 2); // nothing was started anew
	check_state(&w, "stays", "phase", "Running");
	CHECK(str_eq(json_str(pod(&w, "stays"), "status.containerStatuses.0.containerID"), id));
	CHECK(json_is_true(pod(&w, "stays"), "status.containerStatuses.0.ready"));
	fake_server_do(w.server, "DELETE", PODS "/stays", NULL);
	sim_run(w.sim, 5 * TIME_S);
	CHECK(!pod(&w, "stays"));
	CHECK_INT(fake_runtime_pods(w.runtime), 0);
	CHECK_INT(node_pod_count(w.node), 0);
	world_end(&w);
}

TEST(ends_while_nobody_looks)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "i", "brief", "\"restartPolicy\":\"Never\",");
	sim_run(w.sim, 60 * TIME_MS);
	node_destroy(w.node);
	fake_runtime_restart(w.runtime);
	sim_run(w.sim, 5 * TIME_S);
	world_start_node(&w);
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "p", "phase", "Succeeded");
	CHECK_INT(fake_runtime_created(w.runtime), 1);
	world_end(&w);
}

TEST(image_comes_late)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "example.test/late:1", "polite", "");
	sim_run(w.sim, TIME_S);
	check_state(&w, "p", "containerStatuses.0.state.waiting.reason", "ErrImagePull");
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "p", "containerStatuses.0.state.waiting.reason", "ImagePullBackOff");
	check_state(&w, "p", "phase", "Pending");
	fake_runtime_add_image(w.runtime, "example.test/late:1");
	sim_run(w.sim, 2 * TIME_S);
	check_state(&w, "p", "phase", "Running");
	CHECK_INT(json_i64(pod(&w, "p"), "status.containerStatuses.0.restartCount", -1), 0);
	world_end(&w);
}

// The image of a volume is waited for like the container's own; of a volume that no container mounts, never.
TEST(image_of_a_volume_comes_late)
{
	struct world w;
	begin(&w);
	add_pod(&w, "unused", "i", "polite", "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"example.test/late:1\"}}],");
	fake_server_do(w.server, "POST", PODS,
		       "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\","
		       "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"example.test/late:1\",\"pullPolicy\":\"IfNotPresent\"}},"
		       "{\"name\":\"n\",\"image\":{\"reference\":\"example.test/never:1\",\"pullPolicy\":\"Never\"}}],"
		       "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"polite\"],"
		       "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]},"
		       "{\"name\":\"d\",\"image\":\"i\",\"command\":[\"polite\"],"
		       "\"volumeMounts\":[{\"name\":\"n\",\"mountPath\":\"/n\"}]}]}}");
	sim_run(w.sim, TIME_S);
	check_state(&w, "unused", "phase", "Running");
	check_state(&w, "p", "containerStatuses.0.state.waiting.reason", "ErrImagePull");
	check_state(&w, "p", "containerStatuses.1.state.waiting.reason", "ErrImageNeverPull");
	fake_runtime_add_image(w.runtime, "example.test/late:1");
	fake_runtime_add_image(w.runtime, "example.test/never:1");
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "p", "phase", "Running");
	CHECK_INT(fake_runtime_created(w.runtime), 3);
	world_end(&w);
}

// A container that this machine cannot make now had no life: also where none may be had twice, it gets its own.
TEST(machine_without_room_for_a_while)
{
	struct world w;
	begin(&w);
	fake_runtime_break(w.runtime, "No space left on device");
	add_pod(&w, "p", "image:1", "polite", "\"restartPolicy\":\"Never\",");
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "p", "containerStatuses.0.state.waiting.reason", "CreateContainerError");
	check_state(&w, "p", "containerStatuses.0.state.waiting.message", "No space left on device");
	check_state(&w, "p", "phase", "Pending");
	fake_runtime_break(w.runtime, NULL);
	sim_run(w.sim, 20 * TIME_S);
	check_state(&w, "p", "phase", "Running");
	CHECK_INT(json_i64(pod(&w, "p"), "status.containerStatuses.0.restartCount", -1), 0);
	world_end(&w);
}

TEST(too_many)
{
	struct world w;
	begin(&w);
	struct str body = arena_fmt(
		&w.arena,
		"{\"metadata\":{\"name\":\"big\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":"
		"[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"5\"}}}]}}");
	CHECK_INT(fake_server_do(w.server, "POST", PODS, body.p), 201);
	sim_run(w.sim, TIME_S);
	check_state(&w, "big", "phase", "Failed");
	check_state(&w, "big", "reason", "OutOfcpu");
	CHECK_INT(fake_runtime_created(w.runtime), 0);
	fake_server_do(w.server, "DELETE", PODS "/big", NULL);
	sim_run(w.sim, TIME_S);
	CHECK(!pod(&w, "big"));
	world_end(&w);
}

TEST(of_another_os)
{
	struct world w;
	begin(&w);
	static const char body[] = "{\"metadata\":{\"name\":\"far\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\","
				   "\"os\":{\"name\":\"windows\"},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}";
	CHECK_INT(fake_server_do(w.server, "POST", PODS, body), 201);
	sim_run(w.sim, TIME_S);
	check_state(&w, "far", "phase", "Failed");
	check_state(&w, "far", "reason", "PodOSNotSupported");
	CHECK_INT(fake_runtime_created(w.runtime), 0);
	world_end(&w);
}

TEST(many_at_once)
{
	struct world w;
	begin(&w);
	for (int i = 0; i < 100; i++)
		add_pod(&w, arena_fmt(&w.arena, "p%d", i).p, "i", "deaf", "");
	sim_run(w.sim, TIME_S);
	CHECK_INT(fake_runtime_running(w.runtime), 100);
	size_t before = fake_server_requests(w.server);
	sim_run(w.sim, 5 * TIME_S);
	CHECK(fake_server_requests(w.server) - before <= 301); // events only; statuses are told once
	for (int i = 0; i < 100; i++)
		fake_server_do(w.server, "DELETE", arena_fmt(&w.arena, PODS "/p%d?gracePeriodSeconds=0", i).p,
			       "{\"gracePeriodSeconds\":0}");
	sim_run(w.sim, 600 * TIME_MS);
	CHECK_INT(fake_runtime_running(w.runtime), 0);
	sim_run(w.sim, TIME_S);
	CHECK_INT(fake_runtime_pods(w.runtime), 0);
	CHECK_INT(node_pod_count(w.node), 0);
	world_end(&w);
}

TEST(deleted_before_it_runs)
{
	struct world w;
	begin(&w);
	for (int ms = 0; ms < 60; ms += 3) { // at every moment of its start
		const char *name = arena_fmt(&w.arena, "p%d", ms).p;
		add_pod(&w, name, "i", "deaf", "\"terminationGracePeriodSeconds\":1,");
		sim_run(w.sim, ms * TIME_MS);
		fake_server_do(w.server, "DELETE", arena_fmt(&w.arena, PODS "/%s", name).p, NULL);
		sim_run(w.sim, 4 * TIME_S);
		CHECK(!pod(&w, name));
	}
	CHECK_INT(fake_runtime_pods(w.runtime), 0);
	CHECK_INT(fake_runtime_running(w.runtime), 0);
	CHECK_INT(node_pod_count(w.node), 0);
	world_end(&w);
}

// Whenever an agent ends, the next one knows what there is to be taken away.
TEST(agent_replaced_while_a_pod_starts)
{
	struct world w;
	begin(&w);
	for (int ms = 0; ms < 60; ms += 3) {
		const char *name = arena_fmt(&w.arena, "p%d", ms).p;
		add_pod(&w, name, "i", "deaf", "\"terminationGracePeriodSeconds\":1,");
		sim_run(w.sim, ms * TIME_MS);
		node_destroy(w.node);
		fake_runtime_restart(w.runtime);
		sim_run(w.sim, TIME_S);
		fake_server_do(w.server, "DELETE", arena_fmt(&w.arena, PODS "/%s", name).p, NULL);
		world_start_node(&w);
		sim_run(w.sim, 4 * TIME_S);
		CHECK(!pod(&w, name));
		CHECK_INT(fake_runtime_pods(w.runtime), 0);
		CHECK_INT(fake_runtime_running(w.runtime), 0);
		CHECK_INT(node_pod_count(w.node), 0);
	}
	world_end(&w);
}

TEST(agent_replaced_while_a_pod_ends)
{
	struct world w;
	begin(&w);
	for (int ms = 0; ms < 60; ms += 2) {
		const char *name = arena_fmt(&w.arena, "p%d", ms).p;
		add_pod(&w, name, "i", ms % 4 ? "brief" : "polite", "\"restartPolicy\":\"Never\",");
		sim_run(w.sim, 70 * TIME_MS);
		fake_server_do(w.server, "DELETE", arena_fmt(&w.arena, PODS "/%s", name).p, NULL);
		sim_run(w.sim, ms * TIME_MS);
		world_replace_node(&w);
		sim_run(w.sim, 4 * TIME_S);
		CHECK(!pod(&w, name));
		CHECK_INT(fake_runtime_pods(w.runtime), 0);
		CHECK_INT(fake_runtime_running(w.runtime), 0);
		CHECK_INT(node_pod_count(w.node), 0);
	}
	world_end(&w);
}

TEST(agent_replaced_after_a_pod_has_ended)
{
	struct world w;
	begin(&w);
	for (int i = 0; i < 2; i++) {
		add_pod(&w, "p", "i", "brief", "\"restartPolicy\":\"Never\",");
		sim_run(w.sim, 3 * TIME_S);
		check_state(&w, "p", "phase", "Succeeded");
		world_replace_node(&w);
		CHECK_INT(node_pod_count(w.node), 1);
		const char *how = i ? PODS "/p" : PODS "/p?gracePeriodSeconds=0"; // with a notice, and without
		fake_server_do(w.server, "DELETE", how, i ? NULL : "{\"gracePeriodSeconds\":0}");
		sim_run(w.sim, 4 * TIME_S);
		CHECK(!pod(&w, "p"));
		CHECK_INT(node_pod_count(w.node), 0);
	}
	world_end(&w);
}

TEST(server_that_stammers)
{
	struct world w;
	begin(&w);
	fake_server_set_faults(
		w.server, (struct fake_faults){
			      .request_lost = 100, .answer_lost = 100, .watch_broken = 20, .delay_max_ns = 50 * TIME_MS});
	for (int i = 0; i < 20; i++)
		add_pod(&w, arena_fmt(&w.arena, "p%d", i).p, "i", "polite", "");
	sim_run(w.sim, 60 * TIME_S);
	for (int i = 0; i < 20; i++)
		check_state(&w, arena_fmt(&w.arena, "p%d", i).p, "phase", "Running");
	CHECK_INT(fake_runtime_created(w.runtime), 20);
	for (int i = 0; i < 20; i++)
		fake_server_do(w.server, "DELETE", arena_fmt(&w.arena, PODS "/p%d", i).p, NULL);
	sim_run(w.sim, 120 * TIME_S);
	CHECK_INT(fake_server_count(w.server, PODS), 0);
	CHECK_INT(fake_runtime_pods(w.runtime), 0);
	world_end(&w);
}

TEST(grace_that_becomes_shorter)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "i", "deaf", "\"terminationGracePeriodSeconds\":600,");
	sim_run(w.sim, TIME_S);
	fake_server_do(w.server, "DELETE", PODS "/p", NULL);
	sim_run(w.sim, 20 * TIME_S);
	CHECK(pod(&w, "p") != NULL);
	fake_server_do(w.server, "PATCH", PODS "/p", "{\"metadata\":{\"deletionGracePeriodSeconds\":25}}");
	sim_run(w.sim, 4 * TIME_S);
	CHECK(pod(&w, "p") != NULL);
	sim_run(w.sim, 4 * TIME_S);
	CHECK(!pod(&w, "p"));
	world_end(&w);
}

TEST(ephemeral_containers_come_later)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "i", "polite", "");
	sim_run(w.sim, TIME_S);
	fake_server_do(
		w.server, "PATCH", PODS "/p",
		"{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\",\"command\":[\"brief\"]}]}}");
	sim_run(w.sim, 50 * TIME_MS);
	check_state(&w, "p", "ephemeralContainerStatuses.0.name", "d");
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "p", "ephemeralContainerStatuses.0.state.terminated.reason", "Completed");
	check_state(&w, "p", "phase", "Running");
	CHECK_INT(fake_runtime_created(w.runtime), 2); // it is not restarted
	world_end(&w);
}

TEST(machine_was_restarted)
{
	struct world w;
	begin(&w);
	add_pod(&w, "p", "i", "polite", "");
	add_pod(&w, "never", "i", "polite", "\"restartPolicy\":\"Never\",");
	sim_run(w.sim, TIME_S);
	node_destroy(w.node);
	fake_runtime_destroy(w.runtime); // nothing of it is left
	w.runtime = fake_runtime_create(w.loop, acts, ARRAY_LEN(acts));
	world_start_node(&w);
	sim_run(w.sim, 5 * TIME_S);
	check_state(&w, "p", "phase", "Running");
	CHECK_INT(json_i64(pod(&w, "p"), "status.containerStatuses.0.restartCount", -1), 1);
	check_state(&w, "p", "containerStatuses.0.lastState.terminated.reason", "ContainerStatusUnknown");
	check_state(&w, "never", "phase", "Failed");
	CHECK_INT(fake_runtime_created(w.runtime), 1);
	world_end(&w);
}

struct refusal {
	int code, left; // so many times more
};

static int refuse_statuses(void *arg, const char *method, struct str path)
{
	struct refusal *r = arg;
	bool status = !strcmp(method, "PATCH") && str_ends(path, STR("/status")) && str_contains(path, STR("/pods/"));
	return status && r->left-- > 0 ? r->code : 0;
}

// What the API refuses for the moment only is told again: others write to the pod too, and access comes and goes.
TEST(statuses_that_are_refused_for_a_while)
{
	static const int codes[] = {409, 401, 403, 408, 429, 500, 503};
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w;
		struct refusal r = {codes[i], 6};
		begin(&w);
		fake_server_refuse(w.server, refuse_statuses, &r);
		add_pod(&w, "p", "i", "polite", "");
		sim_run(w.sim, 30 * TIME_S);
		check_state(&w, "p", "phase", "Running");
		world_end(&w);
	}
}

static int refuse_deletions(void *arg, const char *method, struct str path)
{
	struct refusal *r = arg;
	return !strcmp(method, "DELETE") && str_ends(path, STR("/p")) && r->left-- > 0 ? r->code : 0;
}

TEST(deletion_that_is_refused_for_a_while)
{
	static const int codes[] = {409, 403, 429, 500};
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w;
		struct refusal r = {codes[i], 6};
		begin(&w);
		add_pod(&w, "p", "i", "polite", "");
		sim_run(w.sim, TIME_S);
		fake_server_do(w.server, "DELETE", PODS "/p", NULL);
		fake_server_refuse(w.server, refuse_deletions, &r);
		sim_run(w.sim, 30 * TIME_S);
		CHECK(!pod(&w, "p"));
		CHECK(r.left < 0);
		world_end(&w);
	}
}

// The delay of a probe counts from the container's start, also when it had to wait for the startup probe.
TEST(probes_after_a_long_start)
{
	struct world w;
	begin(&w);
	fake_server_do(w.server, "POST", PODS,
		       "{\"metadata\":{\"name\":\"s\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
		       "\"name\":\"c\",\"image\":\"i\",\"command\":[\"slow\"],"
		       "\"startupProbe\":{\"exec\":{\"command\":[\"x\"]},\"periodSeconds\":1,\"failureThreshold\":100},"
		       "\"readinessProbe\":{\"exec\":{\"command\":[\"x\"]},\"periodSeconds\":1,\"initialDelaySeconds\":30}}]}}");
	sim_run(w.sim, 29 * TIME_S);
	CHECK(json_is_true(pod(&w, "s"), "status.containerStatuses.0.started"));
	CHECK(!json_is_true(pod(&w, "s"), "status.containerStatuses.0.ready"));
	sim_run(w.sim, 3 * TIME_S);
	CHECK(json_is_true(pod(&w, "s"), "status.containerStatuses.0.ready"));
	world_end(&w);
}

// What is optional is left out where it is not there, not where nobody has looked yet.
TEST(optional_objects_of_pods_without_volumes)
{
	static const char env[] = "\"envFrom\":[{\"configMapRef\":{\"name\":\"m\",\"optional\":true}}],\"command\":[\"$(WHO)\"]";
	struct world w;
	begin(&w);
	fake_server_do(w.server, "POST", "/api/v1/namespaces/d/configmaps",
		       "{\"metadata\":{\"name\":\"m\",\"namespace\":\"d\"},\"data\":{\"WHO\":\"brief\"}}");
	fake_server_set_faults(w.server, (struct fake_faults){.delay_max_ns = 100 * TIME_MS});
	for (int i = 0; i < 10; i++) {
		struct str body = arena_fmt(&w.arena, "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\","
					    "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",%s}]}}", i, env);
		CHECK_INT(fake_server_do(w.server, "POST", PODS, body.p), 201);
		sim_run(w.sim, 3 * TIME_S);
		check_state(&w, arena_fmt(&w.arena, "p%d", i).p, "phase", "Succeeded");
	}
	add_pod(&w, "p", "i", "polite", "");
	sim_run(w.sim, TIME_S);
	struct str body = arena_fmt(&w.arena, "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\",%s}]}}", env);
	fake_server_do(w.server, "PATCH", PODS "/p", body.p);
	sim_run(w.sim, 3 * TIME_S);
	check_state(&w, "p", "ephemeralContainerStatuses.0.state.terminated.reason", "Completed");
	world_end(&w);
}

static void add_pod_with_port(struct world *w, const char *name, const char *port)
{
	struct str body = arena_fmt(&w->arena, "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\","
				    "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"polite\"],\"ports\":[{%s}]}]}}", name, port);
	CHECK_INT(fake_server_do(w->server, "POST", PODS, body.p), 201);
	sim_run(w->sim, TIME_S);
}

// Who comes past the scheduler may ask for a port of the host that another has.
TEST(ports_of_the_host_that_others_have)
{
	static const struct {
		const char *port;
		bool good;
	} cases[] = {
		{"\"containerPort\":1,\"hostPort\":80", false},
		{"\"containerPort\":1,\"hostPort\":80,\"protocol\":\"UDP\"", true},
		{"\"containerPort\":1,\"hostPort\":81", true},
		{"\"containerPort\":80", true},
		{"\"containerPort\":1,\"hostPort\":80,\"hostIP\":\"127.0.0.1\"", false},
		{"\"containerPort\":1,\"hostPort\":90,\"hostIP\":\"127.0.0.2\"", true},
		{"\"containerPort\":1,\"hostPort\":90,\"hostIP\":\"127.0.0.2\"", false},
		{"\"containerPort\":1,\"hostPort\":90,\"hostIP\":\"127.0.0.3\"", true},
		{"\"containerPort\":1,\"hostPort\":90", false},
	};
	struct world w;
	begin(&w);
	add_pod_with_port(&w, "first", "\"containerPort\":1,\"hostPort\":80,\"protocol\":\"TCP\"");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *name = arena_fmt(&w.arena, "p%zu", i).p;
		add_pod_with_port(&w, name, cases[i].port);
		check_state(&w, name, "phase", cases[i].good ? "Running" : "Failed");
		check_state(&w, name, "reason", cases[i].good ? "" : "NodePorts");
	}
	fake_server_do(w.server, "DELETE", PODS "/first", NULL);
	sim_run(w.sim, 5 * TIME_S);
	add_pod_with_port(&w, "last", "\"containerPort\":1,\"hostPort\":80");
	check_state(&w, "last", "phase", "Running");
	world_replace_node(&w);
	check_state(&w, "last", "phase", "Running");
	world_end(&w);
}

// What an init container wrote becomes the environment of those after it.
TEST(variables_from_a_file)
{
	struct world w;
	world_begin(&w, 4, "pods", acts, ARRAY_LEN(acts));
	static const char body[] =
		"{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":\"n1\",\"restartPolicy\":\"Never\","
		"\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"$(WHO)$(NONE)\"],\"env\":["
		"{\"name\":\"WHO\",\"valueFrom\":{\"fileKeyRef\":{\"volumeName\":\"v\",\"path\":\"d/env\",\"key\":\"WHO\"}}},"
		"{\"name\":\"NONE\",\"value\":\"\"},"
		"{\"name\":\"NONE\",\"valueFrom\":{\"fileKeyRef\":{\"volumeName\":\"v\",\"path\":\"d/env\",\"key\":\"NO\",\"optional\":true}}}"
		"]}]}}";
	CHECK_INT(fake_server_do(w.server, "POST", PODS, body), 201);
	sim_run(w.sim, TIME_S);
	check_state(&w, "p", "containerStatuses.0.state.waiting.reason", "CreateContainerConfigError");
	struct str uid = json_str(pod(&w, "p"), "metadata.uid");
	const char *dir = arena_fmt(&w.arena, "%s/pods/%.*s/v/d", w.data, STR_FMT(uid)).p;
	const char *file = arena_fmt(&w.arena, "%s/env", dir).p;
	REQUIRE(!files_make_dirs(dir, 0755, NULL));
	REQUIRE(!symlink("/etc/passwd", file)); // leads to nothing outside
	sim_run(w.sim, 12 * TIME_S);
	check_state(&w, "p", "containerStatuses.0.state.waiting.reason", "CreateContainerConfigError");
	CHECK(str_contains(json_str(pod(&w, "p"), "status.containerStatuses.0.state.waiting.message"), STR("No such file")));
	REQUIRE(!unlink(file));
	REQUIRE(!files_write(file, STR("WHO='brief'\n"), 0644, NULL));
	sim_run(w.sim, 12 * TIME_S);
	check_state(&w, "p", "phase", "Succeeded");
	world_end(&w);
}
