// SPDX-License-Identifier: Apache-2.0
#include "node/volume/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/images/tree.h"

int files_write_fd(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			bytes = str_from(bytes, (size_t)n);
	}
	return 0;
}

int files_read_fd(int fd, size_t max, struct buf *out)
{
	while (out->n < max) {
		size_t more = max - out->n < 65536 ? max - out->n : 65536;
		buf_reserve(out, more);
		ssize_t n = read(fd, out->p + out->n, more);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		out->n += (size_t)n;
	}
	return 0;
}

int files_read(const char *path, size_t max, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int r = files_read_fd(fd, max, out);
	close(fd);
	return r;
}

int files_write(const char *path, struct str bytes, unsigned mode, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, errno, "write %s", path);
	int r = files_write_fd(fd, bytes) || ftruncate(fd, (off_t)bytes.n) || fchmod(fd, mode)
		    ? err_errno(e, errno, "write %s", path)
		    : 0;
	close(fd);
	return r;
}

int files_make_dirs(const char *path, unsigned mode, struct err *e)
{
	char copy[PATH_MAX];
	if (!str_to_c(str_of(path), copy, sizeof(copy)))
		return err_set(e, ERR_INVALID, "path too long");
	if (!mkdir(copy, mode) || errno == EEXIST) // most often all but the last part exist
		return 0;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(copy, mode) && errno != EEXIST)
			return err_errno(e, errno, "make %s", copy);
		*slash = '/';
	}
	return mkdir(copy, mode) && errno != EEXIST ? err_errno(e, errno, "make %s", copy) : 0;
}

// The mount points at or below the path, the newest last; at most `max`.
static size_t find_mounts(const char *path, char **out, size_t max)
{
	size_t n = 0, length = strlen(path);
	FILE *f = setmntent("/proc/self/mounts", "re");
	if (!f)
		return 0;
	struct mntent entry;
	char room[8192];
	while (n < max && getmntent_r(f, &entry, room, sizeof(room))) {
		if (!strncmp(entry.mnt_dir, path, length) && (!entry.mnt_dir[length] || entry.mnt_dir[length] == '/'))
			out[n++] = mem_strdup(entry.mnt_dir);
	}
	endmntent(f);
	return n;
}

static void unmount_below(const char *path)
{
	enum { MOUNTS_MAX = 4096 };
	char **mounts = mem_zalloc(MOUNTS_MAX * sizeof *mounts);
	size_t n = find_mounts(path, mounts, MOUNTS_MAX);
	while (n-- > 0) {
		umount2(mounts[n], MNT_DETACH | UMOUNT_NOFOLLOW);
		free(mounts[n]);
	}
	free(mounts);
}

int files_unmount_and_remove(const char *path, struct err *e)
{
	char parent[PATH_MAX], *slash;
	if (!str_to_c(str_of(path), parent, sizeof(parent)) || !(slash = strrchr(parent, '/')) || slash == parent)
		return err_set(e, ERR_INVALID, "%s is not a path to remove", path);
	*slash = 0;
	int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_errno(e, errno, "open %s", parent);
	int r = tree_erase(dir, slash + 1); // most often nothing is mounted there, and the table of mounts is long
	if (r) {
		unmount_below(path);
		r = tree_erase(dir, slash + 1);
	}
	if (r)
		err_errno(e, errno, "remove %s", path);
	close(dir);
	return r;
}

struct giving {
	gid_t gid;
	bool read_only;
};

static void give_entries(int dir, const char *name, const struct giving *g);

static void give_entry(int dir, const char *name, const struct giving *g)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || fchownat(dir, name, (uid_t)-1, g->gid, AT_SYMLINK_NOFOLLOW))
		return;
	if (S_ISLNK(st.st_mode))
		return;
	unsigned more = g->read_only ? 0440 : 0660;
	if (S_ISDIR(st.st_mode))
		more |= 02110; // new files inherit the group
	if (!fchmodat(dir, name, (st.st_mode & 07777) | more, 0) && S_ISDIR(st.st_mode))
		give_entries(dir, name, g);
}

static void give_entries(int dir, const char *name, const struct giving *g)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *entry; d && (entry = readdir(d));) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			give_entry(dirfd(d), entry->d_name, g);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

void files_give_to_group(int dir, const char *name, int64_t gid, bool read_only)
{
	give_entry(dir, name, &(struct giving){(gid_t)gid, read_only});
}
