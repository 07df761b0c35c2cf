// SPDX-License-Identifier: Apache-2.0
// What the files of the real runtime share.
//
// Where things are:
//   DATA/containers/ID/  record.json (what was asked), config.json (for crun), pidfile and conmon.pid (conmon's), ctl and
//                        attach (conmon's sockets), started (its time is the start's), rootfs, upper, work (see images.h)
//   DATA/exits/ID        the exit code, written by conmon; its time is the end's
//   RUN/exits/ID/        exit and oom: conmon's first note of the end, in memory, so that a full disk does not lose it
//   RUN/bin/crun         the program, mounted read-only
//   RUN/crun/            crun's own state
//   RUN/exec/            small files of processes being run by exec
//   RUN/pods/UID/        pod.json, and the pod's namespaces and /dev/shm as mounts: ipc, uts, pid, shm
// A container's state is what these files say: an agent that was killed anywhere finds it again from them.
//
// The loop owns every structure here. What blocks runs as a job on the pool, one at a time for each pod.
#ifndef NODE_ENGINE_H
#define NODE_ENGINE_H

#include <limits.h>

#include "base/map.h"
#include "node/runtime/bundle.h"
#include "node/runtime/runtime.h"

struct job;

struct pod {
	struct engine *engine;
	char *uid;
	struct job *first, *last; // first is running
	bool made;
};

struct container {
	struct engine *engine;
	char *id, *pod_uid, *name, *note, *image_id, *log_path;
	bool tty, stdin_open, stdin_once;
	enum runtime_phase phase;
	int pid;
	int64_t created, started, finished;
	int exit_code, signal;
	bool oom_killed, lost;
	bool known;   // create has succeeded (or it was adopted): may be listed
	bool busy;    // a job of it is running or waiting: its end is told afterwards
	bool told;    // on_exit was called
	struct process_watch *process; // of its first process; NULL: not watched
};

struct engine {
	struct runtime base;
	struct images *images;
	struct cgroups cgroups;
	const char *data, *run, *crun, *conmon; // in `arena`
	struct arena arena;
	uint64_t capabilities;
	int oom_score_least;
	struct map pods, containers;
	size_t jobs; // running or waiting, and sessions: they keep the engine's memory
	uint64_t next_exec;
	bool closing;
	const struct runtime_events *events;
	void *events_arg;
	struct exit_watch *exit_watch;
	struct seccomp_cache *seccomp;
};

static inline struct engine *engine_of(struct runtime *r)
{
	return CONTAINER_OF(r, struct engine, base);
}

const char *engine_path(const struct engine *g, struct arena *a, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
extern const char *const engine_env[]; // for programs we run
void engine_release(struct engine *g); // one job less; frees what was closed

// programs.c
int programs_find(struct engine *g, const struct runtime_options *o, struct err *e); // sets crun and conmon
void programs_release(struct engine *g);

// ---- jobs (jobs.c)

struct job {
	struct work work;
	struct engine *engine;
	struct pod *pod;
	char *id; // of the container concerned, which may be gone when the job is done; or NULL
	struct arena arena;	      // holds copies of what the caller gave, and the job itself
	int (*run)(struct job *);     // on the pool; fills `e`
	void (*finish)(struct job *); // on the loop, before done; may be NULL
	runtime_done *done;
	void *arg;
	struct err e;
	int result;
	struct job *next;
};

// A job of `size` bytes whose first member is struct job, in its own arena.
void *job_create(struct engine *g, struct str pod_uid, size_t size, int (*run)(struct job *), runtime_done *done,
		 void *arg);
void job_submit(struct job *j); // runs after those of the same pod
// Fails on the next turn with the reason, without running.
void job_refuse(struct job *j, enum err_reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));

// ---- containers

