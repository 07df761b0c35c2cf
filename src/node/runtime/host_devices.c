// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/host_devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { DEPTH_MAX = 4, DEVICES_MAX = 2000 };

static void add_device(struct arena *a, struct json *list, const char *path, const struct stat *st)
{
	if (list->count >= DEVICES_MAX)
		return;
	struct json *d = json_push(list, json_object(a));
	json_put_str(a, d, "path", arena_str(a, str_of(path)));
	json_put_str(a, d, "type", S_ISBLK(st->st_mode) ? STR("b") : STR("c"));
	json_put_int(a, d, "major", major(st->st_rdev));
	json_put_int(a, d, "minor", minor(st->st_rdev));
	json_put_int(a, d, "fileMode", st->st_mode & 0777);
	json_put_int(a, d, "uid", st->st_uid);
	json_put_int(a, d, "gid", st->st_gid);
}

// Made by the runtime itself, or belonging to one namespace.
static bool is_special(const char *name)
{
	static const char *const special[] = {"pts", "shm", "fd", "mqueue", "console", "ptmx", ".", ".."};
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (strcmp(name, special[i]) == 0)
			return true;
	return false;
}

static void add_below(struct arena *a, struct json *list, const char *directory, int depth)
{
	DIR *d = depth < DEPTH_MAX ? opendir(directory) : NULL;
	for (struct dirent *at; d && (at = readdir(d));) {
		struct stat st;
		if (is_special(at->d_name) || fstatat(dirfd(d), at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		const char *path = arena_fmt(a, "%s/%s", directory, at->d_name).p;
		if (S_ISDIR(st.st_mode))
			add_below(a, list, path, depth + 1);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_device(a, list, path, &st);
	}
	if (d)
		closedir(d);
}

struct json *host_devices_all(struct arena *a)
{
	struct json *list = json_array(a);
	add_below(a, list, "/dev", 0);
	return list;
}

struct json *host_devices_named(struct arena *a, const struct runtime_device *devices, size_t count)
{
	struct json *list = json_array(a);
	for (size_t i = 0; i < count; i++) {
		const char *path = arena_c(a, devices[i].path);
		struct stat st;
		if (stat(path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
			add_device(a, list, path, &st);
	}
	return list;
}
