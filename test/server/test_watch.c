// SPDX-License-Identifier: Apache-2.0
// Watches over an imitated store.
#include "world.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static void make_map(struct world *w, const char *name, const char *labels)
{
	struct str body = arena_fmt(&w->arena, "{'metadata':{'name':'%s','labels':{%s}}}", name, labels);
	CHECK_INT(ask(w, "POST", MAPS, body.p).code, 201);
}

static struct pending *watch(struct world *w, const char *query)
{
	return ask_later(w, "GET", arena_fmt(&w->arena, MAPS "?watch=true&%s", query).p, "", NULL);
}

TEST(a_watch_tells_what_is_there_and_what_changes)
{
	struct world w;
	world_init(&w, 1);
	make_map(&w, "a", "");
	struct pending *p = watch(&w, "");
	watch_until(p, 1);
	CHECK_STR(watch_event(p, 0), "ADDED a");
	make_map(&w, "b", "");
	ask_patch(&w, MAPS "/a", "application/merge-patch+json", "{'data':{'k':'v'}}");
	struct answer gone = ask(&w, "DELETE", MAPS "/b", NULL);
	CHECK_INT(gone.code, 200);
	watch_until(p, 4);
	CHECK_STR(watch_event(p, 1), "ADDED b");
	CHECK_STR(watch_event(p, 2), "MODIFIED a");
	CHECK_STR(watch_event(p, 3), "DELETED b");
	// the deletion has a revision of its own
	int64_t before, after;
	REQUIRE(str_to_i64(json_str(json_index(p->events, 2), "object.metadata.resourceVersion"), &before) == 0);
	REQUIRE(str_to_i64(json_str(json_index(p->events, 3), "object.metadata.resourceVersion"), &after) == 0);
	CHECK(after > before);
	pending_free(p);
	world_finish(&w);
}

TEST(what_leaves_the_selection_is_deleted_to_the_watcher)
{
	struct world w;
	world_init(&w, 2);
	struct pending *p = watch(&w, "labelSelector=app%3Dweb");
	make_map(&w, "a", "'app':'web'");
	make_map(&w, "b", "'app':'db'");
	ask_patch(&w, MAPS "/b", "application/merge-patch+json", "{'metadata':{'labels':{'app':'web'}}}");
	ask_patch(&w, MAPS "/a", "application/merge-patch+json", "{'metadata':{'labels':{'app':'other'}}}");
	watch_until(p, 3);
	CHECK_STR(watch_event(p, 0), "ADDED a");
	CHECK_STR(watch_event(p, 1), "ADDED b");
	CHECK_STR(watch_event(p, 2), "DELETED a");
	CHECK_STR(json_str(json_index(p->events, 2), "object.metadata.labels.app"), "web"); // as it was
	pending_free(p);
	world_finish(&w);
}

TEST(a_watch_from_a_revision_misses_nothing)
{
	struct world w;
	world_init(&w, 3);
	make_map(&w, "a", "");
	struct answer list = ask(&w, "GET", MAPS, NULL);
	make_map(&w, "b", "");
	make_map(&w, "c", "");
	struct str query = arena_fmt(&w.arena, "resourceVersion=%.*s",
				     STR_FMT(json_str(list.body, "metadata.resourceVersion")));
	struct pending *p = watch(&w, query.p);
	watch_until(p, 2);
	CHECK_STR(watch_event(p, 0), "ADDED b");
	CHECK_STR(watch_event(p, 1), "ADDED c");
	pending_free(p);
	world_finish(&w);
}

