// SPDX-License-Identifier: Apache-2.0
#include "node/registration.h"

#include "base/log.h"
#include "base/times.h"

enum { LEASE_RENEW_S = 10, LEASE_DURATION_S = 40, STATUS_EVERY_S = 300, RETRY_MS = 500, RETRY_MAX_MS = 10000 };

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

struct registration {
	struct registration_config config;
	struct loop *loop;
	struct timer status_timer, lease_timer;
	struct arena shown;  // of `status`
	struct json *status; // as last accepted; NULL: never
	struct str uid;	     // of the Node; empty: not known
	struct machine_pressure pressure;
	int64_t written; // monotonic
	int failures;
	unsigned open; // requests under way
	bool announced, destroyed;
};

static void write_status(struct registration *r);
static void write_lease(struct registration *r);

static bool come_back(struct registration *r)
{
	r->open--;
	if (!r->destroyed)
		return true;
	if (!r->open) {
		arena_finish(&r->shown);
		free(r);
	}
	return false;
}

static void retry(struct registration *r, struct timer *t, const char *what, const struct client_response *answer)
{
	int64_t wait = RETRY_MS << (r->failures < 5 ? r->failures : 5);
	if (r->failures++ == 0)
		log_warn("node %.*s: %s: %s", STR_FMT(r->config.name), what, err_text(answer->e));
	timer_start(r->loop, t, (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS) * TIME_MS);
}

static struct str node_path(const struct registration *r, struct arena *a, const char *subresource)
{
	return client_path(a, STR("v1"), STR_NONE, STR("nodes"), r->config.name, str_of(subresource));
}

// ---- the Node

static void on_created(void *arg, const struct client_response *answer)
{
	struct registration *r = arg;
	if (!come_back(r))
		return;
	if (answer->e && answer->code != 409)
		retry(r, &r->status_timer, "register", answer);
	else
		write_status(r);
}

static void create_node(struct registration *r)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	r->open++;
	client_create(r->config.transport, STR("/api/v1/nodes"), registration_node(&a, &r->config), on_created, r);
}

static void keep(struct registration *r, const struct json *node)
{
	arena_finish(&r->shown);
	arena_init(&r->shown);
	r->status = json_clone(&r->shown, json_get(node, STR("status")));
	r->uid = arena_str(&r->shown, json_str(node, "metadata.uid"));
	r->written = loop_now(r->loop);
}

static void announce(struct registration *r)
{
	if (r->announced)
		return;
	r->announced = true;
	log_info("node %.*s is ready", STR_FMT(r->config.name));
	write_lease(r);
	if (r->config.on_ready)
		r->config.on_ready(r->config.arg);
}

static void on_status(void *arg, const struct client_response *answer)
{
	struct registration *r = arg;
	if (!come_back(r))
		return;
	struct arena a CLEAN_ARENA;
	struct json *node;
	arena_init(&a);
	if (answer->code == 404) {
		create_node(r);
	} else if (answer->e || json_parse(&a, answer->body, NULL, &node, NULL)) {
		retry(r, &r->status_timer, "report", answer);
	} else {
		r->failures = 0;
		keep(r, node);
		timer_start(r->loop, &r->status_timer, STATUS_EVERY_S * TIME_S);
		announce(r);
	}
}

// Labels go with it, for they may have changed since the Node was made (by another version, or other flags).
static void write_status(struct registration *r)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	timer_stop(&r->status_timer);
	struct json *patch = json_object(&a);
	json_put(patch, "status", registration_status(&a, &r->config, &r->pressure, loop_wall(r->loop), r->status));
	r->open++;
	client_patch_strategic(r->config.transport, node_path(r, &a, "status"), patch, on_status, r);
}

static void on_labels(void *arg, const struct client_response *answer)
{
	struct registration *r = arg;
	if (!come_back(r))
		return;
	if (answer->code == 404)
		create_node(r);
	else if (answer->e)
		retry(r, &r->status_timer, "register", answer);
	else
		write_status(r);
}

