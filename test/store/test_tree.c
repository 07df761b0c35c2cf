// SPDX-License-Identifier: Apache-2.0
// The tree against a sorted array, and the history against what was.
#include "unit.h"

#include <stdio.h>

#include "base/mem.h"
#include "store/history.h"

enum { KEYS = 3000 };

struct model { // key number -> revision, 0: absent
	int64_t revisions[KEYS];
};

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static struct str key_of(unsigned i, char out[32])
{
	int n = snprintf(out, 32, "%c%s/%04u", 'a' + i % 3, i % 7 ? "" : "b", i);
	return (struct str){out, (size_t)n};
}

static struct record *record_of(unsigned i, int64_t revision)
{
	char text[32];
	struct record *r = record_create(key_of(i, text), blob_create(STR("value")));
	r->revision = revision;
	return r;
}

struct walk {
	const struct model *model;
	struct str last, after, prefix;
	size_t count, stop_at;
	bool ok;
};

static bool check_record(void *arg, struct record *r)
{
	struct walk *w = arg;
	struct str key = record_key(r);
	int64_t i;
	w->ok &= str_to_i64(str_from(key, (size_t)str_find(key, '/') + 1), &i) == 0 && w->model->revisions[i] == r->revision;
	w->ok &= str_starts(key, w->prefix) && str_cmp(key, w->after) > 0 && str_cmp(key, w->last) > 0;
	w->last = key;
	return ++w->count != w->stop_at;
}

static size_t model_count(const struct model *m, struct str prefix, struct str after)
{
	size_t n = 0;
	char text[32];
	for (unsigned i = 0; i < KEYS; i++)
		n += m->revisions[i] && str_starts(key_of(i, text), prefix) && str_cmp(key_of(i, text), after) > 0;
	return n;
}

static void compare(const struct tree *t, const struct model *m)
{
	static const struct str prefixes[] = {{"", 0}, {"a", 1}, {"ab/", 3}, {"b/", 2}, {"c/0", 3}, {"zz", 2}};
	CHECK(tree_sound(t));
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		char text[32];
		struct str after = i % 2 ? key_of((unsigned)draw(KEYS), text) : STR_NONE;
		struct walk w = {.model = m, .prefix = prefixes[i], .after = after, .ok = true};
		tree_scan(t, prefixes[i], after, check_record, &w);
		CHECK(w.ok);
		size_t want = model_count(m, prefixes[i], after);
		CHECK_INT(w.count, want);
		CHECK_INT(tree_count(t, prefixes[i], after), want);
	}
}

// One random change of both.
static void change(struct tree *t, struct model *m, int64_t revision, struct history *h)
{
	char text[32];
	unsigned i = (unsigned)draw(KEYS);
	bool growing = revision / 5000 % 2 == 0;
	bool remove = draw(10) < (growing ? 3 : 8);
	struct record *before, *now = remove ? NULL : record_of(i, revision);
	if (remove)
		before = tree_remove(t, key_of(i, text));
	else
		before = tree_put(t, record_ref(now));
	CHECK((before != NULL) == (m->revisions[i] != 0));
	CHECK(!before || before->revision == m->revisions[i]);
	m->revisions[i] = remove ? 0 : revision;
	if (h && (before || now)) {
		history_add(h, (struct change){before, now, revision}, h->end);
	} else {
		record_unref(before);
		record_unref(now);
	}
}

TEST(tree_against_a_model)
{
	struct tree t = {NULL};
	static struct model m;
	char text[32];
	seed = 42;
	m = (struct model){{0}};
	compare(&t, &m);
	for (int64_t revision = 1; revision <= 30000; revision++) {
		change(&t, &m, revision, NULL);
		if (revision % 1500 == 0)
			compare(&t, &m);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		const struct record *r = tree_get(&t, key_of(i, text));
		CHECK_INT(r ? r->revision : 0, m.revisions[i]);
	}
	for (unsigned i = 0; i < KEYS; i++)
		record_unref(tree_remove(&t, key_of(i, text)));
	CHECK(!t.root);
	tree_finish(&t);
}

