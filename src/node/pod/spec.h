// SPDX-License-Identifier: Apache-2.0
// What of a Pod's spec the node decides by, in a form that is quick to look at: containers in the order in which they
// start, restart policies, probes, hooks. Everything else stays in `object`, the pod's own JSON; its resources are those
// that the node has allocated (allocation.h).
// A spec lives in one arena of its own and never changes; a changed pod gets a new one, and whoever still looks at the
// old one holds a reference.
#ifndef NODE_POD_SPEC_H
#define NODE_POD_SPEC_H

#include "base/blob.h"
#include "base/json.h"
#include "base/times.h"

enum container_kind { CONTAINER_INIT, CONTAINER_SIDECAR, CONTAINER_MAIN, CONTAINER_EPHEMERAL };
enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };
enum pull_policy { PULL_IF_NOT_PRESENT, PULL_ALWAYS, PULL_NEVER };

enum probe_type { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS, PROBE_TYPES };
enum action_kind { ACTION_NONE, ACTION_EXEC, ACTION_HTTP, ACTION_TCP, ACTION_GRPC, ACTION_SLEEP };

// What a probe or a hook does.
struct pod_action {
	enum action_kind kind;
	const struct str *command; // exec
	size_t command_count;
	struct str host; // http and tcp; empty: the pod's address
	int port;	 // 0: the name is that of no port
	struct str path, scheme;
	const struct json *headers; // array of {name, value}, or NULL
	struct str service; // grpc: whose health is asked for; empty: the server's
	int64_t sleep_ns;
};

struct probe_spec {
	struct pod_action action; // ACTION_NONE: there is no such probe
	int64_t initial_delay_ns, timeout_ns, period_ns;
	int success_threshold, failure_threshold;
	int64_t grace_ns; // -1: the pod's
};

struct container_spec {
	struct str name, image;
	int64_t image_key; // tells images apart by their names; never 0
	enum container_kind kind;
	enum pull_policy pull;
	bool has_restart; // a restart policy of its own, beside the pod's
	enum restart_policy restart;
	const struct json *restart_rules; // array, or NULL
	struct probe_spec probes[PROBE_TYPES];
	struct pod_action post_start, pre_stop;
	int stop_signal; // 0: the image's, else SIGTERM
	const struct json *json;
};

struct pod_spec {
	unsigned refs;	    // of one loop: not atomic
	struct arena arena; // holds all of this
	struct blob *text;  // strings point into it
	struct str source;  // of it, the pod as the API tells it
	struct json *object;
	struct json *wanted; // resources that the API asks for, where they are not those allocated; else NULL
	struct str namespace, name, uid;
	int64_t generation;
	enum restart_policy restart;
	int64_t grace_ns;    // terminationGracePeriodSeconds
	int64_t deadline_ns; // activeDeadlineSeconds; -1: none
	bool host_network;
	bool deleted;				  // has a deletionTimestamp
	int64_t deletion_grace_ns, deletion_time; // wall clock at which the grace is over
	struct container_spec *containers;	  // init containers first, then the main ones, then ephemeral ones
	size_t container_count;
	size_t init_count; // of which are init containers (sidecars among them)
	size_t main_count;
};

// Reads a pod; `text` is the object's JSON and is kept by reference in `line`. Never fails: the server checked it.
struct pod_spec *pod_spec_create(struct blob *line, struct str text);
struct pod_spec *pod_spec_ref(struct pod_spec *s);
void pod_spec_unref(struct pod_spec *s); // NULL is fine
// Index of the container, or -1.
int pod_spec_find(const struct pod_spec *s, struct str container);

const struct json *pod_spec_volume(const struct pod_spec *s, struct str name); // NULL: there is none

// Whether the container should run again after it ended with this code: its own rules, its own policy, the pod's.
bool container_should_restart(const struct pod_spec *s, const struct container_spec *c, int exit_code);
// One of its rules says that all containers of the pod begin anew with it.
bool container_restarts_all(const struct container_spec *c, int exit_code);
enum pull_policy pull_policy_of(struct str name); // of a container's image, or a volume's
// "SIGUSR1", "RTMIN+3" with or without "SIG"; 0 when it is no signal.
int signal_of_name(struct str name);

// The pod's quality of service: "Guaranteed", "Burstable" or "BestEffort".
const char *pod_qos(const struct json *pod);

#endif
