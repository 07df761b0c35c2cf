// SPDX-License-Identifier: Apache-2.0
// In which shape the client wants an object or list: what it accepts (RFC 9110, 12.5.1), with the parameters `as`, `v`
// and `g` of Kubernetes. Pure.
#ifndef SERVER_NEGOTIATE_H
#define SERVER_NEGOTIATE_H

#include "base/err.h"

enum shape { SHAPE_OBJECT, SHAPE_TABLE, SHAPE_PARTIAL };

struct wanted_shape {
	enum shape shape;
	const char *version; // "meta.k8s.io/v1" or "meta.k8s.io/v1beta1", of tables and partial objects
};

// The first acceptable shape in the client's order; nothing said: the object. has_table: whether there is one of what is
// asked for. ERR_NOT_ACCEPTABLE.
int negotiate_shape(struct str accept, bool has_table, struct wanted_shape *out, struct err *e);
// Whether JSON is acceptable at all, for plain paths.
int negotiate_json(struct str accept, struct err *e);
// Whether a clause of Accept asks for this media type by name (with these parameters where given).
bool negotiate_names(struct str accept, const char *media, const char *as, const char *version);

#endif
