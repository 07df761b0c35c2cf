// SPDX-License-Identifier: Apache-2.0
// Rows of nodes, Services, their endpoints, and events.
#include "api/table_cells.h"

static struct str node_status(const struct row *r)
{
	const char *ready = "Unknown";
	json_each(c, json_at(r->object, "status.conditions"))
		if (json_str_is(c, "type", "Ready"))
			ready = json_str_is(c, "status", "True") ? "Ready" : "NotReady";
	return arena_fmt(r->arena, "%s%s", ready,
			 json_is_true(r->object, "spec.unschedulable") ? ",SchedulingDisabled" : "");
}

// Roles are labels: node-role.kubernetes.io/ROLE, or kubernetes.io/role=ROLE. Sorted, since labels are.
static struct str node_roles(const struct row *r)
{
	static const struct str prefix = STR_INIT("node-role.kubernetes.io/");
	struct buf roles CLEAN_BUF;
	buf_init(&roles);
	json_each(label, json_at(r->object, "metadata.labels")) {
		struct str role = STR_NONE;
		if (str_starts(label->key, prefix))
			role = str_from(label->key, prefix.n);
		else if (str_is(label->key, "kubernetes.io/role") && label->type == JSON_STRING)
			role = label->text;
		if (role.n == 0)
			continue;
		if (roles.n)
			buf_add_byte(&roles, ',');
		buf_add(&roles, role);
	}
	return roles.n ? arena_str(r->arena, buf_str(&roles)) : STR("<none>");
}

static void node_address(struct row *r, const char *type)
{
	json_each(address, json_at(r->object, "status.addresses"))
		if (json_str_is(address, "type", type)) {
			cell_text(r, json_str(address, "address"));
			return;
		}
	cell_text(r, STR("<none>"));
}

void table_node(struct row *r)
{
	cell_name(r);
	cell_text(r, node_status(r));
	cell_text(r, node_roles(r));
	cell_age(r);
	cell_at(r, "status.nodeInfo.kubeletVersion", "");
	node_address(r, "InternalIP");
	node_address(r, "ExternalIP");
	cell_at(r, "status.nodeInfo.osImage", "<unknown>");
	cell_at(r, "status.nodeInfo.kernelVersion", "<unknown>");
	cell_at(r, "status.nodeInfo.containerRuntimeVersion", "<unknown>");
}

static void add_text(struct buf *b, struct str text)
{
	if (b->n)
		buf_add_byte(b, ',');
	buf_add(b, text);
}

static struct str service_external(const struct row *r)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	if (json_str_is(r->object, "spec.type", "ExternalName"))
		return json_str(r->object, "spec.externalName");
	bool balancer = json_str_is(r->object, "spec.type", "LoadBalancer");
	if (balancer)
		json_each(ingress, json_at(r->object, "status.loadBalancer.ingress")) {
			struct str ip = json_str(ingress, "ip"), host = json_str(ingress, "hostname");
			if (ip.n || host.n)
				add_text(&b, ip.n ? ip : host);
		}
	json_each(ip, json_at(r->object, "spec.externalIPs"))
		add_text(&b, ip->type == JSON_STRING ? ip->text : STR_NONE);
	if (b.n)
		return arena_str(r->arena, buf_str(&b));
	return balancer ? STR("<pending>") : STR("<none>");
}

static struct str service_ports(const struct row *r)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	json_each(port, json_at(r->object, "spec.ports")) {
		int64_t number = json_i64(port, "port", 0), node_port = json_i64(port, "nodePort", 0);
		if (b.n)
			buf_add_byte(&b, ',');
		buf_add_i64(&b, number);
		if (node_port)
			buf_fmt(&b, ":%lld", (long long)node_port);
		buf_fmt(&b, "/%.*s", STR_FMT(json_str(port, "protocol")));
	}
	return b.n ? arena_str(r->arena, buf_str(&b)) : STR("<none>");
}

void table_service(struct row *r)
{
	struct str ip = json_str(r->object, "spec.clusterIPs.0");
	cell_name(r);
	cell_at(r, "spec.type", "");
	cell_text(r, ip.n ? ip : STR("<none>"));
	cell_text(r, service_external(r));
	cell_text(r, service_ports(r));
	cell_age(r);
	cell_text(r, row_labels(r, json_at(r->object, "spec.selector")));
}

