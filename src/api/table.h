// SPDX-License-Identifier: Apache-2.0
// What `kubectl get` prints: meta.k8s.io/v1 Table columns and the cells of one object.
#ifndef API_TABLE_H
#define API_TABLE_H

#include "api/schema.h"

// The columnDefinitions array.
struct json *api_table_columns(struct arena *a, const struct api_resource *r);
// The cells array of one object; ages are reckoned at now_ns.
struct json *api_table_cells(struct arena *a, const struct api_resource *r, const struct json *object, int64_t now_ns);

#endif
