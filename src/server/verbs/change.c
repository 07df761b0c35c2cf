// SPDX-License-Identifier: Apache-2.0
#include "server/verbs/change.h"

#include "server/present.h"
#include "server/respond.h"
#include "server/stored.h"
#include "server/verbs/verbs.h"

enum { TRIES_MAX = 10 };
#define PAUSE_NS (1 * TIME_MS)

static void attempt(struct change *ch);

static void fail(struct change *ch, struct err *e)
{
	if (ch->fail)
		ch->fail(ch, e);
	else
		respond_failure(ch->call, e, ch->name);
}

static void answer(struct change *ch, struct blob *object)
{
	if (ch->answer)
		ch->answer(ch, object);
	else
		respond_object(ch->call, ch->created ? 201 : 200, object);
}

// ---- after the store has answered

static void pause_over(struct timer *t)
{
	attempt(CONTAINER_OF(t, struct change, pause));
}

static void lost_race(struct change *ch)
{
	if (ch->no_retry || ++ch->tries >= TRIES_MAX) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		status_conflict(
			&e, ch->resource, ch->name,
			"the object has been modified; please apply your changes to the latest version and try again");
		fail(ch, &e);
		return;
	}
	if (ch->tries < 3) {
		attempt(ch);
		return;
	}
	ch->pause = (struct timer){.fire = pause_over};
	timer_start(ch->call->loop, &ch->pause, PAUSE_NS << ch->tries);
}

// The object as it was when it went, with the revision of its going.
static struct blob *last_state(struct change *ch, int64_t revision)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	buf_add(&out, str_sub(ch->last, 0, ch->last_hole));
	buf_add_i64(&out, revision);
	buf_add(&out, str_from(ch->last, ch->last_hole));
	return stored_show(ch->resource, blob_create(buf_str(&out)));
}

static void txn_done(void *arg, const struct store_result *r)
{
	struct change *ch = arg;
	if (!r->e) {
		answer(ch,
		       ch->remove ? last_state(ch, r->revision) : stored_show(ch->resource, blob_ref(r->values[0])));
		return;
	}
	if (r->e->reason == ERR_CONFLICT) {
		lost_race(ch);
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	err_set(&e, r->e->reason, "%s", err_text(r->e));
	fail(ch, &e);
}

// ---- writing

// Whether the encoded new state differs from the stored one in nothing but the revision.
static bool is_same(struct blob *old, struct str now, size_t hole)
{
	struct str was = blob_str(old);
	if (was.n < now.n || memcmp(was.p, now.p, hole) != 0)
		return false;
	size_t digits = was.n - now.n;
	for (size_t i = 0; i < digits; i++)
		if (was.p[hole + i] < '0' || was.p[hole + i] > '9')
			return false;
	return memcmp(was.p + hole + digits, now.p + hole, now.n - hole) == 0;
}

static void answer_dry(struct change *ch)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	if (!ch->created)
		json_put_str(ch->call->arena, json_at(ch->now, "metadata"), "resourceVersion",
			     arena_fmt(ch->call->arena, "%lld", (long long)ch->revision));
	api_encode(&out, ch->resource, ch->now, NULL);
	answer(ch, blob_create(buf_str(&out)));
}

static void commit(struct change *ch)
{
	struct store_op ops[STORE_OPS_MAX];
	struct buf out CLEAN_BUF;
	buf_init(&out);
	size_t hole = 0;
	if (ch->dry_run) {
		answer_dry(ch);
		return;
	}
	stored_encode(&out, ch->resource, ch->now, &hole);
	ops[0] = (struct store_op){.action = STORE_DELETE, .key = ch->key, .expect = ch->revision};
	if (ch->remove) {
		ch->last = arena_str(ch->call->arena, buf_str(&out));
		ch->last_hole = hole;
	} else {
		if (!ch->created && ch->ops.count == 0 && is_same(ch->old, buf_str(&out), hole)) {
			answer(ch, stored_show(ch->resource, blob_ref(ch->old)));
			return;
		}
		if (out.n + 20 > STORE_VALUE_MAX) {
			struct err e CLEAN_ERR = ERR_EMPTY;
			err_set(&e, ERR_TOO_LARGE, "the object would be larger than %d bytes", STORE_VALUE_MAX);
			fail(ch, &e);
			return;
		}
		ops[0] = (struct store_op){.action = STORE_PUT,
					   .key = ch->key,
					   .expect = ch->revision,
					   .value = buf_str(&out),
					   .revision_at = hole};
	}
	memcpy(ops + 1, ch->ops.list, ch->ops.count * sizeof(ops[0]));
	store_txn(ch->call->server->store, ops, 1 + ch->ops.count, ch->call->loop, txn_done, ch);
}

