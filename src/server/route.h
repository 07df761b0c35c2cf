// SPDX-License-Identifier: Apache-2.0
// What a method and a path ask for. Paths of resources: /api/v1/... and /apis/GROUP/VERSION/..., as
//   [watch/] [namespaces/NS/] RESOURCE [/NAME [/SUBRESOURCE [/more]]]
// Everything else is a plain path. Pure.
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "server/query.h"

struct route {
	bool is_resource; // below /api/v1 or /apis/G/V, with a resource
	struct str group, version;
	struct str namespace, plural, name, subresource;
	struct str rest; // encoded, what follows a proxy subresource: "/metrics"
	struct str verb; // get, list, watch, create, update, patch, delete, deletecollection; for plain paths the
			 // method in lower case
	const struct api_resource *resource; // NULL: no such
	const struct api_subresource *sub;   // NULL: none asked for, or no such
	bool watch;
};

// ERR_BAD_REQUEST for a broken escape or a name that no path may hold ("..", '/', control characters).
int route_parse(struct arena *a, struct str method, struct str path, const struct query *q, struct route *out,
		struct err *e);

#endif
