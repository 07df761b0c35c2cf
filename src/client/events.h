// SPDX-License-Identifier: Apache-2.0
// Tells users what happened to an object, as Events (core v1) next to it. Never fails and never waits: what cannot be
// written is dropped. The same event again within ten minutes raises `count` of the first; an object that floods with
// different messages of one reason gets one "(combined from similar events): ..." and at most 25 in a burst, then one
// every five minutes; at most 512 writes are open at a time.
#ifndef CLIENT_EVENTS_H
#define CLIENT_EVENTS_H

#include "client/client.h"

struct events;

struct events_about {		      // the object it happened to
	struct str api_version, kind; // "v1" "Pod", "apps/v1" "ReplicaSet"
	struct str namespace;	      // empty for cluster-scoped ones: their events go to "default"
	struct str name, uid;
	struct str resource_version; // may be empty
	struct str field_path;	     // "spec.containers{web}"; may be empty
};

enum events_type { EVENTS_NORMAL, EVENTS_WARNING };

// component: who tells ("kubelet", "replicaset-controller"); host: the node's name, or empty.
struct events *events_create(struct transport *t, struct str component, struct str host);
void events_destroy(struct events *v); // drops what is not written; before the transport goes
// reason: one CamelCase word ("SuccessfulCreate"). The message is cut at 1024 bytes.
void events_record(struct events *v, const struct events_about *about, enum events_type type, const char *reason,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));
// The same of an object's tree: apiVersion and kind as given (lists leave them out of items).
struct events_about events_about_object(const char *api_version, const char *kind, const struct json *object);

#endif
