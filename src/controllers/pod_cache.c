// SPDX-License-Identifier: Apache-2.0
#include "controllers/pod_cache.h"

#include "base/map.h"
#include "base/times.h"
#include "client/scan.h"

enum { LISTENERS_MAX = 16 };

struct group { // pods of one owner, namespace or node
	struct pod **p;
	size_t n, room;
};

struct pod_cache {
	struct informer *informer;
	struct map by_key;		  // -> struct pod
	struct map indices[PODS_INDICES]; // -> struct group
	struct {
		const struct pod_cache_events *events;
		void *arg;
	} listeners[LISTENERS_MAX];
	size_t listener_count;
};

// ---- facts from text

static struct str unquote(struct str raw)
{
	return raw.n >= 2 && raw.p[0] == '"' ? str_sub(raw, 1, raw.n - 2) : STR_NONE;
}

static void read_owner(struct pod *p, struct str references)
{
	struct str reference;
	while (scan_element(&references, &reference)) {
		if (!str_is(scan_get(reference, "controller"), "true"))
			continue;
		p->owner_uid = scan_get_str(reference, "uid");
		p->owner_kind = scan_get_str(reference, "kind");
		p->owner_name = scan_get_str(reference, "name");
	}
}

static void read_metadata(struct pod *p, struct str metadata)
{
	struct str key, value;
	while (scan_member(&metadata, &key, &value)) {
		if (str_is(key, "name"))
			p->name = unquote(value);
		else if (str_is(key, "namespace"))
			p->namespace = unquote(value);
		else if (str_is(key, "uid"))
			p->uid = unquote(value);
		else if (str_is(key, "labels"))
			p->labels = value;
		else if (str_is(key, "annotations"))
			p->deletion_cost = scan_get_str(value, "controller.kubernetes.io/pod-deletion-cost");
		else if (str_is(key, "ownerReferences"))
			read_owner(p, value);
		else if (str_is(key, "deletionTimestamp"))
			p->deleting = value.n > 2 && value.p[0] == '"';
		else if (str_is(key, "finalizers"))
			p->has_finalizers = value.n > 2;
		else if (str_is(key, "creationTimestamp"))
			time_parse(unquote(value), &p->created_ns);
	}
}

static void read_spec(struct pod *p, struct str spec)
{
	struct str key, value;
	while (scan_member(&spec, &key, &value)) {
		if (str_is(key, "nodeName"))
			p->node = unquote(value);
		else if (str_is(key, "hostname"))
			p->hostname = unquote(value);
		else if (str_is(key, "subdomain"))
			p->subdomain = unquote(value);
	}
}

static void read_conditions(struct pod *p, struct str conditions)
{
	struct str condition;
	while (scan_element(&conditions, &condition)) {
		struct str type = scan_get_str(condition, "type");
		bool is_true = str_is(scan_get_str(condition, "status"), "True");
		if (str_is(type, "PodScheduled"))
			p->scheduled = is_true;
		if (!str_is(type, "Ready"))
			continue;
		p->ready = is_true;
		time_parse(scan_get_str(condition, "lastTransitionTime"), &p->ready_since_ns);
	}
}

static enum pod_phase phase_of(struct str name)
{
	static const char *const names[] = {"Pending", "Running", "Succeeded", "Failed"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i]))
			return (enum pod_phase)i;
	}
	return str_empty(name) ? POD_PENDING : POD_UNKNOWN;
}

static void read_status(struct pod *p, struct str status)
{
	struct str key, value, container;
	while (scan_member(&status, &key, &value)) {
		if (str_is(key, "phase"))
			p->phase = phase_of(unquote(value));
		else if (str_is(key, "podIP"))
			p->ip = unquote(value);
		else if (str_is(key, "conditions"))
			read_conditions(p, value);
		else if (str_is(key, "containerStatuses")) {
			while (scan_element(&value, &container)) {
				int64_t restarts = 0;
				str_to_i64(scan_get(container, "restartCount"), &restarts);
				if (restarts > p->restarts)
					p->restarts = (int)restarts;
			}
		}
	}
}

static struct pod *pod_create(const struct informer_object *o)
{
	struct pod *p = MEM_NEW(struct pod);
	p->object = informer_object_ref(o);
	p->key = o->key;
	struct str rest = o->text, key, value;
	while (scan_member(&rest, &key, &value)) {
		if (str_is(key, "metadata"))
			read_metadata(p, value);
		else if (str_is(key, "spec"))
			read_spec(p, value);
		else if (str_is(key, "status"))
			read_status(p, value);
	}
	return p;
}

static void pod_destroy(struct pod *p)
{
	if (!p)
		return;
	informer_object_unref((struct informer_object *)p->object);
	free(p);
}

// ---- indices

static struct str index_key(const struct pod *p, enum pod_cache_index which)
{
	switch (which) {
	case PODS_BY_OWNER:
		return p->owner_uid;
	case PODS_BY_NAMESPACE:
		return p->namespace;
	case PODS_BY_NODE:
		return p->node;
	default: // PODS_WITHOUT_OWNER, by namespace
		return str_empty(p->owner_uid) ? p->namespace : STR_NONE;
	}
}

