// SPDX-License-Identifier: Apache-2.0
// The garbage collector and the deletion of namespaces.
#include "bench.h"

#define MAPS "/api/v1/namespaces/one/configmaps"

static struct str uid_of(struct bench *b, const char *name)
{
	return json_str(bench_get(b, arena_fmt(&b->a, MAPS "/%s", name).p), "metadata.uid");
}

static bool exists(struct bench *b, const char *name)
{
	return bench_get(b, arena_fmt(&b->a, MAPS "/%s", name).p) != NULL;
}

// A ConfigMap, owned by another where `owner` says so.
static void add(struct bench *b, const char *name, const char *owner, bool blocks)
{
	if (!owner) {
		bench_do(b, "POST", MAPS, "{'metadata':{'name':'%s'}}", name);
		return;
	}
	struct str uid = uid_of(b, owner);
	bench_do(b, "POST", MAPS,
		 "{'metadata':{'name':'%s','ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'%s','uid':'"
		 "%.*s',"
		 "'blockOwnerDeletion':%s}]}}",
		 name, owner, STR_FMT(uid), blocks ? "true" : "false");
}

static void delete (struct bench *b, const char *name, const char *policy)
{
	bench_do(b, "DELETE", arena_fmt(&b->a, MAPS "/%s", name).p, "{'propagationPolicy':'%s'}", policy);
}

TEST(gc_background_takes_the_whole_tree)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "root", NULL, false);
	add(&b, "child", "root", false);
	add(&b, "grandchild", "child", false);
	add(&b, "other", NULL, false);
	bench_run(&b, TIME_S);
	CHECK(exists(&b, "grandchild"));
	delete (&b, "root", "Background");
	CHECK(!exists(&b, "root"));
	bench_run(&b, TIME_S);
	CHECK(!exists(&b, "child"));
	CHECK(!exists(&b, "grandchild"));
	CHECK(exists(&b, "other"));
	bench_stop(&b);
}

TEST(gc_foreground_waits_for_those_that_block)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "root", NULL, false);
	add(&b, "child", "root", true);
	add(&b, "grandchild", "child", true);
	bench_do(&b, "PATCH", MAPS "/grandchild", "{'metadata':{'finalizers':['hold.test/x']}}");
	bench_run(&b, TIME_S);
	delete (&b, "root", "Foreground");
	bench_run(&b, 5 * TIME_S);
	CHECK(exists(&b, "root"));
	CHECK(exists(&b, "child"));
	CHECK(json_at(bench_get(&b, MAPS "/grandchild"), "metadata.deletionTimestamp") != NULL);
	bench_do(&b, "PATCH", MAPS "/grandchild", "{'metadata':{'finalizers':null}}");
	bench_run(&b, 5 * TIME_S);
	CHECK_INT(bench_items(&b, MAPS)->count, 0);
	bench_stop(&b);
}

TEST(gc_orphans_are_left_without_reference)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "root", NULL, false);
	add(&b, "child", "root", true);
	bench_run(&b, TIME_S);
	delete (&b, "root", "Orphan");
	bench_run(&b, 5 * TIME_S);
	CHECK(!exists(&b, "root"));
	REQUIRE(exists(&b, "child"));
	CHECK(json_at(bench_get(&b, MAPS "/child"), "metadata.ownerReferences.0") == NULL);
	bench_stop(&b);
}

TEST(gc_owner_that_never_was)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	bench_do(&b, "POST", MAPS,
		 "{'metadata':{'name':'lost','ownerReferences':[{'apiVersion':'v1','kind':'Pod','name':'p','uid':'"
		 "nobody'}]}}");
	bench_do(&b, "POST", MAPS,
		 "{'metadata':{'name':'strange','ownerReferences':[{'apiVersion':'x.test/"
		 "v1','kind':'X','name':'p','uid':'unknown'}]}}");
	bench_run(&b, 5 * TIME_S);
	CHECK(!exists(&b, "lost"));
	CHECK(exists(&b, "strange")); // of a kind that we do not know nothing is concluded
	bench_stop(&b);
}

TEST(gc_owner_of_the_same_name_is_not_the_same)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "root", NULL, false);
	add(&b, "child", "root", false);
	bench_do(&b, "DELETE", MAPS "/root", " ");
	add(&b, "root", NULL, false); // at once
	bench_run(&b, 5 * TIME_S);
	CHECK(exists(&b, "root"));
	CHECK(!exists(&b, "child"));
	bench_stop(&b);
}

