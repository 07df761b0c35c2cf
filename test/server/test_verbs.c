// SPDX-License-Identifier: Apache-2.0
// The verbs over an imitated store, which other servers write too.
#include "world.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static struct answer make_map(struct world *w, const char *name, const char *labels)
{
	struct str body = arena_fmt(&w->arena, "{'metadata':{'name':'%s','labels':{%s}}}", name, labels);
	return ask(w, "POST", MAPS, body.p);
}

TEST(bootstrap_makes_namespaces_and_service)
{
	struct world w;
	world_init(&w, 1);
	CHECK_INT(ask(&w, "GET", "/api/v1/namespaces/kube-node-lease", NULL).code, 200);
	struct answer a = ask(&w, "GET", "/api/v1/namespaces/default/services/kubernetes", NULL);
	CHECK_STR(json_str(a.body, "spec.clusterIP"), "10.96.0.1");
	CHECK_STR(json_str(a.body, "metadata.labels.component"), "apiserver");
	CHECK_INT(ask(&w, "GET", "/readyz", NULL).code, 200);
	world_finish(&w);
}

TEST(what_every_cluster_has_comes_back)
{
	struct world w;
	world_init(&w, 1);
	CHECK_INT(ask(&w, "DELETE", "/api/v1/namespaces/default/services/kubernetes", NULL).code, 200);
	run_for(&w, 11 * TIME_S);
	struct answer a = ask(&w, "GET", "/api/v1/namespaces/default/services/kubernetes", NULL);
	CHECK_STR(json_str(a.body, "spec.clusterIP"), "10.96.0.1");
	world_finish(&w);
}

TEST(create_get_update_delete)
{
	struct world w;
	world_init(&w, 2);
	struct answer a = make_map(&w, "a", "");
	CHECK_INT(a.code, 201);
	struct str revision = json_str(a.body, "metadata.resourceVersion");
	CHECK(revision.n > 0);
	a = ask(&w, "GET", MAPS "/a", NULL);
	CHECK_INT(a.code, 200);
	CHECK(str_eq(json_str(a.body, "metadata.resourceVersion"), revision));
	CHECK_INT(make_map(&w, "a", "").code, 409);
	a = ask(&w, "PUT", MAPS "/a", "{'metadata':{'name':'a'},'data':{'k':'v'}}");
	CHECK_INT(a.code, 200);
	CHECK_STR(json_str(a.body, "data.k"), "v");
	CHECK(!str_eq(json_str(a.body, "metadata.resourceVersion"), revision));
	a = ask(&w, "PUT", MAPS "/a",
		arena_fmt(&w.arena, "{'metadata':{'name':'a','resourceVersion':'%.*s'}}", STR_FMT(revision)).p);
	CHECK_INT(a.code, 409);
	CHECK_STR(json_str(a.body, "reason"), "Conflict");
	CHECK_INT(ask(&w, "DELETE", MAPS "/a", NULL).code, 200);
	CHECK_INT(ask(&w, "GET", MAPS "/a", NULL).code, 404);
	world_finish(&w);
}

TEST(an_update_without_a_change_leaves_the_revision)
{
	struct world w;
	world_init(&w, 3);
	struct answer made = make_map(&w, "a", "'x':'y'");
	int64_t before = store_cluster_revision(w.cluster);
	struct answer same = ask_patch(&w, MAPS "/a", "application/merge-patch+json",
				       "{'metadata':{'labels':{'x':'y'}}}");
	CHECK_INT(same.code, 200);
	CHECK(str_eq(json_str(same.body, "metadata.resourceVersion"), json_str(made.body, "metadata.resourceVersion")));
	CHECK_INT(store_cluster_revision(w.cluster), before);
	world_finish(&w);
}

