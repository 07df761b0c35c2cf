// SPDX-License-Identifier: Apache-2.0
// What runs beside a container's process: probes and lifecycle hooks.
#include "api/rules/pod.h"

static void check_port_or_name(struct check *c, const struct path *p, const struct json *port)
{
	if (port && port->type == JSON_STRING)
		check_format(c, p, port->text, format_port_name);
	else
		check_port(c, p, port);
}

static void check_exec(struct check *c, const struct path *p, const struct json *exec, const struct pod_scope *pod)
{
	if (!is_set(exec, "command"))
		fail_required(c, AT(p, "command"), "says what to run");
}

static void check_http_get(struct check *c, const struct path *p, const struct json *get, const struct pod_scope *pod)
{
	if (!text_of(get, "path").n)
		fail_required(c, AT(p, "path"), "says what to get");
	check_port_or_name(c, AT(p, "port"), field(get, "port"));
	ONE_OF(c, AT(p, "scheme"), field(get, "scheme"), "HTTP", "HTTPS");
	json_each(header, field(get, "httpHeaders"))
		check_format(c, AT(p, "httpHeaders"), text_of(header, "name"), format_http_header);
}

static void check_tcp_socket(struct check *c, const struct path *p, const struct json *socket,
			     const struct pod_scope *pod)
{
	check_port_or_name(c, AT(p, "port"), field(socket, "port"));
}

static void check_grpc(struct check *c, const struct path *p, const struct json *grpc, const struct pod_scope *pod)
{
	check_port(c, AT(p, "port"), field(grpc, "port"));
}

static void check_sleep(struct check *c, const struct path *p, const struct json *sleep, const struct pod_scope *pod)
{
	int64_t seconds = json_i64(sleep, "seconds", 0);
	if (seconds < 0 || seconds > pod->grace_s)
		fail_invalid(c, p, json_int(c->arena, seconds), "must not be negative, nor longer than the pod's "
			     "terminationGracePeriodSeconds (%lld)", (long long)pod->grace_s);
}

// One kind of action, and only one.
static void check_handler(struct check *c, const struct path *p, const struct json *handler,
			  const struct pod_scope *pod)
{
	static const struct {
		const char *name;
		void (*check)(struct check *c, const struct path *p, const struct json *action,
			      const struct pod_scope *pod);
	} kinds[] = {{"exec", check_exec},
		     {"httpGet", check_http_get},
		     {"tcpSocket", check_tcp_socket},
		     {"grpc", check_grpc},
		     {"sleep", check_sleep}};
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct json *action = field(handler, kinds[i].name);
		const struct path *at = AT_STR(p, str_of(kinds[i].name));
		if (action && found)
			fail_forbidden(c, at, "only one kind of handler may be given");
		else if (action)
			kinds[i].check(c, at, action, pod);
		found = found || action;
	}
	if (!found)
		fail_required(c, p, "a kind of handler must be given");
}

static void check_probe(struct check *c, const struct path *p, const struct json *probe, const struct pod_scope *pod)
{
	static const char *const counts[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
					     "successThreshold", "failureThreshold"};
	const struct json *grace = field(probe, "terminationGracePeriodSeconds");
	check_handler(c, p, probe, pod);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		check_not_negative(c, AT_STR(p, str_of(counts[i])), field(probe, counts[i]));
	if (grace && grace->integer <= 0)
		fail_invalid(c, AT(p, "terminationGracePeriodSeconds"), grace, "must be greater than 0");
}

// Probes that end a container: one success is enough.
static void check_deadly_probe(struct check *c, const struct path *p, const struct json *probe,
			       const struct pod_scope *pod)
{
	if (!probe)
		return;
	check_probe(c, p, probe, pod);
	if (json_i64(probe, "successThreshold", 0) != 1)
		fail_invalid(c, AT(p, "successThreshold"), field(probe, "successThreshold"), "must be 1");
}

void check_probes(struct check *c, const struct path *p, const struct json *container, const struct pod_scope *pod)
{
	const struct json *lifecycle = field(container, "lifecycle"), *ready = field(container, "readinessProbe");
	const struct path *life = AT(p, "lifecycle");
	if (field(lifecycle, "postStart"))
		check_handler(c, AT(life, "postStart"), field(lifecycle, "postStart"), pod);
	if (field(lifecycle, "preStop"))
		check_handler(c, AT(life, "preStop"), field(lifecycle, "preStop"), pod);
	check_deadly_probe(c, AT(p, "livenessProbe"), field(container, "livenessProbe"), pod);
	if (ready)
		check_probe(c, AT(p, "readinessProbe"), ready, pod);
	if (field(ready, "terminationGracePeriodSeconds"))
		fail_invalid(c, AT(AT(p, "readinessProbe"), "terminationGracePeriodSeconds"),
			     field(ready, "terminationGracePeriodSeconds"), "a readiness probe ends nothing");
	check_deadly_probe(c, AT(p, "startupProbe"), field(container, "startupProbe"), pod);
}
