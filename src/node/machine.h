// SPDX-License-Identifier: Apache-2.0
// The machine that the node is on: what it has, and how short it is of it. A kernel adapter: reads /proc, /etc and the
// file systems, synchronously and quickly.
#ifndef NODE_MACHINE_H
#define NODE_MACHINE_H

#include "base/arena.h"
#include "base/err.h"

struct machine {			     // strings in the arena given
	int64_t cpus, memory, storage, pids; // storage: of the data directory's file system, bytes
	struct str hostname, architecture;   // "amd64", as Go names it
	struct str kernel, os_image, machine_id, boot_id, system_uuid;
	struct str runtime_version; // "crun://1.8.1"
	struct str resolv, hosts;   // /etc/resolv.conf, /etc/hosts
};

struct machine_pressure {
	bool memory, disk, pids;
};

int machine_read(struct arena *a, const char *data_dir, struct machine *out, struct err *e);
// Memory: less than 100 MiB are available. Disk: less than a twentieth is free, or of its inodes. Processes: less than
// a twentieth of the numbers are free.
struct machine_pressure machine_pressure_read(const char *data_dir);

#endif
