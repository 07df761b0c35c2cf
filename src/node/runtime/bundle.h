// SPDX-License-Identifier: Apache-2.0
// The OCI runtime configuration of one container (config.json, version 1.0), as crun reads it.
#ifndef NODE_BUNDLE_H
#define NODE_BUNDLE_H

#include "base/json.h"
#include "node/runtime/identity.h"
#include "node/runtime/runtime.h"

struct bundle_pod { // what the container shares with its pod; empty: the host's
	struct str net_ns, ipc_ns, uts_ns, pid_ns; // paths of namespaces
	bool host_pid;				   // else a process namespace of its own, unless pid_ns
	struct str shm;				   // directory to be seen as /dev/shm
};

struct bundle_host {	  // what this machine and agent allow
	bool cgroup_v2;
	uint64_t capabilities; // that we may hand on
	int oom_score_least;   // values below it cannot be set
	struct str cgroup;     // of the container: "/onggi/pod<uid>/<id>"
	struct str seccomp;    // the RuntimeDefault filter, base64; empty: none asked for
};

// `cwd` and `who` as checked against the root file system.
struct json *bundle_config(struct arena *a, const struct runtime_container_spec *spec, const struct bundle_pod *pod,
			   const struct bundle_host *host, const struct identity *who, uint64_t capabilities);
// Refuses root file systems that would lead crun astray: /dev, /proc, /sys and the nodes made in them may not be
// symlinks. ERR_INVALID.
int bundle_check_root(int root, struct err *e);
// Where on the host the directory lies that the image declares as a volume: below root_path, which is `root`; made where
// it is absent. Empty: it is of no use, being the root itself, in /proc, /sys or /dev, or a link to nowhere.
struct str bundle_find_volume(struct arena *a, int root, const char *root_path, struct str volume);
// Where on the host the file or directory lies to which a path leads inside root_path, which is `root`; the path may be
// relative, or empty for all of it. Empty: there is none.
struct str bundle_find_inside(struct arena *a, int root, const char *root_path, struct str path);
// Makes the working directory where it is absent. Refuses one that leads into /proc or /sys (the way out by
// /proc/self/fd), or that is not absolute. ERR_INVALID.
int bundle_prepare_cwd(int root, struct str cwd, const struct identity *who, struct err *e);

#endif
