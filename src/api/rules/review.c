// SPDX-License-Identifier: Apache-2.0
// The questions about access: SubjectAccessReview and its kin.
#include "api/rules/rules.h"

#define SPEC AT(NULL, "spec")

static void check_attributes(struct check *c, const struct json *spec)
{
	bool resource = field(spec, "resourceAttributes"), other = field(spec, "nonResourceAttributes");
	if (resource && other)
		fail_invalid(c, AT(SPEC, "nonResourceAttributes"), field(spec, "nonResourceAttributes"),
			     "can't be given together with resourceAttributes");
	if (!resource && !other)
		fail_invalid(c, AT(SPEC, "resourceAttributes"), NULL,
			     "one of nonResourceAttributes and resourceAttributes must be given");
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
