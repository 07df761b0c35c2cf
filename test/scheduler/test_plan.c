// SPDX-License-Identifier: Apache-2.0
// Rules and scores that the recorded clusters do not show.
#include "scheduler/filter.h"
#include "scheduler/pending.h"
#include "scheduler/plan.h"
#include "scheduler/requests.h"
#include "scheduler/resized.h"
#include "unit.h"

// JSON with ' for ".
static struct json *parse(struct arena *a, const char *text)
{
	char *copy = arena_c(a, str_of(text));
	for (char *c = copy; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	struct json *value = NULL;
	REQUIRE(json_parse(a, str_of(copy), NULL, &value, NULL) == 0);
	return value;
}

#define ASKS(cpu, memory) "'resources':{'requests':{'cpu':'" cpu "','memory':'" memory "'}}"

TEST(requests_of_pods)
{
	static const struct {
		const char *spec;
		int64_t cpu_milli, mebibytes;
	} table[] = {
		{"{'containers':[{" ASKS("100m", "1Mi") "},{" ASKS("200m", "2Mi") "}]}", 300, 3},
		// an init container runs alone
		{"{'containers':[{" ASKS("100m", "5Mi") "}],'initContainers':[{" ASKS("300m", "2Mi") "}]}", 300, 5},
		// a sidecar stays
		{"{'containers':[{" ASKS("100m", "5Mi") "}],'initContainers':[{" ASKS("300m",
										      "2Mi") ",'restartPolicy':'Always'}]}",
		 400, 7},
		// and is there while later ones start
		{"{'containers':[{" ASKS("100m", "1Mi") "}],'initContainers':[{" ASKS(
			 "300m", "2Mi") ",'restartPolicy':'Always'},{" ASKS("500m", "1Mi") "}]}",
		 800, 3},
		{"{'containers':[{" ASKS("500m", "1Mi") "}],'initContainers':[{" ASKS("600m", "9Mi") "},{" ASKS(
			 "300m", "2Mi") ",'restartPolicy':'Always'}]}",
		 800, 9},
		{"{'containers':[{" ASKS("1", "1Mi") "}],'overhead':{'cpu':'250m','memory':'3Mi'}}", 1250, 4},
		{"{'containers':[{" ASKS("1", "1Mi") "}],'resources':{'requests':{'cpu':'3'}}}", 3000, 1},
		{"{'containers':[{}]}", 0, 0},
	};
	struct snapshot s;
	snapshot_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct requests r = requests_of(&a, &s, parse(&a, table[i].spec), false);
		CHECK_INT(r.cpu_milli, table[i].cpu_milli);
		CHECK_INT(r.memory >> 20, table[i].mebibytes);
	}
	snapshot_finish(&s);
}

struct world {
	struct snapshot s;
	struct arena a;
	int pods;
};

static void world_start(struct world *w)
{
	snapshot_init(&w->s);
	arena_init(&w->a);
	w->pods = 0;
}

static void world_stop(struct world *w)
{
	snapshot_finish(&w->s);
	arena_finish(&w->a);
}

static void node(struct world *w, const char *name, const char *zone, const char *spec, const char *images)
{
	snapshot_set_node(
		&w->s,
		parse(
		    &w->a,
		    arena_fmt(
			&w->a,
			"{'metadata':{'name':'%s','labels':{'kubernetes.io/hostname':'%s','topology.kubernetes.io/"
			"zone':'%s'}},'spec':%s,"
			"'status':{'allocatable':{'cpu':'8','memory':'16Gi','pods':'110','x.test/gpu':'2'},'images':[%s]}}",
			name, name, zone, spec, images)
			.p));
}

static struct json *pod_object(struct world *w, const char *app, const char *spec)
{
	return parse(&w->a,
		     arena_fmt(&w->a,
			       "{'metadata':{'name':'p','namespace':'n','labels':{'app':'%s'}},'spec':{%s"
			       "'containers':[{'image':'img','resources':{'requests':{'cpu':'1','memory':'1Gi'}}}]}}",
			       app, spec)
			 .p);
}

static void place(struct world *w, const char *node_name, const char *app, const char *spec)
{
	struct shape *shape = snapshot_shape(&w->s, pod_object(w, app, spec));
	snapshot_set_pod(&w->s, arena_fmt(&w->a, "n/placed%d", w->pods++), str_of(node_name), shape, false);
	snapshot_shape_unref(&w->s, shape);
}

