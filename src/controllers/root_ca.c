// SPDX-License-Identifier: Apache-2.0
#include "controllers/root_ca.h"

#include "controllers/namespaced.h"

struct root_ca {
	struct namespaced_object what;
	struct namespaced *namespaced;
	const struct cluster *cluster;
};

static struct json *make(struct arena *a, const struct json *known, const void *arg)
{
	const struct root_ca *c = arg;
	struct json *map = json_object(a);
	json_put_str(a, map, "apiVersion", STR("v1"));
	json_put_str(a, map, "kind", STR("ConfigMap"));
	json_put_str(a, json_need_object(a, map, "metadata.annotations"), "kubernetes.io/description",
		     STR("The certificate of the authority that signed the server's, for clients inside the cluster."));
	struct json *data = json_need_object(a, map, "data");
	json_each(other, json_get(known, STR("data")))
		json_set(data, other->key, json_null(a));
	json_put_str(a, data, "ca.crt", c->cluster->root_ca);
	return map;
}

static bool will_do(const struct json *map, const void *arg)
{
	const struct root_ca *c = arg;
	const struct json *data = json_get(map, STR("data")), *certificate = json_get(data, STR("ca.crt"));
	return data && data->count == 1 && certificate && certificate->type == JSON_STRING &&
	       str_eq(certificate->text, c->cluster->root_ca);
}

void *root_ca_start(struct cluster *cluster)
{
	struct root_ca *c = MEM_NEW(struct root_ca);
	c->cluster = cluster;
	c->what = (struct namespaced_object){"configmaps", "kube-root-ca.crt", make, will_do, c};
	if (!str_empty(cluster->root_ca))
		c->namespaced = namespaced_start(cluster, &c->what);
	return c;
}

void root_ca_stop(void *controller)
{
	struct root_ca *c = controller;
	namespaced_stop(c->namespaced);
	free(c);
}
