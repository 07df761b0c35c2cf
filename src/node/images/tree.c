// SPDX-License-Identifier: Apache-2.0
#include "node/images/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/mem.h"

enum { DEPTH_MAX = 64, NAME_TRIES = 1000 };

static int open_resolved(int root, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_NO_MAGICLINKS | resolve,
	};
	int fd;
	do
		fd = (int)syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

int tree_open(int root, const char *path, int flags)
{
	return open_resolved(root, path, flags, RESOLVE_BENEATH);
}

int tree_open_plain(int root, const char *path, int flags)
{
	return open_resolved(root, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int tree_open_in_root(int root, const char *path, int flags)
{
	return open_resolved(root, path, flags, RESOLVE_IN_ROOT);
}

bool tree_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	return d;
}

// What lies deeper than DEPTH_MAX is moved up to `top`, to be deleted from there: depth costs no stack or descriptors.
static int move_up(int dir, const char *name, int top)
{
	static _Atomic unsigned serial;
	for (int i = 0; i < NAME_TRIES; i++) {
		char up[32];
		snprintf(up, sizeof(up), ".deep-%u", serial++);
		if (renameat2(dir, name, top, up, 1 /* RENAME_NOREPLACE */) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

static int empty_dir(int dir, const char *name, int top, int depth);

static int remove_entry(int dir, const char *name, bool is_dir, int top, int depth)
{
	if (!is_dir && (unlinkat(dir, name, 0) == 0 || errno == ENOENT))
		return 0;
	if (!is_dir && errno != EISDIR && errno != EPERM)
		return -1;
	if (depth >= DEPTH_MAX)
		return move_up(dir, name, top);
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	if (empty_dir(dir, name, top, depth) < 0)
		return -1;
	return unlinkat(dir, name, AT_REMOVEDIR);
}

// What cannot be deleted (a mount stands there) does not keep the rest. Entries moved up to the top while it was read
// make another round.
static int empty_dir(int dir, const char *name, int top, int depth)
{
	DIR *d = open_dir(dir, name);
	if (!d)
		return -1;
	int self = dirfd(d), error;
	bool progress;
	do {
		error = 0;
		progress = false;
		for (struct dirent *at; (at = readdir(d));) {
			if (is_dot(at->d_name))
				continue;
			if (remove_entry(self, at->d_name, at->d_type == DT_DIR, depth == 0 ? self : top, depth + 1) == 0)
				progress = true;
			else
				error = errno;
		}
		rewinddir(d);
	} while (depth == 0 && progress);
	closedir(d);
	errno = error;
	return error ? -1 : 0;
}

int tree_erase(int dir, const char *name)
{
	return remove_entry(dir, name, false, dir, 0);
}

int tree_unmount(const char *path)
{
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT ? 0 : -1;
}

int tree_sync_dir(const char *path)
{
	int fd CLEAN_FD = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

int tree_make_dirs(const char *path, unsigned mode)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -1;
	char *parent CLEAN_FREE = mem_strdup(path);
	char *slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return -1;
	*slash = 0;
	if (tree_make_dirs(parent, mode) < 0)
		return -1;
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -1;
}

void tree_spread(const char *path)
{
	int flags = 0, fd CLEAN_FD = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
		return;
	flags |= FS_TOPDIR_FL;
	ioctl(fd, FS_IOC_SETFLAGS, &flags);
}
