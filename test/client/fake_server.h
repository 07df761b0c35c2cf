// SPDX-License-Identifier: Apache-2.0
// An API server in memory for tests of clients, controllers and the scheduler: CRUD, merge patches, status, binding,
// list in pages, watch, resource versions and conflicts, graceful deletion, finalizers. It believes what it is given:
// no validation, no defaults. It answers through a transport on a loop, late and, where faults say so, not at all.
#ifndef TEST_CLIENT_FAKE_SERVER_H
#define TEST_CLIENT_FAKE_SERVER_H

#include "client/client.h"

struct fake_server;

struct fake_faults {	      // chances in 1/1000
	int request_lost;     // never done; the answer is code 0
	int answer_lost;      // done; the answer is code 0
	int watch_broken;     // each time something is sent to a watch
	int64_t delay_max_ns; // of each way; 0: 1 ms
};

struct fake_server *fake_server_create(struct loop *l);
void fake_server_destroy(struct fake_server *s);
struct transport *fake_server_transport(struct fake_server *s); // destroyed with the server
void fake_server_set_faults(struct fake_server *s, struct fake_faults f);
// Watches from before this moment get 410; as after a compaction.
void fake_server_compact(struct fake_server *s);
void fake_server_break_watches(struct fake_server *s);

// At once, past the transport and its faults. body NULL or "": none. Returns the HTTP code.
int fake_server_do(struct fake_server *s, const char *method, const char *path, const char *body);
// The object or collection (a List) as it is now; NULL where there is none.
struct json *fake_server_get(struct fake_server *s, struct arena *a, const char *path);
size_t fake_server_count(struct fake_server *s, const char *collection_path); // "/api/v1/pods": of all namespaces
size_t fake_server_requests(const struct fake_server *s);		      // through the transport, so far

// Called after each change. resource: "v1/pods", "apps/v1/deployments". type: ADDED, MODIFIED, DELETED.
typedef void fake_change(void *arg, const char *type, struct str resource, struct str object);
void fake_server_on_change(struct fake_server *s, fake_change *hook, void *arg); // one
// Asked before each write; returning a code other than 0 refuses it (403...). NULL: none.
typedef int fake_refuse(void *arg, const char *method, struct str path);
void fake_server_refuse(struct fake_server *s, fake_refuse *refuse, void *arg);

#endif
