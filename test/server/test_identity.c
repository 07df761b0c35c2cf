// SPDX-License-Identifier: Apache-2.0
// Who may do what, tokens and what they are bound to, reviews.
#include "server/pki.h"
#include "world.h"

static struct user user_named(struct world *w, const char *name, const char *group)
{
	struct str groups = str_of(group);
	return user_make(&w->arena, str_of(name), STR("u"), &groups, group ? 1 : 0);
}

static int code_as(struct world *w, const struct user *u, const char *method, const char *target, const char *body)
{
	return ask_as(w, u, method, target, body ? "application/json" : "", body).code;
}

TEST(rights_without_roles)
{
	struct world w;
	world_init(&w, 1);
	struct user ann = user_named(&w, "ann", "devs");
	CHECK_INT(code_as(&w, &ann, "GET", "/api/v1/namespaces/default/pods", NULL), 403);
	CHECK_INT(code_as(&w, &ann, "GET", "/apis", NULL), 200);
	CHECK_INT(code_as(&w, &ann, "GET", "/openapi/v3", NULL), 200);
	CHECK_INT(code_as(&w, &ann, "GET", "/metrics", NULL), 403);
	CHECK_INT(code_as(&w, &ann, "GET", "/livez", NULL), 200);
	struct answer a = ask_as(&w, &ann, "GET", "/api/v1/namespaces/default/secrets/x", "", NULL);
	CHECK_STR(json_str(a.body, "reason"), "Forbidden");
	CHECK_STR(json_str(a.body, "details.kind"), "secrets");
	CHECK_STR(json_str(a.body, "message"), "secrets \"x\" is forbidden: User \"ann\" cannot get resource "
					       "\"secrets\" in API group \"\" in the namespace \"default\"");
	world_finish(&w);
}

TEST(nodes_write_only_what_is_theirs)
{
	struct world w;
	world_init(&w, 2);
	struct user node = user_named(&w, "system:node:n1", "system:nodes");
	CHECK_INT(code_as(&w, &node, "POST", "/api/v1/nodes", "{'metadata':{'name':'n1'}}"), 201);
	ask(&w, "POST", "/api/v1/nodes", "{'metadata':{'name':'n2'}}");
	CHECK_INT(ask_as(&w, &node, "PATCH", "/api/v1/nodes/n1/status", "application/merge-patch+json", "{}").code,
		  200);
	CHECK_INT(ask_as(&w, &node, "PATCH", "/api/v1/nodes/n2/status", "application/merge-patch+json", "{}").code,
		  403);
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	static const char *const names[] = {"mine", "other"}, *const nodes[] = {"n1", "n2"};
	for (int i = 0; i < 2; i++)
		CHECK_INT(ask(&w, "POST", "/api/v1/namespaces/default/pods",
			      arena_fmt(&w.arena,
					"{'metadata':{'name':'%s'},'spec':{'nodeName':'%s','containers':[{'name':'c','"
					"image':'x'}]}}",
					names[i], nodes[i])
				      .p)
				  .code,
			  201);
	CHECK_INT(ask_as(&w, &node, "PATCH", "/api/v1/namespaces/default/pods/mine/status",
			 "application/merge-patch+json", "{}")
			  .code,
		  200);
	CHECK_INT(ask_as(&w, &node, "PATCH", "/api/v1/namespaces/default/pods/other/status",
			 "application/merge-patch+json", "{}")
			  .code,
		  403);
	CHECK_INT(code_as(&w, &node, "DELETE", "/api/v1/namespaces/default/pods/other", NULL), 403);
	CHECK_INT(code_as(&w, &node, "DELETE", "/api/v1/namespaces/default/configmaps/x", NULL), 403);
	world_finish(&w);
}

