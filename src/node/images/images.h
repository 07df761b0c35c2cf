// SPDX-License-Identifier: Apache-2.0
// The images on this node, under DATA: blobs by digest, layers unpacked once for each chain of layers, an index of names.
//
//   DATA/images/index.json		names and what they stand for (atomic replacement; DATA/images/lock is held meanwhile)
//   DATA/images/blobs/sha256/HEX	manifests and configs (layers are kept only unpacked)
//   DATA/layers/HEX/diff		one layer on top of its chain, with overlayfs whiteouts; HEX is the chain ID
//   DATA/containers/ID/		rootfs, images/NUMBER (mount points), upper, work: the room of one container
//
// Every function is synchronous, works without a running agent and beside one (they share the lock and see each
// other's changes), and may be called from any thread; imports and mounts belong on a pool thread. What a killed
// import leaves is swept by the next images_open. Nothing is visible before it is whole and on disk.
#ifndef NODE_IMAGES_H
#define NODE_IMAGES_H

#include "base/arena.h"
#include "base/err.h"

struct images;

struct image_strings {
	struct str *items;
	size_t count;
};

struct image {			       // in the caller's arena
	struct str id;		       // digest of the config: "sha256:..."; what Kubernetes calls the image's ID
	struct str digest;	       // digest of the manifest
	struct image_strings names;    // full, sorted: "docker.io/library/busybox:latest"
	struct image_strings digests;  // repository@digest: "docker.io/library/busybox@sha256:..."
	struct image_strings layers;   // chain IDs (hex), lowest first
	uint64_t size;		       // bytes of the unpacked layers
	int64_t created;	       // ns since 1970; 0: not said
	struct str architecture, os;
	// How to run it.
	struct image_strings entrypoint, command, env;
	struct str user, working_dir, stop_signal;
	struct image_strings volumes;
	struct image_strings labels; // "key=value"
};

struct images_limits { // 0: the default
	uint64_t layer_bytes;	// unpacked, each layer; 32 GiB
	uint64_t layer_entries; // 2,000,000
	uint64_t ratio;		// unpacked / packed, once past 64 MiB unpacked; 1,000
	uint64_t manifest_bytes; // 4 MiB
};

// Makes the directories where they are absent and sweeps what killed imports left.
int images_open(const char *data_dir, struct images **out, struct err *e);
void images_close(struct images *s);
void images_set_limits(struct images *s, const struct images_limits *l);

struct images_import {
	struct str name; // call the image this instead of what the archive says; empty: as the archive says
	// Called now and then with the bytes of layers read so far and in all; NULL: nobody asks.
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

// Takes in an OCI layout or a docker archive, a directory or a tar, plain, gzip or zstd. Verifies the digest of every
// manifest, config and layer, and every diffID. Of several platforms, takes this machine's. On failure nothing changes.
// The images taken in are given in *out (arena's).
int images_import(struct images *s, struct arena *a, const char *path, const struct images_import *how,
		  struct image **out, size_t *count, struct err *e);

// By name as Kubernetes users write it ("busybox", "busybox:1", "r.example/x@sha256:..."), by "sha256:..." ID, or by an
// unambiguous start (>= 6 digits) of the ID's hex. ERR_NOT_FOUND when absent, ERR_BAD_REQUEST for an ill-formed name.
int images_find(struct images *s, struct arena *a, struct str name, struct image *out, struct err *e);
// By first name; a damaged one is left out, and the log says why.
int images_list(struct images *s, struct arena *a, struct image **out, size_t *count, struct err *e);
// Takes the name away; with the last name (or given an ID) the image, and the layers no other image needs, but those
// of an image in use by a container: that is refused with ERR_CONFLICT.
int images_remove(struct images *s, struct str name, struct err *e);
// A further name for an image.
int images_tag(struct images *s, struct str name, struct str new_name, struct err *e);

// ---- root file systems of containers

// Mounts the image's layers with a fresh writable layer at DATA/containers/ID/rootfs and gives that path. The image is
// in use until rootfs_remove. An ID is used once.
int rootfs_mount(struct images *s, struct arena *a, struct str id, const struct image *image, struct str *path,
		 struct err *e);
// Mounts the files of an image, found by its name, read-only at DATA/containers/ID/images/NUMBER, for a container whose
// root is mounted; numbers count from 0. That image is in use, too.
int rootfs_mount_image(struct images *s, struct arena *a, struct str id, unsigned number, struct str name,
		       struct str *path, struct err *e);
// Unmounts and deletes DATA/containers/ID. Idempotent.
int rootfs_remove(struct images *s, struct str id, struct err *e);

#endif
