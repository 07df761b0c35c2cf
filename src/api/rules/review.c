// SPDX-License-Identifier: Apache-2.0
// The questions about access: SubjectAccessReview and its kin.
#include "api/rules/rules.h"

#define SPEC AT(NULL, "spec")

// Operators that are not known are for the authorizer, which may be newer than who checks.
static void check_requirement(struct check *c, const struct path *p, const struct json *requirement, bool of_labels)
{
	struct str op = text_of(requirement, "operator"), key = text_of(requirement, "key");
	const struct json *values = field(requirement, "values");
	size_t i = 0;
	if (!of_labels && !key.n)
		fail_required(c, AT(p, "key"), "says which field is meant");
	if (IS_ONE_OF(op, "In", "NotIn") && !count_of(values))
		fail_required(c, AT(p, "values"), "must be given when `operator` is 'In' or 'NotIn'");
	if (IS_ONE_OF(op, "Exists", "DoesNotExist") && count_of(values))
		fail_forbidden(c, AT(p, "values"), "may not be given when `operator` is 'Exists' or 'DoesNotExist'");
	if (!of_labels)
		return;
	check_format(c, AT(p, "key"), key, format_qualified_name);
	json_each(value, values)
		check_format(c, AT_INDEX(AT(p, "values"), i++), value->text, format_label_value);
}

// A selector is given as text or taken apart.
static void check_selector(struct check *c, const struct path *p, const struct json *selector, bool of_labels)
{
	const struct json *requirements = field(selector, "requirements");
	bool raw = text_of(selector, "rawSelector").n > 0;
	size_t i = 0;
	if (!selector)
		return;
	if (raw && count_of(requirements))
		fail_text(c, AT(p, "rawSelector"), text_of(selector, "rawSelector"), "not together with requirements");
	if (!raw && !count_of(requirements))
		fail_required(c, AT(p, "requirements"), "these or rawSelector say what is selected");
	json_each(requirement, requirements)
		check_requirement(c, AT_INDEX(AT(p, "requirements"), i++), requirement, of_labels);
}

static void check_selectors(struct check *c, const struct json *spec)
{
	const struct path *p = AT(SPEC, "resourceAttributes");
	const struct json *resource = field(spec, "resourceAttributes");
	check_selector(c, AT(p, "fieldSelector"), field(resource, "fieldSelector"), false);
	check_selector(c, AT(p, "labelSelector"), field(resource, "labelSelector"), true);
}

static void check_attributes(struct check *c, const struct json *spec)
{
	bool resource = field(spec, "resourceAttributes"), other = field(spec, "nonResourceAttributes");
	if (resource && other)
		fail_invalid(c, AT(SPEC, "nonResourceAttributes"), field(spec, "nonResourceAttributes"),
			     "can't be given together with resourceAttributes");
	if (!resource && !other)
		fail_invalid(c, AT(SPEC, "resourceAttributes"), NULL,
			     "one of nonResourceAttributes and resourceAttributes must be given");
	check_selectors(c, spec);
}

static void check_subject(struct check *c, const struct json *spec)
{
	if (!text_of(spec, "user").n && !is_set(spec, "groups"))
		fail_text(c, AT(SPEC, "user"), STR(""), "a user or a group must be given");
}

// A question has no name and no labels; only the local kind has a namespace.
static void check_no_metadata(struct check *c, bool namespaced)
{
	const struct json *metadata = field(c->object, "metadata");
	json_each(value, metadata) {
		bool fine = (namespaced && str_is(value->key, "namespace")) || str_is(value->key, "managedFields");
		if (!fine && is_set(metadata, arena_c(c->arena, value->key))) {
			fail_invalid(c, AT(NULL, "metadata"), metadata, "must be empty");
			return;
		}
	}
}

void rules_subject_access_review_create(struct check *c)
{
	const struct json *spec = field(c->object, "spec");
	check_attributes(c, spec);
	check_subject(c, spec);
	check_no_metadata(c, false);
}

void rules_self_subject_access_review_create(struct check *c)
{
	check_attributes(c, field(c->object, "spec"));
	check_no_metadata(c, false);
}

void rules_local_subject_access_review_create(struct check *c)
{
	const struct json *spec = field(c->object, "spec"), *resource = field(spec, "resourceAttributes");
	check_attributes(c, spec);
	check_subject(c, spec);
	check_no_metadata(c, true);
	if (resource && !str_eq(text_of(resource, "namespace"), json_str(c->object, "metadata.namespace")))
		fail_text(c, AT(AT(SPEC, "resourceAttributes"), "namespace"), text_of(resource, "namespace"),
			  "must be that of the review");
	if (field(spec, "nonResourceAttributes"))
		fail_invalid(c, AT(SPEC, "nonResourceAttributes"), field(spec, "nonResourceAttributes"),
			     "a question in a namespace is about resources");
}
