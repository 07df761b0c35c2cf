// SPDX-License-Identifier: Apache-2.0
// record.json: what a later agent must know of a container besides what the other files say.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "node/images/store.h"
#include "node/images/tree.h"
#include "node/runtime/engine.h"

enum { RECORD_MAX = 4 << 20 };

// Not synced: after a crash of the machine no container is left that it would speak of.
int record_write(struct arena *a, const char *path, const struct runtime_container_spec *spec, struct err *e)
{
	struct json *j = json_object(a);
	json_put_str(a, j, "id", spec->id);
	json_put_str(a, j, "podUid", spec->pod_uid);
	json_put_str(a, j, "name", spec->name);
	json_put_str(a, j, "note", spec->note);
	json_put_str(a, j, "imageId", spec->image_id);
	json_put_str(a, j, "logPath", spec->log_path);
	json_put_bool(a, j, "tty", spec->tty);
	json_put_bool(a, j, "stdinOpen", spec->stdin_open);
	json_put_bool(a, j, "stdinOnce", spec->stdin_once);
	return store_write_unsynced(path, json_text(a, j), e);
}

static int record_read(struct arena *a, const char *path, struct runtime_container_spec *out)
{
	struct str text;
	struct json *j;
	if (store_read_file(a, AT_FDCWD, path, RECORD_MAX, &text, NULL) < 0 || json_parse(a, text, NULL, &j, NULL) < 0)
		return -1;
	*out = (struct runtime_container_spec){
		.id = json_str(j, "id"),
		.pod_uid = json_str(j, "podUid"),
		.name = json_str(j, "name"),
		.note = json_str(j, "note"),
		.image_id = json_str(j, "imageId"),
		.log_path = json_str(j, "logPath"),
		.tty = json_is_true(j, "tty"),
		.stdin_open = json_is_true(j, "stdinOpen"),
		.stdin_once = json_is_true(j, "stdinOnce"),
	};
	return str_empty(out->id) || str_empty(out->pod_uid) ? -1 : 0;
}

static void fill(struct container *c, struct arena *a, const char *dir)
{
	struct engine *g = c->engine;
	const char *pidfile = arena_fmt(a, "%s/pidfile", dir).p;
	const char *mark = arena_fmt(a, "%s/started", dir).p;
	c->created = file_time(pidfile);
	if (access(container_fifo(g, a, c->id), F_OK) == 0)
		unlink(mark); // the agent was killed before it let the process go
	c->started = file_time(mark);
	c->pid = (int)file_number(pidfile, 0);
	c->phase = c->started ? RUNTIME_RUNNING : RUNTIME_CREATED;
	c->known = true;
	if (container_has_exit_file(c))
		container_ended(c);
	else if (container_alive(g, container_cgroup(c, a), c->pid) || conmon_runs(a, dir, c->id))
		exit_watch_process(c); // which has ended where only conmon runs: that is about to write the exit file
	else
		container_lost(c, c->started ? c->started : c->created);
}

// A directory without a container: its create was cut off.
static void discard(struct engine *g, struct arena *a, const char *id, const struct runtime_container_spec *spec)
{
	container_destroy(g, a, id, spec ? arena_c(a, spec->pod_uid) : NULL, NULL);
}

static void adopt(struct engine *g, const char *id)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct runtime_container_spec spec;
	const char *dir = container_dir(g, &a, id);
	int has_record = record_read(&a, arena_fmt(&a, "%s/record.json", dir).p, &spec) == 0 && str_is(spec.id, id);
	if (!has_record || !file_time(arena_fmt(&a, "%s/pidfile", dir).p)) {
		discard(g, &a, id, has_record ? &spec : NULL);
		return;
	}
	fill(container_add(g, &spec), &a, dir);
}

// The exit code of a container whose removal was cut off at its end.
static void forget_exit(struct engine *g, const char *id)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (!container_get(g, str_of(id)))
		unlink(engine_path(g, &a, "exits/%s", id));
}

static void each_of(struct engine *g, const char *dir, void (*each)(struct engine *g, const char *id))
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	DIR *d = opendir(engine_path(g, &a, "%s", dir));
	for (struct dirent *at; d && (at = readdir(d));)
		if (at->d_name[0] != '.')
			each(g, at->d_name);
	if (d)
		closedir(d);
}

void record_adopt_all(struct engine *g)
{
	each_of(g, "containers", adopt);
	each_of(g, "exits", forget_exit);
}
