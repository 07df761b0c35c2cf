// SPDX-License-Identifier: Apache-2.0
#include "node/volume/subpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/volume/files.h"

static int open_inside(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

// Makes a directory as open to others as the volume is, and opens it: by its descriptor, since the name may be a link
// by now.
static int make_inside(int root, const struct stat *volume, int at, const char *name, const char *path)
{
	char self[64];
	struct stat st;
	if (mkdirat(at, name, 0750))
		return -1;
	int fd = open_inside(root, path, O_PATH);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fd >= 0 && !fstat(fd, &st) && S_ISDIR(st.st_mode) && !chmod(self, volume->st_mode & 07777))
		return fd;
	tree_close_fd(&fd);
	return -1;
}

// Walks down, making the directories that are missing. A descriptor (O_PATH), or -1 with errno.
static int open_or_make(int root, struct str path)
{
	struct stat volume;
	char name[NAME_MAX + 1];
	struct str piece;
	int at = fstat(root, &volume) ? -1 : fcntl(root, F_DUPFD_CLOEXEC, 0);
	char so_far[PATH_MAX] = "";
	size_t n = 0;
	while (at >= 0 && str_next(&path, '/', &piece)) {
		if (!piece.n || str_is(piece, "."))
			continue;
		if (str_is(piece, "..") || !str_to_c(piece, name, sizeof(name)) || n + piece.n + 2 > sizeof(so_far)) {
			close(at);
			errno = EINVAL;
			return -1;
		}
		n += (size_t)snprintf(so_far + n, sizeof(so_far) - n, "%s%s", n ? "/" : "", name);
		int next = open_inside(root, so_far, O_PATH);
		if (next < 0 && errno == ENOENT)
			next = make_inside(root, &volume, at, name, so_far);
		close(at);
		at = next;
	}
	return at;
}

static int make_target(const char *target, bool directory, struct err *e)
{
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", target);
	*strrchr(parent, '/') = 0;
	umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW); // of the container's life before
	if (files_make_dirs(parent, 0755, e))
		return -1;
	if (unlink(target) && errno == EISDIR)
		rmdir(target);
	return directory ? files_make_dirs(target, 0755, e) : files_write(target, STR(""), 0644, e);
}

int subpath_mount(const char *volume, struct str sub_path, const char *target, struct err *e)
{
	int root = open(volume, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(e, errno, "open the volume");
	int found = open_or_make(root, sub_path);
	close(root);
	if (found < 0)
		return err_errno(e, errno, "resolve");
	struct stat st;
	char source[64];
	snprintf(source, sizeof(source), "/proc/self/fd/%d", found);
	int r = fstat(found, &st) ? err_errno(e, errno, "look at it") : make_target(target, S_ISDIR(st.st_mode), e);
	if (!r && mount(source, target, NULL, MS_BIND | MS_REC, NULL))
		r = err_errno(e, errno, "mount");
	close(found);
	return r;
}

int subpath_read(const char *volume, struct str path, size_t max, struct buf *out, struct err *e)
{
	char name[PATH_MAX];
	struct stat st;
	if (!str_to_c(path, name, sizeof(name)))
		return err_set(e, ERR_INVALID, "path too long");
	int root = open(volume, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -1 : open_inside(root, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 || fstat(fd, &st) ? err_errno(e, errno, "open") : 0;
	if (!r && (!S_ISREG(st.st_mode) || (size_t)st.st_size > max))
		r = err_set(e, ERR_INVALID, "it is no file of at most %zu bytes", max);
	if (!r && files_read_fd(fd, out->n + max, out))
		r = err_errno(e, errno, "read");
	tree_close_fd(&fd);
	tree_close_fd(&root);
	return r;
}