TEST(dry_run_changes_nothing)
{
	struct world w;
	world_init(&w, 4);
	make_map(&w, "a", "");
	int64_t before = store_cluster_revision(w.cluster);
	CHECK_INT(ask(&w, "POST", MAPS "?dryRun=All", "{'metadata':{'name':'b'}}").code, 201);
	CHECK_INT(ask(&w, "POST", MAPS "?dryRun=All", "{'metadata':{'name':'a'}}").code, 409);
	CHECK_INT(ask(&w, "PUT", MAPS "/a?dryRun=All", "{'metadata':{'name':'a'},'data':{'k':'v'}}").code, 200);
	CHECK_INT(ask(&w, "DELETE", MAPS "/a?dryRun=All", NULL).code, 200);
	CHECK_INT(ask(&w, "DELETE", MAPS "?dryRun=All", NULL).code, 200);
	CHECK_INT(ask(&w, "POST", MAPS "?dryRun=Some", "{'metadata':{'name':'b'}}").code, 422);
	CHECK_INT(store_cluster_revision(w.cluster), before);
	world_finish(&w);
}

TEST(generated_names_differ)
{
	struct world w;
	world_init(&w, 5);
	struct answer a = ask(&w, "POST", MAPS, "{'metadata':{'generateName':'made-'}}");
	struct answer b = ask(&w, "POST", MAPS, "{'metadata':{'generateName':'made-'}}");
	CHECK_INT(a.code, 201);
	CHECK_INT(b.code, 201);
	CHECK(str_starts(json_str(a.body, "metadata.name"), STR("made-")));
	CHECK(!str_eq(json_str(a.body, "metadata.name"), json_str(b.body, "metadata.name")));
	world_finish(&w);
}

TEST(racing_patches_of_two_servers_all_happen)
{
	struct world w, other;
	world_init(&w, 6);
	world_init_beside(&other, &w, "/other");
	make_map(&w, "a", "");
	run_for(&w, TIME_S);
	struct pending *all[20];
	for (int i = 0; i < 20; i++) {
		struct world *at = i % 2 ? &other : &w;
		struct str body = arena_fmt(&at->arena, "{'data':{'k%d':'v'}}", i);
		all[i] = ask_later(at, "PATCH", MAPS "/a", "application/merge-patch+json", body.p);
	}
	int done = 0, refused = 0;
	for (int i = 0; i < 20; i++) {
		run_until(&w, &all[i]->done);
		done += all[i]->answer.code == 200;
		refused += all[i]->answer.code == 409;
		pending_free(all[i]);
	}
	CHECK_INT(done + refused, 20); // nothing else than done, or an honest conflict
	CHECK(done >= 10);
	run_for(&w, TIME_S);
	CHECK_INT(json_at(ask(&w, "GET", MAPS "/a", NULL).body, "data")->count, done);
	world_finish(&other);
	world_finish(&w);
}

TEST(racing_services_never_share_an_address)
{
	struct world w, other;
	world_init(&w, 7);
	world_init_beside(&other, &w, "/other");
	struct pending *all[8];
	const char *services = "/api/v1/namespaces/default/services";
	for (int i = 0; i < 8; i++) {
		struct world *at = i % 2 ? &other : &w;
		struct str body = arena_fmt(
			&at->arena,
			"{'metadata':{'name':'s%d'},'spec':{'type':'NodePort','clusterIP':'10.96.7.7',"
			"'ports':[{'port':80}]}}",
			i);
		all[i] = ask_later(at, "POST", services, "application/json", body.p);
	}
	int made = 0, invalid = 0;
	for (int i = 0; i < 8; i++) {
		run_until(&w, &all[i]->done);
		made += all[i]->answer.code == 201;
		invalid += all[i]->answer.code == 422;
		pending_free(all[i]);
	}
	CHECK_INT(made, 1);
	CHECK_INT(invalid, 7);
	world_finish(&other);
	world_finish(&w);
}