struct container *container_get(const struct engine *g, struct str id); // NULL: none
struct container *container_add(struct engine *g, const struct runtime_container_spec *spec); // copies
void container_drop(struct container *c);
void container_ended(struct container *c); // its exit file is there: reads it and tells, once
void container_lost(struct container *c, int64_t when); // it ended, and nobody took note of how
void container_tell(struct container *c);  // on_exit, if it ended, nobody was told and no job is under way
void container_fill_state(const struct container *c, struct arena *a, struct runtime_state *out);
const char *container_cgroup(const struct container *c, struct arena *a); // "pod<uid>/<id>"
const char *container_dir(const struct engine *g, struct arena *a, const char *id);
const char *container_exit_dir(const struct engine *g, struct arena *a, const char *id); // below RUN
// At which crun's init waits to be started; absent: it was.
const char *container_fifo(const struct engine *g, struct arena *a, const char *id);
bool container_has_exit_file(const struct container *c);
bool container_alive(const struct engine *g, const char *cgroup, int pid); // whether the process is that container's
int64_t file_time(const char *path); // of last change, ns since 1970; 0: absent
int64_t file_number(const char *path, int64_t otherwise);
size_t file_text(const char *path, char *out, size_t size); // its beginning, NUL-terminated; 0: absent or empty

// record.c
int record_write(struct arena *a, const char *path, const struct runtime_container_spec *spec, struct err *e);
void record_adopt_all(struct engine *g); // at open: containers as the disk says

// pods.c
const char *pod_cgroup(struct arena *a, struct str uid); // "pod<uid>"
int pod_read(const struct engine *g, struct arena *a, struct str uid, struct bundle_pod *out, struct err *e);
void pod_free_if_idle(struct pod *p);
struct pod *pod_need(struct engine *g, struct str uid);
int namespace_hold(const char *namespace_file, const char *path, struct err *e); // by a bind mount
void pods_adopt(struct engine *g);
// Its containers are gone; on the pool.
int pod_destroy(struct engine *g, struct arena *a, const char *uid, struct err *e);

// conmon.c: all on the pool
int conmon_create(struct engine *g, struct arena *a, const struct runtime_container_spec *spec, const char *dir,
		  int *pid, struct err *e);
int conmon_reopen_log(const char *dir, const char *log, struct err *e); // returns when it is there
int conmon_resize(const char *dir, int width, int height, struct err *e);
// Whether the container's conmon still runs.
bool conmon_runs(struct arena *a, const char *dir, const char *id);
void conmon_kill(struct arena *a, const char *dir, const char *id);
// Waits for it to end after its container did, else kills it.
void conmon_finish(struct arena *a, const char *dir, const char *id);

// remove.c: on the pool. Kills what runs, deletes all but the log.
int engine_cgroup_remove(struct engine *g, const char *cgroup, struct err *e); // waits a little for its dead to go
int container_destroy(struct engine *g, struct arena *a, const char *id, const char *pod_uid, struct err *e);

// exits.c
int exit_watch_open(struct engine *g, struct err *e);
void exit_watch_close(struct engine *g);
// Sees the process end also where conmon was killed and writes no exit file. For containers that are known.
void exit_watch_process(struct container *c);
void exit_unwatch_process(struct container *c);

// The table's entries, each in the file of its name.
void engine_pod_make(struct runtime *, const struct runtime_pod_spec *, runtime_done *, void *arg);
void engine_pod_remove(struct runtime *, struct str uid, runtime_done *, void *arg);
void engine_create(struct runtime *, const struct runtime_container_spec *, runtime_done *, void *arg);
void engine_start(struct runtime *, struct str id, runtime_done *, void *arg);
int engine_kill(struct runtime *, struct str id, int signal, struct err *e);
void engine_remove(struct runtime *, struct str id, runtime_done *, void *arg);
bool engine_pod_limits(struct runtime *, struct str uid, struct cgroup_limits *out);
void engine_resize(struct runtime *, struct str uid, const struct runtime_resize_step *, size_t count, runtime_done *,
		   void *arg);
struct runtime_session *engine_exec(struct runtime *, const struct runtime_exec_spec *,
				    const struct runtime_session_events *, void *arg);
struct runtime_session *engine_attach(struct runtime *, struct str id, bool stdin_open,
				      const struct runtime_session_events *, void *arg);

#endif
