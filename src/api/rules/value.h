// SPDX-License-Identifier: Apache-2.0
// How rules read objects. A missing string is "", a missing number 0: as the zero values of the API's types.
#ifndef API_RULES_VALUE_H
#define API_RULES_VALUE_H

#include "base/json.h"

const struct json *field(const struct json *object, const char *name); // NULL: not there
struct str text_of(const struct json *object, const char *name);
bool is_set(const struct json *object, const char *name); // there, and not an empty list or map
bool is_true(const struct json *object, const char *name);
size_t count_of(const struct json *list);

#endif