TEST(streaming_lists_end_with_a_bookmark)
{
	struct world w;
	world_init(&w, 4);
	make_map(&w, "a", "");
	struct pending *p = watch(&w,
				  "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
	watch_until(p, 2);
	CHECK_STR(watch_event(p, 0), "ADDED a");
	struct json *bookmark = json_index(p->events, 1);
	CHECK_STR(json_str(bookmark, "type"), "BOOKMARK");
	struct json *notes = json_at(bookmark, "object.metadata.annotations");
	CHECK_STR(json_get(notes, STR("k8s.io/initial-events-end"))->text, "true");
	pending_free(p);
	CHECK_INT(ask(&w, "GET", MAPS "?watch=true&sendInitialEvents=true", NULL).code, 422);
	world_finish(&w);
}

TEST(bookmarks_come_each_minute)
{
	struct world w;
	world_init(&w, 5);
	struct pending *p = watch(&w, "allowWatchBookmarks=true");
	run_for(&w, 130 * TIME_S);
	CHECK(p->events->count >= 2);
	CHECK_STR(json_str(json_index(p->events, 0), "type"), "BOOKMARK");
	pending_free(p);
	world_finish(&w);
}

TEST(a_watch_ends_when_its_time_is_over)
{
	struct world w;
	world_init(&w, 6);
	struct answer a = ask(&w, "GET", MAPS "?watch=true&timeoutSeconds=3", NULL);
	CHECK_INT(a.code, 200);
	world_finish(&w);
}

TEST(one_object_can_be_watched)
{
	struct world w;
	world_init(&w, 7);
	struct pending *p = watch(&w, "fieldSelector=metadata.name%3Da");
	make_map(&w, "aa", "");
	make_map(&w, "a", "");
	watch_until(p, 1);
	CHECK_STR(watch_event(p, 0), "ADDED a");
	struct pending *q = ask_later(&w, "GET", "/api/v1/watch/namespaces/default/configmaps/aa", "", NULL);
	watch_until(q, 1);
	CHECK_STR(watch_event(q, 0), "ADDED aa");
	pending_free(q);
	pending_free(p);
	world_finish(&w);
}

TEST(a_watch_begins_at_no_exact_revision)
{
	struct world w;
	world_init(&w, 8);
	struct answer a = ask(&w, "GET", MAPS "?watch=true&resourceVersion=1&resourceVersionMatch=Exact", NULL);
	CHECK_INT(a.code, 422);
	CHECK_INT(json_at(a.body, "details.causes")->count, 2);
	world_finish(&w);
}

#define PODS "/api/v1/namespaces/default/pods"

static void make_pod(struct world *w, const char *name, const char *node)
{
	struct str body = arena_fmt(&w->arena, "{'metadata':{'name':'%s'},'spec':{%s'containers':[{'name':'c','image':'i'}]}}",
				    name, node);
	CHECK_INT(ask(w, "POST", PODS, body.p).code, 201);
}

TEST(a_node_watches_its_own_pods)
{
	struct world w;
	world_init(&w, 7);
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	struct pending *one = ask_later(&w, "GET", "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Done", "", NULL);
	struct pending *none = ask_later(&w, "GET", "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3D", "", NULL);
	make_pod(&w, "a", "'nodeName':'two',");
	make_pod(&w, "b", "'nodeName':'one',");
	make_pod(&w, "c", "");
	ask(&w, "POST", PODS "/c/binding", "{'metadata':{'name':'c'},'target':{'name':'one'}}");
	ask_patch(&w, PODS "/a/status", "application/merge-patch+json", "{'status':{'message':'x'}}");
	ask_patch(&w, PODS "/b/status", "application/merge-patch+json", "{'status':{'message':'x'}}");
	ask(&w, "DELETE", PODS "/b?gracePeriodSeconds=0", NULL);
	static const char *const events[] = {"ADDED b", "ADDED c", "MODIFIED b", "DELETED b"};
	watch_until(one, ARRAY_LEN(events));
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		CHECK_STR(watch_event(one, i), events[i]);
	watch_until(none, 2);
	CHECK_STR(watch_event(none, 0), "ADDED c");
	CHECK_STR(watch_event(none, 1), "DELETED c");
	pending_free(one);
	pending_free(none);
	world_finish(&w);
}

TEST(a_revision_that_is_forgotten_is_gone)
{
	struct world w;
	world_init(&w, 8);
	make_map(&w, "a", "");
	char *large = mem_alloc(700000);
	for (int i = 0; i < 60; i++) { // beyond what the store remembers
		memset(large, 'a' + i % 26, 700000);
		struct str body = arena_fmt(&w.arena, "{'data':{'k':'%d%.*s'}}", i, 600000, large);
		CHECK_INT(ask_patch(&w, MAPS "/a", "application/merge-patch+json", body.p).code, 200);
	}
	free(large);
	struct answer a = ask(&w, "GET", MAPS "?resourceVersion=8&resourceVersionMatch=Exact", NULL);
	CHECK_INT(a.code, 410);
	CHECK_STR(json_str(a.body, "reason"), "Expired");
	struct pending *p = watch(&w, "resourceVersion=8");
	watch_until(p, 1);
	CHECK_STR(json_str(json_index(p->events, 0), "type"), "ERROR");
	CHECK_INT(json_i64(json_index(p->events, 0), "object.code", 0), 410);
	run_until(&w, &p->done);
	pending_free(p);
	world_finish(&w);
}
