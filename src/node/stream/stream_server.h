// SPDX-License-Identifier: Apache-2.0
// The node's HTTPS endpoint, which the API server calls for what must happen on the node itself:
//   GET  /containerLogs/NS/POD/CONTAINER?follow&previous&tailLines&sinceSeconds&sinceTime&limitBytes&timestamps&stream
//   GET|POST /exec/NS/POD[/UID]/CONTAINER?command=...&input=1&output=1&error=1&tty=1
//   GET|POST /attach/NS/POD[/UID]/CONTAINER
//   GET|POST /portForward/NS/POD[/UID]?port=N
//   GET  /pods /healthz /stats/summary /metrics /metrics/cadvisor
// Streams: every WebSocket protocol and SPDY/3.1, as wire/remote.h lists them. A client certificate of our CA is
// required. A client that stalls holds up only itself. At most 1,000 logs and sessions are open: more is 429.
#ifndef NODE_STREAM_SERVER_H
#define NODE_STREAM_SERVER_H

#include "node/runtime/runtime.h"

struct stream_server;

struct stream_container {     // in the caller's arena
	struct str id;	      // of the container running (or last run) now; empty: none was started
	struct str log_path;
	struct str previous_log_path; // of the instance before; empty: none
	bool running, tty, stdin_open;
	struct str waiting; // why it has no log yet: "ContainerCreating", "trying and failing to pull image"; empty:
			    // the former
};

struct stream_pod { // in the caller's arena
	struct str namespace, name, uid;
	struct str net_ns; // path; empty: none yet, none any more, or the host's
	bool host_network; // the last of these
	struct str ip;
	int64_t started; // wall clock, ns
	const struct stream_container *containers;
	const struct str *container_names; // same order
	size_t container_count;
};

// What the pods' half knows. Called on the server's loop.
struct stream_pods {
	// uid empty: whichever pod has the name now. ERR_NOT_FOUND.
	int (*find_pod)(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid,
			struct stream_pod *out, struct err *e);
	// container empty: the only one, or an error that lists them.
	int (*find_container)(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid,
			      struct str container, struct stream_container *out, struct err *e);
	size_t (*list)(void *arg, struct arena *a, struct stream_pod **out);
	void (*pods_json)(void *arg, struct buf *out); // a v1 PodList: GET /pods
};

struct stream_server_options {
	const char *listen;	 // "0.0.0.0:10250"; port 0 picks one
	struct str certificate;	 // PEM: serving certificate and its key
	struct str key;
	struct str client_ca;	 // PEM: who may call
	struct str allowed_name; // common name of the one client certificate allowed; empty: any of the CA
	struct str node_name;	 // for the summary
	struct runtime *runtime;
	const struct stream_pods *pods;
	void *pods_arg;
};

int stream_server_open(struct loop *l, const struct stream_server_options *o, struct stream_server **out,
		       struct err *e);
// Connections from now on see another certificate; what is open goes on. Of the options only certificate, key and
// client_ca count.
int stream_server_renew(struct stream_server *s, const struct stream_server_options *o, struct err *e);
int stream_server_port(const struct stream_server *s);
void stream_server_close(struct stream_server *s); // cuts what is open; NULL is fine

// ---- logs: files of the CRI form, "TIME STREAM TAG TEXT"

enum { LOG_ROTATE_BYTES = 10 << 20, LOG_ROTATE_FILES = 5, LOG_ROTATE_EVERY_S = 10 };

// Keeps every running container's log below max_bytes, by renaming (LOG -> LOG.1 ... LOG.<files-1>) and reopening.
// Looks at all of them every so many ns, and finishes what an agent that was killed has begun.
struct log_rotation;
struct log_rotation *log_rotation_create(struct runtime *r, uint64_t max_bytes, int files, int64_t every_ns);
void log_rotation_destroy(struct log_rotation *g);

#endif
