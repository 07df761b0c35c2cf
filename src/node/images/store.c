// SPDX-License-Identifier: Apache-2.0
#include "node/images/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/map.h"
#include "node/images/tree.h"
#include "oci/digest.h"

enum { INDEX_VERSION = 1, INDEX_BYTES_MAX = 64 << 20, MARKS_MAX = 8 << 20 };

const char *store_path(struct images *s, struct arena *a, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str tail = arena_vfmt(a, format, args);
	va_end(args);
	return arena_fmt(a, "%s/%.*s", s->root, STR_FMT(tail)).p;
}

int store_read_file(struct arena *a, int dir, const char *path, size_t max, struct str *out, struct err *e)
{
	int fd CLEAN_FD = dir == AT_FDCWD ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
					  : tree_open(dir, path, O_RDONLY | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BAD_REQUEST, "%s: not a file", path);
	if ((uint64_t)st.st_size > max)
		return err_set(e, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, max);
	char *bytes = arena_alloc(a, (size_t)st.st_size + 1);
	size_t n = 0;
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, bytes + n, (size_t)st.st_size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, errno, "%s", path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*out = (struct str){bytes, n};
	return 0;
}

static int write_all(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes = str_from(bytes, (size_t)n);
	}
	return 0;
}

int store_write_file(struct arena *a, const char *path, struct str bytes, struct err *e)
{
	const char *temporary = arena_fmt(a, "%s.new", path).p;
	int fd CLEAN_FD = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write_all(fd, bytes) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0) {
		err_errno(e, errno, "%s", path);
		unlink(temporary);
		return -1;
	}
	struct str whole = str_of(path);
	const char *dir = arena_c(a, str_sub(whole, 0, (size_t)str_find_last(whole, '/')));
	return tree_sync_dir(dir) < 0 ? err_errno(e, errno, "%s", dir) : 0;
}

int store_write_unsynced(const char *path, struct str bytes, struct err *e)
{
	int fd CLEAN_FD = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 || write_all(fd, bytes) < 0 ? err_errno(e, errno, "%s", path) : 0;
}

