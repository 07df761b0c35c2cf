// SPDX-License-Identifier: Apache-2.0
#include "witness.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/scan.h"
#include "client/watcher.h"

struct testimony { // the last that was heard of an object
	struct blob *line;
	struct str text;
	int64_t revision;
	uint32_t round;
};

struct witness {
	struct watcher *watcher;
	struct chronicle *chronicle;
	witness_judge *judge;
	void *arg;
	struct map picture; // key -> struct testimony
	uint32_t round;	    // of lists
	bool listing;
	int64_t since, last; // revisions: of the list, and the last that was told
	size_t heard;	     // since the list
	char complaint[WITNESS_WORDS];
};

static void complain(struct witness *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct witness *w, const char *format, ...)
{
	va_list args;
	if (w->complaint[0])
		return; // the first counts
	va_start(args, format);
	vsnprintf(w->complaint, sizeof w->complaint, format, args);
	va_end(args);
}

// ---- what all hear

static void enter_chronicle(struct witness *w, int64_t revision, uint64_t what)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str key = arena_fmt(&a, "%lld", (long long)revision);
	uint64_t known = (uintptr_t)map_get(&w->chronicle->told, key);
	if (known == 0)
		map_set(&w->chronicle->told, key, (void *)(uintptr_t)what);
	else if (known != what)
		complain(w, "revision %lld is told in two ways", (long long)revision);
}

static size_t told_since(const struct chronicle *c, int64_t revision)
{
	size_t count = 0;
	map_each(slot, &c->told) {
		int64_t one;
		count += str_to_i64(slot->key, &one) == 0 && one > revision;
	}
	return count;
}

// ---- what one hears

static int64_t revision_of(struct str metadata)
{
	int64_t revision = 0;
	str_to_i64(scan_get_str(metadata, "resourceVersion"), &revision);
	return revision;
}

static void forget(struct testimony *t)
{
	if (!t)
		return;
	blob_unref(t->line);
	free(t);
}

static void replace(struct witness *w, struct str key, struct testimony *now)
{
	struct testimony *before = now ? map_set(&w->picture, key, now) : map_remove(&w->picture, key);
	w->judge(w->arg, before ? before->text : STR_NONE, now ? now->text : STR_NONE);
	forget(before);
}

static void on_listing(void *arg)
{
	struct witness *w = arg;
	w->round++;
	w->listing = true;
	w->heard = 0;
}

static void on_listed(void *arg)
{
	struct witness *w = arg;
	for (size_t i = w->picture.count; i-- > 0;) {
		struct map_entry *slot = &w->picture.entries[i];
		if (((struct testimony *)slot->value)->round != w->round)
			replace(w, slot->key, NULL);
	}
	w->listing = false;
	w->since = w->last = watcher_revision(w->watcher);
}

static void on_object(void *arg, struct blob *line, struct str text, bool deleted)
{
	struct witness *w = arg;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str metadata = scan_get(text, "metadata");
	struct str key = arena_fmt(&a, "%.*s/%.*s", STR_FMT(scan_get_str(metadata, "namespace")),
				   STR_FMT(scan_get_str(metadata, "name")));
	int64_t revision = revision_of(metadata);
	if (!w->listing) {
		if (revision <= w->last)
			complain(w, "revision %lld of %.*s is told after %lld", (long long)revision, STR_FMT(key),
				 (long long)w->last);
		enter_chronicle(w, revision, str_hash(text) | 1);
		w->last = revision;
		w->heard++;
	}
	struct testimony *now = deleted ? NULL : MEM_NEW(struct testimony);
	if (now)
		*now = (struct testimony){blob_ref(line), text, revision, w->round};
	replace(w, key, now);
}

// ---- the outside

static void judge_nothing(void *arg, struct str before, struct str now) {}

struct witness *witness_create(struct transport *t, const char *path, struct chronicle *c, witness_judge *judge,
			       void *arg)
{
	static const struct watcher_events events = {on_listing, on_object, on_listed};
	struct witness *w = MEM_NEW(struct witness);
	w->chronicle = c;
	w->judge = judge ? judge : judge_nothing;
	w->arg = arg;
	map_init(&w->picture);
	w->watcher = watcher_create(t, str_of(path), &events, w);
	return w;
}

void witness_destroy(struct witness *w)
{
	if (!w)
		return;
	watcher_destroy(w->watcher);
	map_each(slot, &w->picture)
		forget(slot->value);
	map_finish(&w->picture);
	free(w);
}

const char *witness_complaint(struct witness *w)
{
	size_t told = told_since(w->chronicle, w->since);
	if (w->heard < told)
		complain(w, "of %zu changes since revision %lld only %zu were told", told, (long long)w->since, w->heard);
	return w->complaint[0] ? w->complaint : NULL;
}

bool witness_agrees(const struct witness *w, const struct json *list)
{
	const struct json *items = json_get(list, STR("items"));
	bool agrees = items && items->count == w->picture.count;
	json_each(item, items) {
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct str key = arena_fmt(&a, "%.*s/%.*s", STR_FMT(json_str(item, "metadata.namespace")),
					   STR_FMT(json_str(item, "metadata.name")));
		const struct testimony *t = map_get(&w->picture, key);
		int64_t revision = 0;
		str_to_i64(json_str(item, "metadata.resourceVersion"), &revision);
		agrees = agrees && t && t->revision == revision;
	}
	return agrees;
}

void chronicle_finish(struct chronicle *c)
{
	map_finish(&c->told);
}
