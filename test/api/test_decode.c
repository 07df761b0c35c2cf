// SPDX-License-Identifier: Apache-2.0
// Decoding, defaults and encoding, by small cases and against what Kubernetes made of the same objects.
#include "reference.h"
#include "unit.h"

static const struct api_resource *resource(const char *group, const char *version, const char *plural)
{
	const struct api_resource *r = api_resource_find(str_of(group), str_of(version), str_of(plural));
	REQUIRE(r);
	return r;
}

// Decodes as `strictness` says; NULL when refused.
static struct json *decode(struct arena *a, const struct api_resource *r, struct str text,
			   enum api_strictness strictness, struct json *warnings, struct err *e)
{
	struct json *out = NULL;
	int status = api_decode(a, text, API_JSON, r->type, r, strictness, warnings, &out, e);
	CHECK((status == 0) == (out != NULL));
	return out;
}

static struct str encoded(struct arena *a, const struct api_resource *r, const struct json *object)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	api_encode(&b, r, object, NULL);
	return arena_str(a, buf_str(&b));
}

static void check_refused(const char *plural, const char *text, const char *words)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(!decode(&a, resource("", "v1", plural), str_of(text), API_STRICT, NULL, &e));
	CHECK_INT(e.reason, ERR_BAD_REQUEST);
	if (!str_contains(str_of(err_text(&e)), str_of(words)))
		unit_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err_text(&e), words);
}

TEST(decode_refuses_wrong_types)
{
	check_refused("configmaps", "{\"data\":{\"a\":1}}", "data.a must be a string, not number");
	check_refused("configmaps", "{\"data\":[]}", "data must be an object");
	check_refused("configmaps", "[]", "must be an object");
	check_refused("pods", "{\"spec\":{\"containers\":[{},{\"name\":{}}]}}",
		      "spec.containers[1].name must be a string");
	check_refused("pods", "{\"spec\":{\"terminationGracePeriodSeconds\":1.5}}", "whole number");
	check_refused("pods", "{\"spec\":{\"priority\":2147483648}}", "out of the range");
	check_refused("pods", "{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1x\"}}}]}}",
		      "no quantity");
	check_refused("secrets", "{\"data\":{\"a\":\"*\"}}", "not base64");
	check_refused("events", "{\"firstTimestamp\":\"\"}", "no time");
	check_refused("events", "{\"eventTime\":\"2026-01-02T03:04:05Z\"}", "no time");
	check_refused("services", "{\"spec\":{\"ports\":[{\"targetPort\":true}]}}", "a whole number or a string");
}

TEST(decode_refuses_the_wrong_kind)
{
	check_refused("configmaps", "{\"kind\":\"Secret\"}", "Secret where a ConfigMap belongs");
	check_refused("configmaps", "{\"apiVersion\":\"apps/v1\"}", "version \"apps/v1\"");
	check_refused("configmaps", "{\"apiVersion\":7}", "apiVersion must be a string");
}

TEST(decode_is_strict_when_told)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"x\",\"Name\":\"y\"},\"Data\":{},\"data\":{\"a\":\"1\",\"a\":\"2\"}}";
	check_refused("configmaps", text, "strict decoding error: unknown field \"metadata.Name\", unknown field "
					  "\"Data\", duplicate field \"data.a\""); // in the order of the text
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *warnings = json_array(&a);
	const struct api_resource *r = resource("", "v1", "configmaps");
	struct json *map = decode(&a, r, str_of(text), API_WARN, warnings, NULL);
	REQUIRE(map);
	CHECK_INT(warnings->count, 3);
	CHECK_STR(
		encoded(&a, r, map),
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"2\"}}");
}

