// SPDX-License-Identifier: Apache-2.0
#include "node/pod/spec.h"

#include <signal.h>
#include <stdio.h>

#include "api/quantity.h"

static const struct str *read_strings(struct arena *a, const struct json *array, size_t *count)
{
	*count = array ? array->count : 0;
	struct str *out = ARENA_ARRAY(a, struct str, *count + 1);
	size_t i = 0;
	json_each(item, array)
		out[i++] = item->type == JSON_STRING ? item->text : STR_NONE;
	return out;
}

static int read_port(const struct json *container, const struct json *port)
{
	if (!port)
		return 0;
	if (port->type == JSON_INT)
		return (int)port->integer;
	if (port->type != JSON_STRING)
		return 0;
	json_each(p, json_get(container, STR("ports"))) {
		if (str_eq(json_str(p, "name"), port->text))
			return (int)json_i64(p, "containerPort", 0);
	}
	int64_t number = 0;
	return str_to_i64(port->text, &number) ? 0 : (int)number;
}

static void read_action(struct arena *a, const struct json *container, const struct json *from, struct pod_action *out)
{
	const struct json *what;
	if ((what = json_get(from, STR("exec")))) {
		out->kind = ACTION_EXEC;
		out->command = read_strings(a, json_get(what, STR("command")), &out->command_count);
	} else if ((what = json_get(from, STR("httpGet")))) {
		out->kind = ACTION_HTTP;
		out->path = json_str(what, "path");
		out->scheme = json_str(what, "scheme");
		out->headers = json_get(what, STR("httpHeaders"));
	} else if ((what = json_get(from, STR("tcpSocket")))) {
		out->kind = ACTION_TCP;
	} else if ((what = json_get(from, STR("grpc")))) {
		out->kind = ACTION_GRPC;
		out->service = json_str(what, "service");
	} else if ((what = json_get(from, STR("sleep")))) {
		out->kind = ACTION_SLEEP;
		out->sleep_ns = json_i64(what, "seconds", 0) * TIME_S;
	}
	out->host = json_str(what, "host");
	out->port = read_port(container, json_get(what, STR("port")));
}

static int64_t read_seconds(const struct json *from, const char *field, int64_t otherwise)
{
	return json_i64(from, field, otherwise) * TIME_S;
}

static void read_probe(struct arena *a, const struct json *container, const char *field, struct probe_spec *out)
{
	const struct json *probe = json_get(container, str_of(field));
	if (!probe || probe->type != JSON_OBJECT)
		return;
	read_action(a, container, probe, &out->action);
	out->initial_delay_ns = read_seconds(probe, "initialDelaySeconds", 0);
	out->timeout_ns = read_seconds(probe, "timeoutSeconds", 1);
	out->period_ns = read_seconds(probe, "periodSeconds", 10);
	out->success_threshold = (int)json_i64(probe, "successThreshold", 1);
	out->failure_threshold = (int)json_i64(probe, "failureThreshold", 3);
	out->grace_ns = -1;
	if (json_get(probe, STR("terminationGracePeriodSeconds")))
		out->grace_ns = read_seconds(probe, "terminationGracePeriodSeconds", 0);
	if (out->period_ns <= 0)
		out->period_ns = 10 * TIME_S;
	if (out->timeout_ns <= 0)
		out->timeout_ns = TIME_S;
}

static enum restart_policy read_policy(struct str s)
{
	return str_is(s, "Never") ? RESTART_NEVER : str_is(s, "OnFailure") ? RESTART_ON_FAILURE : RESTART_ALWAYS;
}

enum pull_policy pull_policy_of(struct str s)
{
	return str_is(s, "Never") ? PULL_NEVER : str_is(s, "Always") ? PULL_ALWAYS : PULL_IF_NOT_PRESENT;
}

