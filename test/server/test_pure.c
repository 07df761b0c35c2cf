// SPDX-License-Identifier: Apache-2.0
// The parts without state: paths, queries, Accept headers, text.
#include "server/authenticate/token_file.h"
#include "server/negotiate.h"
#include "server/pretty.h"
#include "server/route.h"
#include "server/shallow.h"
#include "server/status.h"
#include "unit.h"

static struct route route_of(struct arena *a, const char *method, const char *path)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct query none = {0};
	struct route r;
	CHECK_INT(route_parse(a, str_of(method), str_of(path), &none, &r, &e), 0);
	return r;
}

TEST(paths_of_resources)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct route r = route_of(&a, "GET", "/api/v1/namespaces/ns/pods/web/log");
	CHECK(r.is_resource && r.resource && r.sub);
	CHECK_STR(r.namespace, "ns");
	CHECK_STR(r.name, "web");
	CHECK_STR(r.subresource, "log");
	CHECK_STR(r.verb, "get");
	r = route_of(&a, "DELETE", "/apis/apps/v1/namespaces/ns/deployments");
	CHECK_STR(r.verb, "deletecollection");
	CHECK_STR(r.group, "apps");
	r = route_of(&a, "PUT", "/api/v1/namespaces/ns/finalize");
	CHECK_STR(r.plural, "namespaces");
	CHECK_STR(r.name, "ns");
	CHECK_STR(r.subresource, "finalize");
	r = route_of(&a, "GET", "/api/v1/watch/pods");
	CHECK_STR(r.verb, "watch");
	r = route_of(&a, "GET", "/api/v1/nodes/n1/proxy/metrics/a%2Fb");
	CHECK_STR(r.subresource, "proxy");
	CHECK_STR(r.rest, "/metrics/a%2Fb");
	r = route_of(&a, "GET", "/api/v1/namespaces/ns/pods/proxy/log");
	CHECK_STR(r.name, "proxy");
	CHECK_STR(r.subresource, "log");
	CHECK(!route_of(&a, "GET", "/healthz").is_resource);
	CHECK(!route_of(&a, "GET", "/apis/none/v1/things").resource);
}

TEST(paths_that_no_name_can_have)
{
	static const char *const bad[] = {"/api/v1/namespaces/../secrets", "/api/v1/namespaces/a%2fb/pods",
					  "/api/v1/namespaces/%00/pods", "/api/v1/namespaces/%zz/pods",
					  "/api/v1/./pods"};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct query none = {0};
		struct route r;
		CHECK_INT(route_parse(&a, STR("GET"), str_of(bad[i]), &none, &r, &e), -1);
		CHECK_INT(e.reason, ERR_BAD_REQUEST);
	}
}

TEST(queries_are_decoded_and_bounded)
{
	struct arena a CLEAN_ARENA;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct query q;
	arena_init(&a);
	CHECK_INT(query_parse(&a, STR("a=b+c%3D&flag&x=false&command=one&command=two"), &q, &e), 0);
	CHECK_STR(query_get(&q, "a"), "b c=");
	CHECK(query_is_true(&q, "flag"));
	CHECK(!query_is_true(&q, "x"));
	CHECK(!query_is_true(&q, "absent"));
	CHECK_INT(query_parse(&a, STR("a=%f"), &q, &e), -1);
	struct buf many CLEAN_BUF;
	buf_init(&many);
	for (int i = 0; i <= QUERY_PAIRS_MAX; i++)
		buf_add_c(&many, "a=b&");
	CHECK_INT(query_parse(&a, buf_str(&many), &q, &e), -1);
}

static int shape_where(bool has_table, const char *accept)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct wanted_shape w;
	return negotiate_shape(str_of(accept), has_table, &w, &e) < 0 ? -1 : (int)w.shape;
}

static int shape(const char *accept)
{
	return shape_where(true, accept);
}

