// SPDX-License-Identifier: Apache-2.0
#include "node/images/extract_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <sys/sendfile.h>

#include "node/images/layers.h"
#include "node/images/tree.h"

enum { FOLLOW_MAX = 16, PARTS_MAX = 512, ATTRIBUTES_ROOM = 64 << 10 };

static int refuse(struct err *e, const char *path, const char *why)
{
	return err_set(e, ERR_BAD_REQUEST, "entry \"%.*s\" %s", 256, path, why);
}

// "./a//b/" to "a/b"; "a/../b" to "b" where that is allowed.
static int clean(const char *name, bool may_climb, char out[PATH_MAX], struct err *e)
{
	struct str rest = str_of(name), part;
	size_t n = 0, parts = 0;
	if (name[0] == '/')
		return refuse(e, name, "has an absolute name");
	if (rest.n >= PATH_MAX)
		return refuse(e, name, "has a name that is too long");
	while (str_next(&rest, '/', &part)) {
		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			if (!may_climb || !n)
				return refuse(e, name, "climbs out by \"..\"");
			while (n && out[--n] != '/')
				;
			continue;
		}
		if (part.n > NAME_MAX || ++parts > PARTS_MAX)
			return refuse(e, name, "has a name that is too long");
		if (n)
			out[n++] = '/';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	out[n] = 0;
	return 0;
}

// A directory that the archive did not name: it looks as in the layer below.
static int make_parent(struct extract *x, const char *path, const struct stat *below)
{
	const char *slash = strrchr(path, '/');
	char up[PATH_MAX];
	snprintf(up, sizeof(up), "%.*s", slash ? (int)(slash - path) : 0, path);
	int parent CLEAN_FD = tree_open(x->root, up, O_PATH | O_DIRECTORY);
	const char *name = slash ? slash + 1 : path;
	if (parent < 0 || layers_make_directory(parent, name) < 0)
		return -1;
	if (!below || !x->layer)
		return 0;
	if (fchownat(parent, name, below->st_uid, below->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(parent, name, below->st_mode & 07777, 0);
}

// There is a symlink where the path goes on: a relative one that stays inside is followed (bin -> usr/bin, var/run ->
// ../run), `path` becoming what it stands for; others would write elsewhere than they say.
static int follow(const char *whole, int layer, size_t prefix, char path[PATH_MAX], struct err *e)
{
	char link[PATH_MAX], target[PATH_MAX], joined[2 * PATH_MAX], tail[PATH_MAX];
	snprintf(link, sizeof(link), "%.*s", (int)prefix, path);
	snprintf(tail, sizeof(tail), "%s", path + prefix);
	int fd CLEAN_FD = tree_open_plain(layer, link, O_PATH | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);
	if (n <= 0 || target[0] == '/')
		return refuse(e, whole, "is written through a symlink that leads out of the image");
	target[n] = 0;
	const char *slash = strrchr(link, '/');
	snprintf(joined, sizeof(joined), "%.*s%s%s", slash ? (int)(slash - link + 1) : 0, link, target, tail);
	struct err climbing CLEAN_ERR = ERR_EMPTY;
	if (strlen(joined) >= PATH_MAX || clean(joined, true, path, &climbing) < 0)
		return refuse(e, whole, "is written through a symlink that leads out of the image");
	return 0;
}

// Makes every directory of `path` that is absent. Returns 1 when a symlink changed `path`: begin again.
static int make_parents(struct extract *x, const char *whole, char path[PATH_MAX], struct err *e)
{
	size_t n = strlen(path);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		char prefix[PATH_MAX];
		snprintf(prefix, sizeof(prefix), "%.*s", (int)i, path);
		int fd CLEAN_FD = tree_open_plain(x->root, prefix, O_PATH | O_DIRECTORY | O_NOFOLLOW);
		if (fd >= 0)
			continue;
		struct stat shown;
		int layer, has = layers_look(x, prefix, &shown, &layer);
		if (has && S_ISLNK(shown.st_mode))
			return follow(whole, layer, i, path, e) < 0 ? -1 : 1;
		if (make_parent(x, prefix, has && S_ISDIR(shown.st_mode) ? &shown : NULL) < 0)
			return err_errno(e, errno, "entry \"%.256s\": its directory", whole);
	}
	return 0;
}

static int open_parent(struct extract *x, const char *whole, char parent[PATH_MAX], struct err *e)
{
	for (int i = 0; i < FOLLOW_MAX; i++) {
		int fd = tree_open_plain(x->root, parent, O_PATH | O_DIRECTORY);
		if (fd >= 0)
			return fd;
		if (make_parents(x, whole, parent, e) < 0)
			return -1;
	}
	return refuse(e, whole, "is behind too many symlinks");
}

int path_find(struct extract *x, const char *name, struct place *out, struct err *e)
{
	char whole[PATH_MAX], parent[PATH_MAX];
	out->parent = -1;
	if (clean(name, false, whole, e) < 0)
		return -1;
	const char *slash = strrchr(whole, '/'), *last = slash ? slash + 1 : whole;
	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - whole) : 0, whole);
	out->parent = open_parent(x, whole, parent, e);
	if (out->parent < 0)
		return -1;
	size_t n = strlen(parent);
	if (n + 1 + strlen(last) >= sizeof(out->path)) {
		path_finish(out);
		return refuse(e, whole, "has a name that is too long");
	}
	memcpy(out->path, parent, n);
	if (n)
		out->path[n++] = '/';
	memcpy(out->path + n, last, strlen(last) + 1);
	out->name = out->path + n;
	return 0;
}

void path_finish(struct place *p)
{
	if (p->parent >= 0)
		close(p->parent);
	p->parent = -1;
}

// Those that a layer may have (see extract.c): what a file may do is among them.
static int copy_attributes(int from, int to)
{
	char names[ATTRIBUTES_ROOM], value[ATTRIBUTES_ROOM];
	ssize_t n = flistxattr(from, names, sizeof(names));
	if (n < 0)
		return errno == ENOTSUP ? 0 : -1;
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0)
			continue;
		ssize_t size = fgetxattr(from, name, value, sizeof(value));
		if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) < 0)
			return -1;
	}
	return 0;
}

// Owner first: chown takes capabilities away.
static int copy_file(int from, int to, const struct stat *st)
{
	for (off_t at = 0; at < st->st_size;)
		if (sendfile(to, from, &at, (size_t)(st->st_size - at)) <= 0)
			return -1;
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 || copy_attributes(from, to) < 0)
		return -1;
	return futimens(to, (struct timespec[2]){st->st_atim, st->st_mtim});
}

int path_copy_up(struct extract *x, const struct place *p)
{
	struct stat st;
	int layer;
	if (!layers_look(x, p->path, &st, &layer) || !S_ISREG(st.st_mode)) {
		errno = ENOENT;
		return -1;
	}
	x->bytes += (uint64_t)st.st_size;
	if (x->bytes_max && x->bytes > x->bytes_max) {
		errno = EFBIG;
		return -1;
	}
	int from CLEAN_FD = tree_open_plain(layer, p->path, O_RDONLY);
	int to CLEAN_FD = openat(p->parent, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return from < 0 || to < 0 ? -1 : copy_file(from, to, &st);
}
