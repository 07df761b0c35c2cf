// SPDX-License-Identifier: Apache-2.0
// What an archive of images holds, read and verified but for the layers' bytes: the first half of an import.
#ifndef NODE_IMPORT_PLAN_H
#define NODE_IMPORT_PLAN_H

#include "base/arena.h"
#include "base/err.h"
#include "node/images/images.h"

struct plan_layer {
	const char *path;    // in the archive's directory
	struct str digest;   // of the bytes as they lie there; empty: not said (docker archives)
	int64_t size;	     // likewise; -1: not said
	struct str diff_id;  // of the tar inside
	struct str chain_id; // of it and all layers below
};

struct plan_image {
	struct str id, config;	       // digest of the config, and its bytes
	struct str digest, manifest;   // the same of the manifest
	struct str target;	       // what the archive calls by a name: of an index, else the same as `digest`
	struct image_strings names;    // full, tagged
	struct image_strings digests;  // full, pinned
	struct plan_layer *layers; // lowest first
	size_t layer_count;
};

// `dir`: an open directory, an OCI layout or an unpacked docker archive. name: replaces the archive's; or empty. An image
// that the archive lists several times is one.
int import_plan(struct arena *a, int dir, struct str name, size_t manifest_max, struct plan_image **out, size_t *count,
		struct err *e);

#endif