TEST(addresses_are_freed_with_their_service)
{
	struct world w;
	world_init(&w, 8);
	const char *body = "{'metadata':{'name':'s'},'spec':{'type':'NodePort','clusterIP':'10.96.7.7','ports':[{'port'"
			   ":80,'nodePort':30080}]}}";
	const char *services = "/api/v1/namespaces/default/services";
	CHECK_INT(ask(&w, "POST", services, body).code, 201);
	struct answer clash = ask(
		&w, "POST", services,
		"{'metadata':{'name':'t'},'spec':{'type':'NodePort','ports':[{'port':80,'nodePort':30080}]}}");
	CHECK_INT(clash.code, 422);
	CHECK_STR(json_str(clash.body, "details.causes.0.field"), "spec.ports[0].nodePort");
	CHECK_INT(ask(&w, "DELETE", "/api/v1/namespaces/default/services/s", NULL).code, 200);
	CHECK_INT(ask(&w, "POST", services, body).code, 201);
	// becoming headless is not possible, becoming ClusterIP lets the port go
	CHECK_INT(ask_patch(&w, "/api/v1/namespaces/default/services/s", "application/merge-patch+json",
			    "{'spec':{'type':'ClusterIP','ports':[{'port':80,'nodePort':null}]}}")
			  .code,
		  200);
	CHECK_INT(ask(&w, "POST", services,
		      "{'metadata':{'name':'t'},'spec':{'type':'NodePort','ports':[{'port':80,'nodePort':30080}]}}")
			  .code,
		  201);
	CHECK_INT(ask(&w, "DELETE", services, NULL).code, 200);
	CHECK_INT(ask(&w, "POST", services, body).code, 201);
	// becoming a name lets go of everything
	CHECK_INT(ask_patch(&w, "/api/v1/namespaces/default/services/s", "application/merge-patch+json",
			    "{'spec':{'type':'ExternalName','externalName':'example.test','clusterIP':null,'clusterIPs'"
			    ":null,"
			    "'ports':null}}")
			  .code,
		  200);
	CHECK_INT(ask(&w, "POST", services,
		      "{'metadata':{'name':'u'},'spec':{'type':'NodePort','clusterIP':'10.96.7.7','ports':[{'port':80,'"
		      "nodePort':30080}]}}")
			  .code,
		  201);
	CHECK_INT(ask_patch(&w, "/api/v1/namespaces/default/services/u", "application/merge-patch+json",
			    "{'spec':{'type':'ClusterIP'}}")
			  .code,
		  200); // the port is left out by itself
	CHECK_INT(ask(&w, "POST", services,
		      "{'metadata':{'name':'v'},'spec':{'type':'NodePort','ports':[{'port':80,'nodePort':30080}]}}")
			  .code,
		  201);
	world_finish(&w);
}

TEST(node_ports_stay_with_the_names_of_ports)
{
	struct world w;
	world_init(&w, 8);
	const char *services = "/api/v1/namespaces/default/services";
	struct answer two = ask(&w, "POST", services,
				"{'metadata':{'name':'s'},'spec':{'type':'NodePort','ports':[{'name':'a','port':80},{'name':'b','port':81}]}}");
	struct answer moved = ask(&w, "PUT", "/api/v1/namespaces/default/services/s",
				  "{'metadata':{'name':'s'},'spec':{'type':'NodePort','ports':[{'name':'b','port':90},{'name':'c','port':80}]}}");
	CHECK_INT(moved.code, 200);
	CHECK_INT(json_i64(moved.body, "spec.ports.0.nodePort", 0), json_i64(two.body, "spec.ports.1.nodePort", 0));
	CHECK(json_i64(moved.body, "spec.ports.1.nodePort", 0) != json_i64(two.body, "spec.ports.0.nodePort", 0));
	world_finish(&w);
}

