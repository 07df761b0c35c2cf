// SPDX-License-Identifier: Apache-2.0
#include "scheduler/shape.h"

#include "scheduler/requests.h"
#include "scheduler/snapshot.h"

// ---- the key

static void key_add(struct buf *key, const struct json *holder, const char *path)
{
	const struct json *value = json_at(holder, path);
	if (value)
		json_write(key, value);
	buf_add_byte(key, '\n');
}

static void key_add_containers(struct buf *key, const struct json *containers)
{
	json_each(container, containers) {
		key_add(key, container, "image");
		key_add(key, container, "ports");
		key_add(key, container, "resources.requests");
		key_add(key, container, "restartPolicy");
	}
}

struct str shape_key(struct arena *a, const struct json *pod)
{
	static const char *const parts[] = {"metadata.namespace", "metadata.labels",
					    "spec.nodeSelector",  "spec.affinity",
					    "spec.tolerations",	  "spec.topologySpreadConstraints",
					    "spec.overhead",	  "spec.resources.requests"};
	struct buf key CLEAN_BUF;
	buf_init(&key);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		key_add(&key, pod, parts[i]);
	key_add_containers(&key, json_at(pod, "spec.containers"));
	BUF_LIT(&key, "-\n");
	key_add_containers(&key, json_at(pod, "spec.initContainers"));
	return arena_str(a, buf_str(&key));
}

// ---- reading

static size_t count_of(const struct json *list)
{
	return list && list->type == JSON_ARRAY ? list->count : 0;
}

static void read_ports(struct shape *s, const struct json *containers, bool sidecars_only)
{
	json_each(container, containers) {
		const struct json *ports = json_get(container, STR("ports"));
		if (sidecars_only && !json_str_is(container, "restartPolicy", "Always"))
			continue;
		struct host_port *more = ARENA_ARRAY(&s->memory, struct host_port, s->port_count + count_of(ports));
		if (s->port_count)
			memcpy(more, s->ports, s->port_count * sizeof *more);
		s->ports = more;
		json_each(port, ports) {
			int64_t number = json_i64(port, "hostPort", 0);
			struct str ip = json_str(port, "hostIP"), protocol = json_str(port, "protocol");
			if (number <= 0)
				continue;
			s->ports[s->port_count++] = (struct host_port){
				str_empty(ip) ? STR("0.0.0.0") : arena_str(&s->memory, ip),
				str_empty(protocol) ? STR("TCP") : arena_str(&s->memory, protocol), number};
		}
	}
}

static struct node_term read_node_term(struct shape *s, const struct json *term, int64_t weight)
{
	return (struct node_term){matcher_of_expressions(&s->memory, json_get(term, STR("matchExpressions"))),
				  matcher_of_expressions(&s->memory, json_get(term, STR("matchFields"))), weight};
}

