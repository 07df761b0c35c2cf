// SPDX-License-Identifier: Apache-2.0
// Looking into JSON text without parsing it: for objects at rest, whose text is canonical. Pure.
#ifndef SERVER_SHALLOW_H
#define SERVER_SHALLOW_H

#include "base/str.h"

// The text of a member's value, inside `object`; false when absent. Keys are compared as written.
bool shallow_get(struct str object, const char *key, struct str *value);
// metadata.resourceVersion's digits and where they are. STR_NONE when absent.
struct str shallow_revision(struct str object);
// The whole object without its first members "kind" and "apiVersion": the position after "{" where the rest begins.
size_t shallow_after_kind(struct str object);

#endif