static int make(struct change *ch, struct err *e)
{
	struct store_item item;
	if (!store_get(ch->snapshot, ch->key, &item)) {
		ch->revision = STORE_ABSENT;
		ch->created = true;
		if (!ch->make_absent)
			return status_not_found(e, ch->resource, ch->name);
		return ch->make_absent(ch, &ch->now, e);
	}
	ch->created = false;
	ch->old = item.value; // the snapshot holds it until the answer
	ch->revision = item.revision;
	return ch->make(ch, stored_parse(ch->call->arena, ch->resource, item.value), &ch->now, e);
}

static void attempt(struct change *ch)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	ch->ops.count = 0;
	ch->remove = false;
	struct store_snapshot *snapshot = ch->snapshot = store_snapshot(ch->call->server->store);
	if (make(ch, &e) == 0)
		commit(ch); // may end the call: ch is gone after
	else
		fail(ch, &e);
	store_snapshot_release(snapshot); // the trees' strings lie in it
}

void change_run(struct change *ch)
{
	ch->key = object_key(ch->call->arena, ch->resource, ch->namespace, ch->name);
	attempt(ch);
}

// ---- steps for makers

int change_check_uid(struct change *ch, const struct json *old, struct str uid, struct err *e)
{
	struct str is = json_str(old, "metadata.uid");
	if (str_empty(uid) || str_eq(uid, is))
		return 0;
	return status_conflict(e, ch->resource, ch->name,
			       arena_fmt(ch->call->arena,
					 "the UID in the precondition (%.*s) is not that of the object (%.*s)",
					 STR_FMT(uid), STR_FMT(is))
				       .p);
}

int change_check_revision(struct change *ch, const struct json *old, struct str revision, struct err *e)
{
	if (str_empty(revision) || str_is(revision, "0"))
		return 0;
	ch->no_retry = true;
	if (str_eq(revision, json_str(old, "metadata.resourceVersion")))
		return 0;
	return status_conflict(
		e, ch->resource, ch->name,
		"the object has been modified; please apply your changes to the latest version and try again");
}

// An object whose deletion waits only for its finalizers goes with the last of them.
static bool goes_now(const struct json *old, const struct json *now)
{
	if (json_first(json_at(now, "metadata.finalizers")) || !json_at(old, "metadata.deletionTimestamp"))
		return false;
	if (json_first(json_at(now, "spec.finalizers"))) // of a namespace
		return false;
	return json_i64(old, "metadata.deletionGracePeriodSeconds", 0) == 0;
}

int change_complete(struct change *ch, struct json *now, const struct json *old, struct err *e)
{
	struct call *c = ch->call;
	struct api_context context = api_context_of(c);
	context.name = ch->name;
	struct admission a = {.call = c,
			      .operation = old ? OPERATION_UPDATE : OPERATION_CREATE,
			      .resource = ch->resource,
			      .namespace = ch->namespace,
			      .name = ch->name,
			      .subresource = c->route.subresource,
			      .object = now,
			      .old = old,
			      .snapshot = ch->snapshot,
			      .ops = &ch->ops};
	api_default(c->arena, ch->resource, now);
	if (admission_run(&a, e) < 0 || api_prepare_update(&context, ch->resource, now, old, e) < 0 ||
	    api_validate_update(&context, ch->resource, now, old, e) < 0)
		return -1;
	if (goes_now(old, now)) {
		ch->remove = true;
		ch->ops.count = 0;
	}
	if (str_is(ch->resource->plural, "services") && str_empty(c->route.subresource))
		return service_addresses_release(old, ch->remove ? NULL : now, c->arena, &ch->ops, e);
	return 0;
}
