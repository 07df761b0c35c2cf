// SPDX-License-Identifier: Apache-2.0
// Root file systems of containers: an overlay of the image's layers and a directory of the container's own. And the files
// of other images beside them.
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buf.h"
#include "node/images/store.h"
#include "node/images/tree.h"
#include "oci/manifest.h"

enum { OPTIONS_MAX = 4095 }; // the kernel takes a page, the NUL included

// The lower layers, topmost first, by their paths; where those do not fit `room`, by descriptors kept in fds.
static int lower_option(struct images *s, struct arena *a, const struct image *m, size_t room, struct buf *out, int *fds,
			size_t *fd_count, struct err *e)
{
	*fd_count = 0;
	for (size_t n = m->layers.count; n-- > 0;)
		buf_fmt(out, "%s%s/layers/%.*s/diff", out->n ? ":" : "", s->root, STR_FMT(m->layers.items[n]));
	if (out->n <= room)
		return 0;
	buf_clear(out);
	for (size_t n = m->layers.count; n-- > 0;) {
		const char *path = store_path(s, a, "layers/%.*s/diff", STR_FMT(m->layers.items[n]));
		int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_errno(e, errno, "%s", path);
		fds[(*fd_count)++] = fd;
		buf_fmt(out, "%s/proc/self/fd/%d", out->n ? ":" : "", fd);
	}
	return out->n <= room ? 0 : err_set(e, ERR_INVALID, "%zu layers are more than can be mounted", m->layers.count);
}

// `own`: what the container has of its own, or "". `volatile`: that need not outlive a crash of the machine, so
// unmounting syncs nothing. Kernels before 5.10 do not know it.
static int mount_overlay(const char *at, unsigned long flags, struct str own, struct str lower)
{
	static const struct str hasty = STR_INIT("volatile,");
	struct buf options CLEAN_BUF;
	buf_init(&options);
	buf_fmt(&options, "%.*slowerdir=%.*s", STR_FMT(own), STR_FMT(lower));
	buf_add_byte(&options, 0);
	if (mount("overlay", at, "overlay", flags, options.p) == 0)
		return 0;
	return errno == EINVAL && str_starts(own, hasty) ? mount("overlay", at, "overlay", flags, options.p + hasty.n)
							 : -1;
}

// An image without layers has an empty root.
static int empty_lower(struct images *s, struct arena *a, struct buf *lower, struct err *e)
{
	const char *path = store_path(s, a, "images/empty");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", path);
	buf_add_c(lower, path);
	return 0;
}

static int make_upper(struct images *s, struct arena *a, const struct image *m, const char *dir, struct err *e)
{
	const char *upper = arena_fmt(a, "%s/upper", dir).p, *work = arena_fmt(a, "%s/work", dir).p;
	struct stat st = {.st_mode = 0755};
	if (m->layers.count)
		stat(store_path(s, a, "layers/%.*s/diff", STR_FMT(m->layers.items[m->layers.count - 1])), &st);
	if (mkdir(upper, 0755) < 0 || chown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0)
		return err_errno(e, errno, "%s", upper);
	return mkdir(work, 0700) < 0 ? err_errno(e, errno, "%s", work) : 0;
}

// The mark by which images_remove knows that the image is in use: a line. No fsync: after a crash no container is left.
static int mark_image(struct arena *a, const char *dir, struct str image_id, struct err *e)
{
	const char *path = arena_fmt(a, "%s/image", dir).p;
	struct str line = arena_fmt(a, "%.*s\n", STR_FMT(image_id));
	int fd CLEAN_FD = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, line.p, line.n);
	return n == (ssize_t)line.n ? 0 : err_errno(e, n < 0 ? errno : ENOSPC, "%s", path);
}

