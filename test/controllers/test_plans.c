// SPDX-License-Identifier: Apache-2.0
// The pure decisions, by tables.
#include "base/times.h"
#include "controllers/controllers.h"
#include "controllers/deployment_plan.h"
#include "controllers/gc_plan.h"
#include "controllers/node_plan.h"
#include "controllers/replicaset_plan.h"
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

// ---- Deployment

static const struct {
	int replicas;
	const char *surge, *unavailable;
	int old_size, old_available, new_size, new_available;
	int old_after, new_after;
} steps[] = {
	// one more, one less, all well
	    {4, "1", "1", 4, 4, 1, 0, 3, 1}, // no room for more: one of the old may go
	    {4, "1", "1", 3, 3, 1, 1, 3, 2}, // there is room again
	    {4, "1", "1", 0, 0, 4, 4, 0, 4}, // done
	    {4, "2", "0", 4, 4, 2, 0, 4, 2}, // waits for the new ones
	    {4, "2", "0", 4, 4, 2, 1, 3, 2}, // one has come
	    {4, "0", "2", 4, 4, 0, 0, 2, 0}, // makes room first
	    {4, "0", "2", 2, 2, 0, 0, 2, 2},
	    {10, "'25%'", "'25%'", 10, 10, 3, 0, 8, 3}, // 3 more, 2 less
	// old pods that are not available go first, as many as are not needed
	    {4, "1", "1", 4, 1, 1, 0, 3, 1},
	    {4, "0", "0", 4, 4, 0, 0, 3, 0}, // both zero: one may be missing
	    {4, "1", "0", 4, 3, 1, 1, 3, 1},
	// what was told to go is not counted on: 3 and 1 are there
	    {4, "1", "1", 3, 4, 2, 1, 2, 2},
	    {0, "1", "1", 4, 4, 0, 0, 0, 0},
};

static bool never_taken(void *arg, struct str name)
{
	return false;
}

static const struct json *set_of(struct arena *a, const char *name, const char *image, const char *created, int size,
				 int available)
{
	return parse(
		a, arena_fmt(a,
			     "{'metadata':{'name':'%s','creationTimestamp':'%s','annotations':{'deployment.kubernetes.io/"
			     "revision':'1'}},'spec':{'replicas':%d,'template':{'metadata':{'labels':{'a':'b',"
			     "'pod-template-hash':'%s'}},'spec':{'containers':[{'image':'%s'}]}}},'status':{'replicas':%d,"
			     "'availableReplicas':%d}}",
			     name, created, size, name, image, size, available)
		       .p);
}

TEST(deployment_steps)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct json *deployment = parse(
			&a, arena_fmt(
				&a,
				"{'metadata':{'name':'d'},'spec':{'replicas':%d,'selector':{'matchLabels':{'a':'b'}},'"
				"strategy':"
				"{'type':'RollingUpdate','rollingUpdate':{'maxSurge':%s,'maxUnavailable':%s}},'template':{"
				"'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'image':'new'}]}}}}",
				steps[i].replicas, steps[i].surge, steps[i].unavailable)
				.p);
		const struct json *sets[] = {
			set_of(&a, "old", "old", "2026-01-01T00:00:00Z", steps[i].old_size, steps[i].old_available),
			set_of(&a, "new", "new", "2026-01-02T00:00:00Z", steps[i].new_size, steps[i].new_available)};
		bool has_pods[] = {true, true};
		struct deployment_view view = {deployment, sets, has_pods, 2, never_taken, NULL, 0};
		struct deployment_plan plan;
		deployment_plan(&a, &view, &plan);
		int64_t sizes[] = {steps[i].old_size, steps[i].new_size};
		for (size_t n = 0; n < plan.change_count; n++)
			sizes[plan.changes[n].replicaset == sets[1]] = plan.changes[n].to;
		if (sizes[0] != steps[i].old_after || sizes[1] != steps[i].new_after)
			unit_fail(__FILE__, __LINE__, "step %zu ends with %lld old and %lld new, not %d and %d", i,
				  (long long)sizes[0], (long long)sizes[1], steps[i].old_after, steps[i].new_after);
	}
}

