// SPDX-License-Identifier: Apache-2.0
// The plan's pure parts by table: back-off, restart rules, signals, quality of service, what fits, probes' counters.
#include <signal.h>

#include "api/patch.h"
#include "node/pod/admit.h"
#include "node/pod/plan.h"
#include "node/pod/resources.h"
#include "node/pod/status.h"
#include "node/probe/counter.h"
#include "unit.h"

static struct pod_spec *pod_of(const char *spec)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str text =
		arena_fmt(&a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":%s}", spec);
	struct blob *line = blob_create(text);
	struct pod_spec *s = pod_spec_create(line, blob_str(line));
	blob_unref(line);
	return s;
}

TEST(backoff_doubles_and_forgets)
{
	static const int want[] = {10, 20, 40, 80, 160, 300, 300};
	struct pod_backoff b = {0};
	int64_t now = 1000000 * TIME_S;
	CHECK(!pod_backoff_is_resting(&b, now, now)); // the first restart is at once
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		pod_backoff_next(&b, now, now);
		CHECK_INT(pod_backoff_end(&b, now) - now, want[i] * TIME_S);
		CHECK(pod_backoff_is_resting(&b, now, now + want[i] * TIME_S - 1));
		CHECK(!pod_backoff_is_resting(&b, now, now + want[i] * TIME_S));
		now += want[i] * TIME_S;
	}
	int64_t well = now + 11 * 60 * TIME_S; // it ran for more than ten minutes
	CHECK(!pod_backoff_is_resting(&b, well, well));
	pod_backoff_next(&b, well, well);
	CHECK_INT(pod_backoff_end(&b, well) - well, 10 * TIME_S);
}

TEST(restart_policies)
{
	static const struct {
		const char *pod, *own;
		bool at_0, at_1, at_42;
	} cases[] = {
		{"Always", "", true, true, true},
		{"OnFailure", "", false, true, true},
		{"Never", "", false, false, false},
		{"Never", "\"restartPolicy\":\"OnFailure\",", false, true, true},
		{"Always", "\"restartPolicy\":\"Never\",", false, false, false},
		{"Never",
		 "\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\",\"exitCodes\":{\"operator\":"
		 "\"In\",\"values\":[42]}}],",
		 false, false, true},
		{"Never",
		 "\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"Restart\",\"exitCodes\":{\"operator\":"
		 "\"NotIn\",\"values\":[0,1]}}],",
		 false, false, true},
		{"Never",
		 "\"restartPolicy\":\"Never\",\"restartPolicyRules\":[{\"action\":\"RestartAllContainers\",\"exitCodes\":{"
		 "\"operator\":\"In\",\"values\":[42]}}],",
		 false, false, true},
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pod_spec *s =
			pod_of(arena_fmt(&a, "{\"restartPolicy\":\"%s\",\"containers\":[{%s\"name\":\"c\"}]}", cases[i].pod,
					 cases[i].own)
				   .p);
		CHECK_INT(container_should_restart(s, &s->containers[0], 0), cases[i].at_0);
		CHECK_INT(container_should_restart(s, &s->containers[0], 1), cases[i].at_1);
		CHECK_INT(container_should_restart(s, &s->containers[0], 42), cases[i].at_42);
		pod_spec_unref(s);
	}
}

TEST(signals_by_name)
{
	CHECK_INT(signal_of_name(STR("SIGTERM")), SIGTERM);
	CHECK_INT(signal_of_name(STR("USR1")), SIGUSR1);
	CHECK_INT(signal_of_name(STR("9")), SIGKILL);
	CHECK_INT(signal_of_name(STR("SIGRTMIN+3")), SIGRTMIN + 3);
	CHECK_INT(signal_of_name(STR("SIGRTMAX-1")), SIGRTMAX - 1);
	CHECK_INT(signal_of_name(STR("SIGNONE")), 0);
	CHECK_INT(signal_of_name(STR("")), 0);
	CHECK_INT(signal_of_name(STR("SIGRTMIN+99")), 0);
}

#define RESOURCES(r) "{\"containers\":[{\"name\":\"c\",\"resources\":" r "}]}"

