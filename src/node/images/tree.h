// SPDX-License-Identifier: Apache-2.0
// Directories whose contents are not to be trusted: opening below them without leaving, deleting.
// Functions return 0 (or a descriptor) or -1 with errno set, as the calls they stand for.
#ifndef NODE_TREE_H
#define NODE_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

// openat2 that cannot leave `root`: absolute names, "..", symlinks and /proc links that would are EXDEV or ELOOP.
int tree_open(int root, const char *path, int flags);
// The same, and no symlink at all on the way or at the end.
int tree_open_plain(int root, const char *path, int flags);
// As if `root` were "/": symlinks and ".." stay inside.
int tree_open_in_root(int root, const char *path, int flags);
// Deletes name and all below it, however deep; never follows a symlink, never enters what is mounted there: that and
// the directories above it stay, the rest goes, and the answer is -1. 0 when it is not there.
int tree_erase(int dir, const char *name);
int tree_unmount(const char *path); // lazily, never through a symlink; 0 also where nothing is mounted or there
int tree_sync_dir(const char *path); // fsync of a directory
bool tree_is_whiteout(const struct stat *st); // overlayfs: a character device 0:0
int tree_make_dirs(const char *path, unsigned mode); // mkdir -p
// Directories made in this one have nothing to do with each other: ext4 then spreads them over the disk. Left to itself
// it puts them side by side, and looks for each new inode past those that were deleted in the last minutes, one by one:
// where containers come and go, that costs more than all else. Other file systems do not know the flag, which is fine.
void tree_spread(const char *path);

// `int fd CLEAN_FD = open(...);`
#define CLEAN_FD __attribute__((cleanup(tree_close_fd)))
static inline void tree_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