// The first certificate to leak is a node's: it opens what its pods need, and no more.
TEST(nodes_see_only_what_their_pods_need)
{
	static const char *const containers = "'containers':[{'name':'c','image':'x','env':[{'name':'E','valueFrom':{"
					      "'configMapKeyRef':{'name':'in-env','key':'k'}}}]}]";
	struct world w;
	world_init(&w, 4);
	struct user n1 = user_named(&w, "system:node:n1", "system:nodes"), n2 = user_named(&w, "system:node:n2",
											   "system:nodes");
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	for (int i = 0; i < 2; i++) {
		const char *secret = i ? "other" : "in-volume";
		ask(&w, "POST", "/api/v1/namespaces/default/secrets",
		    arena_fmt(&w.arena, "{'metadata':{'name':'%s'}}", secret).p);
	}
	ask(&w, "POST", "/api/v1/namespaces/default/configmaps", "{'metadata':{'name':'in-env'}}");
	CHECK_INT(ask(&w, "POST", "/api/v1/namespaces/default/pods",
		      arena_fmt(&w.arena,
				"{'metadata':{'name':'p'},'spec':{'nodeName':'n1','volumes':[{'name':'v','secret':{"
				"'secretName':'in-volume'}}],%s}}",
				containers)
			      .p)
			  .code,
		  201);
	static const struct {
		const char *path;
		int of_n1, of_n2;
	} reads[] = {
		{"/api/v1/namespaces/default/secrets/in-volume", 200, 403},
		{"/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Din-volume", 200, 403},
		{"/api/v1/namespaces/default/secrets/other", 403, 403},
		{"/api/v1/namespaces/default/secrets", 403, 403},
		{"/api/v1/secrets", 403, 403},
		{"/api/v1/namespaces/default/configmaps/in-env", 200, 403},
		{"/api/v1/namespaces/default/configmaps/in-volume", 403, 403},
		{"/api/v1/namespaces/default/serviceaccounts/default", 200, 403},
		{"/api/v1/pods", 403, 403},
		{"/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200, 403},
		{"/api/v1/namespaces/default/pods/p", 200, 403},
	};
	for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
		int first = code_as(&w, &n1, "GET", reads[i].path, NULL), second = code_as(&w, &n2, "GET", reads[i].path,
											  NULL);
		if (first != reads[i].of_n1 || second != reads[i].of_n2)
			unit_fail(__FILE__, __LINE__, "%s: %d and %d", reads[i].path, first, second);
	}
	const char *tokens = "/api/v1/namespaces/default/serviceaccounts/default/token";
	const char *bound = "{'spec':{'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p'}}}";
	CHECK_INT(code_as(&w, &n1, "POST", tokens, bound), 201);
	CHECK_INT(code_as(&w, &n1, "POST", tokens, "{'spec':{}}"), 403);
	CHECK_INT(code_as(&w, &n2, "POST", tokens, bound), 403);
	world_finish(&w);
}

TEST(nodes_make_only_what_bears_their_name)
{
	struct world w;
	world_init(&w, 5);
	struct user node = user_named(&w, "system:node:n1", "system:nodes");
	const char *leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
	CHECK_INT(code_as(&w, &node, "POST", "/api/v1/nodes", "{'metadata':{'name':'n2'}}"), 403);
	CHECK_INT(code_as(&w, &node, "POST", leases, "{'metadata':{'name':'n1'}}"), 201);
	CHECK_INT(code_as(&w, &node, "POST", leases, "{'metadata':{'name':'kube-scheduler'}}"), 403);
	CHECK_INT(code_as(&w, &node, "POST", "/api/v1/namespaces/default/pods",
			  "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'x'}]}}"),
		  403);
	world_finish(&w);
}

static struct str token_of(struct world *w, const char *body)
{
	struct answer a = ask(w, "POST", "/api/v1/namespaces/default/serviceaccounts/sa/token", body);
	CHECK_INT(a.code, 201);
	return json_str(a.body, "status.token");
}

static bool is_good(struct world *w, struct str token)
{
	struct str body = arena_fmt(&w->arena, "{'spec':{'token':'%.*s'}}", STR_FMT(token));
	struct answer a = ask(w, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", body.p);
	CHECK_INT(a.code, 201);
	return json_is_true(a.body, "status.authenticated");
}

TEST(tokens_live_as_long_as_what_they_are_bound_to)
{
	struct world w;
	world_init(&w, 3);
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'sa'}}");
	CHECK_INT(ask(&w, "POST", "/api/v1/namespaces/default/pods",
		      "{'metadata':{'name':'p'},'spec':{'serviceAccountName':'sa','containers':[{'name':'c','image':'x'"
		      "}]}}")
			  .code,
		  201);
	struct str free_token = token_of(&w, "{'spec':{}}");
	struct str pod_token = token_of(&w, "{'spec':{'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p'}}}");
	CHECK(is_good(&w, free_token));
	CHECK(is_good(&w, pod_token));
	ask(&w, "DELETE", "/api/v1/namespaces/default/pods/p", NULL);
	CHECK(!is_good(&w, pod_token));
	CHECK(is_good(&w, free_token));
	ask(&w, "DELETE", "/api/v1/namespaces/default/serviceaccounts/sa", NULL);
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'sa'}}"); // another uid
	CHECK(!is_good(&w, free_token));
	struct str other = token_of(&w, "{'spec':{'audiences':['vault']}}");
	CHECK(!is_good(&w, other));
	struct str late = token_of(&w, "{'spec':{'expirationSeconds':600}}");
	CHECK(is_good(&w, late));
	run_for(&w, 601 * TIME_S);
	CHECK(!is_good(&w, late));
	CHECK(!is_good(&w, STR("nonsense")));
	world_finish(&w);
}