TEST(quality_of_service)
{
	static const struct {
		const char *spec, *qos;
	} cases[] = {
		{"{\"containers\":[{\"name\":\"c\"}]}", "BestEffort"},
		{RESOURCES("{\"requests\":{\"cpu\":\"1\"}}"), "Burstable"},
		{RESOURCES("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}"), "Guaranteed"},
		{RESOURCES("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"},\"requests\":{\"cpu\":\"1000m\",\"memory\":"
			   "\"1024Ki\"}}"),
		 "Guaranteed"},
		{RESOURCES("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"},\"requests\":{\"cpu\":\"500m\"}}"), "Burstable"},
		{RESOURCES("{\"limits\":{\"cpu\":\"1\"}}"), "Burstable"},
		{RESOURCES("{\"requests\":{\"cpu\":\"0\"}}"), "BestEffort"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pod_spec *s = pod_of(cases[i].spec);
		CHECK_STR(str_of(pod_qos(s->object)), cases[i].qos);
		pod_spec_unref(s);
	}
}

TEST(limits_for_the_kernel)
{
	struct pod_spec *s = pod_of(RESOURCES(
		"{\"requests\":{\"cpu\":\"250m\",\"memory\":\"16Mi\"},\"limits\":{\"cpu\":\"500m\",\"memory\":\"32Mi\"}}"));
	struct container_size size = container_size_of(s, &s->containers[0]);
	struct cgroup_limits l = container_limits(&size);
	CHECK_INT(l.cpu_shares, 256);
	CHECK_INT(l.cpu_quota_us, 50000);
	CHECK_INT(l.memory_bytes, 32 << 20);
	CHECK(l.die_together && !pod_limits(s).die_together);
	CHECK_INT(pod_limits(s).memory_bytes, 32 << 20);
	CHECK_INT(container_oom_score(s, &s->containers[0], 1LL << 30), 1000 - 1000 * 16 / 1024);
	pod_spec_unref(s);
	s = pod_of(
		"{\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{\"memory\":\"1Mi\"}}},{\"name\":\"b\"}]}");
	CHECK_INT(pod_limits(s).memory_bytes, 0); // one has none, so the pod has none
	CHECK_INT(container_oom_score(s, &s->containers[1], 1LL << 30), 999);
	size = container_size_of(s, &s->containers[1]);
	CHECK_INT(container_limits(&size).cpu_shares, 2);
	pod_spec_unref(s);
}

TEST(pods_that_the_node_needs_are_killed_last)
{
	struct pod_spec *s = pod_of("{\"priority\":2000001000,\"priorityClassName\":\"system-node-critical\","
				    "\"containers\":[{\"name\":\"a\"}]}");
	CHECK_INT(container_oom_score(s, &s->containers[0], 1LL << 30), -997);
	pod_spec_unref(s);
	s = pod_of("{\"priority\":2000000000,\"priorityClassName\":\"system-cluster-critical\",\"containers\":[{\"name\":\"a\"}]}");
	CHECK_INT(container_oom_score(s, &s->containers[0], 1LL << 30), 1000);
	pod_spec_unref(s);
}

static void check_sysctl(const char *name, const char *with, const char *unsafe, const char *want)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct admit_rules rules = {.unsafe_sysctls = str_of(unsafe)};
	struct node_amounts used = {0};
	const char *reason = "";
	struct str message = STR_NONE;
	rules.allocatable.pods = 1;
	struct pod_spec *s = pod_of(arena_fmt(&a,
					      "{%s\"containers\":[{\"name\":\"c\"}],\"securityContext\":{\"sysctls\":"
					      "[{\"name\":\"%s\",\"value\":\"1\"}]}}",
					      with, name)
					    .p);
	bool good = pod_admit(&a, s, &rules, &used, &reason, &message);
	CHECK(good == !*want);
	if (!good) {
		CHECK_STR(str_of(reason), "SysctlForbidden");
		CHECK(str_contains(message, str_of(want)));
	}
	pod_spec_unref(s);
}

// What is not of a namespace is the machine's: kernel.core_pattern names a program that runs as root outside.
TEST(sysctls_that_are_admitted)
{
	check_sysctl("kernel.shm_rmid_forced", "", "", "");
	check_sysctl("kernel/shm_rmid_forced", "", "", "");
	check_sysctl("net.ipv4.tcp_rmem", "", "", "");
	check_sysctl("kernel.core_pattern", "", "*,kernel.*", "not of a namespace");
	check_sysctl("vm.swappiness", "", "vm.swappiness", "not of a namespace");
	check_sysctl("kernel.msgmax", "", "", "not allowlisted");
	check_sysctl("kernel.msgmax", "", "net.*, kernel.msg*", "");
	check_sysctl("net.core.somaxconn", "", "net.core.somaxconn", "");
	check_sysctl("net.core.somaxconn2", "", "net.core.somaxconn", "not allowlisted");
	check_sysctl("net.ipv4.tcp_rmem", "\"hostNetwork\":true,", "net.*", "not of a namespace");
	check_sysctl("kernel.shm_rmid_forced", "\"hostIPC\":true,", "", "not of a namespace");
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(admit_check_sysctls(STR("net.core.*, kernel.msgmax,kernel.sem"), &e) == 0);
	CHECK(admit_check_sysctls(STR("net.*,kernel.*"), &e) < 0);
	CHECK(str_contains(str_of(err_text(&e)), STR("\"kernel.*\"")));
}