// Far down and often: the paths of what is told must not eat time or memory.
TEST(decode_is_bounded)
{
	struct arena a CLEAN_ARENA;
	struct buf b CLEAN_BUF;
	arena_init(&a);
	buf_init(&b);
	BUF_LIT(&b, "{\"spec\":");
	for (int i = 0; i < 900; i++)
		buf_add_byte(&b, '[');
	buf_add_byte(&b, '{');
	for (int i = 0; i < 10000; i++)
		buf_fmt(&b, "\"a%d\":0,\"a%d\":0,", i, i);
	BUF_LIT(&b, "\"a\":0}");
	for (int i = 0; i < 900; i++)
		buf_add_byte(&b, ']');
	BUF_LIT(&b, "}");
	struct json *warnings = json_array(&a);
	const struct api_resource *r = resource("", "v1", "configmaps");
	CHECK(decode(&a, r, buf_str(&b), API_WARN, warnings, NULL));
	CHECK_INT(warnings->count, 100);
	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		BUF_LIT(&b, "{\"a\":");
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(!decode(&a, r, buf_str(&b), API_STRICT, NULL, &e));
	CHECK_INT(e.reason, ERR_BAD_REQUEST);
}

TEST(decode_takes_null_for_absence)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct api_resource *r = resource("", "v1", "configmaps");
	struct json *map = decode(&a, r, STR("null"), API_STRICT, NULL, NULL);
	REQUIRE(map);
	CHECK_STR(json_str(map, "kind"), "ConfigMap");
	map = decode(&a, r, STR("{\"data\":{\"k\":null},\"metadata\":null,\"immutable\":null}"), API_STRICT, NULL,
		     NULL);
	REQUIRE(map);
	CHECK_STR(encoded(&a, r, map),
		  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{},\"data\":{\"k\":\"\"}}");
}

TEST(decode_takes_times_of_any_year)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	const struct api_resource *r = resource("coordination.k8s.io", "v1", "leases");
	struct json *lease = decode(&a, r,
				    STR("{\"spec\":{\"renewTime\":\"0001-01-01T01:00:02.000000+01:00\","
					"\"acquireTime\":\"0001-01-01T00:00:00.000000Z\"}}"),
				    API_STRICT, NULL, &e);
	REQUIRE(lease);
	CHECK_STR(json_str(lease, "spec.renewTime"), "0001-01-01T00:00:02.000000Z");
	CHECK(!json_at(lease, "spec.acquireTime")); // the zero time is none
}

TEST(encode_leaves_a_hole_for_the_revision)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct api_resource *r = resource("", "v1", "configmaps");
	struct json *map =
		decode(&a, r, STR("{\"metadata\":{\"resourceVersion\":\"7\",\"uid\":\"u\",\"generation\":2}}"),
		       API_STRICT, NULL, NULL);
	REQUIRE(map);
	struct buf b CLEAN_BUF;
	buf_init(&b);
	size_t at;
	api_encode(&b, r, map, &at);
	CHECK_STR(buf_str(&b), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"uid\":\"u\","
			       "\"resourceVersion\":\"\",\"generation\":2}}");
	CHECK_STR(str_sub(buf_str(&b), at - 1, 2), "\"\"");
	CHECK_STR(json_str(parse_or_stop(&a, encoded(&a, r, map)), "metadata.resourceVersion"), "7");
}

TEST(encode_is_canonical)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct api_resource *r = resource("", "v1", "pods");
	static const char one[] =
		"{\"spec\":{\"nodeSelector\":{\"b\":\"\",\"a\":\"1\"},\"containers\":[{\"name\":\"c\","
		"\"resources\":{\"limits\":{\"cpu\":\"1000m\",\"memory\":1048576}}}]}}";
	static const char two[] =
		"{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"memory\":\"1048576\",\"cpu\":1}},"
		"\"name\":\"c\"}],\"nodeSelector\":{\"a\":\"1\",\"b\":\"\"},\"hostNetwork\":false}}";
	struct json *x = decode(&a, r, str_of(one), API_STRICT, NULL, NULL);
	struct json *y = decode(&a, r, str_of(two), API_STRICT, NULL, NULL);
	REQUIRE(x && y);
	CHECK(str_eq(encoded(&a, r, x), encoded(&a, r, y)));
}

