// SPDX-License-Identifier: Apache-2.0
// Control groups: where the kernel counts and limits what pods use. Version 1 (one tree a controller, also on hosts
// that mount an empty version 2 beside: "hybrid") and version 2 (one tree) behind one set of functions.
//
// Layout: ROOT/onggi/pod<UID>/<container id>; ROOT/onggi/monitors holds the processes that hold containers.
// All functions are synchronous and quick (a few small file writes); callable from any thread.
#ifndef NODE_CGROUP_H
#define NODE_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

// Gives the agent a mount namespace of its own where the host's cgroups are hybrid, with the version 2 part unmounted
// (crun refuses it), and pins it at RUN_DIR/mnt so that an agent that comes later enters the same one and finds its
// mounts. Where the host is pure version 1 or 2 it does not. Makes RUN_DIR a tmpfs where it is on none. Call at start, as
// root, while single-threaded. run_dir NULL: a namespace only, not pinned, for a short life.
int node_isolate(const char *run_dir, struct err *e);
// Lets go of the pinned namespace. Idempotent; call it in the namespace that node_isolate was called in.
void node_unisolate(const char *run_dir);

#define CGROUP_MONITORS "monitors"

enum { CGROUP_CONTROLLERS_MAX = 24 };

struct cgroups {
	char root[256];	 // "/sys/fs/cgroup", or a directory of a test
	char parent[64]; // "/onggi"
	bool v2;
	// The trees, as directories below root: each controller of version 1; of version 2 the one, "".
	char trees[CGROUP_CONTROLLERS_MAX][32];
	size_t tree_count;
};

struct cgroup_limits { // 0: no limit
	uint64_t cpu_shares;	    // 2..262144, as version 1 counts them (1024 = one cpu); translated for version 2
	int64_t cpu_quota_us;	    // per period
	uint64_t cpu_period_us;	    // 0: 100000
	uint64_t memory_bytes;
	int64_t pids;
	bool die_together; // where memory runs out, all processes are killed, not one of them (version 2 only)
};

enum cgroup_part { CGROUP_SHARES = 1, CGROUP_QUOTA = 2, CGROUP_MEMORY = 4 };

struct cgroup_stats {
	uint64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	uint64_t memory_bytes;	       // usage, page cache included
	uint64_t memory_working_set;   // usage less inactive file pages, as Kubernetes defines it
	uint64_t memory_rss, memory_cache, memory_swap, memory_mapped_file;
	uint64_t memory_faults, memory_major_faults, memory_failures;
	uint64_t memory_limit; // 0: none
	uint64_t pids;
	uint64_t io_read_bytes, io_write_bytes, io_reads, io_writes;
};

// Finds the version and makes ROOT/PARENT with the controllers pods need and a share of all processors. root NULL:
// "/sys/fs/cgroup". parent: "/onggi"; agents of several data dirs on one host use different ones.
int cgroups_init(struct cgroups *c, const char *root, const char *parent, struct err *e);
// Removes PARENT and all below it that holds no process any more.
void cgroups_drop(struct cgroups *c);

// `path` is relative to PARENT: "pod<uid>" or "pod<uid>/<container id>".
int cgroup_make(const struct cgroups *c, const char *path, const struct cgroup_limits *l, struct err *e);
int cgroup_set(const struct cgroups *c, const char *path, const struct cgroup_limits *l, struct err *e);
// Of a group in use: exactly these parts (cgroup_part, or'ed) become what `l` says, also "no limit". Memory that is
// in use is not taken away by killing: version 1 refuses, for version 2 the caller looks at cgroup_memory before.
int cgroup_change(const struct cgroups *c, const char *path, const struct cgroup_limits *l, unsigned parts,
		  struct err *e);
// Shares, quota and memory as they are; shares are not told apart by version 2, so they are 0 there. False: no group.
bool cgroup_read_limits(const struct cgroups *c, const char *path, struct cgroup_limits *out);
uint64_t cgroup_memory(const struct cgroups *c, const char *path); // bytes in use, page cache included
int cgroup_enter(const struct cgroups *c, const char *path, pid_t pid, struct err *e); // moves a process
// Kills every process in the group and the groups below. Returns how many were signalled.
int cgroup_kill(const struct cgroups *c, const char *path);
// Removes the group and the groups below; -1 while processes remain (they are not killed). Idempotent.
int cgroup_remove(const struct cgroups *c, const char *path, struct err *e);
bool cgroup_exists(const struct cgroups *c, const char *path);
bool cgroup_is_empty(const struct cgroups *c, const char *path); // no process, also none below
int cgroup_read_stats(const struct cgroups *c, const char *path, struct cgroup_stats *out, struct err *e);
uint64_t cgroup_oom_kills(const struct cgroups *c, const char *path);
// The process ids in the group (not below), of some ten thousand only the first. Arena's memory.
int cgroup_pids(const struct cgroups *c, struct arena *a, const char *path, pid_t **pids, size_t *count, struct err *e);

// Kubernetes' conversion of version 1 shares to version 2 weight (1..10000): a curve through both least values, both
// greatest and both defaults (1024 and 100).
uint64_t cgroup_weight_of_shares(uint64_t shares);

#endif
