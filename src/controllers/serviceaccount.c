// SPDX-License-Identifier: Apache-2.0
#include "controllers/serviceaccount.h"

#include "controllers/namespaced.h"

static struct json *make(struct arena *a, const struct json *known, const void *arg)
{
	struct json *account = json_object(a);
	json_put_str(a, account, "apiVersion", STR("v1"));
	json_put_str(a, account, "kind", STR("ServiceAccount"));
	return account;
}

void *serviceaccount_start(struct cluster *c)
{
	static const struct namespaced_object what = {"serviceaccounts", "default", make, NULL, NULL};
	return namespaced_start(c, &what);
}

void serviceaccount_stop(void *controller)
{
	namespaced_stop(controller);
}