TEST(both_fields_of_the_cluster_address_agree)
{
	static const struct {
		const char *method, *spec, *address;
	} cases[] = {
		{"POST", "'clusterIPs':['10.96.7.1']", NULL},
		{"POST", "'clusterIPs':['None','10.96.7.1']", NULL},
		{"POST", "'clusterIP':'None','clusterIPs':['10.96.7.1']", NULL},
		{"POST", "'clusterIP':'10.96.7.1','clusterIPs':['10.96.7.2']", NULL},
		{"POST", "'clusterIP':'10.96.7.1'", "10.96.7.1"},
		{"PUT", "'clusterIP':'10.96.7.1'", "10.96.7.1"},
		{"PUT", "'clusterIPs':['10.96.7.1']", "10.96.7.1"},
		{"PUT", "'clusterIPs':['10.96.7.2']", NULL},
		{"PUT", "'clusterIP':'10.96.7.2'", NULL},
		{"PUT", "'selector':{}", "10.96.7.1"},
	};
	struct world w;
	world_init(&w, 8);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char body[300], path[100];
		bool made = str_is(str_of(cases[i].method), "POST");
		snprintf(body, sizeof body, "{'metadata':{'name':'s'},'spec':{%s,'ports':[{'port':80}]}}", cases[i].spec);
		snprintf(path, sizeof path, "/api/v1/namespaces/default/services%s", made ? "" : "/s");
		struct answer a = ask(&w, cases[i].method, path, body);
		CHECK_INT(a.code, !cases[i].address ? 422 : made ? 201 : 200);
		if (cases[i].address)
			CHECK_STR(json_str(a.body, "spec.clusterIPs.0"), cases[i].address);
	}
	world_finish(&w);
}

TEST(node_ports_that_are_named)
{
	static const struct {
		const char *spec;
		int code;
	} cases[] = {
		{"'type':'NodePort','ports':[{'name':'a','port':80,'nodePort':30001},{'name':'b','port':81,'nodePort':30001}]", 422},
		{"'type':'NodePort','ports':[{'name':'a','port':53,'nodePort':30002},"
		 "{'name':'b','port':53,'protocol':'UDP','nodePort':30002}]", 201},
		{"'type':'LoadBalancer','allocateLoadBalancerNodePorts':false,'ports':[{'port':80,'nodePort':30002}]", 422},
		{"'type':'LoadBalancer','allocateLoadBalancerNodePorts':false,'ports':[{'port':80,'nodePort':30003}]", 201},
		{"'type':'NodePort','ports':[{'port':80,'nodePort':30003}]", 422},
		{"'type':'NodePort','ports':[{'port':80,'nodePort':29999}]", 422},
	};
	struct world w;
	world_init(&w, 8);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char body[400];
		snprintf(body, sizeof body, "{'metadata':{'generateName':'s-'},'spec':{%s}}", cases[i].spec);
		CHECK_INT(ask(&w, "POST", "/api/v1/namespaces/default/services", body).code, cases[i].code);
	}
	world_finish(&w);
}

TEST(pages_stay_at_their_revision)
{
	struct world w;
	world_init(&w, 9);
	for (int i = 0; i < 10; i++)
		make_map(&w, arena_fmt(&w.arena, "m%d", i).p, "");
	struct answer a = ask(&w, "GET", MAPS "?limit=4", NULL);
	CHECK_INT(json_get(a.body, STR("items"))->count, 4);
	CHECK_INT(json_i64(a.body, "metadata.remainingItemCount", 0), 6);
	ask(&w, "DELETE", MAPS "/m7", NULL);
	make_map(&w, "m77", "");
	struct str next = arena_fmt(&w.arena, MAPS "?limit=4&continue=%.*s",
				    STR_FMT(json_str(a.body, "metadata.continue")));
	struct answer b = ask(&w, "GET", next.p, NULL);
	CHECK_INT(json_get(b.body, STR("items"))->count, 4);
	CHECK_STR(json_str(b.body, "items.3.metadata.name"), "m7");
	CHECK(str_eq(json_str(a.body, "metadata.resourceVersion"), json_str(b.body, "metadata.resourceVersion")));
	struct str stray = arena_fmt(&w.arena, MAPS "?limit=4&labelSelector=a&continue=%.*s",
				     STR_FMT(json_str(a.body, "metadata.continue")));
	CHECK_INT(ask(&w, "GET", stray.p, NULL).code, 400);
	CHECK_INT(ask(&w, "GET", MAPS "?limit=4&continue=nonsense", NULL).code, 400);
	world_finish(&w);
}

