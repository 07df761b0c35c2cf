// SPDX-License-Identifier: Apache-2.0
#include "controllers/controllers.h"

#include "controllers/cluster.h"
#include "controllers/deployment.h"
#include "controllers/endpoints_mirror.h"
#include "controllers/endpointslice.h"
#include "controllers/event_ttl.h"
#include "controllers/gc.h"
#include "controllers/namespace.h"
#include "controllers/node_lifecycle.h"
#include "controllers/pod_gc.h"
#include "controllers/replicaset.h"
#include "controllers/root_ca.h"
#include "controllers/serviceaccount.h"

struct controller {
	const char *name;
	void *(*start)(struct cluster *c);
	void (*stop)(void *controller);
};

static const struct controller table[] = {
	{"deployment", deployment_start, deployment_stop},
	{"replicaset", replicaset_start, replicaset_stop},
	{"endpointslice", endpointslice_start, endpointslice_stop},
	{"endpointslice-mirroring", endpoints_mirror_start, endpoints_mirror_stop},
	{"serviceaccount", serviceaccount_start, serviceaccount_stop},
	{"root-ca", root_ca_start, root_ca_stop},
	{"namespace", namespace_start, namespace_stop},
	{"garbage-collector", gc_start, gc_stop},
	{"node-lifecycle", node_lifecycle_start, node_lifecycle_stop},
	{"taint-eviction", taint_eviction_start, taint_eviction_stop},
	{"pod-gc", pod_gc_start, pod_gc_stop},
	{"event-ttl", event_ttl_start, event_ttl_stop},
	{"scheduler", NULL, NULL}, // started by whoever owns the loop: it is a room of its own
};

struct controllers {
	struct cluster cluster;
	void *running[ARRAY_LEN(table)]; // NULL: not selected
	char *root_ca;
};

static bool is_known(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_is(name, table[i].name))
			return true;
	}
	return str_is(name, "*") || str_is(name, "none");
}

static int refuse(struct str name, struct err *e)
{
	struct buf names CLEAN_BUF;
	buf_init(&names);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		buf_fmt(&names, "%s%s", i ? ", " : "", table[i].name);
	return err_set(e, ERR_BAD_REQUEST, "there is no controller \"%.*s\"; there are %.*s", STR_FMT(name),
		       STR_FMT(buf_str(&names)));
}

int controllers_check(struct str selection, struct err *e)
{
	struct str word;
	while (str_next(&selection, ',', &word)) {
		struct str name = str_trim(word);
		if (str_starts(name, STR("-")))
			name = str_from(name, 1);
		if (!is_known(name))
			return refuse(name, e);
	}
	return 0;
}

bool controllers_selected(struct str selection, const char *name)
{
	bool selected = str_empty(selection) || str_starts(str_trim(selection), STR("-"));
	struct str word;
	while (str_next(&selection, ',', &word)) {
		word = str_trim(word);
		if (str_is(word, "*") || str_is(word, name))
			selected = true;
		else if (str_is(word, "none") || (str_starts(word, STR("-")) && str_is(str_from(word, 1), name)))
			selected = false;
	}
	return selected;
}

struct controllers *controllers_start(struct transport *t, const struct controllers_options *o, struct err *e)
{
	if (controllers_check(o->selection, e) < 0)
		return NULL;
	struct controllers *c = MEM_NEW(struct controllers);
	cluster_init(&c->cluster, t);
	c->root_ca = mem_alloc(o->root_ca.n + 1);
	if (o->root_ca.n)
		memcpy(c->root_ca, o->root_ca.p, o->root_ca.n);
	c->cluster.root_ca = (struct str){c->root_ca, o->root_ca.n};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].start && controllers_selected(o->selection, table[i].name))
			c->running[i] = table[i].start(&c->cluster);
	}
	return c;
}

void controllers_stop(struct controllers *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (c->running[i])
			table[i].stop(c->running[i]);
	}
	cluster_finish(&c->cluster);
	free(c->root_ca);
	free(c);
}
