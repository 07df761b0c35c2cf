// SPDX-License-Identifier: Apache-2.0
#include "node/images/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "node/images/extract_path.h"
#include "node/images/layers.h"
#include "node/images/tree.h"

enum { ATTRIBUTE_NAME_MAX = 255, ATTRIBUTE_VALUE_MAX = 64 << 10, ATTRIBUTES_MAX = 64 };

static int refuse(struct err *e, const struct place *p, const char *why)
{
	return err_set(e, ERR_BAD_REQUEST, "entry \"%s\" %s", p->path, why);
}

static int broke(struct err *e, const struct place *p, const char *what)
{
	return err_errno(e, errno, "entry \"%s\": %s", p->path, what);
}

// ---- what stands behind a name besides its content

static bool xattr_allowed(const char *name)
{
	return strcmp(name, "security.capability") == 0 || strncmp(name, "user.", 5) == 0;
}

static int apply_xattrs(int fd, struct archive_entry *entry)
{
	const char *name;
	const void *value;
	size_t size;
	int left = ATTRIBUTES_MAX;
	archive_entry_xattr_reset(entry);
	while (left-- > 0 && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!xattr_allowed(name) || strlen(name) > ATTRIBUTE_NAME_MAX || size > ATTRIBUTE_VALUE_MAX)
			continue;
		if (fsetxattr(fd, name, value, size, 0) < 0 && errno != ENOTSUP)
			return -1;
	}
	return 0;
}

// Owner first: chown takes away set-user-ID bits and capabilities.
static int apply_metadata(const struct extract *x, int fd, struct archive_entry *entry)
{
	mode_t mode = archive_entry_perm(entry);
	if (!x->layer)
		return fchmod(fd, archive_entry_filetype(entry) == S_IFDIR ? 0700 : 0600);
	if (fchown(fd, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry)) < 0)
		return -1;
	if (fchmod(fd, mode & 07777) < 0 || apply_xattrs(fd, entry) < 0)
		return -1;
	struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)},
	};
	return futimens(fd, times);
}

static int own_link(const struct extract *x, const struct place *p, struct archive_entry *entry)
{
	if (!x->layer)
		return 0;
	return fchownat(p->parent, p->name, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry),
			AT_SYMLINK_NOFOLLOW);
}

// ---- one entry of each kind; the name is free (see make_room)