TEST(lists_select_by_labels_and_fields)
{
	struct world w;
	world_init(&w, 10);
	make_map(&w, "a", "'app':'web'");
	make_map(&w, "b", "'app':'db'");
	make_map(&w, "c", "");
	CHECK_INT(json_get(ask(&w, "GET", MAPS "?labelSelector=app%3Dweb", NULL).body, STR("items"))->count, 1);
	CHECK_INT(json_get(ask(&w, "GET", MAPS "?labelSelector=app", NULL).body, STR("items"))->count, 2);
	CHECK_INT(json_get(ask(&w, "GET", MAPS "?labelSelector=!app", NULL).body, STR("items"))->count, 1);
	CHECK_INT(json_get(ask(&w, "GET", MAPS "?fieldSelector=metadata.name%3Db", NULL).body, STR("items"))->count, 1);
	CHECK_INT(
		json_get(ask(&w, "GET", "/api/v1/configmaps?fieldSelector=metadata.name%3Db", NULL).body, STR("items"))
			->count,
		1);
	CHECK_INT(ask(&w, "GET", MAPS "?fieldSelector=data.k%3Db", NULL).code, 400);
	CHECK_INT(ask(&w, "GET", MAPS "?labelSelector=%3D%3D", NULL).code, 400);
	world_finish(&w);
}

TEST(deletecollection_takes_what_is_selected)
{
	struct world w;
	world_init(&w, 11);
	make_map(&w, "a", "'app':'web'");
	make_map(&w, "b", "'app':'web'");
	make_map(&w, "c", "");
	struct answer a = ask(&w, "DELETE", MAPS "?labelSelector=app%3Dweb", NULL);
	CHECK_INT(a.code, 200);
	CHECK_INT(json_get(a.body, STR("items"))->count, 2);
	CHECK_INT(json_get(ask(&w, "GET", MAPS, NULL).body, STR("items"))->count, 1);
	world_finish(&w);
}

TEST(finalizers_hold_an_object_back)
{
	struct world w;
	world_init(&w, 12);
	ask(&w, "POST", MAPS, "{'metadata':{'name':'f','finalizers':['example.test/f']}}");
	struct answer a = ask(&w, "DELETE", MAPS "/f", NULL);
	CHECK_INT(a.code, 200);
	CHECK(json_str(a.body, "metadata.deletionTimestamp").n > 0);
	CHECK_INT(ask(&w, "GET", MAPS "/f", NULL).code, 200);
	CHECK_INT(ask_patch(&w, MAPS "/f", "application/merge-patch+json", "{'metadata':{'finalizers':null}}").code,
		  200);
	CHECK_INT(ask(&w, "GET", MAPS "/f", NULL).code, 404);
	ask(&w, "POST", MAPS, "{'metadata':{'name':'g'}}");
	a = ask(&w, "DELETE", MAPS "/g", "{'propagationPolicy':'Foreground'}");
	CHECK_STR(json_str(a.body, "metadata.finalizers.0"), "foregroundDeletion");
	CHECK_INT(ask(&w, "GET", MAPS "/g", NULL).code, 200);
	world_finish(&w);
}

#define PODS "/api/v1/namespaces/default/pods"

