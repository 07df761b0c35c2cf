// SPDX-License-Identifier: Apache-2.0
// Containers, as the pods' half of the node sees them: a table of functions, so that tests run pods over an imitation.
// runtime_open gives the real one: conmon and crun on overlayfs. Containers and their monitors live on when the agent
// ends or is killed; the next runtime_open on the same directories finds them again.
//
// Everything belongs to the loop it was opened on. Calls copy what they are given; results are valid during the
// callback only. A `done` is called exactly once, never from inside the call; err NULL means success. Calls for one
// container or pod are carried out in the order in which they were made.
#ifndef NODE_RUNTIME_H
#define NODE_RUNTIME_H

#include "base/json.h"
#include "node/cgroup/cgroup.h"
#include "node/images/images.h"
#include "sys/sys.h"

struct runtime;
typedef void runtime_done(void *arg, const struct err *e);

// ---- pods: what containers of one pod share

struct runtime_sysctl {
	struct str name, value;
};

struct runtime_pod_spec {
	struct str uid;
	struct str hostname;	 // empty with host_network: the host's
	struct str net_ns;	 // path of the network namespace; empty: the host's
	bool host_pid, host_ipc; // share_pid: one process namespace for all containers of the pod
	bool share_pid;
	const struct runtime_sysctl *sysctls;
	size_t sysctl_count;
	uint64_t shm_bytes;	 // of /dev/shm; 0: 64 MiB
	struct cgroup_limits limits; // of the whole pod
};

// ---- containers

enum runtime_propagation { RUNTIME_PRIVATE, RUNTIME_HOST_TO_CONTAINER, RUNTIME_BIDIRECTIONAL };

struct runtime_mount {
	struct str source; // on the host, must exist; empty: a tmpfs
	struct str image;      // instead of source: the name of an image, whose files are seen; not to be written or run
	struct str image_path; // of those only what this leads to, inside the image; empty: all
	struct str target; // absolute, in the container; made where absent; symlinks of the image stay inside its root
	bool read_only;
	enum runtime_propagation propagation;
};

struct runtime_device {
	struct str path; // on the host and in the container
};

struct runtime_container_spec {
	struct str id;	    // [a-z0-9]{1,64}, chosen by the caller, never used again
	struct str pod_uid; // of a pod that runtime_pod_make made
	struct str pid_of;  // id of the running container whose processes it sees too; empty: only its own, or the pod's
	struct str name;    // of the container in the pod; for people and metrics
	struct str note; // kept and given back as it is (the pods' half writes what it wants to find after a restart)
	struct str image_id;
	struct str log_path; // absolute; directories are made

	// The whole command line: the caller has joined the image's entrypoint and the pod's command.
	const struct str *args;
	size_t arg_count;
	const struct str *env; // "NAME=value"; the caller has merged the image's
	size_t env_count;
	struct str cwd; // empty: "/"; made where absent
	bool tty, stdin_open, stdin_once;

	// The image's user ("", "1000", "1000:1000", "name", "name:group") or, where set, the pod's numbers. Names are
	// looked up in the container's own /etc/passwd and /etc/group. Numbers from 2^31 on are refused.
	struct str user;
	bool has_uid, has_gid;
	int64_t uid, gid;
	const int64_t *groups; // supplementary, fsGroup among them
	size_t group_count;
	bool strict_groups; // only those: not the groups that list the user in the image's /etc/group

	bool privileged, read_only_root, no_new_privileges;
	const struct str *cap_add, *cap_drop; // "NET_ADMIN", "CAP_NET_ADMIN", "ALL"; on top of the default set
	size_t cap_add_count, cap_drop_count;
	bool seccomp_default;	   // the RuntimeDefault profile; else unconfined
	bool unmasked_proc;	   // procMount: Unmasked
	const struct runtime_mount *mounts;
	size_t mount_count;
	const struct runtime_device *devices;
	size_t device_count;

	struct cgroup_limits limits;
	int oom_score_adj; // left out where the agent may not set it
};

// One change of what runs: of a container, or of the whole pod.
struct runtime_resize_step {
	struct str id;	 // of the container; empty: the pod's own group
	struct str name; // for people
	unsigned parts;	 // of cgroup_part; these become what `limits` says. 0: only the note
	struct cgroup_limits limits;
	struct str note; // the container's from then on
};

enum runtime_phase { RUNTIME_CREATED, RUNTIME_RUNNING, RUNTIME_EXITED };

struct runtime_state {
	struct str id, pod_uid, name, note, image_id, log_path;
	enum runtime_phase phase;
	bool tty;
	int pid;			      // on the host; 0 once exited
	int64_t created, started, finished; // wall clock, ns; 0: not yet
	int exit_code;			      // 128 + number when a signal ended it
	int signal;			      // 0: none
	bool oom_killed;
	bool lost; // ended while nobody held it (the host rebooted): the code is 255 and a guess
};

struct runtime_events {
	// The container's first process ended. Once for each container, also for those that ended while no agent ran
	// (soon after runtime_watch).
	void (*on_exit)(void *arg, const struct runtime_state *s);
};

