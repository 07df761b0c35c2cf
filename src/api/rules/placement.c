// SPDX-License-Identifier: Apache-2.0
// Where a pod may run: affinity, tolerations, spreading.
#include "api/rules/pod.h"

// Node affinity

// What is only preferred may ask for values that no label has.
static void check_node_expression(struct check *c, const struct path *p, const struct json *expression, bool must)
{
	struct str op = text_of(expression, "operator");
	const struct json *values = field(expression, "values");
	size_t n = count_of(values), i = 0;
	if (IS_ONE_OF(op, "In", "NotIn")) {
		if (!n)
			fail_required(c, AT(p, "values"), "must be given when `operator` is 'In' or 'NotIn'");
	} else if (IS_ONE_OF(op, "Exists", "DoesNotExist")) {
		if (n)
			fail_forbidden(c, AT(p, "values"),
				       "may not be given when `operator` is 'Exists' or 'DoesNotExist'");
	} else if (IS_ONE_OF(op, "Gt", "Lt")) {
		if (n != 1)
			fail_required(c, AT(p, "values"), "one value must be given when `operator` is 'Lt' or 'Gt'");
	} else {
		fail_text(c, AT(p, "operator"), op,
			  "not a selector's operator: use In, NotIn, Exists, DoesNotExist, Gt or Lt");
	}
	check_format(c, AT(p, "key"), text_of(expression, "key"), format_qualified_name);
	if (must)
		json_each(value, values)
			check_format(c, AT_INDEX(AT(p, "values"), i++), value->text, format_label_value);
}

static void check_node_field(struct check *c, const struct path *p, const struct json *expression)
{
	struct str op = text_of(expression, "operator"), key = text_of(expression, "key");
	const struct json *values = field(expression, "values");
	size_t i = 0;
	if (!IS_ONE_OF(op, "In", "NotIn"))
		fail_text(c, AT(p, "operator"), op, "not an operator for fields: use In or NotIn");
	else if (count_of(values) != 1)
		fail_required(c, AT(p, "values"),
			      "one value must be given when `operator` is 'In' or 'NotIn' for a field");
	if (!str_is(key, "metadata.name"))
		fail_text(c, AT(p, "key"), key, "not a field that nodes are selected by: use metadata.name");
	else
		json_each(value, values)
			check_format(c, AT_INDEX(AT(p, "values"), i++), value->text, format_dns_subdomain);
}

static void check_node_term(struct check *c, const struct path *p, const struct json *term, bool must)
{
	size_t i = 0;
	json_each(expression, field(term, "matchExpressions"))
		check_node_expression(c, AT_INDEX(AT(p, "matchExpressions"), i++), expression, must);
	i = 0;
	json_each(expression, field(term, "matchFields"))
		check_node_field(c, AT_INDEX(AT(p, "matchFields"), i++), expression);
}

static void check_weight(struct check *c, const struct path *p, const struct json *preferred)
{
	int64_t weight = json_i64(preferred, "weight", 0);
	if (weight < 1 || weight > 100)
		fail_invalid(c, AT(p, "weight"), json_int(c->arena, weight), "must be between 1 and 100");
}