TEST(gc_owner_in_another_namespace_is_none)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "root", NULL, false);
	add(&b, "child", "root", false); // so that the collector knows the owner
	static const char reference[] =
		"{'metadata':{'name':'%s','ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'root','uid':'%.*s'}]}}";
	bench_run(&b, TIME_S);
	struct str uid = uid_of(&b, "root");
	bench_do(&b, "POST", "/api/v1/namespaces/two/configmaps", reference, "far", STR_FMT(uid));
	bench_do(&b, "POST", "/api/v1/nodes", reference, "whole", STR_FMT(uid));
	bench_run(&b, 5 * TIME_S);
	CHECK(exists(&b, "child"));
	CHECK(bench_get(&b, "/api/v1/namespaces/two/configmaps/far") == NULL);
	CHECK(bench_get(&b, "/api/v1/nodes/whole") != NULL); // cannot have an owner in a namespace: nobody's garbage
	CHECK_INT(bench_items(&b, "/api/v1/namespaces/two/events")->count, 1);
	const struct json *event = json_first(bench_items(&b, "/api/v1/namespaces/two/events"));
	CHECK_STR(json_str(event, "reason"), "OwnerRefInvalidNamespace");
	CHECK(str_starts(json_str(event, "message"), STR("ownerRef [v1/ConfigMap, namespace: one, name: root, uid: ")));
	delete (&b, "root", "Background");
	bench_run(&b, 5 * TIME_S);
	CHECK(!exists(&b, "child"));
	CHECK(bench_get(&b, "/api/v1/nodes/whole") != NULL);
	bench_stop(&b);
}

static void add_secret(struct bench *b, const char *namespace, const char *name, const char *kind, const char *owner)
{
	bench_do(b, "POST", arena_fmt(&b->a, "/api/v1/namespaces/%s/secrets", namespace).p,
		 "{'metadata':{'name':'%s','ownerReferences':[{'apiVersion':'v1','kind':'%s','name':'%s','uid':'%.*s'}]}}",
		 name, kind, owner, STR_FMT(uid_of(b, "root")));
}

// What somebody else claims of an owner that the collector has not met yet: in another namespace, by another name, as
// another kind; and heard before or after the claim that is true.
static void claim_wrongly(const char *namespace, const char *kind, const char *owner, const char *name, uint64_t seed)
{
	struct bench b;
	bench_start(&b, seed, "garbage-collector");
	add(&b, "root", NULL, false);
	bench_run(&b, TIME_S);
	add_secret(&b, "one", "child", "ConfigMap", "root");
	add_secret(&b, namespace, name, kind, owner);
	bench_restart_controllers(&b); // they have seen nothing of this, and may list the owner first
	bench_run(&b, 5 * TIME_S);
	CHECK(exists(&b, "root"));
	CHECK(bench_get(&b, "/api/v1/namespaces/one/secrets/child") != NULL);
	delete (&b, "root", "Background");
	bench_run(&b, 5 * TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one/secrets/child") == NULL);
	bench_stop(&b);
}

TEST(gc_a_wrong_reference_to_an_owner_harms_nobody_else)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		claim_wrongly("two", "ConfigMap", "root", "x", seed);
		claim_wrongly("aaa", "ConfigMap", "root", "x", seed);
		claim_wrongly("one", "ConfigMap", "nobody", "aaa", seed);
		claim_wrongly("one", "ConfigMap", "nobody", "zzz", seed);
		claim_wrongly("one", "Secret", "root", "aaa", seed);
		claim_wrongly("one", "Secret", "root", "zzz", seed);
	}
}

TEST(gc_one_owner_left_is_enough)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "x", NULL, false);
	add(&b, "y", NULL, false);
	struct str x = uid_of(&b, "x"), y = uid_of(&b, "y");
	bench_do(&b, "POST", MAPS,
		 "{'metadata':{'name':'child','ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'x','uid'"
		 ":'%.*s'},"
		 "{'apiVersion':'v1','kind':'ConfigMap','name':'y','uid':'%.*s'}]}}",
		 STR_FMT(x), STR_FMT(y));
	bench_run(&b, TIME_S);
	delete (&b, "x", "Background");
	bench_run(&b, 5 * TIME_S);
	REQUIRE(exists(&b, "child"));
	struct json *references = json_at(bench_get(&b, MAPS "/child"), "metadata.ownerReferences");
	REQUIRE(references && references->count == 1);
	CHECK_STR(json_str(json_first(references), "name"), "y");
	delete (&b, "y", "Background");
	bench_run(&b, 5 * TIME_S);
	CHECK(!exists(&b, "child"));
	bench_stop(&b);
}

