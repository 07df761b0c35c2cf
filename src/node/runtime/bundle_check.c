// SPDX-License-Identifier: Apache-2.0
// What a hostile image could prepare against whoever starts it.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "node/images/tree.h"
#include "node/runtime/bundle.h"

int bundle_check_root(int root, struct err *e)
{
	static const char *const ours[] = {
		"dev", "dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty", "dev/console", "dev/pts",
		"dev/shm", "dev/mqueue", "proc", "sys", "sys/fs", "sys/fs/cgroup",
	};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		struct stat st;
		int fd CLEAN_FD = tree_open_plain(root, ours[i], O_PATH | O_NOFOLLOW);
		bool link = fd < 0 ? errno == ELOOP || errno == EXDEV : fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
		if (link)
			return err_set(e, ERR_INVALID, "the image's /%s is a symlink: refused", ours[i]);
	}
	return 0;
}

// mkdir -p as seen from inside; new directories belong to the container's user.
static int make_dirs(int root, struct str path, const struct identity *who)
{
	char so_far[PATH_MAX] = "";
	struct str rest = path, part;
	size_t n = 0;
	while (str_next(&rest, '/', &part)) {
		if (part.n == 0)
			continue;
		int parent CLEAN_FD = tree_open_in_root(root, so_far, O_PATH | O_DIRECTORY);
		char name[NAME_MAX + 1];
		if (parent < 0 || part.n > NAME_MAX || n + part.n + 2 > sizeof(so_far)) {
			errno = parent < 0 ? errno : ENAMETOOLONG;
			return -1;
		}
		str_to_c(part, name, sizeof(name));
		if (mkdirat(parent, name, 0755) == 0)
			(void)!fchownat(parent, name, (uid_t)who->uid, (gid_t)who->gid, AT_SYMLINK_NOFOLLOW);
		else if (errno != EEXIST)
			return -1;
		n += (size_t)snprintf(so_far + n, sizeof(so_far) - n, "/%s", name);
	}
	return 0;
}

// Where a path inside leads, as a path inside: "/proc/self/fd".
static bool real_name(int root, const char *path, char out[PATH_MAX], int *result_fd)
{
	char link[64], base[PATH_MAX], full[PATH_MAX];
	int fd = tree_open_in_root(root, path, O_PATH);
	*result_fd = fd;
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, full, sizeof(full) - 1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	ssize_t m = readlink(link, base, sizeof(base) - 1);
	if (n < m || m < 0)
		return false;
	full[n] = 0;
	snprintf(out, PATH_MAX, "%s", full + m);
	return true;
}

static bool below(struct str path, struct str directory)
{
	return str_starts(path, directory) && (path.n == directory.n || path.p[directory.n] == '/');
}

struct str bundle_find_volume(struct arena *a, int root, const char *root_path, struct str volume)
{
	static const char *const ours[] = {"/proc", "/sys", "/dev"};
	const struct identity nobody = {0};
	char path[PATH_MAX], real[PATH_MAX];
	int fd CLEAN_FD = -1;
	bool useful = volume.n && volume.p[0] == '/' && str_to_c(volume, path, sizeof(path)) &&
		      make_dirs(root, volume, &nobody) == 0 && real_name(root, path, real, &fd) && real[0];
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		useful = useful && !below(str_of(real), str_of(ours[i]));
	return useful ? arena_fmt(a, "%s%s", root_path, real) : STR_NONE;
}

struct str bundle_find_inside(struct arena *a, int root, const char *root_path, struct str path)
{
	char real[PATH_MAX];
	int fd CLEAN_FD = -1;
	return real_name(root, arena_fmt(a, "/%.*s", STR_FMT(path)).p, real, &fd) ? arena_fmt(a, "%s%s", root_path, real)
										   : STR_NONE;
}

static int refuse(struct str cwd, const char *why, struct err *e)
{
	return err_set(e, ERR_INVALID, "working directory \"%.*s\": %s", STR_FMT(cwd), why);
}

int bundle_prepare_cwd(int root, struct str cwd, const struct identity *who, struct err *e)
{
	char path[PATH_MAX], real[PATH_MAX];
	int fd CLEAN_FD = -1;
	if (str_empty(cwd) || str_is(cwd, "/"))
		return 0;
	if (cwd.p[0] != '/' || !str_to_c(cwd, path, sizeof(path)) || memchr(cwd.p, 0, cwd.n))
		return refuse(cwd, "not an absolute path", e);
	if (below(cwd, STR("/proc")) || below(cwd, STR("/sys")))
		return refuse(cwd, "leads into /proc or /sys: refused", e);
	if (make_dirs(root, cwd, who) < 0 || !real_name(root, path, real, &fd))
		return refuse(cwd, strerror(errno), e);
	struct stat st;
	if (below(str_of(real), STR("/proc")) || below(str_of(real), STR("/sys")))
		return refuse(cwd, "leads into /proc or /sys: refused", e);
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return refuse(cwd, "not a directory", e);
	return 0;
}