static void make_pod(struct world *w, const char *name, const char *node)
{
	ask(w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	struct str body = arena_fmt(
		&w->arena, "{'metadata':{'name':'%s'},'spec':{'containers':[{'name':'c','image':'x'}]}}", name);
	CHECK_INT(ask(w, "POST", PODS, body.p).code, 201);
	if (!node)
		return;
	body = arena_fmt(&w->arena, "{'metadata':{'name':'%s'},'target':{'kind':'Node','name':'%s'}}", name, node);
	struct str path = arena_fmt(&w->arena, PODS "/%s/binding", name);
	CHECK_INT(ask(w, "POST", path.p, body.p).code, 201);
	CHECK_INT(ask(w, "POST", path.p, body.p).code, 409);
}

TEST(a_binding_is_for_one_state_of_a_pod_and_ends_its_nomination)
{
	static const char wrong[] = "{'metadata':{'name':'p','resourceVersion':'1'},'target':{'name':'n'}}";
	static const char good[] = "{'metadata':{'name':'p'},'target':{'name':'n'}}";
	struct world w;
	world_init(&w, 15);
	make_pod(&w, "p", NULL);
	CHECK_INT(ask_patch(&w, PODS "/p/status", "application/merge-patch+json", "{'status':{'nominatedNodeName':'m'}}").code,
		  200);
	CHECK_INT(ask(&w, "POST", PODS "/p/binding", wrong).code, 409);
	CHECK_INT(ask(&w, "POST", PODS "/p/binding", good).code, 201);
	struct json *pod = ask(&w, "GET", PODS "/p", NULL).body;
	CHECK_STR(json_str(pod, "spec.nodeName"), "n");
	CHECK_STR(json_str(pod, "status.nominatedNodeName"), "");
	world_finish(&w);
}

TEST(pods_get_account_token_tolerations_and_priority)
{
	struct world w;
	world_init(&w, 13);
	CHECK_INT(ask(&w, "POST", PODS, "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'x'}]}}")
			  .code,
		  403);
	make_pod(&w, "p", NULL);
	struct json *pod = ask(&w, "GET", PODS "/p", NULL).body;
	CHECK_STR(json_str(pod, "spec.serviceAccountName"), "default");
	CHECK(str_starts(json_str(pod, "spec.volumes.0.name"), STR("kube-api-access-")));
	CHECK_STR(json_str(pod, "spec.containers.0.volumeMounts.0.mountPath"),
		  "/var/run/secrets/kubernetes.io/serviceaccount");
	CHECK_INT(json_at(pod, "spec.tolerations")->count, 2);
	CHECK_STR(json_str(pod, "spec.preemptionPolicy"), "PreemptLowerPriority");
	CHECK_INT(ask(&w, "POST", PODS, "{'metadata':{'name':'q'},'spec':{'preemptionPolicy':'','containers':[{'name':'c','image':'x'}]}}")
			  .code,
		  403);
	world_finish(&w);
}

TEST(bound_pods_end_gracefully_others_at_once)
{
	struct world w;
	world_init(&w, 14);
	make_pod(&w, "free", NULL);
	make_pod(&w, "bound", "n1");
	CHECK_INT(ask(&w, "DELETE", PODS "/free", NULL).code, 200);
	CHECK_INT(ask(&w, "GET", PODS "/free", NULL).code, 404);
	struct answer a = ask(&w, "DELETE", PODS "/bound", NULL);
	CHECK_INT(json_i64(a.body, "metadata.deletionGracePeriodSeconds", 0), 30);
	a = ask(&w, "DELETE", PODS "/bound", "{'gracePeriodSeconds':40}");
	CHECK_INT(json_i64(a.body, "metadata.deletionGracePeriodSeconds", 0), 30);
	a = ask(&w, "DELETE", PODS "/bound", "{'gracePeriodSeconds':5}");
	CHECK_INT(json_i64(a.body, "metadata.deletionGracePeriodSeconds", 0), 5);
	CHECK_INT(ask(&w, "DELETE", PODS "/bound?gracePeriodSeconds=0", NULL).code, 200);
	CHECK_INT(ask(&w, "GET", PODS "/bound", NULL).code, 404);
	world_finish(&w);
}

TEST(what_a_write_may_not_say)
{
	static const struct {
		const char *method, *path, *body;
		int code;
	} cases[] = {
		{"POST", "", "{'metadata':{'name':'c'}}", 201},
		{"DELETE", "/c", "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'c'}}", 400}, // no options
		{"DELETE", "/c", "{'kind':'DeleteOptions','propagationPolicy':'Wrong'}", 422},
		{"PATCH", "/c?force=true", "{'data':{'k':'v'}}", 422},
		{"PATCH", "/c", "{'data':{'k':'v'}}", 200},
		{"PUT", "/c", "{'metadata':{},'data':{}}", 400}, // no name
		{"PATCH", "/c", "{'metadata':{'name':null}}", 400},
		{"DELETE", "/c", "{'kind':'DeleteOptions'}", 200},
		{"PUT", "/c", "{'metadata':{'name':'c'}}", 404},
	};
	struct world w;
	world_init(&w, 6);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char path[100];
		snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps%s", cases[i].path);
		bool patch = str_is(str_of(cases[i].method), "PATCH");
		struct answer a = patch ? ask_patch(&w, path, "application/merge-patch+json", cases[i].body)
					: ask(&w, cases[i].method, path, cases[i].body);
		CHECK_INT(a.code, cases[i].code);
	}
	world_finish(&w);
}