static int copy_data(struct extract *x, struct archive *ar, int fd, int64_t size, struct err *e)
{
	const void *bytes;
	size_t n;
	la_int64_t offset;
	int code;
	while ((code = archive_read_data_block(ar, &bytes, &n, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || offset > size || (int64_t)n > size - offset)
			return err_set(e, ERR_BAD_REQUEST, "data beyond the file's size");
		for (size_t done = 0; done < n;) {
			ssize_t put = pwrite(fd, (const char *)bytes + done, n - done, offset + (la_int64_t)done);
			if (put < 0 && errno == EINTR)
				continue;
			if (put < 0)
				return err_errno(e, errno, "write");
			done += (size_t)put;
		}
	}
	if (code == ARCHIVE_EOF)
		return ftruncate(fd, size) < 0 ? err_errno(e, errno, "ftruncate") : 0;
	return e->reason ? -1 : err_set(e, ERR_BAD_REQUEST, "%s", archive_error_string(ar));
}

static int put_file(struct extract *x, struct place *p, struct archive *ar, struct archive_entry *entry, struct err *e)
{
	int64_t size = archive_entry_size(entry);
	if (size < 0)
		return refuse(e, p, "has a negative size");
	x->bytes += (uint64_t)size;
	if (x->bytes_max && x->bytes > x->bytes_max)
		return err_set(e, ERR_TOO_LARGE, "entry \"%s\": files of more than %llu bytes in all", p->path,
			       (unsigned long long)x->bytes_max);
	int fd CLEAN_FD = openat(p->parent, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return broke(e, p, "create");
	if (copy_data(x, ar, fd, size, e) < 0)
		return err_wrap(e, "entry \"%s\"", p->path);
	return apply_metadata(x, fd, entry) < 0 ? broke(e, p, "owner or mode") : 0;
}

static int put_directory(struct extract *x, struct place *p, struct archive_entry *entry, struct err *e)
{
	if (p->name[0] && layers_make_directory(p->parent, p->name) < 0)
		return broke(e, p, "mkdir");
	int fd CLEAN_FD =
		openat(p->parent, p->name[0] ? p->name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || apply_metadata(x, fd, entry) < 0)
		return broke(e, p, "directory");
	return 0;
}

static int put_symlink(struct extract *x, struct place *p, struct archive_entry *entry, struct err *e)
{
	const char *target = archive_entry_symlink(entry);
	if (!target || !target[0])
		return refuse(e, p, "is a symlink to nowhere");
	if (symlinkat(target, p->parent, p->name) < 0 || own_link(x, p, entry) < 0)
		return broke(e, p, "symlink");
	return 0;
}

static int put_hardlink(struct extract *x, struct place *p, struct archive_entry *entry, struct err *e)
{
	struct place target;
	if (path_find(x, archive_entry_hardlink(entry), &target, e) < 0)
		return err_wrap(e, "entry \"%s\": hardlink", p->path);
	int result = linkat(target.parent, target.name, p->parent, p->name, 0);
	if (result < 0 && errno == ENOENT && path_copy_up(x, &target) == 0)
		result = linkat(target.parent, target.name, p->parent, p->name, 0);
	if (result < 0)
		broke(e, p, "hardlink");
	path_finish(&target);
	return result;
}

static int put_fifo(struct extract *x, struct place *p, struct archive_entry *entry, struct err *e)
{
	mode_t mode = archive_entry_perm(entry) & 07777;
	if (mkfifoat(p->parent, p->name, 0600) < 0 || own_link(x, p, entry) < 0 ||
	    fchmodat(p->parent, p->name, mode, 0) < 0)
		return broke(e, p, "fifo");
	return 0;
}

// ---- whiteouts: what a layer takes away of those below

// Does its work and says 1 when the entry was one; 0 when it is an ordinary name.
static int take_whiteout(struct extract *x, struct place *p, struct err *e)
{
	static const char prefix[] = ".wh.";
	if (!x->layer || strncmp(p->name, prefix, 4) != 0)
		return 0;
	const char *hidden = p->name + 4;
	if (strcmp(hidden, ".wh..opq") == 0)
		return layers_hide_all(x, p->parent, p->name == p->path) < 0 ? broke(e, p, "opaque directory") : 1;
	if (strncmp(hidden, prefix, 4) == 0)
		return 1; // bookkeeping of aufs
	if (!hidden[0] || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return refuse(e, p, "is a whiteout of nothing");
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%.*s%s", (int)(p->name - p->path), p->path, hidden);
	return layers_hide(x, p->parent, path) < 0 ? broke(e, p, "whiteout") : 1;
}

// ---- the archive

// A later entry of the same name replaces the earlier, but directories are kept.
static int make_room(struct extract *x, struct place *p, bool for_directory, struct err *e)
{
	struct stat st;
	if (!p->name[0])
		return for_directory ? 0 : refuse(e, p, "would replace the root");
	if (fstatat(p->parent, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : broke(e, p, "stat");
	if (for_directory && (S_ISDIR(st.st_mode) || tree_is_whiteout(&st)))
		return 0;
	return tree_erase(p->parent, p->name) < 0 ? broke(e, p, "replace") : 0;
}

static int put_entry(struct extract *x, struct place *p, struct archive *ar, struct archive_entry *entry, struct err *e)
{
	mode_t type = archive_entry_filetype(entry);
	bool link = archive_entry_hardlink(entry) != NULL;
	if (type == S_IFCHR || type == S_IFBLK)
		return refuse(e, p, "is a device node");
	int whiteout = take_whiteout(x, p, e);
	if (whiteout)
		return whiteout < 0 ? -1 : 0;
	if (make_room(x, p, !link && type == S_IFDIR, e) < 0)
		return -1;
	if (link)
		return put_hardlink(x, p, entry, e);
	switch (type) {
	case S_IFREG:
		return put_file(x, p, ar, entry, e);
	case S_IFDIR:
		return put_directory(x, p, entry, e);
	case S_IFLNK:
		return put_symlink(x, p, entry, e);
	case S_IFIFO:
		if (x->layer)
			return put_fifo(x, p, entry, e);
		// fallthrough
	default:
		return refuse(e, p, "is of a kind that is not taken");
	}
}

static int next_entry(struct extract *x, struct layer_reader *from, struct archive *ar, struct archive_entry **entry,
		      struct err *e)
{
	int code = x->entries ? archive_read_data_skip(ar) : ARCHIVE_OK; // what nobody wanted is not of the header
	layer_reader_begin_header(from);
	if (code != ARCHIVE_FATAL)
		code = archive_read_next_header(ar, entry);
	layer_reader_end_header(from);
	if (code == ARCHIVE_EOF)
		return 0;
	if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
		return e->reason ? -1 : err_set(e, ERR_BAD_REQUEST, "tar: %s", archive_error_string(ar));
	if (!archive_entry_pathname(*entry))
		return err_set(e, ERR_BAD_REQUEST, "tar: an entry without a name");
	x->entries++;
	if (x->entries_max && x->entries > x->entries_max)
		return err_set(e, ERR_TOO_LARGE, "more than %llu entries", (unsigned long long)x->entries_max);
	return 1;
}

static int extract_all(struct extract *x, struct layer_reader *from, struct archive *ar, struct err *e)
{
	struct archive_entry *entry;
	int more;
	while ((more = next_entry(x, from, ar, &entry, e)) > 0) {
		struct place p;
		if (path_find(x, archive_entry_pathname(entry), &p, e) < 0)
			return -1;
		int result = put_entry(x, &p, ar, entry, e);
		path_finish(&p);
		if (result < 0)
			return -1;
	}
	return more;
}

int extract_archive(struct extract *x, struct layer_reader *from, struct err *e)
{
	struct archive *ar = layer_reader_archive(from, e);
	if (!ar)
		return -1;
	// libarchive converts names to the locale's characters: to UTF-8 they pass as they are.
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	int result = extract_all(x, from, ar, e);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	archive_read_free(ar);
	return result;
}
