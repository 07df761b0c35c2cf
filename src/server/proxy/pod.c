// SPDX-License-Identifier: Apache-2.0
// Logs, exec, attach and port forwarding of a pod, by the agent of its node.
#include "base/encode.h"
#include "server/authorize/authorize.h"
#include "server/proxy/node_address.h"
#include "server/proxy/node_clients.h"
#include "server/proxy/proxy.h"
#include "server/proxy/relay.h"
#include "server/respond.h"
#include "server/verbs/verbs.h"
#include "server/worker.h"

struct place {
	struct str container; // empty where none is needed
	struct str node;      // empty: not bound yet
	struct node_address address;
};

// ---- which container

static const char *const container_lists[] = {"containers", "initContainers", "ephemeralContainers"};

static bool has_container(const struct json *pod, struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(container_lists); i++)
		json_each(container, json_get(json_get(pod, STR("spec")), str_of(container_lists[i])))
			if (str_eq(json_str(container, "name"), name))
				return true;
	return false;
}

static int ask_for_name(const struct json *pod, struct str pod_name, struct err *e)
{
	struct buf names CLEAN_BUF;
	buf_init(&names);
	json_each(container, json_at(pod, "spec.containers"))
		buf_fmt(&names, "%s%.*s", names.n ? " " : "", STR_FMT(json_str(container, "name")));
	return err_set(e, ERR_BAD_REQUEST, "a container name must be specified for pod %.*s, choose one of: [%.*s]",
		       STR_FMT(pod_name), STR_FMT(buf_str(&names)));
}

static int choose_container(struct call *c, const struct json *pod, struct str *out, struct err *e)
{
	struct str asked = query_get(&c->query, "container");
	if (!str_empty(asked)) {
		*out = asked;
		if (has_container(pod, asked))
			return 0;
		return err_set(e, ERR_BAD_REQUEST, "container %.*s is not valid for pod %.*s", STR_FMT(asked),
			       STR_FMT(c->route.name));
	}
	const struct json *containers = json_at(pod, "spec.containers");
	struct json *annotation = json_get(json_at(pod, "metadata.annotations"),
					   STR("kubectl.kubernetes.io/default-container"));
	struct str by_default = annotation && annotation->type == JSON_STRING ? annotation->text : STR_NONE;
	if (containers && containers->count == 1)
		*out = arena_str(c->arena, json_str(containers, "0.name"));
	else if (!str_empty(by_default) && has_container(pod, by_default))
		*out = arena_str(c->arena, by_default);
	else
		return ask_for_name(pod, c->route.name, e);
	return 0;
}

// ---- where

static int locate(struct call *c, bool with_container, bool running, struct place *out, struct err *e)
{
	struct store_item item;
	*out = (struct place){0};
	struct store_snapshot *s = store_snapshot(c->server->store);
	int ok = store_get(s, object_key(c->arena, c->route.resource, c->route.namespace, c->route.name), &item)
			 ? 0
			 : status_not_found(e, c->route.resource, c->route.name);
	if (ok == 0) {
		struct json *pod = object_parse(c->arena, item.value);
		struct str phase = json_str(pod, "status.phase");
		if (with_container)
			ok = choose_container(c, pod, &out->container, e);
		if (ok == 0 && running && (str_is(phase, "Succeeded") || str_is(phase, "Failed")))
			ok = err_set(e, ERR_BAD_REQUEST,
				     "cannot exec into a container in a completed pod; current phase is %.*s",
				     STR_FMT(phase));
		out->node = arena_str(c->arena, json_str(pod, "spec.nodeName"));
	}
	if (ok == 0 && !str_empty(out->node))
		ok = node_address_find(c, s, out->node, &out->address, e);
	store_snapshot_release(s);
	return ok;
}

static void pass_on(struct call *c, const struct place *p, struct str target)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct destination to = {.host = p->address.host, .port = p->address.port, .node = p->node};
	struct http_client *client = node_client(c->worker->nodes, &to, &e);
	if (client)
		relay_call(c, client, target, NULL);
	else
		respond_error(c, &e, NULL);
}

// ---- the agent's query

struct option {
	const char *ours, *agents; // names
	bool flag;		   // told as 1 when true, else left out
};

static void add_parameter(struct buf *out, const char *name, struct str value)
{
	buf_add_byte(out, str_find(buf_str(out), '?') < 0 ? '?' : '&');
	buf_add_c(out, name);
	buf_add_byte(out, '=');
	encode_url(out, value);
}

