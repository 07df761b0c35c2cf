// SPDX-License-Identifier: Apache-2.0
// Stored objects as the client wants to see them: as they are, as rows of a Table, or only their metadata; one by one,
// in lists and in watch events. Works on text: nothing is parsed but what a table's cells need.
#ifndef SERVER_PRESENT_H
#define SERVER_PRESENT_H

#include "server/call.h"

enum include_object { INCLUDE_METADATA, INCLUDE_OBJECT, INCLUDE_NONE }; // beside a table row

struct presenter {
	const struct api_resource *resource;
	enum shape shape;
	const char *version; // of tables and partial objects
	enum include_object include;
	int64_t wall_ns;   // ages are reckoned at
	bool columns_said; // of a watch: only the first table says them
	struct arena scratch;
};

int presenter_init(struct presenter *p, struct call *c, struct err *e); // ERR_BAD_REQUEST: ?includeObject
void presenter_finish(struct presenter *p);

// {"kind":"PodList",...,"items":[ ... ]}. remaining < 0: unknown; next may be empty.
void present_list_begin(struct buf *out, struct presenter *p, int64_t revision, struct str next, int64_t remaining);
void present_list_item(struct buf *out, struct presenter *p, struct str object, bool first);
void present_list_end(struct buf *out);
// One object by itself.
void present_object(struct buf *out, struct presenter *p, struct str object);

// Answers with one stored object in the shape that the call asked for; takes over the reference.
void respond_object(struct call *c, int code, struct blob *object);

#endif