TEST(a_rollout_that_is_done_has_no_deadline)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *deployment = parse(
		&a, "{'metadata':{'name':'d','annotations':{'deployment.kubernetes.io/revision':'1'}},'spec':{'replicas':2,"
		    "'progressDeadlineSeconds':600,'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{"
		    "'a':'b'}},'spec':{'containers':[{'image':'new'}]}}},'status':{'replicas':2,'updatedReplicas':2,"
		    "'conditions':[{'type':'Progressing','status':'True','reason':'NewReplicaSetAvailable',"
		    "'lastUpdateTime':'2026-01-01T00:00:00Z','lastTransitionTime':'2026-01-01T00:00:00Z'}]}}");
	const struct json *sets[] = {set_of(&a, "new", "new", "2026-01-01T00:00:00Z", 2, 1)};
	bool has_pods[] = {true};
	int64_t now_ns = 0;
	time_parse(STR("2026-01-02T00:00:00Z"), &now_ns);
	struct deployment_view view = {deployment, sets, has_pods, 1, never_taken, NULL, now_ns};
	struct deployment_plan plan;
	deployment_plan(&a, &view, &plan);
	CHECK_INT(plan.again_ns, 0);
}

TEST(deployment_hash_is_stable_and_moves_on_collision)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str names[2];
	for (int collisions = 0; collisions < 2; collisions++) {
		struct json *deployment =
			parse(&a, arena_fmt(&a,
					    "{'metadata':{'name':'d'},'spec':{'replicas':1,'selector':{'matchLabels':{'a':'"
					    "b'}},'template':{"
					    "'metadata':{'labels':{'a':'b'}},'spec':{}}},'status':{'collisionCount':%d}}",
					    collisions)
				      .p);
		struct deployment_view view = {deployment, NULL, NULL, 0, never_taken, NULL, 0};
		struct deployment_plan plan;
		deployment_plan(&a, &view, &plan);
		REQUIRE(plan.create != NULL);
		names[collisions] = json_str(plan.create, "metadata.name");
		struct str hash = json_str(plan.create, "spec.selector.matchLabels.pod-template-hash");
		CHECK(str_eq(hash, json_str(plan.create, "spec.template.metadata.labels.pod-template-hash")));
		CHECK(str_ends(names[collisions], hash));
	}
	CHECK(!str_eq(names[0], names[1]));
}

// ---- ReplicaSet

// In the order in which they are to go.
static const struct {
	const char *uid, *node, *cost;
	enum pod_phase phase;
	bool ready;
	int restarts;
	int age_s;
} doomed[] = {
	{"1", "", "", POD_PENDING, false, 0, 9},	   // without a node
	{"2", "n1", "", POD_PENDING, false, 0, 9},	   // not running
	{"3", "n1", "", POD_RUNNING, false, 0, 9},	   // not ready
	{"4", "n1", "-5", POD_RUNNING, true, 0, 9000}, // cheap
	{"5", "n1", "", POD_RUNNING, true, 0, 10},	   // with many neighbours, young
	{"6", "n1", "", POD_RUNNING, true, 0, 5000},
	{"7", "n2", "", POD_RUNNING, true, 3, 10}, // alone on its node
	{"8", "n2", "", POD_RUNNING, true, 3, 5000},
	{"9", "n3", "100", POD_RUNNING, true, 9, 1}, // dear
};

static bool nobody(void *arg, const struct pod *p)
{
	return false;
}