TEST(what_fits)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct node_amounts room = {1000, 1 << 20, 1 << 20, 2}, used = {600, 0, 0, 1};
	const char *reason = "";
	struct str message;
	struct pod_spec *s = pod_of(RESOURCES("{\"requests\":{\"cpu\":\"400m\"}}"));
	CHECK(pod_fits(&a, s, &room, &used, &reason, &message));
	used.pods = 2;
	CHECK(!pod_fits(&a, s, &room, &used, &reason, &message));
	CHECK_STR(str_of(reason), "OutOfpods");
	used = (struct node_amounts){601, 0, 0, 0};
	CHECK(!pod_fits(&a, s, &room, &used, &reason, &message));
	CHECK_STR(str_of(reason), "OutOfcpu");
	pod_spec_unref(s);
	// A sidecar counts beside the main containers, an init container instead of them.
	s = pod_of("{\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{"
		   "\"cpu\":\"100m\"}}},"
		   "{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"900m\"}}}],"
		   "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"300m\"}}}],\"overhead\":{"
		   "\"cpu\":\"10m\"}}");
	CHECK_INT(pod_requests(s, NULL).cpu_milli, 1010);
	pod_spec_unref(s);
}

TEST(probe_counters)
{
	struct probe_spec s = {
		.success_threshold = 2, .failure_threshold = 3, .period_ns = 10 * TIME_S, .initial_delay_ns = TIME_S};
	struct probe_counter c = {0};
	CHECK(!probe_count(&c, &s, true));
	CHECK(probe_count(&c, &s, true) && c.verdict == PROBE_GOOD);
	CHECK(!probe_count(&c, &s, true));
	CHECK(!probe_count(&c, &s, false) && !probe_count(&c, &s, false));
	CHECK(!probe_count(&c, &s, true)); // the row is broken
	CHECK(!probe_count(&c, &s, false) && !probe_count(&c, &s, false));
	CHECK(probe_count(&c, &s, false) && c.verdict == PROBE_BAD);
	CHECK(!probe_count(&c, &s, true) && probe_count(&c, &s, true) && c.verdict == PROBE_GOOD);
	CHECK_INT(probe_first_ns(&s), TIME_S + 500 * TIME_MS);
}

TEST(plan_of_a_simple_pod)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int64_t now = 1000000 * TIME_S;
	struct pod_spec *s =
		pod_of("{\"restartPolicy\":\"OnFailure\",\"activeDeadlineSeconds\":60,\"containers\":[{\"name\":\"c\"}]}");
	struct pod_state *st = pod_state_create(s);
	struct pod_plan plan;
	st->started = now;
	pod_plan(&a, s, st, now, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_PREPARE && plan.wake == now + 60 * TIME_S);
	st->sandbox = SANDBOX_READY;
	pod_plan(&a, s, st, now, &plan); // what is allocated to it is to be found after a restart
	CHECK(plan.count == 2 && plan.actions[0].kind == PLAN_KEEP && plan.actions[1].kind == PLAN_START);
	st->resize = (struct pod_resize){.kept = true, .pod = pod_limits(s)};
	pod_plan(&a, s, st, now, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_START);
	st->containers[0] = (struct container_state){.stage = STAGE_RUNNING, .attempts = 1, .run.started = now};
	pod_plan(&a, s, st, now + TIME_S, &plan);
	CHECK_INT(plan.count, 0);
	pod_plan(&a, s, st, now + 60 * TIME_S, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_EXPIRE);
	st->containers[0].stage = STAGE_EXITED;
	st->containers[0].run.exit_code = 1;
	st->containers[0].run.finished = now + TIME_S;
	pod_backoff_next(&st->containers[0].backoff, now + TIME_S, now + TIME_S);
	pod_plan(&a, s, st, now + 2 * TIME_S, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_REST && plan.wake == now + 11 * TIME_S);
	pod_plan(&a, s, st, now + 11 * TIME_S, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_START);
	st->containers[0].run.exit_code = 0;
	pod_plan(&a, s, st, now + 2 * TIME_S, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_TEARDOWN);
	st->sandbox = SANDBOX_GONE;
	pod_plan(&a, s, st, now + 2 * TIME_S, &plan);
	CHECK(plan.count == 1 && plan.actions[0].kind == PLAN_SETTLE);
	st->settled = true;
	pod_plan(&a, s, st, now + 2 * TIME_S, &plan);
	CHECK_INT(plan.count, 0);
	pod_state_destroy(st);
	pod_spec_unref(s);
}

