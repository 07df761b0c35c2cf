// SPDX-License-Identifier: Apache-2.0
// The pod_disk of imitated nodes: remembers nothing and is always well.
#include "node/volume/disk.h"

static int no_etc(struct pod_disk *d, struct str uid, struct str hosts, struct str resolv, struct str hostname,
		  struct err *e)
{
	return 0;
}

static int no_volumes(struct pod_disk *d, struct str uid, const struct volume_set *v, struct str *which, struct err *e)
{
	return 0;
}

static int no_container(struct pod_disk *d, struct arena *a, struct str uid, struct str container, int attempt,
			struct pod_disk_mount *mounts, size_t count, struct str *words, struct err *e)
{
	*words = STR_NONE;
	return 0;
}

static int no_write(struct pod_disk *d, struct str uid, struct str text, bool synced, struct err *e)
{
	return 0;
}

static struct str no_read(struct pod_disk *d, struct arena *a, struct str uid)
{
	return STR_NONE;
}

static struct str no_words(struct pod_disk *d, struct arena *a, struct str uid, struct str container, int attempt,
			   bool from_log)
{
	return STR_NONE;
}

static int no_tear_down(struct pod_disk *d, struct str uid, struct err *e)
{
	return 0;
}

static void no_logs(struct pod_disk *d, struct str uid, struct str container, int attempt)
{
}

static int no_file(struct pod_disk *d, struct arena *a, struct str uid, struct str volume, bool in_memory,
		   struct str path, struct str *text, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no disk");
}

static size_t no_list(struct pod_disk *d, struct arena *a, struct str **uids)
{
	return 0;
}

void pod_disk_init_none(struct pod_disk *d)
{
	static const struct pod_disk_ops ops = {
		no_etc, no_write, no_read, no_volumes, no_container, no_words, no_tear_down, no_logs, no_file, no_list,
	};
	*d = (struct pod_disk){&ops, "", ""};
}
