// SPDX-License-Identifier: Apache-2.0
// Plain work on files and trees that the node's volumes need. All of it blocks: for pool threads.
#ifndef NODE_VOLUME_FILES_H
#define NODE_VOLUME_FILES_H

#include "base/buf.h"
#include "base/err.h"

int files_write_fd(int fd, struct str bytes);		       // 0 or -1 with errno
int files_read_fd(int fd, size_t max, struct buf *out);	       // at most max bytes
int files_read(const char *path, size_t max, struct buf *out); // 0 or -1 with errno; never follows a symlink at the end
// In place, for the file may be mounted in containers: over the old bytes, so that a full disk has room for what needs
// no more blocks than before. Not atomic, not synced.
int files_write(const char *path, struct str bytes, unsigned mode, struct err *e);
int files_make_dirs(const char *path, unsigned mode, struct err *e);		   // as mkdir -p
// Unmounts whatever is mounted at or below the path, then deletes it. 0 or -1 (something is still held).
int files_unmount_and_remove(const char *path, struct err *e);
// fsGroup: the group owns everything below and at dir/name, and may read (and unless read_only, write) it. For trees
// that we have just made: it walks down by recursion.
void files_give_to_group(int dir, const char *name, int64_t gid, bool read_only);

#endif
