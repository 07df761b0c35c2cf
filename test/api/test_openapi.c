// SPDX-License-Identifier: Apache-2.0
// What is published of the schema, and against the recorded OpenAPI.
#include "api/openapi.h"

#include "reference.h"
#include "unit.h"

static struct json *made(struct arena *a, void (*make)(struct buf *))
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	make(&b);
	return parse_or_stop(a, arena_str(a, buf_str(&b)));
}

static struct json *v3(struct arena *a, const char *path)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	REQUIRE(api_openapi_v3(&b, str_of(path)));
	return parse_or_stop(a, arena_str(a, buf_str(&b)));
}

static struct str last_of(struct str ref)
{
	return str_from(ref, (size_t)(str_find_last(ref, '/') + 1));
}

static struct json *unwrapped(struct json *schema)
{
	struct json *inner = json_at(schema, "allOf.0");
	return inner ? inner : schema;
}

static bool same_shape(struct json *got, struct json *want)
{
	static const char *const keys[] = {"type", "format", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
					   "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy",
					   "x-kubernetes-map-type"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!json_equal(json_get(got, str_of(keys[i])), json_get(want, str_of(keys[i]))))
			return false;
	if (!str_eq(last_of(json_str(unwrapped(got), "$ref")), last_of(json_str(want, "$ref"))))
		return false;
	static const char *const parts[] = {"items", "additionalProperties"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct json *x = json_get(got, str_of(parts[i])), *y = json_get(want, str_of(parts[i]));
		if (!x != !y || (x && !same_shape(x, y)))
			return false;
	}
	return true;
}

static bool same_words(const struct json *x, const struct json *y) // in any order
{
	if ((x ? x->count : 0) != (y ? y->count : 0))
		return false;
	json_each(one, x) {
		bool found = false;
		json_each(other, y)
			found |= str_eq(one->text, other->text);
		if (!found)
			return false;
	}
	return true;
}

static void compare_type(struct str name, struct json *got, struct json *want)
{
	struct json *fields = json_get(want, STR("properties")), *ours = json_get(got, STR("properties"));
	if (!same_words(json_get(got, STR("required")), json_get(want, STR("required"))))
		unit_fail(__FILE__, __LINE__, "%.*s requires others", STR_FMT(name));
	json_each(field, fields) {
		struct json *mine = json_get(ours, field->key);
		if (!mine || !same_shape(mine, field))
			unit_fail(__FILE__, __LINE__, "%.*s.%.*s has another shape", STR_FMT(name),
				  STR_FMT(field->key));
	}
	CHECK_INT(ours ? ours->count : 0, fields ? fields->count : 0);
}

TEST(openapi_v2_is_the_recorded_one)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *want = json_get(parse_or_stop(&a, reference_file(&a, "openapi.json")), STR("definitions"));
	struct json *got = json_get(made(&a, api_openapi_v2), STR("definitions"));
	int tried = 0;
	json_each(ours, got) {
		struct json *theirs = json_get(want, ours->key);
		if (!theirs) {
			unit_fail(__FILE__, __LINE__, "Kubernetes has no %.*s", STR_FMT(ours->key));
			continue;
		}
		compare_type(ours->key, ours, theirs);
		tried++;
	}
	CHECK(tried > 250);
}

// Every operation of our resources is recorded, and none of theirs is missing here but watch paths.
TEST(openapi_v2_has_the_recorded_operations)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *want = json_get(parse_or_stop(&a, reference_file(&a, "openapi.json")), STR("paths"));
	struct json *got = json_get(made(&a, api_openapi_v2), STR("paths"));
	json_each(path, got) {
		struct json *theirs = json_get(want, path->key);
		if (!theirs)
			unit_fail(__FILE__, __LINE__, "Kubernetes has no %.*s", STR_FMT(path->key));
		json_each(operation, path) {
			struct json *their = json_get(theirs, operation->key);
			struct str key = STR("x-kubernetes-group-version-kind");
			if (str_is(operation->key, "parameters"))
				continue;
			if (!their || !json_equal(json_get(operation, key), json_get(their, key)) ||
			    !str_eq(json_str(operation, "x-kubernetes-action"), json_str(their, "x-kubernetes-action")))
				unit_fail(__FILE__, __LINE__, "%.*s %.*s differs", STR_FMT(operation->key),
					  STR_FMT(path->key));
		}
		json_each(their, theirs)
			if (!json_get(path, their->key) && json_get(their, STR("x-kubernetes-action")) &&
			    !str_is(their->key, "head") && !str_is(their->key, "options"))
				unit_fail(__FILE__, __LINE__, "%.*s %.*s is missing", STR_FMT(their->key),
					  STR_FMT(path->key));
	}
}

