// SPDX-License-Identifier: Apache-2.0
// The managing owner of an object: the one ownerReference with controller: true.
#ifndef CONTROLLERS_OWNER_H
#define CONTROLLERS_OWNER_H

#include "base/json.h"

// Of an object's text; STR_NONE: it has none.
struct owner {
	struct str uid, kind, name;
};
struct owner owner_of(struct str object_text);

// A reference that makes `owner` the managing owner, and its foreground deletion wait. The kind is told: objects of
// lists and caches do not say theirs.
struct json *owner_reference(struct arena *a, const char *version, const char *kind, const struct json *owner);

#endif