TEST(tokens_of_pods_say_where_they_run)
{
	struct world w;
	world_init(&w, 4);
	ask(&w, "POST", "/api/v1/nodes", "{'metadata':{'name':'n1'}}");
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'sa'}}");
	ask(&w, "POST", "/api/v1/namespaces/default/pods",
	    "{'metadata':{'name':'p'},'spec':{'serviceAccountName':'sa','nodeName':'n1',"
	    "'containers':[{'name':'c','image':'i'}]}}");
	struct str node_uid = json_str(ask(&w, "GET", "/api/v1/nodes/n1", NULL).body, "metadata.uid");
	struct str token = token_of(&w, "{'spec':{'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p'}}}");
	struct str body = arena_fmt(&w.arena, "{'spec':{'token':'%.*s'}}", STR_FMT(token));
	struct answer a = ask(&w, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", body.p);
	const struct json *extra = json_at(a.body, "status.user.extra");
	CHECK_STR(json_str(json_get(extra, STR("authentication.kubernetes.io/node-name")), "0"), "n1");
	CHECK(str_eq(json_str(json_get(extra, STR("authentication.kubernetes.io/node-uid")), "0"), node_uid));
	CHECK(node_uid.n > 0);
	world_finish(&w);
}

TEST(token_requests_are_checked)
{
	struct world w;
	world_init(&w, 4);
	const char *path = "/api/v1/namespaces/default/serviceaccounts/sa/token";
	CHECK_INT(ask(&w, "POST", path, "{'spec':{}}").code, 404);
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'sa'}}");
	CHECK_INT(ask(&w, "POST", path, "{'spec':{'expirationSeconds':5}}").code, 422);
	struct answer other = ask(&w, "POST", path, "{'metadata':{'name':'other'},'spec':{}}");
	CHECK_INT(other.code, 422);
	CHECK_STR(json_str(other.body, "details.causes.0.field"), "metadata.name");
	CHECK_INT(ask(&w, "POST", path, "{'metadata':{'name':'sa','namespace':'other'},'spec':{}}").code, 400);
	CHECK_INT(ask(&w, "POST", path, "{'spec':{'boundObjectRef':{'kind':'Pod','name':'none'}}}").code, 404);
	CHECK_INT(ask(&w, "POST", path, "{'spec':{'boundObjectRef':{'kind':'Service','name':'none'}}}").code, 400);
	world_finish(&w);
}

TEST(reviews_answer_as_requests_are_decided)
{
	struct world w;
	world_init(&w, 5);
	struct user ann = user_named(&w, "ann", "devs");
	const char *self = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
	const char *question =
		"{'spec':{'resourceAttributes':{'verb':'list','resource':'pods','namespace':'default'}}}";
	CHECK(json_is_true(ask(&w, "POST", self, question).body, "status.allowed"));
	struct answer a = ask_as(&w, &ann, "POST", self, "application/json", question);
	CHECK_INT(a.code, 201);
	CHECK(!json_is_true(a.body, "status.allowed"));
	a = ask(&w, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
		"{'spec':{'user':'x','groups':['system:masters'],'nonResourceAttributes':{'verb':'get','path':'/"
		"metrics'}}}");
	CHECK(json_is_true(a.body, "status.allowed"));
	a = ask_as(&w, &ann, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "application/json", "{}");
	CHECK_STR(json_str(a.body, "status.userInfo.username"), "ann");
	a = ask_as(&w, &ann, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "application/json",
		   "{'spec':{'namespace':'default'}}");
	CHECK(json_at(a.body, "status.resourceRules")->count > 0);
	world_finish(&w);
}

