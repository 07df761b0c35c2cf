// SPDX-License-Identifier: Apache-2.0
// A pod's directory on the node, and its volumes made real: directories, tmpfs mounts, files, safe sub-paths. A kernel
// adapter: everything blocks and runs on pool threads; nothing is shared between calls but the disk.
//
//   DATA/pods/UID/NAME/			a volume (hostPath has none)
//   DATA/pods/UID/.etc/{hosts,resolv.conf,hostname}	the pod's own
//   DATA/pods/UID/.note				what the pods' half wants to find after a restart
//   DATA/pods/UID/.etc/words.CONTAINER.ATTEMPT	the file behind terminationMessagePath
//   RUN/files/UID/volumes/NAME/			a volume in memory, as RUN is: secrets never reach a disk
//   RUN/files/UID/subpaths/CONTAINER/N		what a subPath mount shows
//   DATA/logs/UID/CONTAINER.ATTEMPT.log
#ifndef NODE_VOLUME_DISK_H
#define NODE_VOLUME_DISK_H

#include "node/volume/gather.h"

// A table, so that imitated nodes need no disk.
struct pod_disk {
	const struct pod_disk_ops *ops;
	const char *data_dir, *run_dir;
};

struct pod_disk_mount {	      // one volumeMount of a container
	struct str volume;    // its name
	struct str host_path; // of a VOLUME_HOST, else empty
	struct str image;     // of a VOLUME_IMAGE its reference, else empty
	bool in_memory;	      // volume_is_in_memory of it
	struct str sub_path;  // empty: the whole volume
	bool read_only;
	struct str source; // out: what to mount; empty: an image
};

struct pod_disk_ops {
	// Makes the pod's directory and writes hosts, resolv.conf and hostname.
	int (*set_up_etc)(struct pod_disk *d, struct str uid, struct str hosts, struct str resolv, struct str hostname,
			  struct err *e);
	// A note about the pod for later agents; synced: survives the machine too. Empty: there is none.
	int (*write_note)(struct pod_disk *d, struct str uid, struct str text, bool synced, struct err *e);
	struct str (*read_note)(struct pod_disk *d, struct arena *a, struct str uid);
	// Makes all volumes; where they are there already, brings their files up to date. *which: the volume that
	// failed.
	int (*set_up_volumes)(struct pod_disk *d, struct str uid, const struct volume_set *v, struct str *which,
			      struct err *e);
	// Before a container is made: resolves its sub-paths and makes the file for its last words (path given back).
	int (*set_up_container)(struct pod_disk *d, struct arena *a, struct str uid, struct str container, int attempt,
				struct pod_disk_mount *mounts, size_t count, struct str *words, struct err *e);
	// The last words; at most 4096 bytes (from_log: the end of the log, at most 2048 bytes and 80 lines).
	struct str (*last_words)(struct pod_disk *d, struct arena *a, struct str uid, struct str container, int attempt,
				 bool from_log);
	// Takes all but the logs away. Idempotent.
	int (*tear_down)(struct pod_disk *d, struct str uid, struct err *e);
	// Of one life, with its last words; attempt -1: of the whole pod.
	void (*remove_logs)(struct pod_disk *d, struct str uid, struct str container, int attempt);
	// The content of a file in a volume, at most 64 KiB.
	int (*read_file)(struct pod_disk *d, struct arena *a, struct str uid, struct str volume, bool in_memory,
			 struct str path, struct str *text, struct err *e);
	size_t (*list)(struct pod_disk *d, struct arena *a, struct str **uids); // pods that have something here
};

void pod_disk_init(struct pod_disk *d, const char *data_dir, const char *run_dir); // the real one; kept by pointer
void pod_disk_init_none(struct pod_disk *d);					   // does nothing, always well

// Paths, for mounts and for whoever reads logs.
struct str pod_disk_etc(struct arena *a, const struct pod_disk *d, struct str uid, const char *file);
struct str pod_disk_log(struct arena *a, const struct pod_disk *d, struct str uid, struct str container, int attempt);

#endif