TEST(defaults_are_idempotent)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct api_resource *r = resource("apps", "v1", "deployments");
	struct json *d = decode(&a, r,
				STR("{\"metadata\":{\"name\":\"d\"},\"spec\":{\"template\":{\"spec\":{\"containers\":"
				    "[{\"name\":\"c\",\"image\":\"i\"}]}}}}"),
				API_STRICT, NULL, NULL);
	REQUIRE(d);
	api_default(&a, r, d);
	struct str once = encoded(&a, r, d);
	api_default(&a, r, d);
	CHECK(str_eq(once, encoded(&a, r, d)));
	CHECK_INT(json_i64(d, "spec.replicas", -1), 1);
	CHECK(json_str_is(d, "spec.strategy.rollingUpdate.maxSurge", "25%"));
	CHECK(json_str_is(d, "spec.template.spec.containers.0.imagePullPolicy", "Always"));
	struct json *loaded;
	REQUIRE(api_load(&a, once, r, &loaded, NULL) == 0);
	CHECK(json_equal(loaded, d));
}

TEST(every_reference_object_survives)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int tried = 0;
	struct json *names = reference_names(&a, "objects", ".json");
	json_each(name, names) {
		struct str text = reference_file(&a, arena_fmt(&a, "objects/%.*s", STR_FMT(name->text)).p);
		struct json *want = parse_or_stop(&a, text);
		const struct api_resource *r = resource_of(want);
		if (!r)
			continue;
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct json *got = decode(&a, r, text, API_STRICT, NULL, &e);
		if (!got)
			unit_fail(__FILE__, __LINE__, "%.*s: %s", STR_FMT(name->text), err_text(&e));
		else if (!json_equal(parse_or_stop(&a, encoded(&a, r, got)), want))
			unit_fail(__FILE__, __LINE__, "%.*s came back as %.*s", STR_FMT(name->text),
				  STR_FMT(encoded(&a, r, got)));
		tried++;
	}
	CHECK_INT(tried, (int)api_resource_count);
}

// What a server sets that is no default, and what admission or a status strategy adds.
static void strip(struct arena *a, const struct api_resource *r, struct json *o)
{
	static const char *const meta[] = {"namespace", "uid", "creationTimestamp", "generation"};
	struct json *metadata = json_get(o, STR("metadata")), *spec = json_get(o, STR("spec"));
	for (size_t i = 0; i < ARRAY_LEN(meta); i++)
		json_remove(metadata, str_of(meta[i]));
	json_remove(o, STR("status"));
	if (str_is(r->kind, "Service")) {
		static const char *const given[] = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy",
						    "healthCheckNodePort"};
		for (size_t i = 0; i < ARRAY_LEN(given); i++)
			json_remove(spec, str_of(given[i]));
		json_each(port, json_get(spec, STR("ports")))
			json_remove(port, STR("nodePort"));
	}
	if (str_is(r->kind, "Pod")) {
		static const char *const admitted[] = {"tolerations", "priority", "preemptionPolicy", "serviceAccount",
						       "serviceAccountName"};
		for (size_t i = 0; i < ARRAY_LEN(admitted); i++)
			json_remove(spec, str_of(admitted[i]));
	}
	if (str_is(r->kind, "Node"))
		json_remove(spec, STR("taints"));
	if (str_is(r->kind, "Secret")) {
		json_remove(o, STR("data"));
		json_remove(o, STR("stringData"));
	}
}

TEST(defaults_are_those_recorded)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int tried = 0;
	struct json *names = reference_names(&a, "answers", ".jsonl");
	json_each(name, names) {
		struct str line, text = reference_file(&a, arena_fmt(&a, "answers/%.*s", STR_FMT(name->text)).p);
		str_next(&text, '\n', &line);
		struct json *record = parse_or_stop(&a, line);
		struct json *want = json_get(record, STR("answer"));
		const struct api_resource *r = resource_of(json_get(record, STR("object")));
		if (!r || r->ephemeral)
			continue;
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct json *got = decode(&a, r, json_text(&a, json_get(record, STR("object"))), API_STRICT, NULL, &e);
		if (!got) {
			unit_fail(__FILE__, __LINE__, "%.*s: %s", STR_FMT(name->text), err_text(&e));
			continue;
		}
		api_default(&a, r, got);
		got = parse_or_stop(&a, encoded(&a, r, got));
		strip(&a, r, got);
		strip(&a, r, want);
		if (!json_equal(got, want))
			unit_fail(__FILE__, __LINE__, "%.*s:\n  %.*s\nshould be\n  %.*s", STR_FMT(name->text),
				  STR_FMT(json_text(&a, got)), STR_FMT(json_text(&a, want)));
		tried++;
	}
	CHECK(tried > 20);
}