// own: empty for what is not written to.
static int mount_layers(struct images *s, struct arena *a, const struct image *m, const char *at, struct str own,
			struct err *e)
{
	struct buf lower CLEAN_BUF;
	int fds[OCI_LAYERS_MAX], result = -1;
	size_t fd_count = 0, taken = strlen("lowerdir=:") + (own.n ? own.n : strlen(at));
	unsigned long flags = own.n ? 0 : MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	size_t room = taken < OPTIONS_MAX ? OPTIONS_MAX - taken : 0;
	buf_init(&lower);
	int found =
		m->layers.count ? lower_option(s, a, m, room, &lower, fds, &fd_count, e) : empty_lower(s, a, &lower, e);
	if (!own.n) // an overlay is of two directories at least, and this one is empty
		buf_fmt(&lower, ":%s", at);
	if (found == 0)
		result = mount_overlay(at, flags, own, buf_str(&lower)) < 0 ? err_errno(e, errno, "overlay at %s", at)
									    : 0;
	while (fd_count--)
		close(fds[fd_count]);
	return result;
}

static int mount_root(struct images *s, struct arena *a, const struct image *m, const char *dir, const char *at,
		      struct err *e)
{
	return mount_layers(s, a, m, at, arena_fmt(a, "volatile,upperdir=%s/upper,workdir=%s/work,", dir, dir), e);
}

int rootfs_mount(struct images *s, struct arena *a, struct str id, const struct image *image, struct str *path,
		 struct err *e)
{
	const char *dir = store_path(s, a, "containers/%.*s", STR_FMT(id));
	const char *at = arena_fmt(a, "%s/rootfs", dir).p;
	struct image now;
	int lock CLEAN_FD = store_lock(s, false, e);
	if (lock < 0 || images_find(s, a, image->id, &now, e) < 0) // it may have been removed since it was looked up
		return -1;
	if (mkdir(dir, 0711) < 0)
		return err_errno(e, errno, "%s", dir);
	int made = mkdir(at, 0755) < 0 ? err_errno(e, errno, "%s", at) : 0;
	if (made < 0 || mark_image(a, dir, now.id, e) < 0 || make_upper(s, a, &now, dir, e) < 0 ||
	    mount_root(s, a, &now, dir, at, e) < 0) {
		rootfs_remove(s, id, NULL);
		return -1;
	}
	*path = str_of(at);
	return 0;
}

int rootfs_mount_image(struct images *s, struct arena *a, struct str id, unsigned number, struct str name,
		       struct str *path, struct err *e)
{
	const char *dir = store_path(s, a, "containers/%.*s", STR_FMT(id));
	const char *all = arena_fmt(a, "%s/images", dir).p, *at = arena_fmt(a, "%s/%u", all, number).p;
	struct image now;
	int lock CLEAN_FD = store_lock(s, false, e);
	if (lock < 0 || images_find(s, a, name, &now, e) < 0)
		return -1;
	if ((mkdir(all, 0711) < 0 && errno != EEXIST) || mkdir(at, 0755) < 0)
		return err_errno(e, errno, "%s", at);
	if (mark_image(a, dir, now.id, e) < 0 || mount_layers(s, a, &now, at, STR_NONE, e) < 0)
		return -1;
	*path = str_of(at);
	return 0;
}

static int unmount(const char *at, struct err *e)
{
	return tree_unmount(at) < 0 ? err_errno(e, errno, "unmount %s", at) : 0;
}

static int unmount_images(struct arena *a, const char *dir, struct err *e)
{
	for (unsigned number = 0;; number++) {
		const char *at = arena_fmt(a, "%s/images/%u", dir, number).p;
		if (access(at, F_OK) < 0)
			return 0;
		if (unmount(at, e) < 0)
			return -1;
	}
}

int rootfs_remove(struct images *s, struct str id, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *dir = store_path(s, &a, "containers/%.*s", STR_FMT(id));
	if (unmount(arena_fmt(&a, "%s/rootfs", dir).p, e) < 0 || unmount_images(&a, dir, e) < 0)
		return -1;
	return tree_erase(AT_FDCWD, dir) < 0 ? err_errno(e, errno, "%s", dir) : 0;
}
