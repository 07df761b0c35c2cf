// SPDX-License-Identifier: Apache-2.0
// The programs that hold and make containers, and crun's protection. A container could write to the crun that enters it
// (CVE-2019-5736), so at every start crun makes a read-only mount of itself and starts once more from there, which is
// half of what a short run costs. It goes without where it finds itself on a read-only mount: we make one, for all runs.
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/runtime/engine.h"

static const char *find_program(struct engine *g, const char *given, const char *name, struct err *e)
{
	struct str rest = str_of(engine_env[0] + strlen("PATH=")), dir;
	if (given)
		return arena_c(&g->arena, str_of(given));
	while (str_next(&rest, ':', &dir)) {
		const char *path = arena_fmt(&g->arena, "%.*s/%s", STR_FMT(dir), name).p;
		if (access(path, X_OK) == 0)
			return path;
	}
	err_set(e, ERR_UNAVAILABLE, "%s is not installed (looked for in %s)", name, engine_env[0]);
	return NULL;
}

static bool is_mounted(const char *program, const char *at)
{
	struct stat original, mounted;
	struct statvfs fs;
	return stat(program, &original) == 0 && stat(at, &mounted) == 0 && original.st_dev == mounted.st_dev &&
	       original.st_ino == mounted.st_ino && statvfs(at, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

// One that an agent before has mounted stays, unless the program was replaced since.
static int mount_read_only(const char *program, const char *at, struct err *e)
{
	if (is_mounted(program, at))
		return 0;
	tree_unmount(at);
	int fd CLEAN_FD = open(at, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || mount(program, at, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return err_errno(e, errno, "mount %s at %s", program, at);
	return 0;
}

static const char *protected_crun(struct engine *g)
{
	return arena_fmt(&g->arena, "%s/bin/crun", g->run).p;
}

int programs_find(struct engine *g, const struct runtime_options *o, struct err *e)
{
	const char *directory = arena_fmt(&g->arena, "%s/bin", g->run).p, *crun = find_program(g, o->crun, "crun", e);
	g->conmon = crun ? find_program(g, o->conmon, "conmon", e) : NULL;
	if (!g->conmon)
		return -1;
	if (tree_make_dirs(directory, 0711) < 0)
		return err_errno(e, errno, "%s", directory);
	g->crun = protected_crun(g);
	return mount_read_only(crun, g->crun, e);
}

void programs_release(struct engine *g)
{
	tree_unmount(protected_crun(g));
	tree_erase(AT_FDCWD, arena_fmt(&g->arena, "%s/bin", g->run).p);
}
