// SPDX-License-Identifier: Apache-2.0
// What a pod's volumes should hold, worked out from its spec and the objects it refers to. Pure; volume/disk.h makes it
// so.
#ifndef NODE_VOLUME_GATHER_H
#define NODE_VOLUME_GATHER_H

#include "node/env/env.h"

enum volume_kind {
	VOLUME_EMPTY,  // a directory of the pod's own
	VOLUME_MEMORY, // the same on a tmpfs
	VOLUME_HOST,   // a path of the host
	VOLUME_IMAGE,  // the files of an image: the runtime mounts them with the container
	VOLUME_FILES,  // files of ours, replaced all at once when they change
};

struct volume_file {
	struct str path; // relative: "deep/k"; never with ".." (the server checked, and gather does again)
	struct str bytes;
	unsigned mode;
	int64_t uid; // owner; -1: root
};

struct volume {
	struct str name;
	enum volume_kind kind;
	bool in_memory;	 // secrets never touch the disk
	uint64_t size;	 // of a tmpfs, bytes; 0: the kernel's default
	struct str path; // VOLUME_HOST
	struct str type; // VOLUME_HOST: "Directory", "FileOrCreate"...
	struct volume_file *files;
	size_t file_count;
};

struct volume_set {
	struct volume *items;
	size_t count;
	int64_t fs_group; // -1: none
};

struct volume_token { // of a projected serviceAccountToken source
	struct str audience;
	int64_t seconds;
};

struct volume_context {
	const struct downward_context *downward;
	env_lookup *lookup; // whole objects here: {"data": ..., "binaryData": ...}
	void *lookup_arg;
	// The token for a source, or false where it was not fetched yet.
	bool (*token)(void *arg, const struct volume_token *t, struct str *value);
	void *token_arg;
};

// ERR_NOT_FOUND: something is missing that is not optional (may come yet); ERR_INVALID: a volume this node cannot make.
// On failure *which names the volume.
int volumes_gather(struct arena *a, const struct volume_context *x, struct volume_set *out, struct str *which,
		   struct err *e);
// Whether a volume of the pod's spec lives in memory.
bool volume_is_in_memory(const struct json *volume);
const struct volume *volume_find(const struct volume_set *set, struct str name);

// Calls for each ConfigMap and Secret that the pod refers to, in volumes and environments.
void volumes_each_object(const struct pod_spec *s, void (*each)(void *arg, bool secret, struct str name), void *arg);
// The same for one container's environment.
void volumes_each_object_of(const struct container_spec *c, void (*each)(void *arg, bool secret, struct str name),
			    void *arg);
// Calls for each token that the pod wants.
void volumes_each_token(const struct pod_spec *s, void (*each)(void *arg, const struct volume_token *t), void *arg);

#endif
