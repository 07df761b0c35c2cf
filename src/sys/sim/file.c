// SPDX-License-Identifier: Apache-2.0
// Files in memory.
#include <errno.h>

#include "sys/sim/world.h"

void sim_files_init(struct sim *s)
{
	map_init(&s->files);
	map_init(&s->dirs);
	map_set(&s->dirs, STR("/"), s);
	map_set(&s->dirs, STR("/tmp"), s);
}

void sim_files_finish(struct sim *s)
{
	map_each(entry, &s->files)
		blob_unref(entry->value);
	map_finish(&s->files);
	map_finish(&s->dirs);
}

static struct str parent_of(const char *path)
{
	struct str s = str_of(path);
	ptrdiff_t slash = str_find_last(s, '/');
	return slash <= 0 ? STR("/") : str_sub(s, 0, (size_t)slash);
}

int sim_file_read(struct loop *l, struct arena *a, const char *path, size_t max, struct str *out, struct err *e)
{
	struct blob *b = map_get(&sim_of(l)->files, str_of(path));
	if (!b)
		return err_errno(e, ENOENT, "open %s", path);
	if (b->n > max)
		return err_set(e, ERR_TOO_LARGE, "read %s: more than %zu bytes", path, max);
	*out = arena_str(a, blob_str(b));
	return 0;
}

int sim_file_write(struct loop *l, const char *path, struct str bytes, unsigned mode, struct err *e)
{
	struct sim *s = sim_of(l);
	if (!map_has(&s->dirs, parent_of(path)))
		return err_errno(e, ENOENT, "create %s", path);
	if (sim_chance(s, s->faults.file_write_failed))
		return err_errno(e, ENOSPC, "write %s", path);
	blob_unref(map_set(&s->files, str_of(path), blob_create(bytes)));
	return 0;
}

int sim_file_remove(struct loop *l, const char *path, struct err *e)
{
	struct blob *b = map_remove(&sim_of(l)->files, str_of(path));
	if (!b)
		return err_errno(e, ENOENT, "remove %s", path);
	blob_unref(b);
	return 0;
}

int sim_dir_make(struct loop *l, const char *path, unsigned mode, struct err *e)
{
	struct sim *s = sim_of(l);
	for (struct str dir = str_of(path); dir.n > 0; dir.n--) {
		if (dir.p[dir.n - 1] == '/')
			continue;
		if (map_has(&s->files, dir))
			return err_errno(e, ENOTDIR, "make directory %s", path);
		if (dir.n == strlen(path) || path[dir.n] == '/')
			map_set(&s->dirs, dir, s);
	}
	return 0;
}