static void begin(struct registration *r)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *node = registration_node(&a, &r->config), *patch = json_object(&a);
	json_put(json_need_object(&a, patch, "metadata"), "labels", json_clone(&a, json_at(node, "metadata.labels")));
	r->open++;
	client_patch_strategic(r->config.transport, node_path(r, &a, ""), patch, on_labels, r);
}

static void on_status_timer(struct timer *t)
{
	struct registration *r = CONTAINER_OF(t, struct registration, status_timer);
	if (r->announced)
		write_status(r);
	else
		begin(r);
}

// ---- the Lease

static struct json *lease_of(struct registration *r, struct arena *a, bool whole)
{
	struct json *lease = json_object(a);
	json_put_str(a, lease, "apiVersion", STR("coordination.k8s.io/v1"));
	json_put_str(a, lease, "kind", STR("Lease"));
	struct json *meta = json_put(lease, "metadata", json_object(a)),
		    *spec = json_put(lease, "spec", json_object(a));
	if (whole) {
		json_put_str(a, meta, "name", r->config.name);
		json_put_str(a, meta, "namespace", STR("kube-node-lease"));
	}
	if (r->uid.n) {
		struct json *owner = json_push(json_put(meta, "ownerReferences", json_array(a)), json_object(a));
		json_put_str(a, owner, "apiVersion", STR("v1"));
		json_put_str(a, owner, "kind", STR("Node"));
		json_put_str(a, owner, "name", r->config.name);
		json_put_str(a, owner, "uid", r->uid);
	}
	json_put_str(a, spec, "holderIdentity", r->config.name);
	json_put_int(a, spec, "leaseDurationSeconds", LEASE_DURATION_S);
	json_put_str(a, spec, "renewTime", time_format_micro(a, loop_wall(r->loop)));
	return lease;
}

static void on_lease(void *arg, const struct client_response *answer);

static void create_lease(struct registration *r)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	r->open++;
	client_create(r->config.transport, STR(LEASES), lease_of(r, &a, true), on_lease, r);
}

static void on_lease(void *arg, const struct client_response *answer)
{
	struct registration *r = arg;
	if (!come_back(r))
		return;
	if (answer->e)
		timer_start(r->loop, &r->lease_timer, RETRY_MS * TIME_MS * (answer->code == 404 ? 4 : 1));
	else
		timer_start(r->loop, &r->lease_timer, LEASE_RENEW_S * TIME_S);
}

static void on_renewed(void *arg, const struct client_response *answer)
{
	struct registration *r = arg;
	if (answer->code != 404) {
		on_lease(arg, answer);
		return;
	}
	if (come_back(r))
		create_lease(r);
}

static void write_lease(struct registration *r)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str path = arena_fmt(&a, LEASES "/%.*s", STR_FMT(r->config.name));
	r->open++;
	client_patch_merge(r->config.transport, path, lease_of(r, &a, false), on_renewed, r);
}

static void on_lease_timer(struct timer *t)
{
	struct registration *r = CONTAINER_OF(t, struct registration, lease_timer);
	if (r->config.data_dir) {
		struct machine_pressure now = machine_pressure_read(r->config.data_dir);
		bool changed = memcmp(&now, &r->pressure, sizeof(now)) != 0;
		r->pressure = now;
		if (changed)
			write_status(r);
	}
	write_lease(r);
}

// ---- life

struct registration *registration_create(const struct registration_config *c)
{
	struct registration *r = MEM_NEW(struct registration);
	r->config = *c;
	r->loop = c->transport->loop;
	r->status_timer.fire = on_status_timer;
	r->lease_timer.fire = on_lease_timer;
	arena_init(&r->shown);
	if (c->data_dir)
		r->pressure = machine_pressure_read(c->data_dir);
	begin(r);
	return r;
}

void registration_move(struct registration *r, struct str address)
{
	r->config.address = address;
	if (r->announced)
		write_status(r);
}

void registration_destroy(struct registration *r)
{
	if (!r)
		return;
	timer_stop(&r->status_timer);
	timer_stop(&r->lease_timer);
	r->destroyed = true;
	r->open++;
	come_back(r);
}