TEST(a_runtime_class_must_exist)
{
	struct world w;
	world_init(&w, 6);
#define PODS_OF_DEFAULT "/api/v1/namespaces/default/pods"
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	CHECK_INT(ask(&w, "POST", PODS_OF_DEFAULT,
		      "{'metadata':{'name':'p'},'spec':{'runtimeClassName':'x','containers':[{'name':'c','image':'i'}]}}").code, 403);
	CHECK_INT(ask(&w, "POST", PODS_OF_DEFAULT,
		      "{'metadata':{'name':'p'},'spec':{'overhead':{'cpu':'1'},'containers':[{'name':'c','image':'i'}]}}").code, 403);
	CHECK_INT(ask(&w, "POST", PODS_OF_DEFAULT, "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i'}]}}").code, 201);
	world_finish(&w);
}

TEST(preconditions_are_kept)
{
	struct world w;
	world_init(&w, 15);
	struct answer a = make_map(&w, "a", "");
	CHECK_INT(ask(&w, "DELETE", MAPS "/a", "{'preconditions':{'uid':'wrong'}}").code, 409);
	CHECK_INT(ask(&w, "DELETE", MAPS "/a", "{'preconditions':{'resourceVersion':'1'}}").code, 409);
	CHECK_INT(ask(&w, "PUT", MAPS "/a", "{'metadata':{'name':'a','uid':'wrong'}}").code, 409);
	struct str right = arena_fmt(&w.arena, "{'preconditions':{'uid':'%.*s'}}",
				     STR_FMT(json_str(a.body, "metadata.uid")));
	CHECK_INT(ask(&w, "DELETE", MAPS "/a", right.p).code, 200);
	world_finish(&w);
}

TEST(a_namespace_ends_in_two_steps)
{
	struct world w;
	world_init(&w, 16);
	CHECK_INT(ask(&w, "POST", "/api/v1/namespaces", "{'metadata':{'name':'n'}}").code, 201);
	CHECK_INT(ask(&w, "POST", "/api/v1/namespaces/n/configmaps", "{'metadata':{'name':'a'}}").code, 201);
	struct answer a = ask(&w, "DELETE", "/api/v1/namespaces/n", NULL);
	CHECK_STR(json_str(a.body, "status.phase"), "Terminating");
	a = ask(&w, "POST", "/api/v1/namespaces/n/configmaps", "{'metadata':{'name':'b'}}");
	CHECK_INT(a.code, 403);
	CHECK_STR(json_str(a.body, "details.causes.0.reason"), "NamespaceTerminating");
	CHECK_INT(ask(&w, "DELETE", "/api/v1/namespaces/n", NULL).code, 200);
	CHECK_INT(ask(&w, "GET", "/api/v1/namespaces/n", NULL).code, 200);
	CHECK_INT(ask(&w, "PUT", "/api/v1/namespaces/n/finalize", "{'metadata':{'name':'n'},'spec':{}}").code, 200);
	CHECK_INT(ask(&w, "GET", "/api/v1/namespaces/n", NULL).code, 404);
	a = ask(&w, "POST", "/api/v1/namespaces/n/configmaps", "{'metadata':{'name':'b'}}");
	CHECK_INT(a.code, 404);
	CHECK_STR(json_str(a.body, "details.kind"), "namespaces");
	CHECK_INT(ask(&w, "DELETE", "/api/v1/namespaces/default", NULL).code, 403);
	world_finish(&w);
}

TEST(unknown_fields_warn_or_fail)
{
	struct world w;
	world_init(&w, 17);
	CHECK_INT(ask(&w, "POST", MAPS, "{'metadata':{'name':'a'},'bogus':1}").code, 201);
	CHECK_INT(ask(&w, "POST", MAPS "?fieldValidation=Strict", "{'metadata':{'name':'b'},'bogus':1}").code, 400);
	CHECK_INT(ask(&w, "POST", MAPS "?fieldValidation=Wrong", "{'metadata':{'name':'b'}}").code, 422);
	world_finish(&w);
}

