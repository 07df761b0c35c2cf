// SPDX-License-Identifier: Apache-2.0
#include "api/patch.h"
#include "unit.h"

// The type under test is v1.ObjectMeta: ownerReferences merge by uid, finalizers as a set, managedFields not at all.
static struct json *parse(struct arena *a, const char *text)
{
	struct json *out = NULL;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (json_parse(a, str_of(text), NULL, &out, &e))
		unit_fail(__FILE__, __LINE__, "%s: %s", text, err_text(&e));
	return out;
}

static int apply(struct arena *a, enum api_patch kind, struct json **object, const struct json *patch, struct err *e)
{
	if (kind == API_PATCH_JSON)
		return api_patch_json(a, object, patch, e);
	if (kind == API_PATCH_STRATEGIC)
		return api_patch_strategic(a, api_type_find(STR("v1.ObjectMeta")), object, patch, e);
	api_patch_merge(a, object, patch);
	return 0;
}

static void expect(int line, enum api_patch kind, const char *object, const char *patch, const char *want)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *tree = parse(&a, object);
	if (apply(&a, kind, &tree, parse(&a, patch), &e)) {
		if (want)
			unit_fail(__FILE__, line, "%s: %s", patch, err_text(&e));
		return;
	}
	struct str got = json_text(&a, tree);
	if (!want || !json_equal(tree, parse(&a, want)))
		unit_fail(__FILE__, line, "%s gives %.*s", patch, STR_FMT(got));
}

#define MERGE(object, patch, want) expect(__LINE__, API_PATCH_MERGE, object, patch, want)
#define JSON_PATCH(object, patch, want) expect(__LINE__, API_PATCH_JSON, object, patch, want)
#define STRATEGIC(object, patch, want) expect(__LINE__, API_PATCH_STRATEGIC, object, patch, want)

