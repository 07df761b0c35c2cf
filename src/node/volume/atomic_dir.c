// SPDX-License-Identifier: Apache-2.0
#include "node/volume/atomic_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/volume/files.h"

#define DATA_LINK "..data"

struct writer {
	int dir;       // DIR
	int set;       // the new ..RANDOM
	char name[32]; // its name
	bool switched; // it is the one that counts
	const struct volume_file *files;
	size_t count;
	int64_t fs_group;
	struct err *e;
};

static bool has_bytes(int fd, struct str bytes)
{
	struct stat st;
	if (fstat(fd, &st) || (size_t)st.st_size != bytes.n)
		return false;
	struct buf got CLEAN_BUF;
	buf_init(&got);
	return !files_read_fd(fd, bytes.n + 1, &got) && str_eq(buf_str(&got), bytes);
}

static unsigned mode_with_group(unsigned mode, int64_t fs_group)
{
	return fs_group >= 0 ? mode | 0440 : mode;
}

// How many files lie below; more than INT_MAX never happens.
static size_t count_files(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t n = 0;
	for (struct dirent *entry; d && (entry = readdir(d));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n += entry->d_type == DT_DIR ? count_files(dirfd(d), entry->d_name) : 1;
	}
	if (d)
		closedir(d);
	return n;
}

// The name that DIR shows of a file: the first part of its path.
static struct str shown_name(const struct volume_file *f)
{
	struct str first, rest;
	str_cut(f->path, '/', &first, &rest);
	return first;
}

static bool is_linked(const struct writer *w, const struct volume_file *f)
{
	char name[NAME_MAX + 1], target[NAME_MAX + 16], want[NAME_MAX + 16];
	if (!str_to_c(shown_name(f), name, sizeof(name)))
		return false;
	ssize_t n = readlinkat(w->dir, name, target, sizeof(target));
	int length = snprintf(want, sizeof(want), DATA_LINK "/%s", name);
	return n == length && !memcmp(target, want, (size_t)n);
}

// Also false for what a full disk or an agent's end left without all its links.
static bool is_current(const struct writer *w)
{
	int set = openat(w->dir, DATA_LINK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (set < 0)
		return false;
	bool same = count_files(w->dir, DATA_LINK) == w->count;
	for (size_t i = 0; i < w->count && same; i++) {
		char path[PATH_MAX];
		struct stat st;
		int fd = str_to_c(w->files[i].path, path, sizeof(path)) ? openat(set, path, O_RDONLY | O_CLOEXEC) : -1;
		same = fd >= 0 && is_linked(w, &w->files[i]) && has_bytes(fd, w->files[i].bytes) && !fstat(fd, &st) &&
		       (st.st_mode & 0777) == mode_with_group(w->files[i].mode & 0777, w->fs_group);
		if (fd >= 0)
			close(fd);
	}
	close(set);
	return same;
}

static int own(int fd, int64_t uid, int64_t gid)
{
	return uid >= 0 || gid >= 0 ? fchown(fd, uid >= 0 ? (uid_t)uid : (uid_t)-1, gid >= 0 ? (gid_t)gid : (gid_t)-1)
				    : 0;
}

static int write_file(const struct writer *w, const struct volume_file *f)
{
	char path[PATH_MAX];
	if (!str_to_c(f->path, path, sizeof(path)))
		return err_set(w->e, ERR_INVALID, "path too long");
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdirat(w->set, path, 0755) && errno != EEXIST)
			return err_errno(w->e, errno, "make %s", path);
		*slash = '/';
	}
	int fd = openat(w->set, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(w->e, errno, "write %s", path);
	int r = files_write_fd(fd, f->bytes) || own(fd, f->uid, w->fs_group) ||
			fchmod(fd, mode_with_group(f->mode, w->fs_group))
		    ? err_errno(w->e, errno, "write %s", path)
		    : 0;
	close(fd);
	return r;
}

static int write_set(struct writer *w, const char *dir)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/..XXXXXX", dir) >= (int)sizeof(path) || !mkdtemp(path))
		return err_errno(w->e, errno, "make a directory in %s", dir);
	snprintf(w->name, sizeof(w->name), "%s", strrchr(path, '/') + 1);
	w->set = openat(w->dir, w->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->set < 0 || fchmod(w->set, 0755))
		return err_errno(w->e, errno, "open %s", path);
	for (size_t i = 0; i < w->count; i++) {
		if (write_file(w, &w->files[i]))
			return -1;
	}
	if (w->fs_group >= 0)
		files_give_to_group(w->dir, w->name, w->fs_group, true);
	return 0;
}

static bool is_wanted(const struct writer *w, const char *name)
{
	for (size_t i = 0; i < w->count; i++) {
		if (str_is(shown_name(&w->files[i]), name))
			return true;
	}
	return false;
}

static int link_names(const struct writer *w)
{
	for (size_t i = 0; i < w->count; i++) {
		char name[NAME_MAX + 1], target[NAME_MAX + 16];
		if (!str_to_c(shown_name(&w->files[i]), name, sizeof(name)))
			return err_set(w->e, ERR_INVALID, "name too long");
		snprintf(target, sizeof(target), DATA_LINK "/%s", name);
		if (symlinkat(target, w->dir, name) && errno != EEXIST)
			return err_errno(w->e, errno, "link %s", name);
	}
	return 0;
}

// Old sets, what a killed agent left, and links to names that are no more.
static void sweep(const struct writer *w)
{
	char current[NAME_MAX + 1] = "";
	int fd = fcntl(w->dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	bool known = readlinkat(w->dir, DATA_LINK, current, sizeof(current) - 1) > 0;
	if (d)
		rewinddir(d);
	for (struct dirent *entry; d && known && (entry = readdir(d));) {
		const char *name = entry->d_name;
		if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, DATA_LINK) || !strcmp(name, current))
			continue;
		if (!strncmp(name, "..", 2))
			tree_erase(w->dir, name);
		else if (entry->d_type == DT_LNK && !is_wanted(w, name))
			unlinkat(w->dir, name, 0);
	}
	if (d)
		closedir(d);
}

static int replace(struct writer *w, const char *dir)
{
	if (write_set(w, dir))
		return -1;
	unlinkat(w->dir, DATA_LINK "_new", 0);
	if (symlinkat(w->name, w->dir, DATA_LINK "_new") || renameat(w->dir, DATA_LINK "_new", w->dir, DATA_LINK))
		return err_errno(w->e, errno, "switch %s", dir);
	w->switched = true;
	return link_names(w);
}

int atomic_dir_write(const char *dir, const struct volume_file *files, size_t count, int64_t fs_group, struct err *e)
{
	struct writer w = {.set = -1, .files = files, .count = count, .fs_group = fs_group, .e = e};
	w.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w.dir < 0)
		return err_errno(e, errno, "open %s", dir);
	int r = is_current(&w) ? 0 : replace(&w, dir);
	if (!r)
		sweep(&w);
	else if (w.name[0] && !w.switched)
		tree_erase(w.dir, w.name);
	tree_close_fd(&w.set);
	close(w.dir);
	return r;
}