int store_lock(struct images *s, bool exclusive, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = store_path(s, &a, "images/lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), code;
	if (fd < 0)
		return err_errno(e, errno, "%s", path);
	do
		code = flock(fd, exclusive ? LOCK_EX : LOCK_SH);
	while (code < 0 && errno == EINTR);
	if (code == 0)
		return fd;
	err_errno(e, errno, "%s", path);
	close(fd);
	return -1;
}

// ---- the index

static bool same_file(const struct stat *x, const struct stat *y)
{
	return x->st_ino == y->st_ino && x->st_size == y->st_size && x->st_mtim.tv_sec == y->st_mtim.tv_sec &&
	       x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

static struct json *empty_index(struct arena *a)
{
	struct json *index = json_object(a);
	json_put_int(a, index, "version", INDEX_VERSION);
	json_put(index, "images", json_array(a));
	return index;
}

static bool is_list_of_strings(const struct json *list)
{
	json_each(j, list)
		if (j->type != JSON_STRING)
			return false;
	return list && list->type == JSON_ARRAY;
}

// What it does not name is deleted: a document that is not an index, or of a later version, must not be taken for one.
static bool is_index(const struct json *index)
{
	const struct json *images = json_get(index, STR("images"));
	json_each(entry, images) {
		if (!oci_digest_parse(json_str(entry, "id"), NULL, NULL) ||
		    !oci_digest_parse(json_str(entry, "manifest"), NULL, NULL) ||
		    !is_list_of_strings(json_get(entry, STR("names"))) ||
		    !is_list_of_strings(json_get(entry, STR("digests"))) ||
		    !is_list_of_strings(json_get(entry, STR("layers"))))
			return false;
	}
	return images && images->type == JSON_ARRAY && json_i64(index, "version", 0) == INDEX_VERSION;
}

static int read_index(struct arena *a, const char *path, struct json **index, struct err *e)
{
	struct str text;
	if (store_read_file(a, AT_FDCWD, path, INDEX_BYTES_MAX, &text, e) < 0 || json_parse(a, text, NULL, index, e) < 0)
		return -1;
	return is_index(*index) ? 0 : err_set(e, ERR_INTERNAL, "%s: not an index of version %d", path, INDEX_VERSION);
}

static int load_index(struct images *s, struct err *e)
{
	struct arena fresh;
	arena_init(&fresh);
	const char *path = store_path(s, &fresh, "images/index.json");
	struct stat now;
	if (stat(path, &now) < 0)
		memset(&now, 0, sizeof(now));
	if (s->index && same_file(&now, &s->seen)) {
		arena_finish(&fresh);
		return 0;
	}
	struct json *index = empty_index(&fresh);
	if (now.st_ino && read_index(&fresh, path, &index, e) < 0) {
		arena_finish(&fresh);
		return err_wrap(e, "index of images");
	}
	arena_finish(&s->arena);
	s->arena = fresh;
	s->index = index;
	s->seen = now;
	return 0;
}

int store_index(struct images *s, struct arena *a, struct json **index, struct err *e)
{
	pthread_mutex_lock(&s->mutex);
	int result = load_index(s, e);
	if (result == 0)
		*index = json_clone(a, s->index);
	pthread_mutex_unlock(&s->mutex);
	return result;
}

int store_write_index(struct images *s, struct arena *a, const struct json *index, struct err *e)
{
	return store_write_file(a, store_path(s, a, "images/index.json"), json_text(a, index), e);
}

void store_add_sorted(struct arena *a, struct json *list, struct str s)
{
	size_t at = 0;
	json_each(j, list) {
		int order = str_cmp(j->text, s);
		if (order == 0)
			return;
		if (order < 0)
			at++;
	}
	json_insert(list, at, json_string(a, s));
}

bool store_remove_name(struct json *list, struct str s)
{
	size_t at = 0;
	json_each(j, list) {
		if (str_eq(j->text, s)) {
			json_remove_index(list, at);
			return true;
		}
		at++;
	}
	return false;
}

// ---- what is no longer needed

bool store_in_use(struct images *s, struct str id)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = store_path(s, &a, "containers");
	DIR *d = opendir(path);
	bool found = false;
	for (struct dirent *at; d && !found && (at = readdir(d));) {
		struct str marks, used;
		const char *path_of_marks = store_path(s, &a, "containers/%s/image", at->d_name);
		if (at->d_name[0] == '.' || store_read_file(&a, AT_FDCWD, path_of_marks, MARKS_MAX, &marks, NULL) < 0)
			continue;
		while (!found && str_next(&marks, '\n', &used))
			found = str_eq(used, id);
	}
	if (d)
		closedir(d);
	return found;
}

static void note_digest(struct map *keep, struct str digest)
{
	struct str kind, hex;
	str_cut(digest, ':', &kind, &hex);
	map_set(keep, hex, keep);
}

// It vanishes in one step: what is erased only in part must not be taken for a layer by an import that follows a kill.
static void remove_one(struct images *s, struct arena *a, int dir, const char *name)
{
	const char *aside = store_path(s, a, "images/tmp/gone-%s", name);
	tree_erase(AT_FDCWD, aside);
	if (renameat(dir, name, AT_FDCWD, aside) == 0)
		tree_erase(AT_FDCWD, aside);
}

static void remove_others(struct images *s, struct arena *a, const char *path, const struct map *keep)
{
	DIR *d = opendir(path);
	for (struct dirent *at; d && (at = readdir(d));)
		if (at->d_name[0] != '.' && !map_has(keep, str_of(at->d_name)))
			remove_one(s, a, dirfd(d), at->d_name);
	if (d)
		closedir(d);
}

void store_collect(struct images *s, const struct json *index)
{
	struct arena a CLEAN_ARENA;
	struct map blobs CLEAN_MAP, layers CLEAN_MAP;
	arena_init(&a);
	map_init(&blobs);
	map_init(&layers);
	json_each(image, json_get(index, STR("images"))) {
		note_digest(&blobs, json_str(image, "id"));
		note_digest(&blobs, json_str(image, "manifest"));
		json_each(layer, json_get(image, STR("layers")))
			map_set(&layers, layer->text, &layers);
	}
	remove_others(s, &a, store_path(s, &a, "images/blobs/sha256"), &blobs);
	remove_others(s, &a, store_path(s, &a, "layers"), &layers);
}

// Staging directories whose import holds no lock on them any more, and what a killed remove_one left.
static void sweep_staging(struct images *s)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	DIR *d = opendir(store_path(s, &a, "images/tmp"));
	for (struct dirent *at; d && (at = readdir(d));) {
		if (at->d_name[0] == '.')
			continue;
		int fd CLEAN_FD = openat(dirfd(d), at->d_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			tree_erase(dirfd(d), at->d_name);
	}
	if (d)
		closedir(d);
}

static int make_dirs(struct images *s, struct err *e)
{
	static const char *const dirs[] = {"images/blobs/sha256", "images/tmp", "layers", "containers"};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		const char *path = store_path(s, &a, "%s", dirs[i]);
		if (tree_make_dirs(path, 0700) < 0)
			return err_errno(e, errno, "%s", path);
	}
	return 0;
}

// Mount options give directories by name, so the name must be absolute and free of their separators.
static int find_root(struct images *s, const char *data_dir, struct err *e)
{
	if (tree_make_dirs(data_dir, 0755) < 0 || !(s->root = realpath(data_dir, NULL)))
		return err_errno(e, errno, "%s", data_dir);
	if (strpbrk(s->root, ":,\\"))
		return err_set(e, ERR_BAD_REQUEST, "%s: a data directory may not have ':', ',' or '\\' in its name",
			       s->root);
	return 0;
}

int images_open(const char *data_dir, struct images **out, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct images *s = MEM_NEW(struct images);
	pthread_mutex_init(&s->mutex, NULL);
	arena_init(&s->arena);
	images_set_limits(s, &(struct images_limits){0});
	struct json *index = NULL;
	int lock CLEAN_FD = find_root(s, data_dir, e) < 0 || make_dirs(s, e) < 0 ? -1 : store_lock(s, true, e);
	if (lock < 0 || store_index(s, &a, &index, e) < 0) {
		images_close(s);
		return err_wrap(e, "store of images");
	}
	sweep_staging(s);
	store_collect(s, index);
	*out = s;
	return 0;
}

void images_close(struct images *s)
{
	if (!s)
		return;
	arena_finish(&s->arena);
	pthread_mutex_destroy(&s->mutex);
	free(s->root);
	free(s);
}

void images_set_limits(struct images *s, const struct images_limits *l)
{
	s->limits = (struct images_limits){
		.layer_bytes = l->layer_bytes ? l->layer_bytes : UINT64_C(32) << 30,
		.layer_entries = l->layer_entries ? l->layer_entries : 2000000,
		.ratio = l->ratio ? l->ratio : 1000,
		.manifest_bytes = l->manifest_bytes ? l->manifest_bytes : 4 << 20,
	};
}