TEST(gc_circle_in_the_foreground)
{
	struct bench b;
	bench_start(&b, 1, "garbage-collector");
	add(&b, "x", NULL, false);
	add(&b, "y", "x", true);
	add(&b, "z", "y", true);
	bench_do(&b, "PATCH", MAPS "/x",
		 "{'metadata':{'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'z','uid':'%.*s',"
		 "'blockOwnerDeletion':true}]}}",
		 STR_FMT(uid_of(&b, "z")));
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, MAPS)->count, 3);
	delete (&b, "x", "Foreground");
	bench_run(&b, 30 * TIME_S);
	CHECK_INT(bench_items(&b, MAPS)->count, 0);
	bench_stop(&b);
}

static void churn(uint64_t seed)
{
	struct bench b;
	bench_start(&b, seed, "garbage-collector");
	fake_server_set_faults(
		b.server, (struct fake_faults){
			      .request_lost = 100, .answer_lost = 100, .watch_broken = 20, .delay_max_ns = 50 * TIME_MS});
	add(&b, "t0", NULL, false);
	for (int i = 1; i < 40; i++) { // a random tree
		char name[16], owner[16];
		snprintf(name, sizeof name, "t%d", i);
		snprintf(owner, sizeof owner, "t%d", (int)(sim_random(b.sim) % (unsigned)i));
		add(&b, name, owner, sim_random(b.sim) % 2);
		bench_run(&b, (int64_t)(sim_random(b.sim) % (100 * TIME_MS)));
		if (sim_random(b.sim) % 10 == 0)
			fake_server_compact(b.server);
	}
	add(&b, "keep", NULL, false);
	add(&b, "kept", "keep", true);
	delete (&b, "t0", sim_random(b.sim) % 2 ? "Foreground" : "Background");
	bench_run(&b, 3 * TIME_S);
	bench_restart_controllers(&b);
	fake_server_set_faults(b.server, (struct fake_faults){0});
	bench_run(&b, 60 * TIME_S);
	CHECK(exists(&b, "keep") && exists(&b, "kept"));
	CHECK_INT(bench_items(&b, MAPS)->count, 2);
	bench_stop(&b);
}

TEST(gc_converges_under_faults)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		churn(seed);
}

