// SPDX-License-Identifier: Apache-2.0
#include "server/authenticate/service_account.h"

#include "server/authenticate/authenticate.h"
#include "server/authenticate/token_cache.h"
#include "server/verbs/verbs.h"
#include "server/worker.h"
#include "wire/jwt.h"

// A token of a pod outlives the mark of its deletion by this much, so that the pod can end in order.
#define ENDING_LEEWAY_NS (60 * TIME_S)

// ---- signing

static void put_ref(struct arena *a, struct json *claim, const char *key, struct str name, struct str uid)
{
	struct json *ref = json_put(claim, key, json_object(a));
	json_put_str(a, ref, "name", name);
	if (!str_empty(uid))
		json_put_str(a, ref, "uid", uid);
}

static struct json *private_claims(struct arena *a, const struct json *account, const struct token_binding *b)
{
	struct json *k = json_object(a);
	json_put_str(a, k, "namespace", json_str(account, "metadata.namespace"));
	if (str_is(b->kind, "Pod")) {
		if (!str_empty(b->node_name))
			put_ref(a, k, "node", b->node_name, b->node_uid);
		put_ref(a, k, "pod", b->name, b->uid);
	} else if (str_is(b->kind, "Secret")) {
		put_ref(a, k, "secret", b->name, b->uid);
	} else if (str_is(b->kind, "Node")) {
		put_ref(a, k, "node", b->name, b->uid);
	}
	put_ref(a, k, "serviceaccount", json_str(account, "metadata.name"), json_str(account, "metadata.uid"));
	return k;
}

int service_account_sign(struct call *c, const struct json *account, const struct json *audiences, int64_t seconds,
			 const struct token_binding *b, struct buf *token, int64_t *expires_ns, struct err *e)
{
	struct arena *a = c->arena;
	int64_t now = loop_wall(c->loop) / TIME_S;
	struct json *claims = json_object(a);
	json_put(claims, "aud", json_clone(a, audiences));
	json_put_int(a, claims, "exp", now + seconds);
	json_put_int(a, claims, "iat", now);
	json_put_str(a, claims, "iss", STR(SERVICE_ACCOUNT_ISSUER));
	json_put_str(a, claims, "jti", loop_uuid(c->loop, a));
	json_put(claims, "kubernetes.io", private_claims(a, account, b));
	json_put_int(a, claims, "nbf", now);
	json_put_str(a, claims, "sub",
		     arena_fmt(a, "system:serviceaccount:%.*s:%.*s", STR_FMT(json_str(account, "metadata.namespace")),
			       STR_FMT(json_str(account, "metadata.name"))));
	*expires_ns = (now + seconds) * TIME_S;
	return jwt_sign(authenticator_key(c->server->authenticator), claims, token, e);
}

// ---- verifying

static const struct json *checked_claims(struct call *c, struct str token, struct err *e)
{
	const struct json *known = token_cache_get(c->worker->tokens, token);
	if (known)
		return known;
	struct json *claims;
	if (jwt_verify(c->arena, authenticator_key(c->server->authenticator), token, &claims, e) < 0)
		return NULL;
	token_cache_put(c->worker->tokens, token, claims);
	return claims;
}

// Whether the object that a claim names lives, with that uid.
static bool lives(struct call *c, struct store_snapshot *s, const char *plural, struct str namespace,
		  const struct json *ref)
{
	const struct api_resource *r = api_resource_find(STR(""), STR("v1"), str_of(plural));
	struct str name = json_str(ref, "name"), uid = json_str(ref, "uid");
	struct store_item item;
	if (!r || !store_get(s, object_key(c->arena, r, namespace, name), &item))
		return false;
	struct json *object = object_parse(c->arena, item.value);
	int64_t ends = 0;
	struct str ending = json_str(object, "metadata.deletionTimestamp");
	if (!str_empty(ending) && time_parse(ending, &ends) == 0 && ends + ENDING_LEEWAY_NS < loop_wall(c->loop))
		return false;
	return str_empty(uid) || str_eq(json_str(object, "metadata.uid"), uid);
}

static bool bound_objects_live(struct call *c, const struct json *k)
{
	struct str namespace = json_str(k, "namespace");
	const struct json *account = json_get(k, STR("serviceaccount")), *pod = json_get(k, STR("pod"));
	const struct json *secret = json_get(k, STR("secret")), *node = json_get(k, STR("node"));
	struct store_snapshot *s = store_snapshot(c->server->store);
	bool all = lives(c, s, "serviceaccounts", namespace, account);
	if (all && pod)
		all = lives(c, s, "pods", namespace, pod);
	if (all && secret)
		all = lives(c, s, "secrets", namespace, secret);
	if (all && node && !pod)
		all = lives(c, s, "nodes", STR_NONE, node);
	store_snapshot_release(s);
	return all;
}

static struct json *common_audiences(struct arena *a, const struct json *wanted, const struct json *claimed)
{
	struct json *both = json_array(a);
	json_each(w, wanted)
		json_each(aud, claimed)
			if (w->type == JSON_STRING && aud->type == JSON_STRING && str_eq(w->text, aud->text))
				json_push(both, json_string(a, arena_str(a, w->text)));
	return both;
}

static void put_extra(struct arena *a, struct json *extra, const char *key, struct str value)
{
	if (!str_empty(value))
		json_push(json_put(extra, key, json_array(a)), json_string(a, arena_str(a, value)));
}

static struct user user_of(struct arena *a, const struct json *claims)
{
	const struct json *k = json_get(claims, STR("kubernetes.io"));
	struct str namespace = json_str(k, "namespace");
	struct str groups[] = {STR("system:serviceaccounts"),
			       arena_fmt(a, "system:serviceaccounts:%.*s", STR_FMT(namespace)),
			       STR("system:authenticated")};
	struct user u = user_make(a, json_str(claims, "sub"), json_str(k, "serviceaccount.uid"), groups,
				  ARRAY_LEN(groups));
	u.extra = json_object(a);
	put_extra(a, u.extra, "authentication.kubernetes.io/credential-id",
		  str_empty(json_str(claims, "jti")) ? STR_NONE
						     : arena_fmt(a, "JTI=%.*s", STR_FMT(json_str(claims, "jti"))));
	put_extra(a, u.extra, "authentication.kubernetes.io/node-name", json_str(k, "node.name"));
	put_extra(a, u.extra, "authentication.kubernetes.io/node-uid", json_str(k, "node.uid"));
	put_extra(a, u.extra, "authentication.kubernetes.io/pod-name", json_str(k, "pod.name"));
	put_extra(a, u.extra, "authentication.kubernetes.io/pod-uid", json_str(k, "pod.uid"));
	return u;
}

int service_account_verify(struct call *c, struct str token, const struct json *audiences, struct user *out,
			   struct json **accepted, struct err *e)
{
	const struct json *claims = checked_claims(c, token, e);
	if (!claims)
		return -1;
	if (!json_str_is(claims, "iss", SERVICE_ACCOUNT_ISSUER) || jwt_check_time(claims, loop_wall(c->loop), e) < 0)
		return err_set(e, ERR_UNAUTHORIZED, "the token is not ours or its time is over");
	*accepted = common_audiences(c->arena, audiences, json_get(claims, STR("aud")));
	if (!(*accepted)->count)
		return err_set(e, ERR_UNAUTHORIZED, "the token is not for these audiences");
	const struct json *k = json_get(claims, STR("kubernetes.io"));
	if (!k || !bound_objects_live(c, k))
		return err_set(e, ERR_UNAUTHORIZED, "what the token is bound to is gone");
	*out = user_of(c->arena, claims);
	return 0;
}