static struct str ready_with(struct arena *a, const char *conditions, const char **message)
{
	struct str text = arena_fmt(
		a,
		"{\"metadata\":{\"uid\":\"u\"},\"spec\":{\"readinessGates\":[{\"conditionType\":\"x.test/open\"}],"
		"\"containers\":[{\"name\":\"c\"}]},\"status\":{\"conditions\":[%s]}}",
		conditions);
	struct blob *line = blob_create(text);
	struct pod_spec *s = pod_spec_create(line, blob_str(line));
	struct pod_state *st = pod_state_create(s);
	st->sandbox = SANDBOX_READY;
	st->containers[0] =
		(struct container_state){.stage = STAGE_RUNNING, .attempts = 1, .started = true, .ready = true};
	struct status_context x = {.arena = a, .now = 1000 * TIME_S};
	struct json *status = pod_status(&x, s, st);
	struct str out = STR_NONE;
	json_each(c, json_get(status, STR("conditions"))) {
		if (!json_str_is(c, "type", "Ready"))
			continue;
		out = arena_str(a, json_str(c, "status"));
		*message = arena_c(a, json_str(c, "message"));
	}
	pod_state_destroy(st);
	pod_spec_unref(s);
	blob_unref(line);
	return out;
}

TEST(readiness_gates)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *message = "";
	CHECK_STR(ready_with(&a, "", &message), "False");
	CHECK(strstr(message, "x.test/open") && strstr(message, "does not exist"));
	CHECK_STR(ready_with(&a, "{\"type\":\"x.test/open\",\"status\":\"False\"}", &message), "False");
	CHECK_STR(ready_with(&a, "{\"type\":\"x.test/open\",\"status\":\"True\"}", &message), "True");
}

TEST(patches_take_away_what_is_no_longer_said)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *s = pod_of("{\"containers\":[{\"name\":\"c\"}]}");
	struct pod_state *st = pod_state_create(s);
	struct json *status;
	REQUIRE(!json_parse(
		&a, STR("{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"X\",\"reason\":\"R\"}]}"),
		NULL, &status, NULL));
	struct json *patch = pod_status_patch(&a, s, st, status);
	CHECK_STR(json_str(patch, "metadata.uid"), "u");
	const struct json *ready = json_at(patch, "status.conditions.0"),
			  *other = json_at(patch, "status.conditions.1");
	CHECK(json_get(ready, STR("reason"))->type == JSON_NULL && json_get(ready, STR("message"))->type == JSON_NULL);
	CHECK_STR(json_str(other, "reason"), "R");
	pod_state_destroy(st);
	pod_spec_unref(s);
}

// After a restart of the machine a pod has another address.
TEST(patches_replace_addresses)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct pod_spec *s = pod_of("{\"containers\":[{\"name\":\"c\"}]}");
	struct pod_state *st = pod_state_create(s);
	struct json *stored, *now;
	REQUIRE(!json_parse(&a, STR("{\"status\":{\"podIPs\":[{\"ip\":\"10.0.0.2\"}],\"hostIPs\":[{\"ip\":\"192.0.2.1\"}]}}"),
			    NULL, &stored, NULL));
	REQUIRE(!json_parse(&a, STR("{\"podIPs\":[{\"ip\":\"10.0.0.3\"}],\"hostIPs\":[{\"ip\":\"192.0.2.2\"}]}"), NULL, &now,
			    NULL));
	for (int i = 0; i < 3; i++) { // in place of others, of themselves, of none
		struct json *patch = pod_status_patch(&a, s, st, now);
		REQUIRE(!api_patch_strategic(&a, api_type_find(STR("v1.Pod")), &stored, patch, &e));
		CHECK(json_equal(json_get(stored, STR("status")), now));
		if (i == 1)
			json_remove(stored, STR("status"));
	}
	pod_state_destroy(st);
	pod_spec_unref(s);
}