// ---- processes in containers: exec, attach

struct runtime_session;

struct runtime_exec_spec {
	struct str id;
	const struct str *args;
	size_t arg_count;
	bool tty, stdin_open;
	int64_t timeout_ns; // killed then, and on_end says ERR_TIMEOUT; 0: none
};

struct runtime_session_events {
	// Output of stream 1 or 2. Paused by runtime_session_pause, during which the process may block on its own pipe
	// (exec), while a container's own output always goes on (attach: what does not fit is dropped for the session).
	void (*on_output)(void *arg, int stream, struct str data);
	// The end: the exit code (e NULL), or why it could not be run or was cut. The session is gone after this.
	void (*on_end)(void *arg, int exit_code, const struct err *e);
};

struct runtime_ops {
	void (*watch)(struct runtime *, const struct runtime_events *, void *arg);
	void (*pod_make)(struct runtime *, const struct runtime_pod_spec *, runtime_done *, void *arg);
	void (*pod_remove)(struct runtime *, struct str uid, runtime_done *, void *arg);
	void (*create)(struct runtime *, const struct runtime_container_spec *, runtime_done *, void *arg);
	void (*start)(struct runtime *, struct str id, runtime_done *, void *arg);
	int (*kill)(struct runtime *, struct str id, int signal, struct err *e);
	void (*remove)(struct runtime *, struct str id, runtime_done *, void *arg);
	void (*resize)(struct runtime *, struct str uid, const struct runtime_resize_step *, size_t count,
		       runtime_done *, void *arg);
	bool (*pod_limits)(struct runtime *, struct str uid, struct cgroup_limits *out);
	bool (*state)(struct runtime *, struct arena *, struct str id, struct runtime_state *out);
	size_t (*list)(struct runtime *, struct arena *, struct runtime_state **out);
	size_t (*list_pods)(struct runtime *, struct arena *, struct str **uids);
	int (*image)(struct runtime *, struct arena *, struct str name, struct image *out, struct err *e);
	void (*reopen_log)(struct runtime *, struct str id, runtime_done *, void *arg);
	struct runtime_session *(*exec)(struct runtime *, const struct runtime_exec_spec *,
					const struct runtime_session_events *, void *arg);
	struct runtime_session *(*attach)(struct runtime *, struct str id, bool stdin_open,
					  const struct runtime_session_events *, void *arg);
	void (*session_write)(struct runtime_session *, struct str data);
	size_t (*session_pending)(struct runtime_session *);
	void (*session_close_stdin)(struct runtime_session *);
	void (*session_resize)(struct runtime_session *, int width, int height);
	void (*session_pause)(struct runtime_session *, bool paused);
	void (*session_cancel)(struct runtime_session *);
	int (*stats)(struct runtime *, struct str id, struct cgroup_stats *out, struct err *e);
	int (*pod_stats)(struct runtime *, struct str uid, struct cgroup_stats *out, struct err *e);
	void (*close)(struct runtime *);
};

struct runtime {
	const struct runtime_ops *ops;
	struct loop *loop;
};

struct runtime_session {
	struct runtime *runtime;
};