static void read_container(struct arena *a, const struct json *json, enum container_kind kind,
			   struct container_spec *out)
{
	const struct json *lifecycle = json_get(json, STR("lifecycle"));
	out->json = json;
	out->name = json_str(json, "name");
	out->image = json_str(json, "image");
	out->image_key = (int64_t)(str_hash(out->image) >> 1 | 1);
	out->pull = pull_policy_of(json_str(json, "imagePullPolicy"));
	out->has_restart = json_get(json, STR("restartPolicy")) != NULL;
	out->restart = read_policy(json_str(json, "restartPolicy"));
	out->restart_rules = json_get(json, STR("restartPolicyRules"));
	out->kind = kind;
	if (kind == CONTAINER_INIT && out->has_restart && out->restart == RESTART_ALWAYS)
		out->kind = CONTAINER_SIDECAR;
	if (kind == CONTAINER_EPHEMERAL)
		out->has_restart = true, out->restart = RESTART_NEVER;
	read_probe(a, json, "startupProbe", &out->probes[PROBE_STARTUP]);
	read_probe(a, json, "readinessProbe", &out->probes[PROBE_READINESS]);
	read_probe(a, json, "livenessProbe", &out->probes[PROBE_LIVENESS]);
	read_action(a, json, json_get(lifecycle, STR("postStart")), &out->post_start);
	read_action(a, json, json_get(lifecycle, STR("preStop")), &out->pre_stop);
	out->stop_signal = signal_of_name(json_str(lifecycle, "stopSignal"));
}

static void read_containers(struct pod_spec *s)
{
	static const struct {
		const char *path;
		enum container_kind kind;
	} lists[] = {
		{"spec.initContainers", CONTAINER_INIT},
		{"spec.containers", CONTAINER_MAIN},
		{"spec.ephemeralContainers", CONTAINER_EPHEMERAL},
	};
	size_t total = 0;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct json *list = json_at(s->object, lists[i].path);
		total += list ? list->count : 0;
	}
	s->containers = ARENA_ARRAY(&s->arena, struct container_spec, total + 1);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		json_each(c, json_at(s->object, lists[i].path)) {
			read_container(&s->arena, c, lists[i].kind, &s->containers[s->container_count++]);
			s->init_count += lists[i].kind == CONTAINER_INIT;
			s->main_count += lists[i].kind == CONTAINER_MAIN;
		}
	}
}

struct pod_spec *pod_spec_create(struct blob *line, struct str text)
{
	struct pod_spec *s = MEM_NEW(struct pod_spec);
	arena_init(&s->arena);
	s->refs = 1;
	s->text = blob_ref(line);
	s->source = text;
	if (json_parse(&s->arena, text, NULL, &s->object, NULL))
		s->object = json_object(&s->arena);
	s->namespace = json_str(s->object, "metadata.namespace");
	s->name = json_str(s->object, "metadata.name");
	s->uid = json_str(s->object, "metadata.uid");
	s->generation = json_i64(s->object, "metadata.generation", 0);
	s->restart = read_policy(json_str(s->object, "spec.restartPolicy"));
	s->grace_ns = read_seconds(s->object, "spec.terminationGracePeriodSeconds", 30);
	s->deadline_ns = -1;
	if (json_at(s->object, "spec.activeDeadlineSeconds"))
		s->deadline_ns = read_seconds(s->object, "spec.activeDeadlineSeconds", 0);
	s->host_network = json_is_true(s->object, "spec.hostNetwork");
	s->deleted = !time_parse(json_str(s->object, "metadata.deletionTimestamp"), &s->deletion_time);
	s->deletion_grace_ns = read_seconds(s->object, "metadata.deletionGracePeriodSeconds", s->grace_ns / TIME_S);
	read_containers(s);
	return s;
}

struct pod_spec *pod_spec_ref(struct pod_spec *s)
{
	s->refs++;
	return s;
}

void pod_spec_unref(struct pod_spec *s)
{
	if (!s || --s->refs)
		return;
	arena_finish(&s->arena);
	blob_unref(s->text);
	free(s);
}

int pod_spec_find(const struct pod_spec *s, struct str container)
{
	for (size_t i = 0; i < s->container_count; i++) {
		if (str_eq(s->containers[i].name, container))
			return (int)i;
	}
	return -1;
}

