// SPDX-License-Identifier: Apache-2.0
// What exec and attach share: descriptors watched on the loop, a stdin that may lag behind, one end.
//
// A session is freed when its end was told or it was cancelled, and every handle of the loop has been closed.
#ifndef NODE_SESSION_H
#define NODE_SESSION_H

#include <uv.h>

#include "node/runtime/engine.h"

struct session;

struct channel {
	uv_poll_t poll;
	struct session *session;
	int fd; // -1: closed
	int events; // watched for
	void (*ready)(struct session *s, struct channel *c, int events);
};

struct session {
	struct runtime_session base;
	struct engine *engine;
	const struct runtime_session_events *events;
	void *arg;
	char *id;
	bool tty, stdin_open;
	struct channel out, err, in, ended; // of exec: its pipes and pidfd; with a terminal or attached, `out` is all
	struct channel *input;		    // where stdin goes; NULL: nowhere
	struct buf pending;		    // of stdin
	bool closing_stdin, paused, over;
	int handles; // of the loop, still open
	// kind-specific; may be NULL
	void (*on_cancel)(struct session *s);
	void (*on_resume)(struct session *s);
	void (*on_stdin_closed)(struct session *s); // when all was written
	void (*on_resize)(struct session *s, int width, int height);
	void (*free)(struct session *s);
	bool packets; // stdin goes by send() on a packet socket
	bool busy;    // a pool thread holds it: freed later
};

void session_init(struct session *s, struct engine *g, struct str id, const struct runtime_session_events *ev,
		  void *arg);
void session_open_channel(struct session *s, struct channel *c, int fd, int events,
			  void (*ready)(struct session *, struct channel *, int));
void session_watch(struct channel *c, int events); // changes what it is watched for; 0: nothing
void session_close_channel(struct channel *c);	   // NULL-safe on closed ones
void session_flush_input(struct session *s);
// Closes all but `ended` (a process must be reaped) and tells the end (once).
void session_end(struct session *s, int exit_code, const struct err *e);
void session_free_if_done(struct session *s);

void engine_session_write(struct runtime_session *, struct str data);
size_t engine_session_pending(struct runtime_session *);
void engine_session_close_stdin(struct runtime_session *);
void engine_session_resize(struct runtime_session *, int width, int height);
void engine_session_pause(struct runtime_session *, bool paused);
void engine_session_cancel(struct runtime_session *);

#endif