static struct str best(struct world *w, const char *app, const char *spec)
{
	struct shape *shape = snapshot_shape(&w->s, pod_object(w, app, spec));
	struct schedule_verdict v;
	schedule_plan(&w->a, &w->s, shape, 0, &v);
	snapshot_shape_unref(&w->s, shape);
	return v.node ? v.node->name : schedule_message(&w->a, &w->s, &v);
}

TEST(the_emptier_node_is_better)
{
	struct world w;
	world_start(&w);
	node(&w, "a", "z", "{}", "");
	node(&w, "b", "z", "{}", "");
	place(&w, "a", "other", "");
	CHECK_STR(best(&w, "web", ""), "b");
	world_stop(&w);
}

TEST(preferences_are_heard)
{
	struct world w;
	world_start(&w);
	node(&w, "a", "za", "{'taints':[{'key':'k','effect':'PreferNoSchedule'}]}", "");
	node(&w, "b", "zb", "{}", "");
	node(&w, "c", "zc", "{}", "{'names':['img:latest'],'sizeBytes':900000000}");
	CHECK_STR(best(&w, "web", ""), "c");							 // its image is there
	CHECK_STR(best(&w, "web", "'nodeSelector':{'topology.kubernetes.io/zone':'za'},"), "a"); // only a preference
	CHECK_STR(
		best(&w, "web",
		     "'affinity':{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':1,'"
		     "preference':"
		     "{'matchExpressions':[{'key':'topology.kubernetes.io/zone','operator':'In','values':['zb']}]}}]}},"),
		"b");
	place(&w, "b", "db", "");
	static const char *const near =
		"'affinity':{'%s':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':100,'podAffinityTerm':{"
		"'topologyKey':'kubernetes.io/hostname','labelSelector':{'matchLabels':{'app':'db'}}}}]}},";
	CHECK_STR(best(&w, "web", arena_fmt(&w.a, near, "podAffinity").p), "b");
	CHECK_STR(best(&w, "web", arena_fmt(&w.a, near, "podAntiAffinity").p), "c");
	world_stop(&w);
}

TEST(pods_of_a_kind_are_spread_over_zones)
{
	struct world w;
	world_start(&w);
	node(&w, "a1", "a", "{}", "");
	node(&w, "a2", "a", "{}", "");
	node(&w, "b1", "b", "{}", "");
	place(&w, "a1", "web", "");
	CHECK_STR(best(&w, "web", ""), "b1");
	world_stop(&w);
}

TEST(extended_resources_run_out)
{
	struct world w;
	world_start(&w);
	node(&w, "a", "z", "{}", "");
	static const char *const gpus = "'overhead':{'x.test/gpu':'2'},";
	CHECK_STR(best(&w, "web", gpus), "a");
	place(&w, "a", "web", gpus);
	CHECK_STR(best(&w, "web", gpus), "0/1 nodes are available: 1 Insufficient x.test/gpu.");
	CHECK_STR(best(&w, "web", "'overhead':{'y.test/gpu':'1'},"),
		  "0/1 nodes are available: 1 Insufficient y.test/gpu.");
	world_stop(&w);
}

TEST(snapshot_gives_back_all_that_it_took)
{
	struct world w;
	world_start(&w);
	node(&w, "a", "z", "{}", "");
	struct node *a = snapshot_node(&w.s, STR("a"));
	static const char *const port = "'initContainers':[{'restartPolicy':'Always','ports':[{'hostPort':80}]}],";
	for (int i = 0; i < 5; i++)
		place(&w, "a", i % 2 ? "x" : "y", port);
	place(&w, "ghost", "x", ""); // of a node that nobody knows
	CHECK_INT(a->cpu_used, 5000);
	CHECK_INT(a->port_count, 5);
	CHECK(snapshot_node(&w.s, STR("ghost")) == NULL);
	snapshot_remove_node(&w.s, STR("a"));
	CHECK(snapshot_node(&w.s, STR("a")) == NULL);
	node(&w, "a", "z", "{}", "");
	CHECK_INT(snapshot_node(&w.s, STR("a"))->pod_count, 5);
	for (int i = 0; i < 6; i++)
		snapshot_remove_pod(&w.s, arena_fmt(&w.a, "n/placed%d", i));
	a = snapshot_node(&w.s, STR("a"));
	CHECK_INT(a->cpu_used, 0);
	CHECK_INT(a->memory_used, 0);
	CHECK_INT(a->pod_count, 0);
	CHECK_INT(a->port_count, 0);
	CHECK_INT(a->placement_count, 0);
	CHECK_INT(w.s.shapes.count, 0);
	CHECK_INT(w.s.node_count, 1);
	world_stop(&w);
}

