// SPDX-License-Identifier: Apache-2.0
// What the files of the node's HTTPS endpoint share.
#ifndef NODE_STREAM_PARTS_H
#define NODE_STREAM_PARTS_H

#include "node/stream/stream_server.h"
#include "wire/server.h"

struct stream_server {
	struct loop *loop;
	struct http_server *http;
	struct runtime *runtime;
	const struct stream_pods *pods;
	void *pods_arg;
	char *allowed_name, *node_name;
	struct open_stream *open; // whatever is under way, to be cut at the end
	size_t open_count;
	size_t watched_logs; // by inotify
};

// A log, session or forward under way. The server cuts what is left when it closes.
struct open_stream {
	struct stream_server *server;
	struct open_stream *next, **link;
	void (*cut)(struct open_stream *o); // frees it
};

void open_stream_add(struct stream_server *s, struct open_stream *o, void (*cut)(struct open_stream *));
void open_stream_drop(struct open_stream *o);

// The parts of a path behind its first: "/exec/ns/pod/uid/container".
struct stream_path {
	struct str namespace, pod, uid, container;
};
// `with_container`: the last part is one. False when there are too few or too many parts.
bool stream_path_parse(struct arena *a, struct str path, bool with_container, struct stream_path *out);

// Answers with a metav1 Status of the error. Ends the exchange.
void stream_refuse(struct http_exchange *x, const struct err *e);
bool stream_flag(struct http_exchange *x, const char *name); // "1" or "true"
// The container meant by the path, which must run where `running`. -1: the exchange has been answered.
int stream_find(struct stream_server *s, struct http_exchange *x, const struct stream_path *p, bool running,
		struct stream_container *out);

// logs.c, sessions.c, forwards.c, figures.c: each takes over the exchange.
void stream_logs(struct stream_server *s, struct http_exchange *x);
void stream_logs_drain(struct http_exchange *x);
void stream_logs_cancel(struct http_exchange *x);
void stream_exec(struct stream_server *s, struct http_exchange *x);
void stream_attach(struct stream_server *s, struct http_exchange *x);
void stream_port_forward(struct stream_server *s, struct http_exchange *x);
void stream_summary(struct stream_server *s, struct http_exchange *x);
void stream_metrics_cadvisor(struct stream_server *s, struct http_exchange *x);
void stream_metrics(struct stream_server *s, struct http_exchange *x);

#endif