TEST(shared_trees_keep_what_they_had)
{
	enum { VERSIONS = 40 };
	static struct model models[VERSIONS], m;
	struct tree versions[VERSIONS], t = {NULL};
	seed = 7;
	m = (struct model){{0}};
	int64_t revision = 0;
	for (int v = 0; v < VERSIONS; v++) {
		for (int i = 0; i < 300; i++)
			change(&t, &m, ++revision, NULL);
		tree_share(&t, &versions[v]);
		models[v] = m;
	}
	for (int v = 0; v < VERSIONS; v++)
		compare(&versions[v], &models[v]);
	for (int v = 0; v < VERSIONS; v += 2) // any of them may go on by itself
		for (int i = 0; i < 100; i++)
			change(&versions[v], &models[v], ++revision, NULL);
	for (int v = 0; v < VERSIONS; v++) {
		compare(&versions[v], &models[v]);
		tree_finish(&versions[v]);
	}
	compare(&t, &m);
	tree_finish(&t);
}

TEST(tree_grows_in_order_and_stays_dense)
{
	struct tree t = {NULL};
	char text[32];
	for (int i = 0; i < 31000; i++) {
		int n = snprintf(text, sizeof text, "pods/default/%06d", i);
		record_unref(tree_put(&t, record_create((struct str){text, (size_t)n}, NULL)));
	}
	CHECK(tree_sound(&t));
	CHECK_INT(tree_count(&t, STR("pods/"), STR("pods/default/030000")), 999);
	struct walk w = {.stop_at = 10, .model = &(struct model){{0}}};
	tree_scan(&t, STR("pods/"), STR_NONE, check_record, &w);
	CHECK_INT(w.count, 10);
	tree_finish(&t);
}

TEST(history_leads_back_to_every_revision)
{
	enum { VERSIONS = 50 };
	static struct model models[VERSIONS], m;
	int64_t revisions[VERSIONS], revision = 0;
	struct tree t = {NULL};
	struct history h;
	history_init(&h, 0);
	seed = 99;
	m = (struct model){{0}};
	for (int v = 0; v < VERSIONS; v++) {
		models[v] = m;
		revisions[v] = revision;
		for (int i = 0; i < 200; i++)
			change(&t, &m, ++revision, &h);
	}
	for (int v = 0; v < VERSIONS; v++) {
		struct tree past;
		tree_share(&t, &past);
		history_undo(&h, &past, revisions[v]);
		compare(&past, &models[v]);
		tree_finish(&past);
	}
	compare(&t, &m);
	tree_finish(&t);
	history_finish(&h);
}

TEST(history_is_bounded)
{
	struct history h;
	history_init(&h, 10);
	struct record *r = record_of(1, 1);
	int64_t last = 10 + 2 * HISTORY_CHANGES_MAX;
	for (int64_t revision = 11; revision <= last; revision++)
		history_add(&h, (struct change){NULL, record_ref(r), revision}, h.end);
	CHECK_INT(h.end - h.first, HISTORY_CHANGES_MAX);
	CHECK_INT(h.floor, last - HISTORY_CHANGES_MAX);
	CHECK_INT(history_at(&h, history_after(&h, last - 5))->revision, last - 4);
	CHECK_INT(history_after(&h, last), h.end);
	CHECK_INT(history_after(&h, 0), h.first);
	struct record *big = record_create(STR("k"), blob_create_raw(1 << 20));
	memset(big->value->p, 0, big->value->n);
	for (int64_t revision = last + 1; revision <= last + 40; revision++)
		history_add(&h, (struct change){record_ref(big), record_ref(big), revision}, h.end);
	CHECK(h.bytes <= HISTORY_BYTES_MAX);
	CHECK(h.end - h.first <= 16);
	uint64_t told = h.end;
	for (int64_t revision = last + 41; revision <= last + 80; revision++)
		history_add(&h, (struct change){record_ref(big), record_ref(big), revision}, told);
	CHECK(h.first == told && h.end == told + 40); // all that was not told of, and nothing else
	history_trim(&h);
	CHECK(h.bytes <= HISTORY_BYTES_MAX && h.end - h.first <= 16);
	record_unref(big);
	record_unref(r);
	history_finish(&h);
}
