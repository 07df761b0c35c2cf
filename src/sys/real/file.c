// SPDX-License-Identifier: Apache-2.0
// Small files, read and written at once.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "sys/real/loop.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define CLEAN_FD __attribute__((cleanup(close_fd)))

int real_file_read(struct loop *l, struct arena *a, const char *path, size_t max, struct str *out, struct err *e)
{
	int fd CLEAN_FD = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "open %s", path);
	struct buf b CLEAN_BUF;
	buf_init(&b);
	for (;;) {
		buf_reserve(&b, 4096);
		ssize_t got = read(fd, b.p + b.n, b.room - b.n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, errno, "read %s", path);
		if (got == 0)
			break;
		b.n += (size_t)got;
		if (b.n > max)
			return err_set(e, ERR_TOO_LARGE, "read %s: more than %zu bytes", path, max);
	}
	*out = arena_str(a, buf_str(&b));
	return 0;
}

static int write_all(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t put = write(fd, bytes.p, bytes.n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		bytes = str_from(bytes, (size_t)put);
	}
	return 0;
}

// The name in a directory survives a crash only when the directory is synced too.
static int sync_dir_of(const char *path, struct err *e)
{
	struct str dir = str_of(path);
	ptrdiff_t slash = str_find_last(dir, '/');
	char name[4096];
	if (!str_to_c(slash < 0 ? STR(".") : str_sub(dir, 0, slash ? (size_t)slash : 1), name, sizeof name))
		return err_errno(e, ENAMETOOLONG, "sync directory of %s", path);
	int fd CLEAN_FD = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(e, errno, "sync %s", name);
	return 0;
}

static int write_new(const char *path, struct str bytes, unsigned mode, struct err *e)
{
	int fd CLEAN_FD = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(e, errno, "create %s", path);
	if (fchmod(fd, mode) < 0 || write_all(fd, bytes) < 0 || fsync(fd) < 0) {
		err_errno(e, errno, "write %s", path);
		unlink(path);
		return -1;
	}
	return 0;
}

int real_file_write(struct loop *l, const char *path, struct str bytes, unsigned mode, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *new_path = arena_fmt(&a, "%s.new", path).p;
	if (write_new(new_path, bytes, mode, e) < 0)
		return -1;
	if (rename(new_path, path) < 0) {
		err_errno(e, errno, "rename to %s", path);
		unlink(new_path);
		return -1;
	}
	return sync_dir_of(path, e);
}

int real_file_remove(struct loop *l, const char *path, struct err *e)
{
	return unlink(path) < 0 ? err_errno(e, errno, "remove %s", path) : sync_dir_of(path, e);
}

int real_dir_make(struct loop *l, const char *path, unsigned mode, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	char *name = arena_c(&a, str_of(path));
	for (char *p = name + 1; name[0] && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(name, 0755) < 0 && errno != EEXIST)
			return err_errno(e, errno, "make directory %s", name);
		*p = '/';
	}
	if (mkdir(name, mode) == 0)
		return 0;
	int why = errno;
	struct stat st;
	if (why == EEXIST && stat(name, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return err_errno(e, why, "make directory %s", path);
}
