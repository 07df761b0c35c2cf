// SPDX-License-Identifier: Apache-2.0
// A directory of files that change all at once: readers see the old set or the new one, never a mixture.
//
//   DIR/..data -> ..RANDOM	the set that counts, replaced by rename
//   DIR/..RANDOM/...		the files themselves
//   DIR/NAME -> ..data/NAME	for each first part of a path
#ifndef NODE_VOLUME_ATOMIC_DIR_H
#define NODE_VOLUME_ATOMIC_DIR_H

#include "node/volume/gather.h"

// Makes DIR (which exists) hold these files; leaves it alone where it does already. fs_group -1: none. Blocks.
int atomic_dir_write(const char *dir, const struct volume_file *files, size_t count, int64_t fs_group, struct err *e);

#endif