TEST(line_keeps_order)
{
	struct pending items[100], *taken;
	struct pending_heap heap = {0};
	for (int i = 0; i < 100; i++) {
		items[i] = (struct pending){.priority = (i * 7) % 5, .arrival = (uint64_t)i};
		pending_add(&heap, &items[i]);
	}
	for (int i = 0; i < 100; i += 3)
		pending_remove(&heap, &items[i]);
	struct pending last = {.priority = 100};
	int count = 0;
	for (; (taken = pending_take(&heap)); count++) {
		CHECK(taken->priority < last.priority ||
		      (taken->priority == last.priority && taken->arrival > last.arrival));
		last = *taken;
	}
	CHECK_INT(count, 66);
	pending_finish(&heap);
}

// What a pod counts while it is being resized: the most of what it asks for, was allocated and has.
TEST(pods_being_resized)
{
	static const struct {
		const char *asked, *allocated, *has, *condition;
		int64_t cpu, memory;
	} cases[] = {
		{"'cpu':'100m','memory':'1Ki'", "'cpu':'100m','memory':'1Ki'", "'cpu':'100m','memory':'1Ki'", "", 100, 1024},
		{"'cpu':'300m','memory':'1Ki'", "'cpu':'100m','memory':'1Ki'", "'cpu':'100m','memory':'1Ki'", "", 300, 1024},
		{"'cpu':'100m','memory':'1Ki'", "'cpu':'200m','memory':'2Ki'", "'cpu':'50m','memory':'4Ki'", "", 200, 4096},
		{"'cpu':'300m','memory':'1Ki'", "'cpu':'100m','memory':'2Ki'", "'cpu':'200m','memory':'1Ki'", "Deferred", 300, 2048},
		{"'cpu':'300m','memory':'1Ki'", "'cpu':'100m','memory':'2Ki'", "'cpu':'200m','memory':'1Ki'", "Infeasible", 200, 2048},
		{"'cpu':'1'", "'cpu':'1000m'", "'cpu':'1','memory':'1Ki'", "", 1000, 1024},
	};
	static const char *const places[] = {
		"{'spec':{'containers':[{'name':'c','resources':{'requests':{%s}}}]},"
		"'status':{'containerStatuses':[{'name':'c','allocatedResources':{%s},'resources':{'requests':{%s}}}],",
		"{'spec':{'containers':[],'initContainers':[{'name':'c','restartPolicy':'Always','resources':{'requests':{%s}}}]},"
		"'status':{'initContainerStatuses':[{'name':'c','allocatedResources':{%s},'resources':{'requests':{%s}}}],"};
	struct world w;
	world_start(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t k = 0; k < ARRAY_LEN(places); k++) {
			struct str text = arena_fmt(&w.a, places[k], cases[i].asked, cases[i].allocated, cases[i].has);
			text = arena_fmt(&w.a, "%s'conditions':[{'type':'PodResizePending','reason':'%s'}]}}", text.p, cases[i].condition);
			const struct json *pod = parse(&w.a, text.p), *counted = pod_as_counted(&w.a, pod);
			struct requests got = requests_of(&w.a, &w.s, json_get(counted, STR("spec")), false);
			CHECK_INT(got.cpu_milli, cases[i].cpu);
			CHECK_INT(got.memory, cases[i].memory);
			CHECK((counted == pod) == (i == 0));
		}
	const struct json *whole = parse(&w.a, "{'spec':{'resources':{'requests':{'cpu':'1'}},'containers':[]},'status':{"
					       "'allocatedResources':{'cpu':'2','memory':'1Ki'},'resources':{'requests':{'cpu':'3'}}}}");
	struct requests got = requests_of(&w.a, &w.s, json_get(pod_as_counted(&w.a, whole), STR("spec")), false);
	CHECK_INT(got.cpu_milli, 3000);
	CHECK_INT(got.memory, 0); // it does not say anything of memory
	world_stop(&w);
}
