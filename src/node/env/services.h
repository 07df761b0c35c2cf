// SPDX-License-Identifier: Apache-2.0
// Services as environment variables (REDIS_SERVICE_HOST, REDIS_PORT_6379_TCP_ADDR...), and a cache of the Services
// there are.
#ifndef NODE_ENV_SERVICES_H
#define NODE_ENV_SERVICES_H

#include "client/informer.h"

// The variables of one Service, appended to `out` one string each ("NAME=value", arena's memory).
void services_env_of(struct arena *a, const struct json *service, struct str *out, size_t *count, size_t room);
// Those of namespace's Services (with `links`) and always those of default/kubernetes.
void services_env(struct arena *a, const struct informer *services, struct str namespace, bool links, struct str **out,
		  size_t *count);

#endif
