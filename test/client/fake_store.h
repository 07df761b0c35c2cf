// SPDX-License-Identifier: Apache-2.0
// The objects of the fake server and what requests do to them, at once. fake_server.c puts time and faults around it.
#ifndef TEST_CLIENT_FAKE_STORE_H
#define TEST_CLIENT_FAKE_STORE_H

#include "base/map.h"
#include "client/client.h"

struct fake_object {
	struct blob *text;
	int64_t revision;
};

struct fake_event {
	const char *type;
	struct str resource, namespace; // heap
	struct blob *line;		// as a watch sends it
	struct str object;		// inside line
	int64_t revision;
};

struct fake_store {
	struct loop *loop;
	struct map objects; // "resource|namespace/name" -> struct fake_object
	int64_t revision, compacted;
	struct fake_event *events; // the history
	size_t event_count, event_room;
	void (*changed)(void *arg, const struct fake_event *event);
	void *arg;
};

struct fake_path {
	struct str resource; // "v1/pods"
	struct str namespace, name, subresource;
	struct str query;
};

struct fake_answer {
	int code;
	struct buf body;
};

void fake_store_init(struct fake_store *s, struct loop *l);
void fake_store_finish(struct fake_store *s);
bool fake_path_parse(struct arena *a, struct str text, struct fake_path *out);
struct str fake_query(struct str query, const char *name); // undecoded; STR_NONE: absent
void fake_store_do(struct fake_store *s, const char *method, struct str path, struct str body, struct fake_answer *out);

#endif
