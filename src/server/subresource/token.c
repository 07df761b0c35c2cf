// SPDX-License-Identifier: Apache-2.0
// authentication.k8s.io/v1 TokenRequest: a new token of a ServiceAccount, bound to an object where that is asked for.
#include "server/authenticate/authenticate.h"
#include "server/authenticate/service_account.h"
#include "server/authorize/node.h"
#include "server/respond.h"
#include "server/subresource/subresource.h"
#include "server/verbs/verbs.h"

enum { DEFAULT_S = 3600 };

static struct json *audiences_of(struct call *c, const struct json *spec)
{
	struct json *asked = json_get(spec, STR("audiences"));
	if (asked && asked->count)
		return asked;
	struct json *own = json_array(c->arena);
	json_push(own, json_string(c->arena, STR(SERVICE_ACCOUNT_ISSUER)));
	return own;
}

static int seconds_of(const struct json *spec, int64_t *out, struct err *e)
{
	*out = json_i64(spec, "expirationSeconds", DEFAULT_S);
	if (*out < TOKEN_MIN_S)
		err_cause(e, STR("spec.expirationSeconds"), "FieldValueInvalid",
			  "Invalid value: %lld: may not specify a duration less than 10 minutes", (long long)*out);
	if (*out > (INT64_C(1) << 32))
		err_cause(e, STR("spec.expirationSeconds"), "FieldValueInvalid",
			  "Invalid value: %lld: may not specify a duration larger than 2^32 seconds", (long long)*out);
	if (*out > TOKEN_MAX_S)
		*out = TOKEN_MAX_S;
	return e->reason ? -1 : 0;
}

// A token of a pod also says where it runs.
static void add_node(struct call *c, struct store_snapshot *s, const struct json *pod, struct token_binding *b)
{
	const struct api_resource *nodes = api_resource_find(STR(""), STR("v1"), STR("nodes"));
	struct store_item item;
	b->node_name = arena_str(c->arena, json_str(pod, "spec.nodeName"));
	if (str_empty(b->node_name) || !store_get(s, object_key(c->arena, nodes, STR_NONE, b->node_name), &item))
		return;
	struct json *node = object_parse(c->arena, item.value);
	b->node_uid = arena_str(c->arena, json_str(node, "metadata.uid"));
}

// The object that the token is to die with: it must exist, and a pod must use the account.
static int bind(struct call *c, struct store_snapshot *s, const struct json *ref, struct token_binding *b,
		struct err *e)
{
	static const struct {
		const char *kind, *plural;
		bool namespaced;
	} kinds[] = {{"Pod", "pods", true}, {"Secret", "secrets", true}, {"Node", "nodes", false}};
	struct store_item item;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!json_str_is(ref, "kind", kinds[i].kind))
			continue;
		const struct api_resource *r = api_resource_find(STR(""), STR("v1"), str_of(kinds[i].plural));
		struct str name = json_str(ref, "name"), uid = json_str(ref, "uid");
		if (!store_get(s, object_key(c->arena, r, c->route.namespace, name), &item))
			return status_not_found(e, r, name);
		struct json *object = object_parse(c->arena, item.value);
		if (!str_empty(uid) && !str_eq(uid, json_str(object, "metadata.uid")))
			return status_conflict(
				e, r, name, "the UID in the bound object reference does not match the UID in record");
		if (i == 0 && !str_eq(json_str(object, "spec.serviceAccountName"), c->route.name))
			return err_set(e, ERR_BAD_REQUEST,
				       "cannot bind token for serviceaccount \"%.*s\" to pod running with different "
				       "serviceaccount name.",
				       STR_FMT(c->route.name));
		*b = (struct token_binding){.kind = str_of(kinds[i].kind),
					    .name = arena_str(c->arena, name),
					    .uid = arena_str(c->arena, json_str(object, "metadata.uid"))};
		if (i == 0)
			add_node(c, s, object, b);
		return 0;
	}
	return err_set(e, ERR_BAD_REQUEST, "cannot bind token to an object of this kind");
}

