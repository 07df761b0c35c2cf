// SPDX-License-Identifier: Apache-2.0
// Paths and files of control groups; for the files of this directory only.
#ifndef NODE_CGROUP_FILES_H
#define NODE_CGROUP_FILES_H

#include <limits.h>

#include "node/cgroup/cgroup.h"

// ROOT/TREE/PARENT/PATH/FILE; `tree` is ignored for version 2. path and file may be "".
void cgroup_path(const struct cgroups *c, const char *tree, const char *path, const char *file, char out[PATH_MAX]);
// -1: errno.
int cgroup_write(const struct cgroups *c, const char *tree, const char *path, const char *file, const char *text);
// Whole file as text, at most size - 1 bytes, NUL-terminated; length, or -1.
ssize_t cgroup_read(const struct cgroups *c, const char *tree, const char *path, const char *file, char *out,
		    size_t size);
// 0: absent or "max".
uint64_t cgroup_read_u64(const struct cgroups *c, const char *tree, const char *path, const char *file);
uint64_t cgroup_key(const char *text, const char *key); // of lines "key value"; 0: absent
bool cgroup_has_tree(const struct cgroups *c, const char *tree);

#endif
