// SPDX-License-Identifier: Apache-2.0
#include "api/conform.h"
#include "base/map.h"

enum { DUPLICATES_MAX = 100 };

// `again` says what `first` said, which goes; it takes over the place.
static void supersede(struct json *first, const struct json *again)
{
	struct json *next = first->next;
	*first = *again;
	first->next = next;
}

static bool rises(const struct json *object)
{
	json_each(v, object)
		if (v->next && str_cmp(v->key, v->next->key) >= 0)
			return false;
	return true;
}

void keep_last_of_each(struct arena *a, struct json *object, struct json *duplicates)
{
	if (object->count < 2 || rises(object))
		return;
	struct map seen CLEAN_MAP;
	map_init(&seen);
	struct json *kept = NULL;
	for (struct json *v = object->first, *next; v; v = next) {
		next = v->next;
		struct json *first = map_get(&seen, v->key);
		if (!first) {
			map_set(&seen, v->key, v);
			kept = v;
			continue;
		}
		supersede(first, v);
		kept->next = next;
		object->count--;
		if (duplicates && duplicates->count < DUPLICATES_MAX)
			json_push(duplicates, json_string(a, v->key));
	}
	object->last = kept;
}