static void check_node_affinity(struct check *c, const struct path *p, const struct json *affinity)
{
	const struct path *must = AT(AT(p, "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms");
	const struct json *required = field(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
	const struct json *terms = field(required, "nodeSelectorTerms");
	size_t i = 0;
	if (required && !count_of(terms))
		fail_required(c, must, "at least one term must be given");
	json_each(term, terms)
		check_node_term(c, AT_INDEX(must, i++), term, true);
	i = 0;
	json_each(preferred, field(affinity, "preferredDuringSchedulingIgnoredDuringExecution")) {
		const struct path *at = AT_INDEX(AT(p, "preferredDuringSchedulingIgnoredDuringExecution"), i++);
		check_weight(c, at, preferred);
		check_node_term(c, AT(at, "preference"), field(preferred, "preference"), false);
	}
}

// Pod affinity and anti-affinity

static void check_keys(struct check *c, const struct path *p, const struct json *keys, const struct json *selector)
{
	size_t i = 0;
	if (!selector && count_of(keys)) {
		fail_forbidden(c, p, "must not be given without labelSelector");
		return;
	}
	json_each(key, keys)
		check_format(c, AT_INDEX(p, i++), key->text, format_qualified_name);
}

// The selector that is checked has an expression for each of the keys already, made of the pod's labels: where there is
// more than that of the same key, it was given twice. Told of the term, with the key's place.
static void check_twice(struct check *c, const struct path *p, const struct json *keys, const struct json *selector)
{
	struct seen in_selector CLEAN_SEEN;
	seen_init(&in_selector);
	json_each(label, field(selector, "matchLabels"))
		seen_add(&in_selector, label->key);
	json_each(expression, field(selector, "matchExpressions")) {
		struct str name = text_of(expression, "key");
		size_t i = 0, at = SIZE_MAX;
		bool before = seen_add(&in_selector, name);
		json_each(key, keys) {
			at = str_eq(key->text, name) ? i : at;
			i++;
		}
		if (before && at != SIZE_MAX)
			fail_text(c, AT_INDEX(p, at), name, "the key is in labelSelector too");
	}
}

// Keys whose values come from the pod's own labels.
static void check_label_keys(struct check *c, const struct path *p, const struct json *term)
{
	const struct json *selector = field(term, "labelSelector");
	const struct json *match = field(term, "matchLabelKeys"), *mismatch = field(term, "mismatchLabelKeys");
	struct seen others CLEAN_SEEN;
	size_t i = 0;
	check_keys(c, AT(p, "matchLabelKeys"), match, selector);
	check_keys(c, AT(p, "mismatchLabelKeys"), mismatch, selector);
	if (count_of(match))
		check_twice(c, p, match, selector);
	seen_init(&others);
	json_each(key, mismatch)
		seen_add(&others, key->text);
	json_each(key, match) {
		if (seen_has(&others, key->text))
			fail_invalid(c, AT_INDEX(AT(p, "matchLabelKeys"), i), key, "the key is in mismatchLabelKeys too");
		i++;
	}
}

static void check_pod_term(struct check *c, const struct path *p, const struct json *term)
{
	check_label_selector(c, AT(p, "labelSelector"), field(term, "labelSelector"));
	check_label_selector(c, AT(p, "namespaceSelector"), field(term, "namespaceSelector"));
	json_each(namespace, field(term, "namespaces"))
		check_format(c, AT(p, "namespace"), namespace->text, format_dns_label);
	check_label_keys(c, p, term);
	if (!text_of(term, "topologyKey").n)
		fail_required(c, AT(p, "topologyKey"), "says of which nodes the pods are together");
	check_format(c, AT(p, "topologyKey"), text_of(term, "topologyKey"), format_qualified_name);
}

static void check_pod_affinity(struct check *c, const struct path *p, const struct json *affinity)
{
	size_t i = 0;
	json_each(term, field(affinity, "requiredDuringSchedulingIgnoredDuringExecution"))
		check_pod_term(c, AT_INDEX(AT(p, "requiredDuringSchedulingIgnoredDuringExecution"), i++), term);
	i = 0;
	json_each(preferred, field(affinity, "preferredDuringSchedulingIgnoredDuringExecution")) {
		const struct path *at = AT_INDEX(AT(p, "preferredDuringSchedulingIgnoredDuringExecution"), i++);
		check_weight(c, at, preferred);
		check_pod_term(c, AT(at, "podAffinityTerm"), field(preferred, "podAffinityTerm"));
	}
}

// Tolerations

static void check_toleration(struct check *c, const struct path *p, const struct json *toleration)
{
	struct str key = text_of(toleration, "key"), op = text_of(toleration, "operator");
	struct str value = text_of(toleration, "value"), effect = text_of(toleration, "effect");
	if (key.n)
		check_format(c, AT(p, "key"), key, format_qualified_name);
	else if (!str_is(op, "Exists"))
		fail_text(c, AT(p, "operator"), op, "must be Exists when `key` is empty, which tolerates every taint");
	if (field(toleration, "tolerationSeconds") && !str_is(effect, "NoExecute"))
		fail_text(c, AT(p, "effect"), effect, "must be 'NoExecute' when `tolerationSeconds` is given");
	if (str_is(op, "Exists")) {
		if (value.n)
			fail_invalid(c, AT(p, "operator"), toleration,
				     "`value` must be empty when `operator` is 'Exists'");
	} else if (IS_ONE_OF(op, "", "Equal")) {
		if (!format_good(format_label_value, value))
			fail_text(c, AT(p, "operator"), value, "`value` must have the form of a label's value");
	} else {
		ONE_OF(c, AT(p, "operator"), field(toleration, "operator"), "Equal", "Exists");
	}
	if (effect.n)
		ONE_OF(c, AT(p, "effect"), field(toleration, "effect"), "NoSchedule", "PreferNoSchedule", "NoExecute");
}

void check_tolerations(struct check *c, const struct path *p, const struct json *tolerations)
{
	size_t i = 0;
	json_each(toleration, tolerations)
		check_toleration(c, AT_INDEX(p, i++), toleration);
}

// Spreading

static void check_min_domains(struct check *c, const struct path *p, const struct json *constraint)
{
	const struct json *domains = field(constraint, "minDomains");
	if (!domains)
		return;
	if (domains->integer <= 0)
		fail_invalid(c, AT(p, "minDomains"), domains, "must be greater than 0");
	if (!str_is(text_of(constraint, "whenUnsatisfiable"), "DoNotSchedule"))
		fail_invalid(c, AT(p, "minDomains"), domains, "only when `whenUnsatisfiable` is DoNotSchedule");
}

static void check_spread(struct check *c, const struct path *p, const struct json *constraint)
{
	static const char *const policies[] = {"nodeAffinityPolicy", "nodeTaintsPolicy"};
	if (json_i64(constraint, "maxSkew", 0) <= 0)
		fail_invalid(c, AT(p, "maxSkew"), json_int(c->arena, json_i64(constraint, "maxSkew", 0)),
			     "must be greater than 0");
	if (!text_of(constraint, "topologyKey").n)
		fail_required(c, AT(p, "topologyKey"), "says what the pods are spread over");
	ONE_OF(c, AT(p, "whenUnsatisfiable"), field(constraint, "whenUnsatisfiable"), "DoNotSchedule",
	       "ScheduleAnyway");
	check_min_domains(c, p, constraint);
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		if (field(constraint, policies[i]))
			ONE_OF(c, AT_STR(p, str_of(policies[i])), field(constraint, policies[i]), "Ignore", "Honor");
	check_label_keys(c, p, constraint);
	check_label_selector(c, AT(p, "labelSelector"), field(constraint, "labelSelector"));
}

static struct str spread_key(struct check *c, const struct json *constraint)
{
	return arena_fmt(c->arena, "%.*s %.*s", STR_FMT(text_of(constraint, "whenUnsatisfiable")),
			 STR_FMT(text_of(constraint, "topologyKey")));
}

// Of two constraints about the same, the first is told.
static void check_repeated_spreads(struct check *c, const struct path *p, const struct json *constraints)
{
	const struct json **backwards = ARENA_ARRAY(c->arena, const struct json *, count_of(constraints) + 1);
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t n = 0;
	json_each(constraint, constraints)
		backwards[n++] = constraint;
	while (n-- > 0)
		if (seen_add(&known, spread_key(c, backwards[n])))
			fail_duplicate(c, AT(AT_INDEX(p, n), "{topologyKey, whenUnsatisfiable}"), backwards[n]);
}

void check_placement(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *affinity = field(spec, "affinity");
	const struct path *at = AT(p, "affinity");
	size_t i = 0;
	check_node_affinity(c, AT(at, "nodeAffinity"), field(affinity, "nodeAffinity"));
	check_pod_affinity(c, AT(at, "podAffinity"), field(affinity, "podAffinity"));
	check_pod_affinity(c, AT(at, "podAntiAffinity"), field(affinity, "podAntiAffinity"));
	check_tolerations(c, AT(p, "tolerations"), field(spec, "tolerations"));
	json_each(constraint, field(spec, "topologySpreadConstraints"))
		check_spread(c, AT_INDEX(AT(p, "topologySpreadConstraints"), i++), constraint);
	check_repeated_spreads(c, AT(p, "topologySpreadConstraints"), field(spec, "topologySpreadConstraints"));
}
