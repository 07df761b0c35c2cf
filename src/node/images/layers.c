// SPDX-License-Identifier: Apache-2.0
#include "node/images/layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "node/images/tree.h"

static const char opaque_mark[] = "trusted.overlay.opaque";

static int make_opaque(int directory)
{
	char self[64];
	snprintf(self, sizeof(self), "/proc/self/fd/%d", directory); // O_PATH descriptors take no fsetxattr
	return setxattr(self, opaque_mark, "y", 1, 0);
}

static bool is_opaque(int directory)
{
	char self[64], value;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", directory);
	return getxattr(self, opaque_mark, &value, 1) == 1 && value == 'y';
}

enum view { VIEW_SHOWN, VIEW_HIDDEN, VIEW_THROUGH }; // VIEW_THROUGH: the layers below decide

// What one layer has to say of the path, by itself.
static enum view look_into(int layer, const char *path, struct stat *st)
{
	struct str rest = str_of(path), part;
	char name[NAME_MAX + 1];
	bool opaque = false;
	int at = fcntl(layer, F_DUPFD_CLOEXEC, 0);
	enum view view = at < 0 || fstat(at, st) < 0 ? VIEW_HIDDEN : VIEW_SHOWN;
	while (view == VIEW_SHOWN && str_next(&rest, '/', &part)) {
		opaque |= is_opaque(at);
		str_to_c(part, name, sizeof(name));
		int next = S_ISDIR(st->st_mode) ? openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
		bool absent = next < 0 && S_ISDIR(st->st_mode) && !opaque;
		tree_close_fd(&at);
		at = next;
		if (at < 0 || fstat(at, st) < 0 || tree_is_whiteout(st))
			view = absent ? VIEW_THROUGH : VIEW_HIDDEN;
	}
	tree_close_fd(&at);
	return view;
}

bool layers_look(const struct extract *x, const char *path, struct stat *st, int *layer)
{
	enum view view = look_into(*layer = x->root, path, st);
	for (size_t i = 0; view == VIEW_THROUGH && i < x->lower_count; i++)
		view = look_into(*layer = x->lowers[i], path, st);
	return view == VIEW_SHOWN;
}

// Only what shows: in a directory that is this layer's alone, overlayfs would list the whiteout itself.
int layers_hide(struct extract *x, int parent, const char *path)
{
	struct stat st;
	int layer;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	enum view own = look_into(x->root, path, &st);
	if (own == VIEW_SHOWN && S_ISDIR(st.st_mode)) {
		int fd CLEAN_FD = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? -1 : make_opaque(fd);
	}
	return own == VIEW_THROUGH && layers_look(x, path, &st, &layer) ? mknodat(parent, name, S_IFCHR, 0) : 0;
}

static int hide_all_of(struct extract *x, int lower)
{
	int fd = openat(lower, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		tree_close_fd(&fd);
		return -1;
	}
	for (struct dirent *at; result == 0 && (at = readdir(d));)
		if (strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0)
			result = layers_hide(x, x->root, at->d_name);
	closedir(d);
	return result;
}

int layers_hide_all(struct extract *x, int parent, bool is_root)
{
	if (!is_root)
		return make_opaque(parent);
	for (size_t i = 0; i < x->lower_count; i++) // overlayfs does not ask whether a layer's root is opaque
		if (hide_all_of(x, x->lowers[i]) < 0)
			return -1;
	return 0;
}

int layers_make_directory(int parent, const char *name)
{
	struct stat st;
	if (mkdirat(parent, name, 0755) == 0)
		return 0;
	if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!tree_is_whiteout(&st)) {
		errno = ENOTDIR;
		return -1;
	}
	if (unlinkat(parent, name, 0) < 0 || mkdirat(parent, name, 0755) < 0)
		return -1;
	int fd CLEAN_FD = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -1 : make_opaque(fd);
}
