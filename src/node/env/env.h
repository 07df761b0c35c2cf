// SPDX-License-Identifier: Apache-2.0
// The environment and the command line of a container: the image's, the services', the pod's own, in that order, later
// ones winning. Pure: what has to be fetched comes in through a lookup.
#ifndef NODE_ENV_ENV_H
#define NODE_ENV_ENV_H

#include "node/env/downward.h"
#include "node/images/images.h"

// The data of a ConfigMap or Secret: a JSON object, values as they stand in the API (a Secret's in base64), or NULL
// when there is none such.
typedef const struct json *env_lookup(void *arg, bool secret, struct str name);
// The text of a file in one of the pod's volumes.
typedef int env_read_file(void *arg, struct str volume, struct str path, struct str *text, struct err *e);

struct env_context {
	const struct downward_context *downward;
	const struct container_spec *container;
	const struct image *image;  // may be NULL
	const struct str *services; // "NAME=value"
	size_t service_count;
	env_lookup *lookup;
	env_read_file *read_file;
	void *lookup_arg; // of both
};

struct env {
	struct str *items; // "NAME=value", in the arena
	size_t count;
};

// ERR_NOT_FOUND: a ConfigMap, Secret or key is missing that is not optional; ERR_INVALID: a bad reference.
int env_build(struct arena *a, const struct env_context *x, struct env *out, struct err *e);
// The whole command line, expanded; the image's entrypoint and command where the pod gives none. ERR_INVALID: empty.
int env_command(struct arena *a, const struct container_spec *c, const struct image *image, const struct env *env,
		struct str **args, size_t *count, struct err *e);
// expand() over "NAME=value" items: for subPathExpr and hooks.
struct str env_expand(struct arena *a, const struct env *env, struct str text);

#endif