// Authorization cannot see the body: that the token is bound to one of the node's pods.
static int check_asker(struct call *c, const struct token_binding *b, struct err *e)
{
	struct str node;
	if (!node_of_user(&c->user, &node) || (str_is(b->kind, "Pod") && str_eq(b->node_name, node)))
		return 0;
	return err_set(e, ERR_FORBIDDEN, "a node may only ask for tokens that are bound to a pod of its own");
}

// The body may repeat whose token it asks for.
static int check_name(struct call *c, const struct json *body, struct err *e)
{
	struct str name = json_str(body, "metadata.name"), namespace = json_str(body, "metadata.namespace");
	if (!str_empty(namespace) && !str_eq(namespace, c->route.namespace))
		return err_set(e, ERR_BAD_REQUEST,
			       "the namespace of the provided object does not match the namespace sent on the request");
	if (str_empty(name) || str_eq(name, c->route.name))
		return 0;
	err_cause(e, STR("metadata.name"), "FieldValueInvalid",
		  "Invalid value: \"%.*s\": must be the name of the service account", STR_FMT(name));
	return -1;
}

static int make_token(struct call *c, struct json *body, struct store_snapshot *s, struct err *e)
{
	struct json *spec = json_need_object(c->arena, body, "spec");
	struct token_binding b = {0};
	struct store_item item;
	int64_t seconds, expires;
	if (check_name(c, body, e) < 0)
		return -1;
	if (!store_get(s, object_key(c->arena, c->route.resource, c->route.namespace, c->route.name), &item))
		return status_not_found(e, c->route.resource, c->route.name);
	const struct json *ref = json_get(spec, STR("boundObjectRef"));
	if (seconds_of(spec, &seconds, e) < 0 || (ref && ref->type == JSON_OBJECT && bind(c, s, ref, &b, e) < 0) ||
	    check_asker(c, &b, e) < 0)
		return -1;
	struct json *account = object_parse(c->arena, item.value), *audiences = audiences_of(c, spec);
	struct buf token CLEAN_BUF;
	buf_init(&token);
	if (service_account_sign(c, account, audiences, seconds, &b, &token, &expires, e) < 0)
		return -1;
	struct json *metadata = json_need_object(c->arena, body, "metadata");
	json_put_str(c->arena, metadata, "name", c->route.name);
	json_put_str(c->arena, metadata, "namespace", c->route.namespace);
	json_put_str(c->arena, metadata, "creationTimestamp", time_format(c->arena, loop_wall(c->loop)));
	json_put(spec, "audiences", json_clone(c->arena, audiences));
	json_put_int(c->arena, spec, "expirationSeconds", seconds);
	struct json *status = json_put(body, "status", json_object(c->arena));
	json_put_str(c->arena, status, "token", arena_str(c->arena, buf_str(&token)));
	json_put_str(c->arena, status, "expirationTimestamp", time_format(c->arena, expires));
	return 0;
}

void token_create(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *body;
	struct write_options options;
	struct status_details d = {.present = true, .group = STR("authentication.k8s.io"), .kind = STR("TokenRequest")};
	if (write_options_of(&c->query, &options, &e) < 0 ||
	    decode_body(c, c->route.sub->type, NULL, options.strictness, &body, &e) < 0) {
		respond_error(c, &e, NULL);
		return;
	}
	struct store_snapshot *s = store_snapshot(c->server->store);
	int ok = make_token(c, body, s, &e);
	store_snapshot_release(s);
	if (ok < 0 && e.reason == ERR_INVALID) {
		respond_error(c, &e, &d);
	} else if (ok < 0) {
		respond_failure(c, &e, c->route.name);
	} else {
		json_put_str(c->arena, body, "kind", STR("TokenRequest"));
		json_put_str(c->arena, body, "apiVersion", STR("authentication.k8s.io/v1"));
		respond_json(c, 201, body);
	}
}
