// SPDX-License-Identifier: Apache-2.0
#include "server/verbs/event_cache.h"

#include "server/shallow.h"

enum { SLOTS = 256 };

struct event_view {
	struct blob *value, *previous;
	int64_t revision;
	uint64_t key_hash;
	struct arena arena; // of the trees
	struct json *now, *before;
	struct blob *lines[EVENT_TYPES];
};

struct event_cache {
	struct event_view *slots[SLOTS];
};

struct event_cache *event_cache_create(void)
{
	return MEM_NEW(struct event_cache);
}

static void view_destroy(struct event_view *v)
{
	if (!v)
		return;
	blob_unref(v->value);
	blob_unref(v->previous);
	for (int i = 0; i < EVENT_TYPES; i++)
		blob_unref(v->lines[i]);
	arena_finish(&v->arena);
	free(v);
}

void event_cache_destroy(struct event_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		view_destroy(c->slots[i]);
	free(c);
}

struct event_view *event_cache_view(struct event_cache *c, const struct store_event *e)
{
	uint64_t hash = str_hash(e->key);
	struct event_view **slot = &c->slots[(hash ^ (uint64_t)e->revision) % SLOTS];
	struct event_view *v = *slot;
	if (v && v->revision == e->revision && v->key_hash == hash && v->value == e->value &&
	    v->previous == e->previous)
		return v;
	view_destroy(v);
	v = *slot = MEM_NEW(struct event_view);
	v->value = blob_ref(e->value);
	v->previous = blob_ref(e->previous);
	v->revision = e->revision;
	v->key_hash = hash;
	arena_init(&v->arena);
	return v;
}

static struct json *parse(struct event_view *v, struct blob *b)
{
	struct json *tree;
	struct err e CLEAN_ERR = ERR_EMPTY;
	MUST(json_parse(&v->arena, blob_str(b), NULL, &tree, &e) == 0);
	return tree;
}

const struct json *event_view_now(struct event_view *v)
{
	if (!v->now && v->value)
		v->now = parse(v, v->value);
	return v->now;
}

const struct json *event_view_before(struct event_view *v)
{
	if (!v->before && v->previous)
		v->before = parse(v, v->previous);
	return v->before;
}

const char *event_type_name(enum event_type t)
{
	static const char *const names[EVENT_TYPES] = {"ADDED", "MODIFIED", "DELETED"};
	return names[t];
}

static const char head[] = "{\"type\":\"", middle[] = "\",\"object\":", tail[] = "}\n";

static void put(char **at, const char *p, size_t n)
{
	memcpy(*at, p, n);
	*at += n;
}

struct blob *event_line(const char *type, struct str object)
{
	size_t type_n = strlen(type);
	struct blob *b = blob_create_raw(sizeof(head) + type_n + sizeof(middle) + object.n + sizeof(tail) - 3);
	char *at = b->p;
	put(&at, head, sizeof(head) - 1);
	put(&at, type, type_n);
	put(&at, middle, sizeof(middle) - 1);
	put(&at, object.p, object.n);
	put(&at, tail, sizeof(tail) - 1);
	return b;
}

struct str event_view_object(struct event_view *v, enum event_type type)
{
	if (type != EVENT_DELETED)
		return blob_str(v->value);
	struct str was = blob_str(v->previous), digits = shallow_revision(was);
	size_t at = (size_t)(digits.p - was.p);
	return arena_fmt(&v->arena, "%.*s%lld%.*s", (int)at, was.p, (long long)v->revision,
			 (int)(was.n - at - digits.n), digits.p + digits.n);
}

struct blob *event_view_line(struct event_view *v, enum event_type type)
{
	if (!v->lines[type])
		v->lines[type] = event_line(event_type_name(type), event_view_object(v, type));
	return blob_ref(v->lines[type]);
}