TEST(shapes_are_negotiated_in_the_clients_order)
{
	CHECK_INT(shape(""), SHAPE_OBJECT);
	CHECK_INT(shape("*/*"), SHAPE_OBJECT);
	CHECK_INT(shape("application/json;as=Table;v=v1;g=meta.k8s.io,application/"
			"json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"),
		  SHAPE_TABLE);
	CHECK_INT(shape("application/json;as=Table;v=v1alpha1;g=meta.k8s.io,application/json"), SHAPE_OBJECT);
	CHECK_INT(shape("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"), SHAPE_TABLE);
	CHECK_INT(shape("application/vnd.kubernetes.protobuf,application/json"), SHAPE_OBJECT);
	CHECK_INT(shape("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"), SHAPE_PARTIAL);
	CHECK_INT(shape("application/json;as=Nonsense;v=v1;g=meta.k8s.io"), -1);
	CHECK_INT(shape_where(false, "application/json;as=Table;v=v1;g=meta.k8s.io"), -1);
	CHECK_INT(shape_where(false, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), SHAPE_OBJECT);
	CHECK_INT(shape("image/png"), -1);
	CHECK_INT(shape("application/json;q=0"), -1);
}

TEST(text_is_looked_into_without_parsing)
{
	struct str object = STR(
		"{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\\\"}\",\"labels\":{\"k\":\"{[\"},"
		"\"resourceVersion\":\"42\"},\"data\":{\"metadata\":1}}");
	struct str metadata, labels;
	REQUIRE(shallow_get(object, "metadata", &metadata));
	REQUIRE(shallow_get(metadata, "labels", &labels));
	CHECK_STR(labels, "{\"k\":\"{[\"}");
	CHECK_STR(shallow_revision(object), "42");
	CHECK(!shallow_get(object, "absent", &labels));
	CHECK(str_starts(str_from(object, shallow_after_kind(object)), STR("\"metadata\"")));
	CHECK_STR(shallow_revision(STR("{}")), "");
	CHECK(!shallow_get(STR(""), "a", &labels));
	CHECK(!shallow_get(STR("{\"a"), "a", &labels));
}

TEST(json_is_spread_over_lines)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	pretty_json(&out, STR("{\"a\":[1,{\"b\":\"x{,\"}],\"c\":{}}"));
	CHECK_STR(buf_str(&out), "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x{,\"\n    }\n  ],\n  \"c\": {}\n}\n");
}

TEST(token_files)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct token_file f;
	token_file_init(&f);
	CHECK_INT(
		token_file_read(&f, STR("# people\nt1,ann,7,\"devs,ops\"\nt2,bob,8\n\n\"t,3\",\"c\"\"c\",9,one\n"), &e),
		0);
	const struct user *ann = token_file_find(&f, STR("t1"));
	REQUIRE(ann != NULL);
	CHECK(user_in_group(ann, "devs") && user_in_group(ann, "ops") && user_in_group(ann, "system:authenticated"));
	CHECK_STR(token_file_find(&f, STR("t,3"))->name, "c\"c");
	CHECK(!token_file_find(&f, STR("t9")));
	CHECK(!token_file_find(&f, STR("")));
	CHECK_INT(token_file_read(&f, STR("t5,x\n"), &e), -1);
	CHECK_INT(token_file_read(&f, STR("\"t6,x,y\n"), &e), -1);
	CHECK_INT(token_file_read(&f, STR("t1,again,1\n"), &e), -1);
	CHECK(!str_contains(str_of(err_text(&e)), STR("t1")));
	token_file_finish(&f);
}

TEST(options_of_writes_and_deletions)
{
	struct arena a CLEAN_ARENA;
	struct query q;
	struct write_options w;
	struct delete_options d;
	struct json *body;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY, f CLEAN_ERR = ERR_EMPTY, g CLEAN_ERR = ERR_EMPTY;
	query_parse(&a, STR("dryRun=All&fieldValidation=Strict&fieldManager=me"), &q, &e);
	CHECK_INT(write_options_of(&q, &w, &e), 0);
	CHECK(w.dry_run);
	CHECK_INT(w.strictness, API_STRICT);
	query_parse(&a, STR("fieldManager=a%00b"), &q, &e);
	CHECK_INT(write_options_of(&q, &w, &e), -1);
	CHECK_INT(e.reason, ERR_INVALID);
	query_parse(&a, STR(""), &q, &f);
	REQUIRE(json_parse(&a, STR("{\"orphanDependents\":true,\"propagationPolicy\":\"Foreground\"}"), NULL, &body,
			   &f) == 0);
	CHECK_INT(delete_options_of(&q, body, &d, &f), -1);
	REQUIRE(json_parse(&a, STR("{\"gracePeriodSeconds\":-1,\"dryRun\":[\"All\"]}"), NULL, &body, &g) == 0);
	CHECK_INT(delete_options_of(&q, body, &d, &g), 0);
	CHECK(d.dry_run && d.has_grace && d.grace_s == 1);
}