static struct str host_port(const struct row *r, struct str ip, int64_t port)
{
	bool v6 = str_find(ip, ':') >= 0;
	return arena_fmt(r->arena, "%s%.*s%s:%lld", v6 ? "[" : "", STR_FMT(ip), v6 ? "]" : "", (long long)port);
}

void table_endpoints(struct row *r)
{
	struct names names = {0};
	buf_init(&names.text);
	json_each(subset, json_at(r->object, "subsets")) {
		const struct json *ports = json_at(subset, "ports"), *addresses = json_at(subset, "addresses");
		if (!ports || ports->count == 0)
			json_each(address, addresses)
				names_add(&names, json_str(address, "ip"));
		json_each(port, ports)
			json_each(address, addresses)
				names_add(&names, host_port(r, json_str(address, "ip"), json_i64(port, "port", 0)));
	}
	cell_name(r);
	cell_names(r, &names, "<none>");
	cell_age(r);
}

void table_endpoint_slice(struct row *r)
{
	struct names ports = {0}, addresses = {0};
	buf_init(&ports.text);
	buf_init(&addresses.text);
	json_each(port, json_at(r->object, "ports")) {
		struct str name = json_str(port, "name");
		if (json_at(port, "port"))
			names_add(&ports, arena_fmt(r->arena, "%lld", (long long)json_i64(port, "port", 0)));
		else
			names_add(&ports, name.n ? name : STR("*"));
	}
	json_each(endpoint, json_at(r->object, "endpoints"))
		json_each(address, json_at(endpoint, "addresses"))
			names_add(&addresses, address->type == JSON_STRING ? address->text : STR_NONE);
	cell_name(r);
	cell_at(r, "addressType", "");
	cell_names(r, &ports, "<unset>");
	cell_names(r, &addresses, "<unset>");
	cell_age(r);
}

// Events have other names in their two API groups; the first of them that is there.
static const struct json *either(const struct row *r, const char *core, const char *events)
{
	const struct json *value = json_at(r->object, core);
	return value && value->type != JSON_NULL ? value : json_at(r->object, events);
}

static struct str either_text(const struct row *r, const char *core, const char *events)
{
	struct str text = json_str(r->object, core);
	return text.n ? text : json_str(r->object, events);
}

static void event_object(struct row *r)
{
	struct str kind = either_text(r, "involvedObject.kind", "regarding.kind");
	struct str name = either_text(r, "involvedObject.name", "regarding.name");
	char *lower = arena_c(r->arena, kind);
	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	cell_fmt(r, "%s%s%.*s", lower, name.n ? "/" : "", STR_FMT(name));
}

static void event_source(struct row *r)
{
	struct str component = either_text(r, "source.component", "deprecatedSource.component");
	struct str host = either_text(r, "source.host", "deprecatedSource.host");
	if (!component.n)
		component = either_text(r, "reportingComponent", "reportingController");
	if (!host.n)
		host = json_str(r->object, "reportingInstance");
	cell_fmt(r, "%.*s%s%.*s", STR_FMT(component), host.n ? ", " : "", STR_FMT(host));
}

void table_event(struct row *r)
{
	const struct json *first = either(r, "firstTimestamp", "deprecatedFirstTimestamp");
	const struct json *last = either(r, "lastTimestamp", "deprecatedLastTimestamp");
	const struct json *count = either(r, "count", "deprecatedCount"), *series = json_at(r->object, "series");
	int64_t times = count && count->type == JSON_INT ? count->integer : 0;
	if (!first || first->type == JSON_NULL)
		first = json_at(r->object, "eventTime");
	if (!last || last->type == JSON_NULL)
		last = first;
	if (series && series->type == JSON_OBJECT) {
		last = json_get(series, STR("lastObservedTime"));
		times = json_i64(series, "count", 0);
	} else if (times == 0) {
		times = 1;
	}
	cell_text(r, row_age(r, last));
	cell_at(r, "type", "");
	cell_at(r, "reason", "");
	event_object(r);
	cell_text(r, either_text(r, "involvedObject.fieldPath", "regarding.fieldPath"));
	event_source(r);
	cell_text(r, str_trim(either_text(r, "message", "note")));
	cell_text(r, row_age(r, first));
	cell_int(r, times);
	cell_name(r);
}