// Who hears of exits; before it nothing is told.
static inline void runtime_watch(struct runtime *r, const struct runtime_events *ev, void *arg)
{
	r->ops->watch(r, ev, arg);
}
// Makes the pod's cgroup, namespaces (ipc, uts, and pid where shared) and /dev/shm. Again: makes what is missing.
static inline void runtime_pod_make(struct runtime *r, const struct runtime_pod_spec *p,
				    runtime_done *d, void *arg)
{
	r->ops->pod_make(r, p, d, arg);
}
// Kills and removes what is left of the pod's containers, then the pod's own things. Idempotent.
static inline void runtime_pod_remove(struct runtime *r, struct str uid, runtime_done *d, void *arg)
{
	r->ops->pod_remove(r, uid, d, arg);
}
// Mounts the root file system and makes the container, its process waiting for start. On failure nothing is left, but
// what could not be taken away (no descriptor was free), which goes with the pod.
// ERR_NOT_FOUND: no such image; ERR_INVALID: the spec or the image asks for what is refused (the text says what);
// ERR_BAD_REQUEST: see start; others: this machine could not now (its disk is full).
static inline void runtime_create(struct runtime *r, const struct runtime_container_spec *c,
				  runtime_done *d, void *arg)
{
	r->ops->create(r, c, d, arg);
}
// A command that cannot be found or executed fails here or in create: reason ERR_BAD_REQUEST, the text names the command.
static inline void runtime_start(struct runtime *r, struct str id, runtime_done *d, void *arg)
{
	r->ops->start(r, id, d, arg);
}
// Signals the container's first process, at once; SIGKILL goes to all its processes. ERR_NOT_FOUND once it has ended.
static inline int runtime_kill(struct runtime *r, struct str id, int signal, struct err *e)
{
	return r->ops->kill(r, id, signal, e);
}
// Kills it if it runs; takes away its cgroup, root file system and directory. Its log stays. Idempotent.
static inline void runtime_remove(struct runtime *r, struct str id, runtime_done *d, void *arg)
{
	r->ops->remove(r, id, d, arg);
}
// Takes the steps in order, none of them where a limit of memory would be below what is in use now. The first that
// fails ends it: which were taken, the containers' notes say. Those of containers that have ended are passed over.
static inline void runtime_resize(struct runtime *r, struct str uid, const struct runtime_resize_step *steps,
				  size_t count, runtime_done *d, void *arg)
{
	r->ops->resize(r, uid, steps, count, d, arg);
}
// What the pod's group has of shares, quota and memory (0: none, or not known); false where it has no group.
static inline bool runtime_pod_limits(struct runtime *r, struct str uid, struct cgroup_limits *out)
{
	return r->ops->pod_limits(r, uid, out);
}
static inline bool runtime_state(struct runtime *r, struct arena *a, struct str id, struct runtime_state *out)
{
	return r->ops->state(r, a, id, out);
}
static inline size_t runtime_list(struct runtime *r, struct arena *a, struct runtime_state **out)
{
	return r->ops->list(r, a, out);
}
static inline size_t runtime_list_pods(struct runtime *r, struct arena *a, struct str **uids)
{
	return r->ops->list_pods(r, a, uids);
}
// The image by its name in a pod; quick (the index is kept in memory). ERR_NOT_FOUND: absent; ERR_BAD_REQUEST: no name.
static inline int runtime_image(struct runtime *r, struct arena *a, struct str name,
				struct image *out, struct err *e)
{
	return r->ops->image(r, a, name, out, e);
}
// Begins a new log file at log_path, from which it was renamed away; where there is one, it stays.
static inline void runtime_reopen_log(struct runtime *r, struct str id, runtime_done *d, void *arg)
{
	r->ops->reopen_log(r, id, d, arg);
}
// Runs a command in a running container; never NULL: what fails is told by on_end.
static inline struct runtime_session *runtime_exec(struct runtime *r, const struct runtime_exec_spec *x,
						   const struct runtime_session_events *ev, void *arg)
{
	return r->ops->exec(r, x, ev, arg);
}
// Follows the container's own output from now on, and feeds its stdin.
static inline struct runtime_session *runtime_attach(struct runtime *r, struct str id, bool stdin_open,
						     const struct runtime_session_events *ev, void *arg)
{
	return r->ops->attach(r, id, stdin_open, ev, arg);
}
static inline void runtime_session_write(struct runtime_session *s, struct str data)
{
	s->runtime->ops->session_write(s, data);
}
// Bytes given to write that the process has not taken yet: stop reading the client above some bound. on_output or a
// timer is a good moment to look again.
static inline size_t runtime_session_pending(struct runtime_session *s)
{
	return s->runtime->ops->session_pending(s);
}
static inline void runtime_session_close_stdin(struct runtime_session *s)
{
	s->runtime->ops->session_close_stdin(s);
}
static inline void runtime_session_resize(struct runtime_session *s, int width, int height)
{
	s->runtime->ops->session_resize(s, width, height);
}
static inline void runtime_session_pause(struct runtime_session *s, bool paused)
{
	s->runtime->ops->session_pause(s, paused);
}
// The client went away: exec's process is killed, attach lets go. No callback follows. NULL is fine.
static inline void runtime_session_cancel(struct runtime_session *s) { if (s) s->runtime->ops->session_cancel(s); }
static inline int runtime_stats(struct runtime *r, struct str id, struct cgroup_stats *out, struct err *e)
{
	return r->ops->stats(r, id, out, e);
}
static inline int runtime_pod_stats(struct runtime *r, struct str uid, struct cgroup_stats *out,
				    struct err *e)
{
	return r->ops->pod_stats(r, uid, out, e);
}
// Lets go: containers live on. Sessions must have ended or been cancelled before. The loop must run on until its
// pool has done what is under way (no `done` is called for that). NULL is fine.
static inline void runtime_close(struct runtime *r) { if (r) r->ops->close(r); }

// ---- the real one

struct runtime_options {
	const char *data_dir;	   // lives through reboots: images, containers, logs
	const char *run_dir;	   // lives until reboot: "/run/onggi"; sockets, exit files, namespaces
	const char *cgroup_parent; // "/onggi"
	const char *crun, *conmon; // NULL: looked for in PATH
	struct images *images;	   // outlives the runtime
};

int runtime_open(struct loop *l, const struct runtime_options *o, struct runtime **out, struct err *e);
// Kills and removes every container and pod of these directories, with no agent running (./dev down). Idempotent.
int runtime_purge(const struct runtime_options *o, struct err *e);

// main() hands over here when argv[1] is RUNTIME_POD_INIT. A byte on stdin lets it go on, once it has been put where it
// belongs (an agent that ends before leaves nothing): it begins a process namespace, whose first process only waits for
// orphans, holds that namespace at the path, and ends. Never returns.
#define RUNTIME_POD_INIT "pod-init"
void runtime_pod_init(const char *path) __attribute__((noreturn));

#endif