static void index_add(struct pod_cache *pods, enum pod_cache_index which, struct pod *p)
{
	struct str key = index_key(p, which);
	if (str_empty(key))
		return;
	struct group *g = map_get(&pods->indices[which], key);
	if (!g) {
		g = MEM_NEW(struct group);
		map_set(&pods->indices[which], key, g);
	}
	if (g->n == g->room) {
		g->room = g->room ? g->room * 2 : 4;
		g->p = mem_realloc(g->p, g->room * sizeof *g->p);
	}
	p->places[which] = g->n;
	g->p[g->n++] = p;
}

static void index_remove(struct pod_cache *pods, enum pod_cache_index which, struct pod *p)
{
	struct str key = index_key(p, which);
	struct group *g = str_empty(key) ? NULL : map_get(&pods->indices[which], key);
	if (!g)
		return;
	struct pod *last = g->p[--g->n];
	g->p[p->places[which]] = last;
	last->places[which] = p->places[which];
	if (g->n > 0)
		return;
	map_remove(&pods->indices[which], key);
	free(g->p);
	free(g);
}

static void on_change(void *arg, const struct informer_object *before, const struct informer_object *now)
{
	struct pod_cache *pods = arg;
	struct pod *old = before ? map_get(&pods->by_key, before->key) : NULL;
	struct pod *new = now ? pod_create(now) : NULL;
	for (enum pod_cache_index which = 0; which < PODS_INDICES; which++) {
		if (old)
			index_remove(pods, which, old);
		if (new)
			index_add(pods, which, new);
	}
	if (new)
		map_set(&pods->by_key, new->key, new);
	else
		map_remove(&pods->by_key, before->key);
	for (size_t i = 0; i < pods->listener_count; i++)
		pods->listeners[i].events->on_change(pods->listeners[i].arg, old, new);
	pod_destroy(old);
}

// ---- the outside

struct pod_cache *pod_cache_create(struct informer *i)
{
	static const struct informer_events events = {.on_change = on_change};
	struct pod_cache *pods = MEM_NEW(struct pod_cache);
	pods->informer = i;
	map_init(&pods->by_key);
	for (enum pod_cache_index which = 0; which < PODS_INDICES; which++)
		map_init(&pods->indices[which]);
	informer_listen(i, &events, pods);
	return pods;
}

void pod_cache_destroy(struct pod_cache *pods)
{
	if (!pods)
		return;
	for (enum pod_cache_index which = 0; which < PODS_INDICES; which++) {
		map_each(slot, &pods->indices[which]) {
			struct group *g = slot->value;
			free(g->p);
			free(g);
		}
		map_finish(&pods->indices[which]);
	}
	map_each(slot, &pods->by_key)
		pod_destroy(slot->value);
	map_finish(&pods->by_key);
	free(pods);
}

const struct informer *pod_cache_informer(const struct pod_cache *pods)
{
	return pods->informer;
}

void pod_cache_listen(struct pod_cache *pods, const struct pod_cache_events *ev, void *arg)
{
	MUST(pods->listener_count < LISTENERS_MAX);
	pods->listeners[pods->listener_count].events = ev;
	pods->listeners[pods->listener_count++].arg = arg;
	map_each(slot, &pods->by_key)
		ev->on_change(arg, NULL, slot->value);
}

const struct pod *pod_cache_get(const struct pod_cache *pods, struct str key)
{
	return map_get(&pods->by_key, key);
}

static struct pod_list list_of(const struct pod_cache *pods, enum pod_cache_index which, struct str key)
{
	struct group *g = map_get(&pods->indices[which], key);
	return g ? (struct pod_list){g->p, g->n} : (struct pod_list){NULL, 0};
}

struct pod_list pod_cache_of_owner(const struct pod_cache *pods, struct str uid)
{
	return list_of(pods, PODS_BY_OWNER, uid);
}

struct pod_list pod_cache_without_owner(const struct pod_cache *pods, struct str namespace)
{
	return list_of(pods, PODS_WITHOUT_OWNER, namespace);
}

struct pod_list pod_cache_in_namespace(const struct pod_cache *pods, struct str namespace)
{
	return list_of(pods, PODS_BY_NAMESPACE, namespace);
}

struct pod_list pod_cache_on_node(const struct pod_cache *pods, struct str node)
{
	return list_of(pods, PODS_BY_NODE, node);
}

struct pod_list pod_cache_all(const struct pod_cache *pods, struct arena *a)
{
	struct pod_list all = {ARENA_ARRAY(a, struct pod *, pods->by_key.count), 0};
	map_each(slot, &pods->by_key)
		all.p[all.n++] = slot->value;
	return all;
}

bool pod_available(const struct pod *p, int64_t min_ready_ns, int64_t now_ns, int64_t *wait_ns)
{
	int64_t wait = p->ready && min_ready_ns > 0 ? p->ready_since_ns + min_ready_ns - now_ns : 0;
	if (wait_ns)
		*wait_ns = wait > 0 ? wait : 0;
	return p->ready && wait <= 0;
}

static struct json *parse(struct arena *a, struct str text)
{
	struct json *value;
	return text.n && json_parse(a, text, NULL, &value, NULL) == 0 ? value : NULL;
}

struct json *pod_labels(struct arena *a, const struct pod *p)
{
	return parse(a, p->labels);
}

struct json *pod_labels_next(struct pod_labels_reader *r, const struct pod *p)
{
	if (!str_eq(r->text, p->labels)) {
		r->text = p->labels;
		r->labels = pod_labels(r->a, p);
	}
	return r->labels;
}

struct json *pod_parse(struct arena *a, const struct pod *p)
{
	return parse(a, p->object->text);
}
