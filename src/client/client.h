// SPDX-License-Identifier: Apache-2.0
// The one way in which controllers, the scheduler and nodes talk to the API: requests and watches over a `transport`,
// in process (server/local.h) or over HTTPS (client/https.h). Everything is asynchronous, on the client's loop.
// Caches with change notices: client/informer.h. Work queues with back-off: client/queue.h.
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/json.h"
#include "sys/sys.h"

struct client_request {
	const char *method;	  // "GET", "POST", "PUT", "PATCH", "DELETE"
	struct str path;	  // with query: "/api/v1/namespaces/default/pods?limit=500"
	const char *content_type; // of the body; NULL: application/json
	struct str body;	  // copied
};

struct client_response {
	int code;	     // 200...; 0: no answer came, see e
	struct str body;     // borrowed during the call
	const struct err *e; // NULL for codes below 300; otherwise made of the Status or of what broke
};

typedef void client_done(void *arg, const struct client_response *r);

struct client_stream_events {
	// One line of a watch: {"type":...,"object":...}. The blob may be kept by blob_ref; it is shared with other
	// watchers where the transport is in process.
	void (*on_line)(void *arg, struct blob *line);
	// e NULL: ended in order (timeout). Not after client_stream_close.
	void (*on_end)(void *arg, const struct err *e);
};

struct client_stream;

struct transport {
	const struct transport_ops *ops;
	struct loop *loop;
};

// Every request gets its `done` exactly once, later than the call that sent it; those still open when the transport is
// destroyed get it from there, with code 0 and ERR_UNAVAILABLE. A stream's callbacks come later than client_watch, too.
struct transport_ops {
	void (*send)(struct transport *, const struct client_request *, client_done *, void *arg);
	struct client_stream *(*watch)(struct transport *, struct str path, const struct client_stream_events *,
				       void *arg);
	void (*stream_close)(struct transport *, struct client_stream *);
	void (*destroy)(struct transport *);
};

static inline void client_send(struct transport *t, const struct client_request *r, client_done *done, void *arg)
{
	t->ops->send(t, r, done, arg);
}
// A GET with watch=true whose answer is read line by line.
static inline struct client_stream *client_watch(struct transport *t, struct str path,
						 const struct client_stream_events *ev, void *arg)
{
	return t->ops->watch(t, path, ev, arg);
}
static inline void client_stream_close(struct transport *t, struct client_stream *s)
{
	if (s)
		t->ops->stream_close(t, s);
}
static inline void client_destroy(struct transport *t)
{
	if (t)
		t->ops->destroy(t);
}

// Paths: "/apis/apps/v1/namespaces/NS/deployments/NAME/SUB"; empty parts are left out. group_version "v1" or "apps/v1".
struct str client_path(struct arena *a, struct str group_version, struct str namespace, struct str plural,
		       struct str name, struct str subresource);

// Shorthands over client_send.
void client_get(struct transport *t, struct str path, client_done *done, void *arg);
void client_create(struct transport *t, struct str collection_path, const struct json *object, client_done *done,
		   void *arg);
void client_patch_merge(struct transport *t, struct str path, const struct json *patch, client_done *done, void *arg);
void client_patch_strategic(struct transport *t, struct str path, const struct json *patch, client_done *done,
			    void *arg);
void client_delete(struct transport *t, struct str path, const struct json *delete_options, client_done *done,
		   void *arg);

#endif
