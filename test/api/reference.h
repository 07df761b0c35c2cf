// SPDX-License-Identifier: Apache-2.0
// The recorded Kubernetes, for tests; it lies beside the repository and may be absent: then tests are skipped.
#ifndef TEST_API_REFERENCE_H
#define TEST_API_REFERENCE_H

#include "api/object.h"

#define REFERENCE SOURCE_ROOT "/../shared/reference/kubernetes-1.36/"

// The whole file below REFERENCE; skips the running test where it cannot be read.
struct str reference_file(struct arena *a, const char *name);
// Names in a folder below REFERENCE that end with `suffix`, sorted, as a JSON array of strings.
struct json *reference_names(struct arena *a, const char *folder, const char *suffix);
struct json *parse_or_stop(struct arena *a, struct str text);
// The resource of apiVersion and kind; NULL where we have none.
const struct api_resource *resource_of(const struct json *object);

#endif