TEST(apply_patches_are_refused_until_they_exist)
{
	struct world w;
	world_init(&w, 18);
	make_map(&w, "a", "");
	CHECK_INT(ask_patch(&w, MAPS "/a", "application/apply-patch+yaml", "{}").code, 415);
	CHECK_INT(ask_patch(&w, MAPS "/a", "application/json", "{}").code, 415);
	world_finish(&w);
}

TEST(scale_writes_replicas)
{
	struct world w;
	world_init(&w, 19);
	const char *deployments = "/apis/apps/v1/namespaces/default/deployments";
	CHECK_INT(ask(&w, "POST", deployments,
		      "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{"
		      "'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'x'}]}}}}")
			  .code,
		  201);
	const char *scale = "/apis/apps/v1/namespaces/default/deployments/d/scale";
	struct answer a = ask(&w, "GET", scale, NULL);
	CHECK_INT(json_i64(a.body, "spec.replicas", 0), 1);
	CHECK_STR(json_str(a.body, "status.selector"), "a=b");
	CHECK_INT(ask_patch(&w, scale, "application/merge-patch+json", "{'spec':{'replicas':3}}").code, 200);
	a = ask(&w, "GET", "/apis/apps/v1/namespaces/default/deployments/d", NULL);
	CHECK_INT(json_i64(a.body, "spec.replicas", 0), 3);
	CHECK_INT(json_i64(a.body, "metadata.generation", 0), 2);
	CHECK_INT(ask_patch(&w, scale, "application/merge-patch+json", "{'spec':{'replicas':-1}}").code, 422);
	world_finish(&w);
}

TEST(events_are_one_thing_in_two_groups)
{
	struct world w;
	world_init(&w, 20);
	const char *core = "/api/v1/namespaces/default/events",
		   *newer = "/apis/events.k8s.io/v1/namespaces/default/events";
	struct pending *p = ask_later(&w, "GET", arena_fmt(&w.arena, "%s?watch=true", newer).p, "", NULL);
	struct answer a = ask(&w, "POST", core,
			      "{'metadata':{'name':'e'},'involvedObject':{'kind':'Pod','namespace':'default','name':'p'"
			      "},'reason':'R',"
			      "'message':'M','type':'Normal','count':2,'source':{'component':'c'}}");
	CHECK_INT(a.code, 201);
	a = ask(&w, "GET", arena_fmt(&w.arena, "%s/e", newer).p, NULL);
	CHECK_STR(json_str(a.body, "apiVersion"), "events.k8s.io/v1");
	CHECK_STR(json_str(a.body, "note"), "M");
	CHECK_STR(json_str(a.body, "regarding.name"), "p");
	CHECK_INT(json_i64(a.body, "deprecatedCount", 0), 2);
	a = ask(&w, "GET", arena_fmt(&w.arena, "%s?fieldSelector=regarding.name%%3Dp", newer).p, NULL);
	CHECK_INT(json_get(a.body, STR("items"))->count, 1);
	a = ask(&w, "POST", newer,
		"{'metadata':{'name':'f'},'eventTime':'2026-01-01T00:00:00.000000Z','reportingController':'c.test/x',"
		"'reportingInstance':'i','action':'A','reason':'R','note':'N','type':'Normal',"
		"'regarding':{'kind':'Pod','namespace':'default','name':'p'}}");
	CHECK_INT(a.code, 201);
	CHECK_STR(json_str(a.body, "note"), "N");
	a = ask(&w, "GET", arena_fmt(&w.arena, "%s/f", core).p, NULL);
	CHECK_STR(json_str(a.body, "message"), "N");
	CHECK_STR(json_str(a.body, "involvedObject.name"), "p");
	watch_until(p, 2);
	CHECK_STR(json_str(json_index(p->events, 0), "object.note"), "M");
	CHECK_STR(json_str(json_index(p->events, 1), "object.apiVersion"), "events.k8s.io/v1");
	pending_free(p);
	CHECK_INT(ask(&w, "DELETE", newer, NULL).code, 200);
	world_finish(&w);
}
