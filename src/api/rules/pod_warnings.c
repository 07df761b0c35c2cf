// SPDX-License-Identifier: Apache-2.0
// Pods and templates that are valid and hardly meant so: fields and labels that are out of use, definitions that hide
// each other.
#include "api/rules/warn.h"

// What older versions understood; NULL where nothing takes its place.
struct outdated {
	const char *name, *instead;
};

static const struct outdated node_labels[] = {
	{"beta.kubernetes.io/arch", "kubernetes.io/arch"},
	{"beta.kubernetes.io/os", "kubernetes.io/os"},
	{"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
	{"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
	{"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"},
	{"app.kubernetes.io/created-by", NULL},
	{"scheduler.alpha.kubernetes.io/preferAvoidPods", "taints and tolerations"},
	{"node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"},
};

static const struct outdated annotations[] = {
	{"scheduler.alpha.kubernetes.io/critical-pod", "priorityClassName"},
	{"security.alpha.kubernetes.io/sysctls", "sysctls"},
	{"security.alpha.kubernetes.io/unsafe-sysctls", "sysctls"},
};

// Kinds of storage, and since when they do nothing.
static const struct outdated volumes[] = {
	{"photonPersistentDisk", "v1.16"}, {"scaleIO", "v1.22"},   {"flocker", "v1.25"}, {"storageos", "v1.25"},
	{"quobyte", "v1.25"},		   {"glusterfs", "v1.26"}, {"cephfs", "v1.31"},	 {"rbd", "v1.31"},
	{"gitRepo", "v1.33, unless it is switched on"},
};

static void warn_node_label(struct check *c, const struct path *p, struct str label)
{
	for (size_t i = 0; i < ARRAY_LEN(node_labels); i++)
		if (str_is(label, node_labels[i].name))
			warn(c, p, "the label %s is deprecated%s%s", node_labels[i].name,
			     node_labels[i].instead ? "; use " : "",
			     node_labels[i].instead ? node_labels[i].instead : "");
}

// Placement

static void warn_node_term(struct check *c, const struct path *p, const struct json *term, bool is_preference)
{
	size_t i = 0;
	json_each(expression, field(term, "matchExpressions")) {
		const struct path *at = AT_INDEX(AT(p, "matchExpressions"), i++);
		warn_node_label(c, AT(at, "key"), text_of(expression, "key"));
		size_t j = 0;
		json_each(value, is_preference ? field(expression, "values") : NULL) {
			struct format_faults f = {0};
			format_label_value(value->text, &f);
			for (size_t k = 0; k < f.count; k++)
				warn(c, AT_INDEX(AT(at, "values"), j), "no label has the value \"%.*s\": %s",
				     STR_FMT(value->text), f.text[k]);
			j++;
		}
	}
}

static void warn_node_affinity(struct check *c, const struct path *p, const struct json *affinity)
{
	const struct path *required = AT(p, "requiredDuringSchedulingIgnoredDuringExecution");
	const struct path *preferred = AT(p, "preferredDuringSchedulingIgnoredDuringExecution");
	size_t i = 0, j = 0;
	json_each(term, field(field(affinity, "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms"))
		warn_node_term(c, AT_INDEX(AT(required, "nodeSelectorTerms"), i++), term, false);
	json_each(weighted, field(affinity, "preferredDuringSchedulingIgnoredDuringExecution"))
		warn_node_term(c, AT(AT_INDEX(preferred, j++), "preference"), field(weighted, "preference"), true);
}

static void warn_no_selector(struct check *c, const struct path *p, const struct json *term)
{
	if (!field(term, "labelSelector"))
		warn(c, AT(p, "labelSelector"), "without a selector it is about no pod");
}

static void warn_pod_affinity(struct check *c, const struct path *p, const struct json *affinity)
{
	const struct path *required = AT(p, "requiredDuringSchedulingIgnoredDuringExecution");
	const struct path *preferred = AT(p, "preferredDuringSchedulingIgnoredDuringExecution");
	size_t i = 0, j = 0;
	json_each(term, field(affinity, "requiredDuringSchedulingIgnoredDuringExecution"))
		warn_no_selector(c, AT_INDEX(required, i++), term);
	json_each(weighted, field(affinity, "preferredDuringSchedulingIgnoredDuringExecution"))
		warn_no_selector(c, AT(AT_INDEX(preferred, j++), "podAffinityTerm"), field(weighted, "podAffinityTerm"));
}

static void warn_placement(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *affinity = field(spec, "affinity");
	size_t i = 0;
	json_each(label, field(spec, "nodeSelector"))
		warn_node_label(c, AT_KEY(AT(p, "nodeSelector"), label->key), label->key);
	warn_node_affinity(c, AT(AT(p, "affinity"), "nodeAffinity"), field(affinity, "nodeAffinity"));
	json_each(constraint, field(spec, "topologySpreadConstraints")) {
		const struct path *at = AT_INDEX(AT(p, "topologySpreadConstraints"), i++);
		warn_node_label(c, AT(at, "topologyKey"), text_of(constraint, "topologyKey"));
		warn_no_selector(c, at, constraint);
	}
	warn_pod_affinity(c, AT(AT(p, "affinity"), "podAffinity"), field(affinity, "podAffinity"));
	warn_pod_affinity(c, AT(AT(p, "affinity"), "podAntiAffinity"), field(affinity, "podAntiAffinity"));
}

// Lists of the pod

static void warn_twice(struct check *c, const struct path *p, const struct json *list, const char *name)
{
	struct seen seen CLEAN_SEEN;
	seen_init(&seen);
	size_t i = 0;
	json_each(element, list) {
		if (seen_add(&seen, text_of(element, name)))
			warn(c, AT_STR(AT_INDEX(p, i), str_of(name)), "\"%.*s\" stands there twice",
			     STR_FMT(text_of(element, name)));
		i++;
	}
}

static void warn_lists(struct check *c, const struct path *p, const struct json *spec)
{
	size_t i = 0, j = 0, k = 0;
	warn_twice(c, AT(p, "hostAliases"), field(spec, "hostAliases"), "ip");
	warn_twice(c, AT(p, "imagePullSecrets"), field(spec, "imagePullSecrets"), "name");
	json_each(secret, field(spec, "imagePullSecrets")) {
		if (!text_of(secret, "name").n)
			warn(c, AT(AT_INDEX(AT(p, "imagePullSecrets"), i), "name"), "an empty name is that of no Secret");
		i++;
	}
	json_each(server, json_at(spec, "dnsConfig.nameservers"))
		warn_ip(c, AT_INDEX(AT(AT(p, "dnsConfig"), "nameservers"), j++), server->text);
	json_each(alias, field(spec, "hostAliases"))
		warn_ip(c, AT(AT_INDEX(AT(p, "hostAliases"), k++), "ip"), text_of(alias, "ip"));
}

static void warn_volumes(struct check *c, const struct path *p, const struct json *list)
{
	size_t i = 0;
	json_each(volume, list) {
		const struct path *at = AT_INDEX(p, i++);
		for (size_t j = 0; j < ARRAY_LEN(volumes); j++)
			if (field(volume, volumes[j].name))
				warn(c, AT_STR(at, str_of(volumes[j].name)), "deprecated, does nothing since %s",
				     volumes[j].instead);
		const struct json *claim = json_at(volume, "ephemeral.volumeClaimTemplate.spec.resources");
		const struct path *resources =
			AT(AT(AT(AT(at, "ephemeral"), "volumeClaimTemplate"), "spec"), "resources");
		warn_fraction(c, AT(resources, "requests"), field(claim, "requests"), "storage");
		warn_fraction(c, AT(resources, "limits"), field(claim, "limits"), "storage");
	}
}

// Containers

static void warn_env(struct check *c, const struct path *p, const struct json *env)
{
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	size_t i = 0;
	json_each(variable, env) {
		struct str name = text_of(variable, "name"), value = text_of(variable, "value");
		struct str itself = arena_fmt(c->arena, "$(%.*s)", STR_FMT(name));
		bool builds_on = !field(variable, "valueFrom") && !str_eq(value, itself) && str_contains(value, itself);
		if (seen_add(&names, name) && !builds_on)
			warn(c, AT_INDEX(p, i), "hides the \"%.*s\" that stands before it, which apply may drop",
			     STR_FMT(name));
		i++;
	}
}

static void warn_container(struct check *c, const struct path *p, const struct json *container, void *unused)
{
	static const char *const amounts[] = {"limits", "requests"};
	for (size_t i = 0; i < ARRAY_LEN(amounts); i++) {
		const struct path *at = AT_STR(AT(p, "resources"), str_of(amounts[i]));
		const struct json *list = field(field(container, "resources"), amounts[i]);
		warn_fraction(c, at, list, "memory");
		warn_fraction(c, at, list, "ephemeral-storage");
	}
	warn_env(c, AT(p, "env"), field(container, "env"));
}

// Ports of all containers: they share one network.
struct port {
	struct str path, host_ip;
	int64_t host;
	struct port *next; // another one with the same number and protocol
};

struct ports {
	struct map numbers, names;
};

enum { ALIKE_MAX = 50 }; // ports of one number that each further one is compared with

static void warn_clash(struct check *c, const struct path *p, const struct port *now, const struct port *before)
{
	const char *what = NULL;
	if (now->host == before->host && str_eq(now->host_ip, before->host_ip))
		what = "the same port";
	else if (!now->host || !before->host)
		what = "overlaps the port";
	else if (now->host == before->host && (!now->host_ip.n || !before->host_ip.n))
		what = "may take away the port";
	if (what)
		warn(c, p, "%s as %.*s", what, STR_FMT(before->path));
}

static void warn_port(struct check *c, const struct path *p, const struct json *json, struct ports *ports)
{
	struct port *port = ARENA_NEW(c->arena, struct port);
	*port = (struct port){.path = path_text(c->arena, p), .host_ip = text_of(json, "hostIP"),
			      .host = json_i64(json, "hostPort", 0)};
	struct str number = arena_fmt(c->arena, "%lld %.*s", (long long)json_i64(json, "containerPort", 0),
				      STR_FMT(text_of(json, "protocol")));
	struct str name = text_of(json, "name");
	if (port->host_ip.n && !port->host)
		warn(c, p, "hostIP does nothing without hostPort");
	struct port *first = map_get(&ports->numbers, number), *named = map_get(&ports->names, name);
	int alike = 0;
	for (const struct port *before = first; before && alike++ < ALIKE_MAX; before = before->next)
		warn_clash(c, p, port, before);
	if (first) {
		port->next = first->next;
		first->next = port;
	} else {
		map_set(&ports->numbers, number, port);
	}
	if (name.n && named)
		warn(c, p, "the name \"%.*s\" means the port %.*s already", STR_FMT(name), STR_FMT(named->path));
	else if (name.n)
		map_set(&ports->names, name, port);
}

static void warn_ports(struct check *c, const struct path *p, const struct json *container, void *ports)
{
	size_t i = 0;
	json_each(port, field(container, "ports"))
		warn_port(c, AT_INDEX(AT(p, "ports"), i++), port, ports);
}

void warn_pod(struct check *c, const struct path *p, const struct json *pod)
{
	const struct path *at = AT(p, "spec"), *noted = AT(AT(p, "metadata"), "annotations");
	const struct json *spec = field(pod, "spec"), *notes = json_at(pod, "metadata.annotations");
	struct ports ports;
	warn_placement(c, at, spec);
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
		if (field(notes, annotations[i].name))
			warn(c, AT_KEY(noted, str_of(annotations[i].name)), "does nothing; use the field \"%s\"",
			     annotations[i].instead);
	warn_volumes(c, AT(at, "volumes"), field(spec, "volumes"));
	warn_overlaps(c, field(spec, "volumes"));
	warn_lists(c, at, spec);
	warn_fraction(c, AT(at, "overhead"), field(spec, "overhead"), "memory");
	warn_fraction(c, AT(at, "overhead"), field(spec, "overhead"), "ephemeral-storage");
	warn_profile_annotations(c, p, pod);
	each_container(c, at, spec, warn_container, NULL);
	map_init(&ports.numbers);
	map_init(&ports.names);
	each_container(c, at, spec, warn_ports, &ports);
	map_finish(&ports.numbers);
	map_finish(&ports.names);
	if (json_i64(spec, "terminationGracePeriodSeconds", 0) < 0)
		warn(c, AT(at, "terminationGracePeriodSeconds"), "must not be negative, and is taken for 1");
}
