// SPDX-License-Identifier: Apache-2.0
// Deletes what a selection finds, several at a time, and answers with the list of what it found.
// An object that changes meanwhile is looked at again; one that is gone is fine.
#include "server/admission/admission.h"
#include "server/present.h"
#include "server/respond.h"
#include "server/select.h"
#include "server/stored.h"
#include "server/verbs/delete.h"
#include "server/verbs/revision.h"
#include "server/verbs/verbs.h"

enum { FOUND_MAX = 100000, TRIES_MAX = 5, PARALLEL = 64 };

struct found {
	struct str key;
	struct blob *object; // as it was found, as it is shown
};

struct clearance {
	struct call *call;
	struct delete_options options;
	struct list_options list;
	struct selection selection;
	struct arena scratch;
	struct found *found; // heap
	size_t count, room;
	size_t at; // the next to delete
	size_t under_way;
	struct err failure; // the first; ends it when nothing is under way any more
	int64_t revision;
};

struct removal { // of one object
	struct clearance *of;
	size_t index;
	unsigned tries;
};

static void clearance_finish(struct clearance *cl)
{
	for (size_t i = 0; i < cl->count; i++)
		blob_unref(cl->found[i].object);
	free(cl->found);
	arena_finish(&cl->scratch);
}

static bool find(void *arg, const struct store_item *item)
{
	struct clearance *cl = arg;
	struct blob *shown = stored_show(cl->call->route.resource, blob_ref(item->value));
	if (!selection_is_everything(&cl->selection) &&
	    !selection_matches_text(&cl->selection, &cl->scratch, blob_str(shown))) {
		blob_unref(shown);
		return true;
	}
	if (cl->count == cl->room) {
		cl->room = cl->room ? 2 * cl->room : 64;
		cl->found = mem_realloc(cl->found, cl->room * sizeof(cl->found[0]));
	}
	cl->found[cl->count++] = (struct found){arena_str(cl->call->arena, item->key), shown};
	return cl->count < FOUND_MAX && (!cl->list.limit || cl->count < (size_t)cl->list.limit);
}

static void answer(struct clearance *cl)
{
	struct call *c = cl->call;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct buf out CLEAN_BUF;
	struct presenter p;
	buf_init(&out);
	if (presenter_init(&p, c, &e) == 0) {
		present_list_begin(&out, &p, cl->revision, STR_NONE, -1);
		for (size_t i = 0; i < cl->count; i++)
			present_list_item(&out, &p, blob_str(cl->found[i].object), i == 0);
		present_list_end(&out);
	}
	presenter_finish(&p);
	clearance_finish(cl);
	if (e.reason)
		respond_error(c, &e, NULL);
	else
		respond_buf(c, 200, &out);
}

static void step(struct clearance *cl);

static void fail(struct clearance *cl)
{
	struct call *c = cl->call;
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_move(&e, &cl->failure);
	clearance_finish(cl);
	respond_failure(c, &e, STR_NONE);
}

static bool submit(struct removal *r);

static void txn_done(void *arg, const struct store_result *result)
{
	struct removal *r = arg;
	struct clearance *cl = r->of;
	bool lost = result->e && result->e->reason == ERR_CONFLICT;
	if (lost && ++r->tries < TRIES_MAX && submit(r))
		return;
	if (result->e && !(lost && r->tries < TRIES_MAX) && !cl->failure.reason)
		err_set(&cl->failure, result->e->reason, "%s", err_text(result->e));
	cl->under_way--;
	step(cl);
}

// Writes or removes one object as it is now; false when there is nothing to do: it is gone.
static bool submit(struct removal *removal)
{
	struct clearance *cl = removal->of;
	struct call *c = cl->call;
	const struct api_resource *r = c->route.resource;
	struct store_item item;
	struct op_list more = {.count = 0};
	struct store_op ops[STORE_OPS_MAX];
	struct buf out CLEAN_BUF;
	size_t hole = 0;
	buf_init(&out);
	struct store_snapshot *snapshot = store_snapshot(c->server->store);
	bool found = store_get(snapshot, cl->found[removal->index].key, &item);
	if (found) {
		arena_reset(&cl->scratch);
		struct json *object = stored_parse(&cl->scratch, r, item.value);
		bool goes = deletion_apply(&cl->scratch, r, object, &cl->options, loop_wall(c->loop));
		ops[0] = (struct store_op){.action = STORE_DELETE, .key = item.key, .expect = item.revision};
		if (!goes) {
			stored_encode(&out, r, object, &hole);
			ops[0] = (struct store_op){.action = STORE_PUT,
						   .key = item.key,
						   .expect = item.revision,
						   .value = buf_str(&out),
						   .revision_at = hole};
		} else if (str_is(r->plural, "services")) {
			service_addresses_release(object, NULL, &cl->scratch, &more, &cl->failure);
		}
		memcpy(ops + 1, more.list, more.count * sizeof(ops[0]));
		store_txn(c->server->store, ops, 1 + more.count, c->loop, txn_done, removal);
	}
	store_snapshot_release(snapshot);
	return found;
}

static void step(struct clearance *cl)
{
	while (!cl->failure.reason && !cl->options.dry_run && cl->at < cl->count && cl->under_way < PARALLEL) {
		struct removal *r = ARENA_NEW(cl->call->arena, struct removal);
		*r = (struct removal){.of = cl, .index = cl->at++};
		cl->under_way += submit(r);
	}
	if (cl->under_way)
		return;
	if (cl->failure.reason)
		fail(cl);
	else
		answer(cl);
}

void verb_delete_collection(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct clearance *cl = ARENA_NEW(c->arena, struct clearance);
	cl->call = c;
	arena_init(&cl->scratch);
	if (delete_options_read(c, &cl->options, &e) < 0) {
		arena_finish(&cl->scratch);
		delete_respond_options(c, &e);
		return;
	}
	if (list_options_of(&c->query, false, &cl->list, &e) < 0 ||
	    selection_of(c->arena, c->route.resource, &cl->list, STR_NONE, &cl->selection, &e) < 0) {
		arena_finish(&cl->scratch);
		respond_error(c, &e, NULL);
		return;
	}
	struct store_snapshot *snapshot = store_snapshot(c->server->store);
	cl->revision = store_snapshot_revision(snapshot);
	store_scan(snapshot, collection_prefix(c->arena, c->route.resource, c->route.namespace), STR_NONE, find, cl);
	store_snapshot_release(snapshot);
	step(cl);
}