TEST(namespace_is_emptied_and_goes)
{
	struct bench b;
	bench_start(&b, 1, "namespace,serviceaccount,root-ca");
	bench_do(&b, "POST", "/api/v1/namespaces", "{'metadata':{'name':'one'},'spec':{'finalizers':['kubernetes']}}");
	bench_run(&b, TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one/serviceaccounts/default") != NULL);
	CHECK_STR(json_get(json_at(bench_get(&b, MAPS "/kube-root-ca.crt"), "data"), STR("ca.crt"))->text,
		  "certificate");
	add(&b, "held", NULL, false);
	bench_do(&b, "PATCH", MAPS "/held", "{'metadata':{'finalizers':['hold.test/x']}}");
	bench_do(&b, "POST", "/api/v1/namespaces/one/pods", "{'metadata':{'name':'p'},'spec':{'containers':[]}}");
	bench_run(&b, TIME_S);
	bench_do(&b, "DELETE", "/api/v1/namespaces/one", " ");
	bench_run(&b, 30 * TIME_S);
	struct json *namespace = bench_get(&b, "/api/v1/namespaces/one");
	REQUIRE(namespace != NULL);
	CHECK_INT(bench_items(&b, MAPS)->count, 1);
	CHECK_INT(bench_items(&b, "/api/v1/namespaces/one/pods")->count, 0);
	bool told = false;
	json_each(condition, json_at(namespace, "status.conditions"))
		told |= json_str_is(condition, "type", "NamespaceFinalizersRemaining") &&
			str_contains(json_str(condition, "message"), STR("hold.test/x in 1 resource instances"));
	CHECK(told);
	bench_do(&b, "PATCH", MAPS "/held", "{'metadata':{'finalizers':null}}");
	bench_run(&b, 30 * TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one") == NULL);
	bench_stop(&b);
}

TEST(a_page_of_what_cannot_go_does_not_keep_the_rest_of_a_namespace)
{
	struct bench b;
	bench_start(&b, 1, "namespace");
	bench_do(&b, "POST", "/api/v1/namespaces", "{'metadata':{'name':'one'},'spec':{'finalizers':['kubernetes']}}");
	for (int i = 0; i < 510; i++) {
		bench_do(&b, "POST", MAPS, "{'metadata':{'name':'held-%d','finalizers':['hold.test/x']}}", i);
		bench_do(&b, "DELETE", arena_fmt(&b.a, MAPS "/held-%d", i).p, " ");
	}
	add(&b, "z", NULL, false);
	bench_do(&b, "DELETE", "/api/v1/namespaces/one", " ");
	bench_run(&b, 10 * TIME_S);
	CHECK(!exists(&b, "z"));
	CHECK(exists(&b, "held-0"));
	bench_stop(&b);
}

// What the round holds goes with the controller: a sanitizer tells.
TEST(a_controller_ends_while_it_empties_a_namespace)
{
	struct bench b;
	bench_start(&b, 1, "namespace");
	bench_do(&b, "POST", "/api/v1/namespaces", "{'metadata':{'name':'one'},'spec':{'finalizers':['kubernetes']}}");
	for (int i = 0; i < 10; i++) {
		add(&b, arena_fmt(&b.a, "held-%d", i).p, NULL, false);
		bench_do(&b, "PATCH", arena_fmt(&b.a, MAPS "/held-%d", i).p, "{'metadata':{'finalizers':['hold.test/x']}}");
	}
	bench_do(&b, "DELETE", "/api/v1/namespaces/one", " ");
	for (int i = 0; i < 100; i++) {
		bench_run(&b, TIME_MS);
		bench_restart_controllers(&b);
	}
	bench_run(&b, TIME_S);
	CHECK_INT(bench_items(&b, MAPS)->count, 10);
	bench_stop(&b);
}

TEST(pods_of_a_namespace_go_before_all_else)
{
	struct bench b;
	bench_start(&b, 1, "namespace");
	b.nodes = false;
	bench_do(&b, "POST", "/api/v1/namespaces", "{'metadata':{'name':'one'},'spec':{'finalizers':['kubernetes']}}");
	add(&b, "map", NULL, false);
	bench_do(&b, "POST", "/api/v1/namespaces/one/pods",
		 "{'metadata':{'name':'p','finalizers':['hold.test/x']},'spec':{'containers':[]}}");
	bench_do(&b, "DELETE", "/api/v1/namespaces/one", " ");
	bench_run(&b, 10 * TIME_S);
	CHECK(json_at(bench_get(&b, "/api/v1/namespaces/one/pods/p"), "metadata.deletionTimestamp") != NULL);
	CHECK(exists(&b, "map"));
	bench_do(&b, "PATCH", "/api/v1/namespaces/one/pods/p", "{'metadata':{'finalizers':null}}");
	bench_do(&b, "DELETE", "/api/v1/namespaces/one/pods/p", "{'gracePeriodSeconds':0}");
	bench_run(&b, 10 * TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one") == NULL);
	bench_stop(&b);
}

TEST(serviceaccount_and_root_ca_come_back)
{
	struct bench b;
	bench_start(&b, 1, "serviceaccount,root-ca");
	bench_do(&b, "POST", "/api/v1/namespaces", "{'metadata':{'name':'one'}}");
	bench_run(&b, TIME_S);
	bench_do(&b, "DELETE", "/api/v1/namespaces/one/serviceaccounts/default", " ");
	bench_do(&b, "PATCH", MAPS "/kube-root-ca.crt", "{'data':{'ca.crt':'forged','more':'x'}}");
	bench_run(&b, TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one/serviceaccounts/default") != NULL);
	CHECK_STR(json_get(json_at(bench_get(&b, MAPS "/kube-root-ca.crt"), "data"), STR("ca.crt"))->text,
		  "certificate");
	CHECK_INT(json_at(bench_get(&b, MAPS "/kube-root-ca.crt"), "data")->count, 1);
	bench_stop(&b);
}

TEST(events_die_of_age)
{
	struct bench b;
	bench_start(&b, 1, "event-ttl");
	struct str now = time_format(&b.a, loop_wall(b.loop));
	bench_do(&b, "POST", "/api/v1/namespaces/one/events", "{'metadata':{'name':'e'},'lastTimestamp':'%.*s'}",
		 STR_FMT(now));
	bench_run(&b, 3590 * TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one/events/e") != NULL);
	bench_run(&b, 20 * TIME_S);
	CHECK(bench_get(&b, "/api/v1/namespaces/one/events/e") == NULL);
	bench_stop(&b);
}
