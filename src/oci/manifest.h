// SPDX-License-Identifier: Apache-2.0
// What an image is made of, read from its JSON: indexes, manifests and configs of the OCI image specification 1.1 and
// of docker's image manifest version 2, schema 2; and the manifest.json of `docker save`.
// Everything points into the arena or the bytes given. Errors are ERR_BAD_REQUEST and name the field.
#ifndef OCI_MANIFEST_H
#define OCI_MANIFEST_H

#include "base/json.h"

enum { OCI_LAYERS_MAX = 200, OCI_MANIFESTS_MAX = 1000 }; // more layers than that Linux could hardly mount

struct oci_descriptor {
	struct str media_type;
	struct str digest; // well-formed
	int64_t size;	   // >= 0
	struct str os, architecture; // of an index's entry; empty: not said
	struct str image_name;	     // what annotations call it in full; empty: nothing
	struct str ref_name;	     // org.opencontainers.image.ref.name: a name or only a tag
};

struct oci_manifest {
	bool is_index;
	struct oci_descriptor config;
	struct oci_descriptor *layers; // lowest first
	size_t layer_count;
	struct oci_descriptor *manifests; // of an index
	size_t manifest_count;
};

struct oci_strings {
	struct str *items;
	size_t count;
};

struct oci_config {
	struct str architecture, os;
	int64_t created; // ns since 1970; 0: not said
	struct oci_strings diff_ids; // lowest first
	struct oci_strings entrypoint, command, env, volumes, labels;
	struct str user, working_dir, stop_signal;
};

struct oci_docker_entry { // of manifest.json
	struct str config;	  // file name in the archive
	struct oci_strings names; // RepoTags
	struct oci_strings layers; // file names
};

int oci_manifest_parse(struct arena *a, struct str bytes, struct oci_manifest *out, struct err *e);
int oci_config_parse(struct arena *a, struct str bytes, struct oci_config *out, struct err *e);
int oci_docker_parse(struct arena *a, struct str bytes, struct oci_docker_entry **out, size_t *count, struct err *e);
// Whether layers of this type can be unpacked (tar, plain or gzip or zstd; docker's and OCI's names).
bool oci_layer_type_known(struct str media_type);
// This machine's, as Go calls it: "amd64", "arm64".
struct str oci_architecture(void);

#endif
