// SPDX-License-Identifier: Apache-2.0
// Defaults that look at more than one field. The schema names each at its type (`type Volume defaults=volume`); it is
// called on objects of that type wherever they stand, after the plain defaults of the object and all below it.
// Calling one twice changes nothing more.
#ifndef API_DEFAULTS_H
#define API_DEFAULTS_H

#include "base/json.h"

void api_defaults_namespace(struct arena *a, struct json *namespace);
void api_defaults_node_status(struct arena *a, struct json *status);
void api_defaults_node_spec(struct arena *a, struct json *spec);
void api_defaults_pod(struct arena *a, struct json *pod);
void api_defaults_pod_spec(struct arena *a, struct json *spec);
void api_defaults_pod_status(struct arena *a, struct json *status);
void api_defaults_container(struct arena *a, struct json *container);
void api_defaults_volume(struct arena *a, struct json *volume);
void api_defaults_service(struct arena *a, struct json *service);
void api_defaults_deployment_strategy(struct arena *a, struct json *strategy);

// For images in containers and volumes: sets the field `key` of `object` where it is absent.
void api_defaults_pull_policy(struct arena *a, struct json *object, const char *key, struct str image);

#endif
