// SPDX-License-Identifier: Apache-2.0
// Whether objects are equal in meaning: an empty list or map is as good as none.
#ifndef API_RULES_SAME_H
#define API_RULES_SAME_H

#include "base/json.h"

bool same(const struct json *a, const struct json *b);
bool same_field(const struct json *a, const struct json *b, const char *name);

#endif
