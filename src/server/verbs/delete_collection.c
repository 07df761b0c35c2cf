// SPDX-License-Identifier: Apache-2.0
// Deletes what a selection finds, in transactions of a few objects each, and answers with the list of what it found.
// An object that changes meanwhile is looked at again; one that is gone is fine.
#include "server/admission/admission.h"
#include "server/present.h"
#include "server/respond.h"
#include "server/select.h"
#include "server/stored.h"
#include "server/verbs/delete.h"
#include "server/verbs/revision.h"
#include "server/verbs/verbs.h"

enum { FOUND_MAX = 100000, TRIES_MAX = 5 };

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
	unsigned tries;
	int64_t revision;
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

static void txn_done(void *arg, const struct store_result *r)
{
	struct clearance *cl = arg;
	bool lost = r->e && r->e->reason == ERR_CONFLICT && ++cl->tries < TRIES_MAX;
	if (!r->e || lost) {
		if (!lost) {
			cl->at++;
			cl->tries = 0;
		}
		step(cl);
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct call *c = cl->call;
	err_set(&e, r->e->reason, "%s", err_text(r->e));
	clearance_finish(cl);
	respond_failure(c, &e, STR_NONE);
}

// Writes or removes one object; false when there is nothing to do (it is gone, or ends already).
static bool submit(struct clearance *cl, struct store_snapshot *snapshot)
{
	struct call *c = cl->call;
	const struct api_resource *r = c->route.resource;
	struct store_item item;
	struct op_list more = {.count = 0};
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (!store_get(snapshot, cl->found[cl->at].key, &item))
		return false;
	arena_reset(&cl->scratch);
	struct json *object = stored_parse(&cl->scratch, r, item.value);
	bool goes = deletion_apply(&cl->scratch, r, object, &cl->options, loop_wall(c->loop));
	struct store_op ops[STORE_OPS_MAX];
	struct buf out CLEAN_BUF;
	buf_init(&out);
	size_t hole = 0;
	ops[0] = (struct store_op){.action = STORE_DELETE, .key = item.key, .expect = item.revision};
	if (!goes) {
		stored_encode(&out, r, object, &hole);
		ops[0] = (struct store_op){.action = STORE_PUT, .key = item.key, .expect = item.revision,
					   .value = buf_str(&out), .revision_at = hole};
	} else if (str_is(r->plural, "services") && service_addresses_release(object, &cl->scratch, &more, &e) < 0) {
		return false;
	}
	memcpy(ops + 1, more.list, more.count * sizeof(ops[0]));
	store_txn(c->server->store, ops, 1 + more.count, c->loop, txn_done, cl);
	return true;
}

static void step(struct clearance *cl)
{
	struct store_snapshot *snapshot = store_snapshot(cl->call->server->store);
	bool submitted = false;
	while (!submitted && !cl->options.dry_run && cl->at < cl->count)
		if (!(submitted = submit(cl, snapshot)))
			cl->at++;
	store_snapshot_release(snapshot);
	if (!submitted)
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