TEST(replicaset_deletes_in_order)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int64_t now_ns = 100000 * TIME_S;
	size_t n = ARRAY_LEN(doomed);
	struct pod_list owned = {ARENA_ARRAY(&a, struct pod *, n), 0};
	for (size_t i = 0; i < n; i++) {
		struct pod *p = ARENA_NEW(&a, struct pod);
		*p = (struct pod){.uid = str_of(doomed[i].uid),
				  .name = str_of(doomed[i].uid),
				  .node = str_of(doomed[i].node),
				  .deletion_cost = str_of(doomed[i].cost),
				  .labels = STR("{\"a\":\"b\"}"),
				  .phase = doomed[i].phase,
				  .ready = doomed[i].ready,
				  .restarts = doomed[i].restarts,
				  .ready_since_ns = now_ns - doomed[i].age_s * TIME_S,
				  .created_ns = now_ns - doomed[i].age_s * TIME_S};
		owned.p[n - 1 - owned.n++] = p; // from the last
	}
	struct json *set = parse(&a, "{'spec':{'replicas':1,'selector':{'matchLabels':{'a':'b'}}}}");
	struct api_selector *selector = api_selector_of_map(&a, json_at(set, "spec.selector.matchLabels"));
	struct replicaset_view view = {.replicaset = set,
				       .selector = selector,
				       .owned = owned,
				       .family = &owned,
				       .family_count = 1,
				       .is_doomed = nobody,
				       .now_ns = now_ns};
	struct replicaset_plan plan;
	replicaset_plan(&a, &view, &plan);
	CHECK_INT(plan.delete.n, n - 1);
	for (size_t i = 0; i < plan.delete.n; i++)
		CHECK_STR(plan.delete.p[i]->uid, doomed[i].uid);
	CHECK_INT(plan.create, 0);
	json_put_int(&a, json_at(set, "spec"), "replicas", 20);
	view.unseen = 4;
	replicaset_plan(&a, &view, &plan);
	CHECK_INT(plan.create, 20 - n - 4);
	CHECK_INT(json_i64(plan.status, "replicas", 0), n + 4);
	json_put_int(&a, json_at(set, "spec"), "replicas", 5);
	replicaset_plan(&a, &view, &plan);
	CHECK_INT(plan.delete.n, 0); // those yet unseen are to go before any that is ready
}

TEST(replicaset_waits_for_availability)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod pod = {.phase = POD_RUNNING, .ready = true, .ready_since_ns = 100 * TIME_S, .labels = STR("{}")};
	struct pod *list[] = {&pod};
	struct json *set = parse(&a, "{'spec':{'replicas':1,'minReadySeconds':30,'selector':{}}}");
	struct replicaset_view view = {.replicaset = set,
				       .selector = api_selector_of_map(&a, NULL),
				       .owned = {list, 1},
				       .is_doomed = nobody,
				       .now_ns = 110 * TIME_S};
	struct replicaset_plan plan;
	replicaset_plan(&a, &view, &plan);
	CHECK_INT(json_i64(plan.status, "readyReplicas", -1), 1);
	CHECK_INT(json_i64(plan.status, "availableReplicas", -1), 0);
	CHECK_INT(plan.again_ns, 20 * TIME_S);
	view.now_ns = 130 * TIME_S;
	replicaset_plan(&a, &view, &plan);
	CHECK_INT(json_i64(plan.status, "availableReplicas", -1), 1);
	CHECK_INT(plan.again_ns, 0);
}

// ---- nodes

