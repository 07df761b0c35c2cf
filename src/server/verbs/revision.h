// SPDX-License-Identifier: Apache-2.0
// Which state of the store a read wants: the semantics of resourceVersion, resourceVersionMatch and continue.
#ifndef SERVER_REVISION_H
#define SERVER_REVISION_H

#include "server/call.h"

// ERR_TIMEOUT with upstream's cause when `wanted` is still to come.
int revision_reached(struct store_snapshot *s, int64_t wanted, struct err *e);

// A continue token holds the revision of the list it goes on with, the last key given out, and a hash of the query.
struct page {
	int64_t revision; // < 0: go on in the newest state (a list that has become inconsistent)
	struct str after; // the key
};
struct str page_write(struct arena *a, const struct page *p, uint64_t query_hash);
int page_read(struct arena *a, struct str token, uint64_t query_hash, struct page *out,
	      struct err *e); // ERR_BAD_REQUEST

// The snapshot that a list asks for. ERR_EXPIRED, ERR_TIMEOUT.
int revision_snapshot(struct store *s, const struct list_options *o, const struct page *p, struct store_snapshot **out,
		      struct err *e);

#endif
