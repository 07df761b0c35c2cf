// SPDX-License-Identifier: Apache-2.0
#include "controllers/conditions.h"

#include "base/times.h"

struct json *condition_find(const struct json *conditions, const char *type)
{
	json_each(condition, conditions) {
		if (json_str_is(condition, "type", type))
			return condition;
	}
	return NULL;
}

bool condition_is(const struct json *conditions, const char *type, const char *status)
{
	return json_str_is(condition_find(conditions, type), "status", status);
}

void condition_set(struct arena *a, struct json *conditions, const struct condition *c, int64_t now_ns)
{
	struct json *known = condition_find(conditions, c->type);
	bool same_status = known && json_str_is(known, "status", c->status);
	if (same_status && json_str_is(known, "reason", c->reason))
		return;
	struct str now = time_format(a, now_ns);
	struct str since = same_status ? json_str(known, "lastTransitionTime") : now;
	if (known)
		json_unlink(conditions, known);
	struct json *condition = json_push(conditions, json_object(a));
	json_put_str(a, condition, "type", str_of(c->type));
	json_put_str(a, condition, "status", str_of(c->status));
	if (c->updates)
		json_put_str(a, condition, "lastUpdateTime", now);
	json_put_str(a, condition, "lastTransitionTime", since);
	json_put_str(a, condition, "reason", str_of(c->reason));
	json_put_str(a, condition, "message", c->message);
}

void condition_remove(struct json *conditions, const char *type)
{
	struct json *known = condition_find(conditions, type);
	if (known)
		json_unlink(conditions, known);
}