TEST(taints_and_how_long_pods_stay)
{
	static const struct {
		const char *taints, *tolerations;
		int seconds; // -1: for ever
	} stays[] = {
		{"[]", "[]", -1},
		{"[{'key':'x','effect':'NoSchedule'}]", "[]", -1},
		{"[{'key':'x','effect':'NoExecute'}]", "[]", 0},
		{"[{'key':'x','effect':'NoExecute'}]", "[{'operator':'Exists'}]", -1},
		{"[{'key':'x','value':'1','effect':'NoExecute'}]", "[{'key':'x','value':'1'}]", -1},
		{"[{'key':'x','value':'1','effect':'NoExecute'}]", "[{'key':'x','value':'2'}]", 0},
		{"[{'key':'x','effect':'NoExecute'}]", "[{'key':'x','operator':'Exists','effect':'NoSchedule'}]", 0},
		{"[{'key':'x','effect':'NoExecute'}]", "[{'key':'x','operator':'Exists','tolerationSeconds':80}]", 80},
		{"[{'key':'x','effect':'NoExecute'}]",
		 "[{'key':'x','operator':'Exists','tolerationSeconds':80},{'operator':'Exists','tolerationSeconds':60}]",
		 80}, // the first one that fits
		{"[{'key':'x','effect':'NoExecute'}]",
		 "[{'operator':'Exists'},{'key':'x','operator':'Exists','tolerationSeconds':60}]", -1},
		{"[{'key':'x','effect':'NoExecute'}]", "[{'key':'x','operator':'Exists','tolerationSeconds':-1}]", 0},
		{"[{'key':'x','effect':'NoExecute'},{'key':'y','effect':'NoExecute'}]", "[{'key':'x','operator':'Exists'}]",
		 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(stays); i++) {
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		int64_t stay_ns = node_pod_stay(parse(&a, stays[i].taints), parse(&a, stays[i].tolerations));
		CHECK_INT(stay_ns < 0 ? stay_ns : stay_ns / TIME_S, stays[i].seconds);
	}
}

// ---- garbage

TEST(garbage_decisions)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct gc_node owner = {.state = GC_PRESENT}, other = {.state = GC_PRESENT}, child = {.state = GC_PRESENT};
	struct gc_reference references[] = {{&owner, true, NULL}, {&other, false, NULL}};
	struct gc_node *children[] = {&child};
	owner.dependents = children;
	owner.dependent_count = 1;
	child.owners = references;
	child.owner_count = 1;
	struct gc_plan plan;
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_NOTHING);
	owner.state = GC_UNSEEN;
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_ASK_OWNERS);
	owner.state = GC_ABSENT;
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_DELETE);
	CHECK_STR(str_of(plan.policy), "Background");
	child.owner_count = 2;
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_DROP_REFERENCES);
	child.owner_count = 1;
	owner = (struct gc_node){
		.state = GC_PRESENT, .deleting = true, .foreground = true, .dependents = children, .dependent_count = 1};
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_DELETE);
	gc_plan(&a, &owner, &plan);
	CHECK_INT(plan.action, GC_NOTHING); // waits for the child
	references[0].blocks = false;
	gc_plan(&a, &owner, &plan);
	CHECK_INT(plan.action, GC_RELEASE);
	owner.foreground = false;
	owner.orphan = true;
	gc_plan(&a, &owner, &plan);
	CHECK_INT(plan.action, GC_ORPHAN_DEPENDENTS);
	owner.state = GC_PRESENT;
	owner.namespace = STR("elsewhere");
	child.namespace = STR("here");
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_DELETE); // an owner of another namespace is none
	struct api_resource namespaced = {.namespaced = true};
	owner.resource = &namespaced;
	child.namespace = STR("");
	gc_plan(&a, &child, &plan);
	CHECK_INT(plan.action, GC_NOTHING); // an object of the whole cluster: which namespace is meant?
}

// ---- which run

TEST(selections)
{
	static const struct {
		const char *selection, *name;
		bool selected;
	} table[] = {
		{"", "deployment", true},
		{"*", "deployment", true},
		{"none", "deployment", false},
		{"*,-deployment", "deployment", false},
		{"*,-deployment", "replicaset", true},
		{"-deployment", "replicaset", true},
		{"-deployment", "deployment", false},
		{"deployment", "replicaset", false},
		{"deployment,replicaset", "replicaset", true},
		{"-scheduler", "scheduler", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		CHECK(controllers_selected(str_of(table[i].selection), table[i].name) == table[i].selected);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK_INT(controllers_check(STR("*,-gardener"), &e), -1);
	CHECK(str_contains(str_of(err_text(&e)), STR("gardener")));
	CHECK_INT(controllers_check(STR("*,-scheduler"), NULL), 0);
}