const struct json *pod_spec_volume(const struct pod_spec *s, struct str name)
{
	json_each(volume, json_at(s->object, "spec.volumes")) {
		if (str_eq(json_str(volume, "name"), name))
			return volume;
	}
	return NULL;
}

static bool rule_matches(const struct json *rule, int exit_code)
{
	bool listed = false;
	json_each(value, json_at(rule, "exitCodes.values"))
		listed |= value->type == JSON_INT && value->integer == exit_code;
	return json_str_is(rule, "exitCodes.operator", "NotIn") ? !listed : listed;
}

// The first that matches, or NULL.
static const struct json *find_rule(const struct container_spec *c, int exit_code)
{
	json_each(rule, c->restart_rules)
		if (rule_matches(rule, exit_code))
			return rule;
	return NULL;
}

bool container_restarts_all(const struct container_spec *c, int exit_code)
{
	return json_str_is(find_rule(c, exit_code), "action", "RestartAllContainers");
}

bool container_should_restart(const struct pod_spec *s, const struct container_spec *c, int exit_code)
{
	if (c->kind == CONTAINER_EPHEMERAL)
		return false;
	if (find_rule(c, exit_code)) // each says that it does
		return true;
	enum restart_policy policy = c->has_restart ? c->restart : s->restart;
	if (c->kind == CONTAINER_INIT && policy == RESTART_ALWAYS)
		policy = RESTART_ON_FAILURE; // an init container that succeeded has done its work
	return policy == RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && exit_code != 0);
}

int signal_of_name(struct str name)
{
	if (str_starts(name, STR("SIG")))
		name = str_from(name, 3);
	if (!name.n)
		return 0;
	int64_t number;
	if (!str_to_i64(name, &number))
		return number > 0 && number <= SIGRTMAX ? (int)number : 0;
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *abbreviation = sigabbrev_np(i);
		if (abbreviation && str_is(name, abbreviation))
			return i;
	}
	bool from_min = str_starts(name, STR("RTMIN")), from_max = str_starts(name, STR("RTMAX"));
	if (!from_min && !from_max)
		return 0;
	struct str offset = str_from(name, 5);
	number = 0;
	if (offset.n && str_to_i64(str_from(offset, 1), &number))
		return 0;
	int result = from_min ? SIGRTMIN + (int)number : SIGRTMAX - (int)number;
	return result >= SIGRTMIN && result <= SIGRTMAX ? result : 0;
}

// ---- quality of service

struct qos {
	bool any;	 // some request or limit of cpu or memory is set
	bool guaranteed; // every container has both limits, and requests equal to them
};

static bool read_amount(const struct json *resources, const char *list, const char *name, struct quantity *out)
{
	char path[64];
	snprintf(path, sizeof(path), "%s.%s", list, name);
	return !quantity_of(json_at(resources, path), out) && out->nano > 0;
}

static void look_at_resources(const struct json *resources, struct qos *q)
{
	static const char *const names[] = {"cpu", "memory"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct quantity request, limit;
		bool has_request = read_amount(resources, "requests", names[i], &request);
		bool has_limit = read_amount(resources, "limits", names[i], &limit);
		q->any |= has_request || has_limit;
		if (!has_limit || (has_request && quantity_cmp(request, limit)))
			q->guaranteed = false;
	}
}

const char *pod_qos(const struct json *pod)
{
	struct qos q = {.guaranteed = true};
	const struct json *of_pod = json_at(pod, "spec.resources");
	if (of_pod && of_pod->count) {
		look_at_resources(of_pod, &q);
	} else {
		json_each(c, json_at(pod, "spec.initContainers"))
			look_at_resources(json_get(c, STR("resources")), &q);
		json_each(c, json_at(pod, "spec.containers"))
			look_at_resources(json_get(c, STR("resources")), &q);
	}
	return !q.any ? "BestEffort" : q.guaranteed ? "Guaranteed" : "Burstable";
}