static void read_node_affinity(struct shape *s, const struct json *affinity)
{
	const struct json *required = json_at(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
	const struct json *terms = json_get(required, STR("nodeSelectorTerms"));
	const struct json *preferred = json_at(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
	s->has_node_required = required && required->type == JSON_OBJECT;
	s->node_required.p = ARENA_ARRAY(&s->memory, struct node_term, count_of(terms));
	json_each(term, terms)
		s->node_required.p[s->node_required.n++] = read_node_term(s, term, 0);
	s->node_preferred.p = ARENA_ARRAY(&s->memory, struct node_term, count_of(preferred));
	json_each(term, preferred)
		s->node_preferred.p[s->node_preferred.n++] =
			read_node_term(s, json_get(term, STR("preference")), json_i64(term, "weight", 0));
}

static struct pod_term read_pod_term(struct shape *s, const struct json *term, int64_t weight)
{
	struct arena *a = &s->memory;
	const struct json *namespaces = json_get(term, STR("namespaces"));
	const struct json *selector = json_get(term, STR("namespaceSelector"));
	struct pod_term t = {.selector = matcher_of_selector(a, json_get(term, STR("labelSelector"))),
			     .namespaces = ARENA_ARRAY(a, struct str, count_of(namespaces) + 1),
			     .namespace_selector = matcher_of_selector(a, selector),
			     .topology_key = arena_str(a, json_str(term, "topologyKey")),
			     .weight = weight};
	matcher_add_keys(a, &t.selector, json_get(term, STR("matchLabelKeys")), s->labels, false);
	matcher_add_keys(a, &t.selector, json_get(term, STR("mismatchLabelKeys")), s->labels, true);
	json_each(namespace, namespaces)
		t.namespaces[t.namespace_count++] = arena_str(a, namespace->text);
	if (t.namespace_count == 0 && t.namespace_selector.nothing)
		t.namespaces[t.namespace_count++] = s->namespace;
	return t;
}

static void read_pod_affinity(struct shape *s, const struct json *affinity, struct pod_terms *required,
			      struct pod_terms *preferred)
{
	const struct json *hard = json_at(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
	const struct json *soft = json_at(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
	required->p = ARENA_ARRAY(&s->memory, struct pod_term, count_of(hard));
	json_each(term, hard)
		required->p[required->n++] = read_pod_term(s, term, 0);
	preferred->p = ARENA_ARRAY(&s->memory, struct pod_term, count_of(soft));
	json_each(term, soft)
		preferred->p[preferred->n++] =
			read_pod_term(s, json_get(term, STR("podAffinityTerm")), json_i64(term, "weight", 0));
}

static void read_spreads(struct shape *s, const struct json *constraints)
{
	struct arena *a = &s->memory;
	s->spreads = ARENA_ARRAY(a, struct spread, count_of(constraints));
	json_each(constraint, constraints) {
		struct spread *spread = &s->spreads[s->spread_count++];
		*spread = (struct spread){
			.topology_key = arena_str(a, json_str(constraint, "topologyKey")),
			.max_skew = json_i64(constraint, "maxSkew", 1),
			.min_domains = json_i64(constraint, "minDomains", 1),
			.selector = matcher_of_selector(a, json_get(constraint, STR("labelSelector"))),
			.hard = !json_str_is(constraint, "whenUnsatisfiable", "ScheduleAnyway"),
			.honor_affinity = !json_str_is(constraint, "nodeAffinityPolicy", "Ignore"),
			.honor_taints = json_str_is(constraint, "nodeTaintsPolicy", "Honor"),
		};
		matcher_add_keys(a, &spread->selector, json_get(constraint, STR("matchLabelKeys")), s->labels, false);
		spread->counts_nothing = !spread->selector.nothing && spread->selector.n == 0;
	}
}

static void read_tolerations(struct shape *s, const struct json *tolerations)
{
	struct arena *a = &s->memory;
	s->tolerations = ARENA_ARRAY(a, struct toleration, count_of(tolerations));
	json_each(toleration, tolerations) {
		struct str op = json_str(toleration, "operator");
		s->tolerations[s->toleration_count++] = (struct toleration){
			.key = arena_str(a, json_str(toleration, "key")),
			.value = arena_str(a, json_str(toleration, "value")),
			.effect = arena_str(a, json_str(toleration, "effect")),
			.op = str_is(op, "Exists") ? TOLERATE_EXISTS
			      : str_is(op, "Lt")   ? TOLERATE_LESS
			      : str_is(op, "Gt")   ? TOLERATE_GREATER
						   : TOLERATE_EQUAL,
		};
	}
}

static void read_images(struct shape *s, const struct json *spec)
{
	const struct json *containers = json_get(spec, STR("containers"));
	s->images = ARENA_ARRAY(&s->memory, struct str, count_of(containers));
	json_each(container, containers)
		s->images[s->image_count++] = arena_str(&s->memory, json_str(container, "image"));
}

void shape_read(struct shape *s, struct snapshot *names, struct str key, const struct json *pod)
{
	struct arena *a = &s->memory;
	arena_init(a);
	const struct json *spec = json_at(pod, "spec");
	s->key = arena_str(a, key);
	s->namespace = arena_str(a, json_str(pod, "metadata.namespace"));
	s->labels = labels_of(a, json_at(pod, "metadata.labels"));
	s->requests = requests_of(a, names, spec, false);
	struct requests usual = requests_of(a, names, spec, true);
	s->usual_cpu_milli = usual.cpu_milli;
	s->usual_memory = usual.memory;
	read_ports(s, json_get(spec, STR("containers")), false);
	read_ports(s, json_get(spec, STR("initContainers")), true);
	s->node_selector = matcher_of_map(a, json_get(spec, STR("nodeSelector")));
	read_node_affinity(s, json_at(spec, "affinity.nodeAffinity"));
	read_pod_affinity(s, json_at(spec, "affinity.podAffinity"), &s->affinity, &s->preferred);
	read_pod_affinity(s, json_at(spec, "affinity.podAntiAffinity"), &s->anti_affinity, &s->preferred_anti);
	read_spreads(s, json_get(spec, STR("topologySpreadConstraints")));
	read_tolerations(s, json_get(spec, STR("tolerations")));
	read_images(s, spec);
}

void shape_finish(struct shape *s)
{
	free(s->placements);
	arena_finish(&s->memory);
}

// ---- matching

static bool tolerates_value(const struct toleration *t, struct str value)
{
	int64_t x, y;
	switch (t->op) {
	case TOLERATE_EXISTS:
		return true;
	case TOLERATE_EQUAL:
		return str_eq(t->value, value);
	default:
		if (str_to_i64(value, &x) < 0 || str_to_i64(t->value, &y) < 0)
			return false;
		return t->op == TOLERATE_LESS ? x < y : x > y;
	}
}

bool shape_tolerates(const struct shape *s, struct str key, struct str value, struct str effect)
{
	for (size_t i = 0; i < s->toleration_count; i++) {
		const struct toleration *t = &s->tolerations[i];
		if ((str_empty(t->effect) || str_eq(t->effect, effect)) && (str_empty(t->key) || str_eq(t->key, key)) &&
		    tolerates_value(t, value))
			return true;
	}
	return false;
}

bool node_term_matches(const struct node_term *t, struct labels labels, struct str name)
{
	struct label self = {STR("metadata.name"), name};
	return (t->labels.n > 0 || t->fields.n > 0) && matcher_matches(&t->labels, labels) &&
	       matcher_matches(&t->fields, (struct labels){&self, 1});
}

bool shape_wants_node(const struct shape *s, struct labels labels, struct str name)
{
	if (!matcher_matches(&s->node_selector, labels))
		return false;
	for (size_t i = 0; i < s->node_required.n; i++) {
		if (node_term_matches(&s->node_required.p[i], labels, name))
			return true;
	}
	return !s->has_node_required;
}

bool pod_term_matches(const struct pod_term *t, struct labels pod, struct str namespace, struct labels namespace_labels)
{
	bool here = matcher_matches(&t->namespace_selector, namespace_labels);
	for (size_t i = 0; i < t->namespace_count && !here; i++)
		here = str_eq(t->namespaces[i], namespace);
	return here && matcher_matches(&t->selector, pod);
}
