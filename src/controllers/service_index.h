// SPDX-License-Identifier: Apache-2.0
// Which Services select which pods: the selectors of all Services, parsed once a change, by namespace.
#ifndef CONTROLLERS_SERVICE_INDEX_H
#define CONTROLLERS_SERVICE_INDEX_H

#include "client/informer.h"

struct service_index;

struct service_index *service_index_create(struct informer *services);
void service_index_destroy(struct service_index *x); // before its informer
// Calls for each Service of the namespace whose selector fits the labels.
void service_index_each(const struct service_index *x, struct str namespace, const struct json *labels,
			void (*each)(void *arg, struct str service_key), void *arg);

#endif
