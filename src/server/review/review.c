// SPDX-License-Identifier: Apache-2.0
#include "server/review/review.h"

#include "server/authenticate/authenticate.h"
#include "server/authorize/authorize.h"
#include "server/respond.h"
#include "server/subresource/subresource.h"
#include "server/verbs/verbs.h"

static struct json *status_of(struct call *c, struct json *review)
{
	return json_put(review, "status", json_object(c->arena));
}

// ---- access

static struct access asked_access(const struct json *spec, const struct user *u)
{
	const struct json *r = json_get(spec, STR("resourceAttributes")),
			  *p = json_get(spec, STR("nonResourceAttributes"));
	if (r)
		return (struct access){.user = u,
				       .is_resource = true,
				       .verb = json_str(r, "verb"),
				       .namespace = json_str(r, "namespace"),
				       .group = json_str(r, "group"),
				       .version = json_str(r, "version"),
				       .resource = json_str(r, "resource"),
				       .subresource = json_str(r, "subresource"),
				       .name = json_str(r, "name")};
	return (struct access){.user = u, .verb = json_str(p, "verb"), .path = json_str(p, "path")};
}

static struct user asked_user(struct arena *a, const struct json *spec)
{
	struct user u = {
		.name = json_str(spec, "user"), .uid = json_str(spec, "uid"), .extra = json_get(spec, STR("extra"))};
	const struct json *groups = json_get(spec, STR("groups"));
	struct str *list = ARENA_ARRAY(a, struct str, (groups ? groups->count : 0) + 1);
	json_each(g, groups)
		list[u.group_count++] = g->text;
	u.groups = list;
	return u;
}

static int answer_access(struct call *c, struct json *review, const struct user *u)
{
	struct access a = asked_access(json_get(review, STR("spec")), u);
	json_put_bool(c->arena, status_of(c, review), "allowed", access_allowed(c->server, &a));
	return 0;
}

static int self_access(struct call *c, struct json *review, struct err *e)
{
	return answer_access(c, review, &c->user);
}

static int subject_access(struct call *c, struct json *review, struct err *e)
{
	struct user u = asked_user(c->arena, json_get(review, STR("spec")));
	return answer_access(c, review, &u);
}

static int local_access(struct call *c, struct json *review, struct err *e)
{
	struct str in = json_str(review, "spec.resourceAttributes.namespace");
	if (!str_eq(in, c->route.namespace)) {
		err_cause(e, STR("spec.resourceAttributes.namespace"), "FieldValueInvalid",
			  "Invalid value: \"%.*s\": must match metadata.namespace", STR_FMT(in));
		return -1;
	}
	return subject_access(c, review, e);
}

static int self_rules(struct call *c, struct json *review, struct err *e)
{
	if (str_empty(json_str(review, "spec.namespace")))
		return err_set(e, ERR_BAD_REQUEST, "no namespace on request");
	json_put(review, "metadata", json_object(c->arena)); // the question is not repeated
	json_put(review, "spec", json_object(c->arena));
	struct json *status = status_of(c, review);
	struct json *resources = json_put(status, "resourceRules", json_array(c->arena));
	struct json *paths = json_put(status, "nonResourceRules", json_array(c->arena));
	access_rules(c->arena, &c->user, resources, paths);
	json_put_bool(c->arena, status, "incomplete", false);
	return 0;
}

// ---- identity

static int self(struct call *c, struct json *review, struct err *e)
{
	struct json *metadata = json_put(review, "metadata", json_object(c->arena));
	json_put_str(c->arena, metadata, "creationTimestamp", time_format(c->arena, loop_wall(c->loop)));
	json_put(status_of(c, review), "userInfo", user_info(c->arena, &c->user));
	return 0;
}

static int token(struct call *c, struct json *review, struct err *e)
{
	struct json *status = status_of(c, review), *accepted;
	const struct json *spec = json_get(review, STR("spec")), *audiences = json_get(spec, STR("audiences"));
	struct err why CLEAN_ERR = ERR_EMPTY;
	struct user u;
	if (str_empty(json_str(spec, "token")))
		return err_set(e, ERR_BAD_REQUEST, "token is required for TokenReview in authentication");
	if (authenticate_token(c, json_str(spec, "token"), audiences, &u, &accepted, &why) < 0) {
		json_put(status, "user", json_object(c->arena));
		json_put_str(c->arena, status, "error", STR("invalid bearer token"));
		return 0;
	}
	json_put_bool(c->arena, status, "authenticated", true);
	json_put(status, "user", user_info(c->arena, &u));
	json_put(status, "audiences", accepted);
	return 0;
}

// ---- the verb

static const struct {
	const char *plural;
	int (*answer)(struct call *c, struct json *review, struct err *e);
} kinds[] = {
	{"selfsubjectaccessreviews", self_access},
	{"subjectaccessreviews", subject_access},
	{"localsubjectaccessreviews", local_access},
	{"selfsubjectrulesreviews", self_rules},
	{"selfsubjectreviews", self},
	{"tokenreviews", token},
};

static int read_review(struct call *c, struct json **out, struct err *e)
{
	const struct api_resource *r = c->route.resource;
	struct api_context context = api_context_of(c);
	struct write_options options;
	if (write_options_of(&c->query, &options, e) < 0 || decode_body(c, r->type, r, options.strictness, out, e) < 0)
		return -1;
	struct str namespace = json_str(*out, "metadata.namespace");
	if (r->namespaced && !str_empty(namespace) && !str_eq(namespace, c->route.namespace))
		return err_set(e, ERR_BAD_REQUEST,
			       "the namespace of the provided object does not match the namespace sent on the request");
	struct json *metadata = json_need_object(c->arena, *out, "metadata");
	if (r->namespaced)
		json_put_str(c->arena, metadata, "namespace", c->route.namespace);
	else
		json_remove(metadata, STR("namespace"));
	api_default(c->arena, r, *out);
	return api_validate_create(&context, r, *out, e);
}

// A review has no name and is of no kind, as details tell it.
static void respond_refusal(struct call *c, struct err *e)
{
	struct status_details d = {.present = e->reason == ERR_INVALID, .group = c->route.resource->group};
	respond_error(c, e, &d);
}

void review_create(struct call *c)
{
	const struct api_resource *r = c->route.resource;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *review = NULL;
	if (str_is(r->plural, "bindings")) {
		binding_create(c);
		return;
	}
	int ok = read_review(c, &review, &e);
	for (size_t i = 0; ok == 0 && i < ARRAY_LEN(kinds); i++)
		if (str_is(r->plural, kinds[i].plural))
			ok = kinds[i].answer(c, review, &e);
	if (ok < 0) {
		respond_refusal(c, &e);
		return;
	}
	struct buf out CLEAN_BUF;
	buf_init(&out);
	api_encode(&out, r, review, NULL);
	respond_buf(c, 201, &out);
}
