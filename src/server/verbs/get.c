// SPDX-License-Identifier: Apache-2.0
#include "server/present.h"
#include "server/respond.h"
#include "server/stored.h"
#include "server/verbs/revision.h"
#include "server/verbs/verbs.h"

void verb_get(struct call *c)
{
	const struct api_resource *r = c->route.resource;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct list_options o;
	struct store_item item;
	struct store_snapshot *snapshot = store_snapshot(c->server->store);
	struct blob *found = NULL;
	if (list_options_of(&c->query, false, &o, &e) == 0 && revision_reached(snapshot, o.revision, &e) == 0) {
		if (store_get(snapshot, object_key(c->arena, r, c->route.namespace, c->route.name), &item))
			found = stored_show(r, blob_ref(item.value));
		else
			status_not_found(&e, r, c->route.name);
	}
	store_snapshot_release(snapshot);
	if (found)
		respond_object(c, 200, found);
	else
		respond_failure(c, &e, c->route.name);
}
