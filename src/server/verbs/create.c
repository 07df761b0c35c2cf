// SPDX-License-Identifier: Apache-2.0
#include "server/admission/admission.h"
#include "server/present.h"
#include "server/respond.h"
#include "server/stored.h"
#include "server/verbs/create.h"
#include "server/verbs/verbs.h"

enum { TRIES_MAX = 8 };

struct creation {
	struct call *call;
	const struct api_resource *resource;
	struct write_options options;
	struct json *object; // decoded, defaults filled in
	struct json *now;    // of this try
	struct op_list ops;
	bool generates; // the name is made by us
	unsigned tries;
};

static void attempt(struct creation *cr);

static void fail(struct creation *cr, struct err *e)
{
	struct status_details namespace = {
		.present = true, .name = cr->call->route.namespace, .kind = STR("namespaces")};
	if (e->reason == ERR_NOT_FOUND) { // nothing else can be missing
		respond_error(cr->call, e, &namespace);
		return;
	}
	respond_failure(cr->call, e, json_str(cr->now ? cr->now : cr->object, "metadata.name"));
}

static void txn_done(void *arg, const struct store_result *r)
{
	struct creation *cr = arg;
	if (!r->e) {
		respond_object(cr->call, 201, stored_show(cr->resource, blob_ref(r->values[0])));
		return;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (r->e->reason != ERR_CONFLICT) {
		err_set(&e, r->e->reason, "%s", err_text(r->e));
	} else {
		bool name_taken = r->failed == 0;
		if (++cr->tries < TRIES_MAX && (!name_taken || cr->generates)) {
			attempt(cr);
			return;
		}
		status_exists(&e, cr->resource, json_str(cr->now, "metadata.name"));
		if (cr->generates)
			e.retry_after_s = 1;
	}
	fail(cr, &e);
}

static void answer_dry(struct creation *cr)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	api_encode(&out, cr->resource, cr->now, NULL);
	respond_object(cr->call, 201, blob_create(buf_str(&out)));
}

static void commit(struct creation *cr, struct str key)
{
	struct call *c = cr->call;
	struct store_op ops[STORE_OPS_MAX];
	struct buf out CLEAN_BUF;
	buf_init(&out);
	size_t hole;
	stored_encode(&out, cr->resource, cr->now, &hole);
	if (out.n + 20 > STORE_VALUE_MAX) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		err_set(&e, ERR_TOO_LARGE, "the object is larger than %d bytes", STORE_VALUE_MAX);
		fail(cr, &e);
		return;
	}
	ops[0] = (struct store_op){
		.action = STORE_PUT, .key = key, .expect = STORE_ABSENT, .value = buf_str(&out), .revision_at = hole};
	memcpy(ops + 1, cr->ops.list, cr->ops.count * sizeof(ops[0]));
	store_txn(c->server->store, ops, 1 + cr->ops.count, c->loop, txn_done, cr);
}

int create_complete(struct call *c, const struct api_resource *r, struct json *object, struct store_snapshot *snapshot,
		    struct op_list *ops, struct err *e)
{
	struct api_context context = api_context_of(c);
	context.name = STR_NONE;
	context.uid = loop_uuid(c->loop, c->arena);
	context.suffix = loop_random_name(c->loop, c->arena, 5);
	struct admission a = {.call = c,
			      .operation = OPERATION_CREATE,
			      .resource = r,
			      .namespace = context.namespace,
			      .name = json_str(object, "metadata.name"),
			      .object = object,
			      .snapshot = snapshot,
			      .ops = ops};
	if (admission_run(&a, e) < 0 || api_prepare_create(&context, r, object, e) < 0)
		return -1;
	return api_validate_create(&context, r, object, e);
}

static void attempt(struct creation *cr)
{
	struct call *c = cr->call;
	struct err e CLEAN_ERR = ERR_EMPTY;
	cr->ops = (struct op_list){.count = 0};
	// What may have to be tried again starts from the decoded object.
	bool again = cr->generates || str_is(cr->resource->plural, "services");
	cr->now = again ? json_clone(c->arena, cr->object) : cr->object;
	struct store_snapshot *snapshot = store_snapshot(c->server->store);
	int made = create_complete(c, cr->resource, cr->now, snapshot, &cr->ops, &e);
	struct str name = json_str(cr->now, "metadata.name");
	struct str key = object_key(c->arena, cr->resource, c->route.namespace, name);
	struct store_item item;
	if (made == 0 && cr->options.dry_run && store_get(snapshot, key, &item))
		made = status_exists(&e, cr->resource, name);
	if (made == 0 && !cr->options.dry_run && !str_empty(json_str(cr->now, "metadata.resourceVersion")))
		made = err_set(&e, ERR_BAD_REQUEST, "resourceVersion should not be set on objects to be created");
	if (made < 0)
		fail(cr, &e);
	else if (cr->options.dry_run)
		answer_dry(cr);
	else
		commit(cr, key);
	store_snapshot_release(snapshot); // the tree's strings may lie in it
}

static int decode(struct creation *cr, struct err *e)
{
	struct call *c = cr->call;
	if (decode_body(c, cr->resource->type, cr->resource, cr->options.strictness, &cr->object, e) < 0)
		return -1;
	struct str namespace = json_str(cr->object, "metadata.namespace");
	if (cr->resource->namespaced && !str_empty(namespace) && !str_eq(namespace, c->route.namespace))
		return err_set(e, ERR_BAD_REQUEST,
			       "the namespace of the provided object does not match the namespace sent on the request");
	api_default(c->arena, cr->resource, cr->object);
	struct json *metadata = json_need_object(c->arena, cr->object, "metadata");
	if (cr->resource->namespaced) // admission looks at it
		json_put_str(c->arena, metadata, "namespace", c->route.namespace);
	cr->generates = str_empty(json_str(metadata, "name")) && !str_empty(json_str(metadata, "generateName"));
	return 0;
}

void verb_create(struct call *c)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct creation *cr = ARENA_NEW(c->arena, struct creation);
	cr->call = c;
	cr->resource = c->route.resource;
	if (write_options_of(&c->query, &cr->options, &e) < 0) {
		struct status_details d = {.present = true, .group = STR("meta.k8s.io"), .kind = STR("CreateOptions")};
		respond_error(c, &e, &d);
	} else if (decode(cr, &e) < 0) {
		respond_failure(c, &e, STR_NONE);
	} else {
		attempt(cr);
	}
}