static void refs_resolve(const struct json *v, const struct json *schemas)
{
	struct str ref = json_str(v, "$ref");
	if (ref.n && !json_get(schemas, last_of(ref)))
		unit_fail(__FILE__, __LINE__, "%.*s leads nowhere", STR_FMT(ref));
	json_each(child, v)
		refs_resolve(child, schemas);
}

static void check_v3(void *arg, struct str path)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *document = v3(&a, arena_str(&a, path).p);
	refs_resolve(document, json_at(document, "components.schemas"));
	++*(int *)arg;
}

TEST(openapi_v3_stands_for_itself)
{
	int versions = 0;
	api_openapi_v3_paths(check_v3, &versions);
	CHECK(versions >= 7);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *apps = v3(&a, "apis/apps/v1");
	struct json *path = json_get(json_get(apps, STR("paths")),
				     STR("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"));
	bool validates = false;
	json_each(p, json_at(path, "patch.parameters"))
		validates |= json_str_is(p, "name", "fieldValidation");
	CHECK(validates);
	CHECK(json_str_is(path, "patch.x-kubernetes-group-version-kind.kind", "Deployment"));
	struct buf b CLEAN_BUF;
	buf_init(&b);
	CHECK(!api_openapi_v3(&b, STR("apis/nothing/v1")));
}

TEST(openapi_v2_protobuf_holds_the_document)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	api_openapi_v2_protobuf(&b);
	CHECK(str_starts(buf_str(&b), STR("\x0a\x03"
					  "2.0")));
	CHECK(str_contains(buf_str(&b), STR("io.k8s.api.apps.v1.Deployment")));
	CHECK(b.n > 100000);
}

TEST(discovery_tells_of_every_resource)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *groups = made(&a, api_discovery_groups);
	CHECK_STR(json_str(groups, "groups.0.preferredVersion.groupVersion"), "apps/v1");
	size_t found = 0;
	for (int core = 0; core < 2; core++) {
		struct buf b CLEAN_BUF;
		buf_init(&b);
		api_discovery_aggregated(&b, core);
		json_each(group, json_get(parse_or_stop(&a, arena_str(&a, buf_str(&b))), STR("items")))
			found += json_at(group, "versions.0.resources")->count;
	}
	CHECK_INT(found, api_resource_count);
	// As Kubernetes v1.36 tells it; events of both groups rest as those of the core.
	CHECK_STR(api_resource_find(STR("apps"), STR("v1"), STR("deployments"))->storage_hash, "8aSe+NMegvE=");
	CHECK_STR(api_resource_find(STR("events.k8s.io"), STR("v1"), STR("events"))->storage_hash, "r2yiGXH7wu8=");
	struct buf b CLEAN_BUF;
	buf_init(&b);
	REQUIRE(api_discovery_resources(&b, STR(""), STR("v1")));
	struct json *core = parse_or_stop(&a, arena_str(&a, buf_str(&b)));
	bool eviction = false;
	json_each(r, json_get(core, STR("resources")))
		eviction |= json_str_is(r, "name", "pods/eviction") && json_str_is(r, "group", "policy");
	CHECK(eviction);
	CHECK(!api_discovery_group(&b, STR("nothing")));
	CHECK(!api_discovery_group(&b, STR("")));
	CHECK(!api_discovery_resources(&b, STR("apps"), STR("v7")));
}
