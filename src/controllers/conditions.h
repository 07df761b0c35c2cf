// SPDX-License-Identifier: Apache-2.0
// Status conditions ({type, status, reason, message, lastTransitionTime...}) in a `conditions` array.
#ifndef CONTROLLERS_CONDITIONS_H
#define CONTROLLERS_CONDITIONS_H

#include "base/json.h"

struct json *condition_find(const struct json *conditions, const char *type); // NULL: absent
bool condition_is(const struct json *conditions, const char *type, const char *status);

struct condition {
	const char *type, *status, *reason; // live as long as the arena
	struct str message;
	bool updates; // the kind keeps a lastUpdateTime as well (Deployment)
};
// Sets or adds. lastTransitionTime moves only when the status changes; nothing at all changes when status and reason
// are the same.
void condition_set(struct arena *a, struct json *conditions, const struct condition *c, int64_t now_ns);
void condition_remove(struct json *conditions, const char *type);

#endif
