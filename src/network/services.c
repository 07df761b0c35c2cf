// SPDX-License-Identifier: Apache-2.0
#include "network/services.h"

#include "base/log.h"
#include "base/times.h"
#include "network/ledger.h"
#include "network/slices.h"
#include "network/stale.h"

enum { GATHER_MS = 2, RETRY_MS = 1000, LOOK_MS = 5000, READ_AGAIN_S = 60 };

struct planned { // what the ledger holds for one Service, or for one pod's host ports
	struct plan_element *elements;
	size_t count;
};

struct services {
	struct loop *loop;
	struct informer *service_cache, *slice_cache;
	struct slices *slices;
	struct nftables *tables;
	struct stale *stale;
	struct str node;
	struct map planned; // "namespace/name" of a Service, or uid of a pod -> struct planned
	struct map dirty;   // Services that have changed
	struct ledger ledger;
	struct timer flush, look;
	int64_t read;  // when the kernel's own elements were read last (monotonic)
	bool known;    // they are as they were read, and as we changed them since
	bool broken;   // the rules must be loaded again
	bool suspects; // somebody else has changed packet tables: perhaps ours
};

static void flush_soon(struct services *s)
{
	if (!timer_running(&s->flush))
		timer_start(s->loop, &s->flush, GATHER_MS * TIME_MS);
}

static void mark(void *arg, struct str service)
{
	struct services *s = arg;
	map_set(&s->dirty, service, s);
	flush_soon(s);
}

static void forget(struct services *s, struct str key)
{
	struct planned *old = map_remove(&s->planned, key);
	if (!old)
		return;
	ledger_unwant(&s->ledger, old->elements, old->count);
	free(old->elements);
	free(old);
}

static void remember(struct services *s, struct str key, const struct plan_element *elements, size_t count)
{
	if (count == 0)
		return;
	struct planned *fresh = MEM_NEW(struct planned);
	fresh->count = count;
	fresh->elements = mem_alloc(count * sizeof *elements);
	memcpy(fresh->elements, elements, count * sizeof *elements);
	ledger_want(&s->ledger, fresh->elements, count);
	map_set(&s->planned, key, fresh);
}

static void plan(struct services *s, struct str key)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct informer_object *object = informer_get(s->service_cache, key);
	const struct json *slices[SLICES_MAX];
	struct plan_element *elements;
	size_t count;
	forget(s, key);
	if (!object)
		return;
	size_t n = slices_of(s->slices, &a, key, slices);
	plan_service(&a, informer_parse(&a, object), slices, n, s->node, &elements, &count);
	remember(s, key, elements, count);
}

// At the start what an earlier agent left in the kernel; after a failure, or what others did, what is there now.
static int learn(struct services *s, struct arena *a, struct err *e)
{
	struct plan_element *elements;
	size_t count;
	if (s->broken && nftables_restore(s->tables, e) < 0)
		return -1;
	s->broken = false;
	if (nftables_read(s->tables, a, &elements, &count, e) < 0)
		return -1;
	ledger_found(&s->ledger, elements, count);
	s->known = true;
	s->read = loop_now(s->loop);
	return 0;
}

static void plan_dirty(struct services *s)
{
	map_each(entry, &s->dirty)
		plan(s, entry->key);
	map_clear(&s->dirty);
}

// looks_back: only brings the kernel back to what it should have had.
static int apply(struct services *s, bool looks_back, bool *changed, struct err *e)
{
	struct arena a CLEAN_ARENA;
	struct plan_element *from, *to;
	size_t from_count, to_count;
	bool afresh = !s->known;
	arena_init(&a);
	if (afresh && learn(s, &a, e) < 0)
		return -1;
	if (!looks_back)
		plan_dirty(s);
	ledger_changes(&s->ledger, &a, &from, &from_count, &to, &to_count);
	if (nftables_change(s->tables, from, from_count, to, to_count, changed, e) < 0)
		return -1;
	ledger_settle(&s->ledger);
	return *changed || afresh ? stale_forget(s->stale, from, from_count, to, to_count, e) : 0;
}

static void on_flush(struct timer *t)
{
	struct services *s = CONTAINER_OF(t, struct services, flush);
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (!informer_synced(s->service_cache) || !informer_synced(s->slice_cache))
		return; // on_synced comes back
	bool looks_back = s->suspects && !s->known && s->read, broken = s->broken, changed = false;
	if (apply(s, looks_back, &changed, &e) < 0) {
		log_warn("services: %s; trying again", err_text(&e));
		s->known = false;
		s->broken = true;
		timer_start(s->loop, &s->flush, RETRY_MS * TIME_MS);
		return;
	}
	if (!looks_back)
		return;
	if (broken || changed)
		log_warn("services: somebody else had changed our packet tables; they are as they were again");
	s->suspects = false;
	if (s->dirty.count)
		flush_soon(s);
}

// All elements are read only so often: a firewall that changes all the time has hardly changed ours.
static void on_look(struct timer *t)
{
	struct services *s = CONTAINER_OF(t, struct services, look);
	timer_start(s->loop, &s->look, LOOK_MS * TIME_MS);
	enum nftables_state state = nftables_look(s->tables);
	s->suspects |= state != NFTABLES_OURS;
	s->broken |= state == NFTABLES_BROKEN;
	if (!s->broken && (!s->suspects || loop_now(s->loop) - s->read < READ_AGAIN_S * TIME_S))
		return;
	s->known = false;
	flush_soon(s);
}

static void on_service(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	mark(arg, now ? now->key : before->key);
}

static void on_synced(void *arg)
{
	struct services *s = arg;
	timer_start(s->loop, &s->flush, 0);
}

int services_create(struct loop *loop, struct informer *service_cache, struct informer *slice_cache,
		    struct nftables *tables, const char *node, struct services **out, struct err *e)
{
	struct stale *stale;
	if (stale_open(tables, &stale, e) < 0)
		return -1;
	static const struct informer_events services = {on_service, on_synced}, synced = {.on_synced = on_synced};
	struct services *s = MEM_NEW(struct services);
	s->loop = loop;
	s->service_cache = service_cache;
	s->slice_cache = slice_cache;
	s->tables = tables;
	s->stale = stale;
	s->node = str_of(mem_strdup(node));
	s->flush = (struct timer){.fire = on_flush, .loop = loop};
	s->look = (struct timer){.fire = on_look, .loop = loop};
	timer_start(loop, &s->look, LOOK_MS * TIME_MS);
	map_init(&s->planned);
	map_init(&s->dirty);
	ledger_init(&s->ledger);
	s->slices = slices_create(slice_cache, mark, s);
	informer_listen(slice_cache, &synced, s);
	informer_listen(service_cache, &services, s);
	*out = s;
	return 0;
}

void services_conceal(struct services *s, struct str uid)
{
	if (!map_has(&s->planned, uid))
		return;
	forget(s, uid);
	flush_soon(s);
}

void services_expose(struct services *s, struct str uid, struct str ip, const struct json *pod)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct plan_element *elements;
	size_t count;
	services_conceal(s, uid);
	plan_pod(&a, pod, ip, &elements, &count);
	remember(s, uid, elements, count);
	if (count)
		flush_soon(s);
}

void services_destroy(struct services *s)
{
	if (!s)
		return;
	timer_stop(&s->flush);
	timer_stop(&s->look);
	while (s->planned.count)
		forget(s, s->planned.entries[0].key);
	slices_destroy(s->slices);
	stale_close(s->stale);
	map_finish(&s->planned);
	map_finish(&s->dirty);
	ledger_finish(&s->ledger);
	free((char *)s->node.p);
	free(s);
}