TEST(patch_merge)
{
	MERGE("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
	MERGE("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
	MERGE("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
	MERGE("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}");
	MERGE("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
	MERGE("{\"a\":\"foo\"}", "[\"c\"]", "[\"c\"]");
	MERGE("[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}");
}

TEST(patch_json)
{
	JSON_PATCH("{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]", "{\"foo\":\"bar\",\"baz\":\"qux\"}");
	JSON_PATCH("{\"l\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/l/1\",\"value\":2},{\"op\":\"add\",\"path\":\"/l/-\",\"value\":4}]", "{\"l\":[1,2,3,4]}");
	JSON_PATCH("{\"l\":[1,2,3]}", "[{\"op\":\"remove\",\"path\":\"/l/1\"},{\"op\":\"replace\",\"path\":\"/l/0\",\"value\":9}]", "{\"l\":[9,3]}");
	JSON_PATCH("{\"l\":[1,2,3]}", "[{\"op\":\"remove\",\"path\":\"/l/-1\"}]", "{\"l\":[1,2]}");
	JSON_PATCH("{\"a/b\":1,\"c~d\":2}", "[{\"op\":\"replace\",\"path\":\"/a~1b\",\"value\":3},{\"op\":\"remove\",\"path\":\"/c~0d\"}]", "{\"a/b\":3}");
	JSON_PATCH("{\"a\":{\"b\":1},\"c\":{}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c/d\"},{\"op\":\"copy\",\"from\":\"/c\",\"path\":\"/e\"}]", "{\"a\":{},\"c\":{\"d\":1},\"e\":{\"d\":1}}");
	JSON_PATCH("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1},{\"op\":\"test\",\"path\":\"/none\",\"value\":null}]", "{\"a\":1}");
	JSON_PATCH("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}");
	JSON_PATCH("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", NULL);
	JSON_PATCH("{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", NULL);
	// As v1.36 does it, not as RFC 6902 says.
	JSON_PATCH("{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]", "{\"a\":1}");
	JSON_PATCH("{}", "[{\"op\":\"replace\",\"path\":\"/a/b\",\"value\":1}]", NULL);
	JSON_PATCH("{\"l\":[1]}", "[{\"op\":\"replace\",\"path\":\"/l/1\",\"value\":1}]", NULL);
	JSON_PATCH("{\"l\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/l/01\"}]", "{\"l\":[1]}");
	JSON_PATCH("{}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},{\"op\":\"add\",\"path\":\"/c\"}]", "{\"b\":null,\"c\":null}");
	JSON_PATCH("{}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]", NULL);
	JSON_PATCH("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a/b\",\"value\":null}]", NULL);
	JSON_PATCH("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"x/a\"}]", "{}");
	JSON_PATCH("{\"l\":[]}", "[{\"op\":\"add\",\"path\":\"/l/1\",\"value\":1}]", NULL);
	JSON_PATCH("{\"l\":[1]}", "[{\"op\":\"add\",\"path\":\"/l/00\",\"value\":2}]", "{\"l\":[2,1]}");
	JSON_PATCH("{}", "[{\"op\":\"nonsense\",\"path\":\"/a\"}]", NULL);
	JSON_PATCH("{\"a\":{\"b\":{}}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b/c\"}]", NULL);
	JSON_PATCH("{}", "{\"op\":\"add\"}", NULL);
	JSON_PATCH("{}", "[1]", NULL);
}

TEST(patch_json_copies_are_bounded)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *tree = parse(&a, "{\"l\":[1,2]}"), *operations = json_array(&a);
	for (int i = 0; i < 40; i++)
		json_push(operations, parse(&a, "{\"op\":\"copy\",\"from\":\"/l\",\"path\":\"/l/-\"}"));
	CHECK(api_patch_json(&a, &tree, operations, &e) < 0);
	CHECK_INT(e.reason, ERR_TOO_LARGE);
}

TEST(patch_strategic_lists)
{
	STRATEGIC("{}", "{\"ownerReferences\":[{\"$patch\":\"replace\"},{\"uid\":\"z\"}]}", "{\"ownerReferences\":[{\"uid\":\"z\"}]}");
	STRATEGIC("{}", "{\"ownerReferences\":[{\"uid\":\"z\"},{\"$patch\":\"replace\"}]}", "{\"ownerReferences\":[{\"uid\":\"z\"}]}");
	static const char object[] = "{\"ownerReferences\":[{\"uid\":\"a\",\"name\":\"1\"},{\"uid\":\"b\",\"name\":\"2\"}],\"finalizers\":[\"x\",\"y\"],\"managedFields\":[\"p\",\"q\"]}";
	STRATEGIC(object, "{\"ownerReferences\":[{\"uid\":\"b\",\"name\":\"3\"},{\"uid\":\"c\",\"name\":\"4\"}]}",
		  "{\"ownerReferences\":[{\"uid\":\"a\",\"name\":\"1\"},{\"uid\":\"b\",\"name\":\"3\"},{\"uid\":\"c\",\"name\":\"4\"}],\"finalizers\":[\"x\",\"y\"],\"managedFields\":[\"p\",\"q\"]}");
	STRATEGIC(object, "{\"ownerReferences\":[{\"uid\":\"a\",\"$patch\":\"delete\"}],\"managedFields\":[\"z\"],\"finalizers\":null}",
		  "{\"ownerReferences\":[{\"uid\":\"b\",\"name\":\"2\"}],\"managedFields\":[\"z\"]}");
	STRATEGIC(object, "{\"ownerReferences\":[{\"$patch\":\"replace\"},{\"uid\":\"z\"}],\"finalizers\":[\"z\"],\"managedFields\":null}",
		  "{\"ownerReferences\":[{\"uid\":\"z\"}],\"finalizers\":[\"z\",\"x\",\"y\"]}");
	STRATEGIC(object, "{\"$deleteFromPrimitiveList/finalizers\":[\"x\"],\"ownerReferences\":null,\"managedFields\":null}", "{\"finalizers\":[\"y\"]}");
	STRATEGIC(object, "{\"$setElementOrder/ownerReferences\":[{\"uid\":\"b\"},{\"uid\":\"a\"}],\"managedFields\":null,\"finalizers\":null}",
		  "{\"ownerReferences\":[{\"uid\":\"b\",\"name\":\"2\"},{\"uid\":\"a\",\"name\":\"1\"}]}");
	STRATEGIC(object, "{\"$setElementOrder/ownerReferences\":[{\"uid\":\"c\"},{\"uid\":\"b\"}],\"ownerReferences\":[{\"uid\":\"c\"}],\"managedFields\":null,\"finalizers\":null}",
		  "{\"ownerReferences\":[{\"uid\":\"c\"},{\"uid\":\"a\",\"name\":\"1\"},{\"uid\":\"b\",\"name\":\"2\"}]}");
	STRATEGIC(object, "{\"ownerReferences\":[{\"name\":\"no key\"}]}", NULL);
	STRATEGIC(object, "{\"$setElementOrder/ownerReferences\":[{\"uid\":\"a\"}],\"ownerReferences\":[{\"uid\":\"c\"}]}", NULL);
	STRATEGIC("{}", "{\"ownerReferences\":[{\"uid\":\"a\",\"$patch\":\"delete\"},{\"uid\":\"b\",\"name\":null}]}", "{\"ownerReferences\":[{\"uid\":\"b\"}]}");
}

TEST(patch_strategic_maps)
{
	static const char object[] = "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}";
	STRATEGIC(object, "{\"labels\":{\"a\":null,\"c\":\"3\"}}", "{\"labels\":{\"b\":\"2\",\"c\":\"3\"}}");
	STRATEGIC(object, "{\"labels\":{\"$patch\":\"replace\",\"only\":\"this\"}}", "{\"labels\":{\"only\":\"this\"}}");
	STRATEGIC(object, "{\"labels\":{\"$patch\":\"delete\"}}", "{\"labels\":{}}");
	STRATEGIC(object, "{\"labels\":{\"$patch\":\"nonsense\"}}", NULL);
	STRATEGIC("{}", "{\"labels\":{\"$patch\":\"nonsense\"}}", "{\"labels\":{}}");
	STRATEGIC(object, "{\"labels\":{\"$retainKeys\":[\"w\"],\"w\":\"3\"}}", "{\"labels\":{\"w\":\"3\"}}");
	STRATEGIC(object, "{\"labels\":{\"$retainKeys\":[\"a\"],\"w\":\"3\"}}", NULL);
	STRATEGIC(object, "[]", NULL);
}

TEST(patch_types)
{
	enum api_patch kind;
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(!api_patch_of(STR("application/merge-patch+json; charset=utf-8"), &kind, &e) && kind == API_PATCH_MERGE);
	CHECK(!api_patch_of(STR("application/json-patch+json"), &kind, &e) && kind == API_PATCH_JSON);
	CHECK(api_patch_of(STR("application/json"), &kind, &e) < 0 && e.reason == ERR_UNSUPPORTED_MEDIA);
}

// A patch of many members on an object of many: what it costs grows with their sum.
static struct json *many(struct arena *a, int count, bool null)
{
	struct json *labels = json_object(a), *object = json_object(a);
	for (int i = count; i-- > 0;)
		json_push(labels, null && i % 2 ? json_null(a) : json_string(a, STR("v")))->key = arena_fmt(a, "k%d", i);
	json_put(object, "labels", labels);
	return object;
}

TEST(patch_of_many_members)
{
	static const enum api_patch kinds[] = {API_PATCH_MERGE, API_PATCH_STRATEGIC};
	enum { MANY = 100000 };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct json *tree = many(&a, MANY, false);
		json_put_str(&a, json_get(tree, STR("labels")), "kept", STR("1"));
		REQUIRE(!apply(&a, kinds[i], &tree, many(&a, MANY, true), &e));
		CHECK_INT(json_get(tree, STR("labels"))->count, MANY / 2 + 1);
		CHECK_STR(json_str(tree, "labels.kept"), "1");
		CHECK(!json_at(tree, "labels.k1") && json_at(tree, "labels.k2"));
	}
}

TEST(patch_json_searching_is_bounded)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *tree = many(&a, 100000, false), *operations = json_array(&a);
	for (int i = 0; i < 1000; i++)
		json_push(operations, parse(&a, "{\"op\":\"test\",\"path\":\"/labels/k0\",\"value\":\"v\"}"));
	CHECK(api_patch_json(&a, &tree, operations, &e) < 0);
	CHECK_INT(e.reason, ERR_TOO_LARGE);
}