TEST(certificates_are_made_kept_and_renewed)
{
	struct sim *sim = sim_create(1);
	struct loop *loop = sim_loop(sim, "server");
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct pki a, b;
	struct str names[] = {STR("localhost"), STR("10.96.0.1")};
	REQUIRE(pki_open(&a, loop, "/pki-test", names, 2, 0, &e) == 0);
	CHECK(x509_covers(buf_str(&a.server.certificate), names, 2));
	REQUIRE(pki_open(&b, loop, "/pki-test", names, 2, 0, &e) == 0);
	CHECK(str_eq(buf_str(&a.server.certificate), buf_str(&b.server.certificate)));
	CHECK(str_eq(a.token_key, b.token_key));
	bool changed;
	REQUIRE(pki_renew(&b, &changed, &e) == 0);
	CHECK(!changed);
	sim_run(sim, 300 * INT64_C(86400) * 1000000000);
	REQUIRE(pki_renew(&b, &changed, &e) == 0);
	CHECK(changed);
	CHECK(!str_eq(buf_str(&a.server.certificate), buf_str(&b.server.certificate)));
	CHECK(str_eq(buf_str(&a.authority.certificate), buf_str(&b.authority.certificate)));
	pki_finish(&a);
	pki_finish(&b);
	// more names: a new certificate
	struct str more[] = {STR("localhost"), STR("10.96.0.1"), STR("example.test")};
	REQUIRE(pki_open(&a, loop, "/pki-test", more, 3, 0, &e) == 0);
	CHECK(x509_covers(buf_str(&a.server.certificate), more, 3));
	pki_finish(&a);
	sim_destroy(sim);
}

TEST(a_certificate_that_could_not_be_written_is_renewed_later)
{
	const struct sim_faults full = {
		.message_delay_min_ns = 50000, .message_delay_max_ns = 500000, .file_write_failed = 1000};
	struct sim_faults roomy = full;
	struct sim *sim = sim_create(1);
	struct loop *loop = sim_loop(sim, "server");
	struct err e CLEAN_ERR = ERR_EMPTY, why CLEAN_ERR = ERR_EMPTY;
	struct pki p;
	struct str before, later;
	bool changed;
	roomy.file_write_failed = 0;
	REQUIRE(pki_open(&p, loop, "/full", NULL, 0, 0, &e) == 0);
	REQUIRE(file_read(loop, &p.arena, "/full/pki/server.pem", 1 << 20, &before, &e) == 0);
	sim_run(sim, 300 * INT64_C(86400) * 1000000000);
	sim_set_faults(sim, &full);
	CHECK_INT(pki_renew(&p, &changed, &why), -1);
	CHECK(!changed);
	sim_set_faults(sim, &roomy);
	REQUIRE(pki_renew(&p, &changed, &e) == 0);
	CHECK(changed);
	REQUIRE(file_read(loop, &p.arena, "/full/pki/server.pem", 1 << 20, &later, &e) == 0);
	CHECK(!str_eq(before, later));
	pki_finish(&p);
	sim_destroy(sim);
}

TEST(a_first_start_cut_anywhere_still_starts)
{
	static const char *const files[] = {"ca", "server", "admin", "node-client", "tokens"};
	struct sim *sim = sim_create(1);
	struct loop *loop = sim_loop(sim, "server");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct pki p;
		char path[64];
		REQUIRE(pki_open(&p, loop, "/cut", NULL, 0, 0, &e) == 0);
		pki_finish(&p);
		snprintf(path, sizeof(path), "/cut/pki/%s.pem", files[i]);
		REQUIRE(file_remove(loop, path, &e) == 0);
		CHECK_INT(pki_open(&p, loop, "/cut", NULL, 0, 0, &e), 0);
		CHECK(x509_matches(buf_str(&p.server.certificate), buf_str(&p.server.key),
				   buf_str(&p.authority.certificate)));
		pki_finish(&p);
	}
	// once certificates are given out, a lost authority is an error, not a new one
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct pki p;
	REQUIRE(file_write(loop, "/cut/admin.kubeconfig", STR("x"), 0600, &e) == 0);
	REQUIRE(file_remove(loop, "/cut/pki/ca.pem", &e) == 0);
	CHECK_INT(pki_open(&p, loop, "/cut", NULL, 0, 0, &e), -1);
	pki_finish(&p);
	sim_destroy(sim);
}