static struct str target_of(struct call *c, const char *what, const struct place *p, const struct option *options,
			    size_t count)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	buf_fmt(&out, "/%s/%.*s/%.*s", what, STR_FMT(c->route.namespace), STR_FMT(c->route.name));
	if (!str_empty(p->container))
		buf_fmt(&out, "/%.*s", STR_FMT(p->container));
	for (size_t i = 0; i < c->query.count; i++)
		for (size_t k = 0; k < count; k++) {
			const struct query_pair *pair = &c->query.pairs[i];
			if (!str_is(pair->name, options[k].ours))
				continue;
			if (!options[k].flag)
				add_parameter(&out, options[k].agents, pair->value);
			else if (query_is_true(&c->query, options[k].ours))
				add_parameter(&out, options[k].agents, STR("1"));
		}
	return arena_str(c->arena, buf_str(&out));
}

// ---- logs

static void check_number(struct call *c, const char *name, int64_t least, struct err *e)
{
	int64_t value;
	struct str text = query_get(&c->query, name);
	if (str_empty(text))
		return;
	if (str_to_i64(text, &value) < 0)
		err_cause(e, str_of(name), "FieldValueInvalid", "Invalid value: \"%.*s\": must be a whole number",
			  STR_FMT(text));
	else if (value < least)
		err_cause(e, str_of(name), "FieldValueInvalid",
			  "Invalid value: %lld: must be greater than or equal to %lld", (long long)value,
			  (long long)least);
}

static int check_log_options(struct call *c, struct err *e)
{
	int64_t at;
	struct str since = query_get(&c->query, "sinceTime");
	check_number(c, "tailLines", 0, e);
	check_number(c, "limitBytes", 1, e);
	check_number(c, "sinceSeconds", 1, e);
	if (!str_empty(since) && time_parse(since, &at) < 0)
		err_cause(e, STR("sinceTime"), "FieldValueInvalid", "Invalid value: \"%.*s\": no time", STR_FMT(since));
	if (!str_empty(since) && query_has(&c->query, "sinceSeconds"))
		err_cause(e, STR("[]"), "FieldValueForbidden",
			  "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified");
	return e->reason ? -1 : 0;
}

void proxy_pod_log(struct call *c)
{
	static const struct option options[] = {
		{"follow", "follow", false},
		{"previous", "previous", false},
		{"timestamps", "timestamps", false},
		{"tailLines", "tailLines", false},
		{"limitBytes", "limitBytes", false},
		{"sinceTime", "sinceTime", false},
		{"sinceSeconds", "sinceSeconds", false},
		{"stream", "stream", false},
	};
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct place p;
	if (check_log_options(c, &e) < 0) {
		struct status_details d = {.present = true, .name = c->route.name, .kind = STR("PodLogOptions")};
		respond_error(c, &e, &d);
	} else if (locate(c, true, false, &p, &e) < 0) {
		respond_failure(c, &e, c->route.name);
	} else if (str_empty(p.node)) { // nothing has run yet
		respond_text(c, 204, "text/plain", STR(""));
	} else {
		pass_on(c, &p, target_of(c, "containerLogs", &p, options, ARRAY_LEN(options)));
	}
}

// ---- streams

// A GET, which is all that a WebSocket can begin with, needs the right to create as well: who may only read pods/exec
// runs nothing.
static int check_may_connect(struct call *c, struct err *e)
{
	struct access a = access_of_call(c);
	a.verb = STR("create");
	return access_check(c, &a, e);
}

static void connect_pod(struct call *c, const char *what, bool with_container, const struct option *options,
			size_t count)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct place p;
	int ok = check_may_connect(c, &e);
	if (ok == 0)
		ok = locate(c, with_container, true, &p, &e);
	if (ok == 0 && str_empty(p.node))
		ok = err_set(&e, ERR_BAD_REQUEST, "pod %.*s does not have a host assigned", STR_FMT(c->route.name));
	if (ok == 0 && !http_header_lists(c->headers, "Connection", "upgrade"))
		ok = err_set(&e, ERR_BAD_REQUEST, "Upgrade request required");
	if (ok < 0)
		respond_failure(c, &e, c->route.name);
	else
		pass_on(c, &p, target_of(c, what, &p, options, count));
}

static const struct option stream_options[] = {
	{"command", "command", false}, {"stdin", "input", true}, {"stdout", "output", true},
	{"stderr", "error", true},     {"tty", "tty", true},
};

void proxy_pod_exec(struct call *c)
{
	connect_pod(c, "exec", true, stream_options, ARRAY_LEN(stream_options));
}

void proxy_pod_attach(struct call *c)
{
	connect_pod(c, "attach", true, stream_options + 1, ARRAY_LEN(stream_options) - 1);
}

void proxy_pod_port_forward(struct call *c)
{
	static const struct option options[] = {{"ports", "port", false}};
	connect_pod(c, "portForward", false, options, ARRAY_LEN(options));
}
