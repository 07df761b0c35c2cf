// SPDX-License-Identifier: Apache-2.0
// Limits of what runs, changed in place: of a pod's group and its containers' groups, in the order given.
#include <errno.h>
#include <stdio.h>

#include "node/runtime/engine.h"

struct resize_job {
	struct job job;
	struct runtime_resize_step *steps;
	struct runtime_container_spec *records; // beside steps: what record.json says from then on
	size_t count, done;
	const char *uid;
};

static const char *group_of(struct resize_job *j, const struct runtime_resize_step *step)
{
	struct arena *a = &j->job.arena;
	return step->id.n ? arena_fmt(a, "pod%s/%.*s", j->uid, STR_FMT(step->id)).p : pod_cgroup(a, str_of(j->uid));
}

// Below what is in use, version 2 would kill.
static int check_memory(struct resize_job *j, const struct runtime_resize_step *step, struct err *e)
{
	uint64_t limit = step->parts & CGROUP_MEMORY ? step->limits.memory_bytes : 0;
	uint64_t used = limit ? cgroup_memory(&j->job.engine->cgroups, group_of(j, step)) : 0;
	if (!limit || used < limit)
		return 0;
	return err_set(e, ERR_CONFLICT,
		       "cannot lower memory limits: %s \"%.*s\": memory limit (%llu) below current usage (%llu)",
		       step->id.n ? "container" : "pod", STR_FMT(step->name), (unsigned long long)limit,
		       (unsigned long long)used);
}

// By a rename: whoever comes after a kill -9 finds the old record or the new one.
static int rewrite_record(struct resize_job *j, const struct runtime_container_spec *record, struct err *e)
{
	struct arena *a = &j->job.arena;
	const char *dir = container_dir(j->job.engine, a, arena_c(a, record->id));
	const char *path = arena_fmt(a, "%s/record.json", dir).p, *fresh = arena_fmt(a, "%s/record.new", dir).p;
	if (record_write(a, fresh, record, e) < 0)
		return -1;
	return rename(fresh, path) < 0 ? err_errno(e, errno, "%s", path) : 0;
}

static int take_step(struct resize_job *j, size_t i, struct err *e)
{
	const struct runtime_resize_step *step = &j->steps[i];
	const struct cgroups *groups = &j->job.engine->cgroups;
	const char *group = group_of(j, step);
	if (step->id.n && !cgroup_exists(groups, group))
		return 0; // it has ended meanwhile
	if (cgroup_change(groups, group, &step->limits, step->parts, e) < 0)
		return -1;
	return step->id.n ? rewrite_record(j, &j->records[i], e) : 0;
}

static int run_resize(struct job *job)
{
	struct resize_job *j = (struct resize_job *)job;
	for (size_t i = 0; i < j->count; i++)
		if (check_memory(j, &j->steps[i], &job->e) < 0)
			return -1;
	for (; j->done < j->count; j->done++)
		if (take_step(j, j->done, &job->e) < 0)
			return -1;
	return 0;
}

static void finish_resize(struct job *job)
{
	struct resize_job *j = (struct resize_job *)job;
	for (size_t i = 0; i < j->done; i++) {
		struct container *c = j->steps[i].id.n ? container_get(job->engine, j->steps[i].id) : NULL;
		if (!c)
			continue;
		free(c->note);
		c->note = mem_strdup(arena_c(&job->arena, j->steps[i].note));
	}
}

static void copy_step(struct resize_job *j, size_t i, const struct runtime_resize_step *from)
{
	struct arena *a = &j->job.arena;
	struct runtime_resize_step *to = &j->steps[i];
	const struct container *c = from->id.n ? container_get(j->job.engine, from->id) : NULL;
	*to = *from;
	to->id = arena_str(a, from->id);
	to->name = arena_str(a, from->name);
	to->note = arena_str(a, from->note);
	if (!c)
		return;
	j->records[i] = (struct runtime_container_spec){
		.id = to->id,
		.pod_uid = str_of(j->uid),
		.name = arena_str(a, str_of(c->name)),
		.note = to->note,
		.image_id = arena_str(a, str_of(c->image_id)),
		.log_path = arena_str(a, str_of(c->log_path)),
		.tty = c->tty,
		.stdin_open = c->stdin_open,
		.stdin_once = c->stdin_once,
	};
}

void engine_resize(struct runtime *r, struct str uid, const struct runtime_resize_step *steps, size_t count,
		   runtime_done *done, void *arg)
{
	struct engine *g = engine_of(r);
	struct resize_job *j = job_create(g, uid, sizeof *j, run_resize, done, arg);
	struct arena *a = &j->job.arena;
	j->job.finish = finish_resize;
	j->uid = arena_c(a, uid);
	j->steps = ARENA_ARRAY(a, struct runtime_resize_step, count + 1);
	j->records = ARENA_ARRAY(a, struct runtime_container_spec, count + 1);
	j->count = count;
	for (size_t i = 0; i < count; i++) {
		bool gone = steps[i].id.n && !container_get(g, steps[i].id);
		if (gone) {
			job_refuse(&j->job, ERR_NOT_FOUND, "container %.*s is not there", STR_FMT(steps[i].id));
			return;
		}
		copy_step(j, i, &steps[i]);
	}
	job_submit(&j->job);
}

bool engine_pod_limits(struct runtime *r, struct str uid, struct cgroup_limits *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	return cgroup_read_limits(&engine_of(r)->cgroups, pod_cgroup(&a, uid), out);
}
