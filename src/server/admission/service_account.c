// SPDX-License-Identifier: Apache-2.0
// Every pod runs as a ServiceAccount of its namespace, which must exist, and unless it declines finds that account's
// token, the cluster's CA and its namespace's name mounted where clients look for them.
#include "server/admission/admission.h"
#include "server/verbs/verbs.h"

#define TOKEN_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
enum { TOKEN_SECONDS = 3607 };

static struct json *source(struct arena *a, struct json *sources, const char *kind)
{
	struct json *s = json_push(sources, json_object(a));
	return json_put(s, kind, json_object(a));
}

static struct json *items(struct arena *a, struct json *of)
{
	struct json *list = json_put(of, "items", json_array(a));
	return json_push(list, json_object(a));
}

static struct json *token_volume(struct arena *a, struct str name)
{
	struct json *volume = json_object(a);
	json_put_str(a, volume, "name", name);
	struct json *projected = json_put(volume, "projected", json_object(a));
	struct json *sources = json_put(projected, "sources", json_array(a));
	struct json *token = source(a, sources, "serviceAccountToken");
	json_put_int(a, token, "expirationSeconds", TOKEN_SECONDS);
	json_put_str(a, token, "path", STR("token"));
	struct json *ca = source(a, sources, "configMap");
	json_put_str(a, ca, "name", STR("kube-root-ca.crt"));
	struct json *ca_item = items(a, ca);
	json_put_str(a, ca_item, "key", STR("ca.crt"));
	json_put_str(a, ca_item, "path", STR("ca.crt"));
	struct json *item = items(a, source(a, sources, "downwardAPI"));
	json_put_str(a, item, "path", STR("namespace"));
	struct json *ref = json_put(item, "fieldRef", json_object(a));
	json_put_str(a, ref, "apiVersion", STR("v1"));
	json_put_str(a, ref, "fieldPath", STR("metadata.namespace"));
	json_put_int(a, projected, "defaultMode", 0644);
	return volume;
}

// Adds the mount to each container that has nothing at that place; returns whether any was added.
static bool mount_token(struct arena *a, struct json *containers, struct str volume)
{
	bool added = false;
	json_each(container, containers) {
		bool taken = false;
		json_each(m, json_get(container, STR("volumeMounts")))
			taken = taken || json_str_is(m, "mountPath", TOKEN_DIR);
		if (taken || container->type != JSON_OBJECT)
			continue;
		struct json *mount = json_push(json_need_array(a, container, "volumeMounts"), json_object(a));
		json_put_str(a, mount, "name", volume);
		json_put_bool(a, mount, "readOnly", true);
		json_put_str(a, mount, "mountPath", STR(TOKEN_DIR));
		added = true;
	}
	return added;
}

static void add_token(struct admission *a, struct json *spec)
{
	struct arena *arena = a->call->arena;
	struct str name = arena_fmt(arena, "kube-api-access-%.*s", STR_FMT(loop_random_name(a->call->loop, arena, 5)));
	bool used = mount_token(arena, json_get(spec, STR("initContainers")), name);
	used = mount_token(arena, json_get(spec, STR("containers")), name) || used;
	if (used)
		json_push(json_need_array(arena, spec, "volumes"), token_volume(arena, name));
}

static bool wants_token(const struct json *spec, const struct json *account)
{
	struct json *own = json_get(spec, STR("automountServiceAccountToken"));
	struct json *its = json_get(account, STR("automountServiceAccountToken"));
	struct json *said = own && own->type == JSON_BOOL ? own : its;
	return !said || said->type != JSON_BOOL || said->boolean;
}

static int refuse(struct admission *a, const char *why, struct err *e)
{
	return err_set(e, ERR_FORBIDDEN, "pods \"%.*s\" is forbidden: %s",
		       STR_FMT(json_str(a->object, "metadata.name")), why);
}

// A pod that a node runs by itself and only shows: it may not reach into the cluster's objects.
static int check_mirror(struct admission *a, const struct json *spec, struct err *e)
{
	if (!str_empty(json_str(spec, "serviceAccountName")))
		return refuse(a, "a mirror pod may not reference service accounts", e);
	return 0;
}

int admit_service_account(struct admission *a, struct err *e)
{
	struct json *spec = json_at(a->object, "spec");
	if (!str_is(a->resource->plural, "pods") || !str_empty(a->subresource) || a->operation != OPERATION_CREATE ||
	    !spec || spec->type != JSON_OBJECT)
		return 0;
	struct arena *arena = a->call->arena;
	if (json_get(json_at(a->object, "metadata.annotations"), STR("kubernetes.io/config.mirror")))
		return check_mirror(a, spec, e);
	struct str name = json_str(spec, "serviceAccountName");
	if (str_empty(name))
		name = json_str(spec, "serviceAccount");
	if (str_empty(name))
		name = STR("default");
	json_put_str(arena, spec, "serviceAccountName", name);
	json_put_str(arena, spec, "serviceAccount", name);
	const struct api_resource *accounts = api_resource_find(STR(""), STR("v1"), STR("serviceaccounts"));
	struct store_item item;
	if (!store_get(a->snapshot, object_key(arena, accounts, a->namespace, name), &item))
		return refuse(a,
			      arena_fmt(arena,
					"error looking up service account %.*s/%.*s: serviceaccount \"%.*s\" not found",
					STR_FMT(a->namespace), STR_FMT(name), STR_FMT(name))
				      .p,
			      e);
	struct json *account = object_parse(arena, item.value);
	if (wants_token(spec, account))
		add_token(a, spec);
	struct json *pull = json_get(account, STR("imagePullSecrets"));
	struct json *own = json_get(spec, STR("imagePullSecrets"));
	if (pull && pull->count && !(own && own->count))
		json_put(spec, "imagePullSecrets", json_clone(arena, pull));
	return 0;
}
