// SPDX-License-Identifier: Apache-2.0
#include "api/selector.h"
#include "unit.h"

static bool matches(const char *text, const char *labels)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *object;
	struct api_selector *s;
	REQUIRE(!json_parse(&a, str_of(labels), NULL, &object, &e));
	if (api_selector_parse(&a, str_of(text), &s, &e)) {
		unit_fail(__FILE__, __LINE__, "%s: %s", text, err_text(&e));
		return false;
	}
	return api_selector_matches(s, object);
}

static bool refused(const char *text)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct api_selector *s;
	return api_selector_parse(&a, str_of(text), &s, &e) && e.reason == ERR_BAD_REQUEST;
}

TEST(selector_labels)
{
	static const char one[] = "{\"app\":\"web\",\"tier\":\"front\",\"n\":\"2\"}";
	CHECK(matches("", one));
	CHECK(matches("app=web", one) && matches("app==web", one) && !matches("app=db", one));
	CHECK(!matches("app!=web", one) && matches("none!=web", one));
	CHECK(matches("app in (web, db),tier", one) && !matches("app in (db)", one));
	CHECK(!matches("app notin (web)", one) && matches("x notin (web)", one));
	CHECK(!matches("!tier", one) && matches("!x", one) && matches("tier", one));
	CHECK(matches("n>1", one) && !matches("n>2", one) && matches("n<3", one) && !matches("app>1", one));
	CHECK(!matches("app==", one) && matches("e==", "{\"e\":\"\"}") && matches("e in (,x)", "{\"e\":\"\"}"));
	CHECK(matches("in=x", "{\"in\":\"x\"}") && matches("app in (in,notin)", "{\"app\":\"in\"}"));
}

TEST(selector_refuses)
{
	static const char *const bad[] = {"app in web", "==", "bad key!", "a=b c", "a,", "a>x", "!", "a in (x", "a=b=c", "a b", "/=x",
					  "a=bad value"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!refused(bad[i]))
			unit_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
}

TEST(selector_of_objects)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *selector, *labels;
	struct api_selector *s;
	REQUIRE(!json_parse(&a, STR("{\"matchLabels\":{\"a\":\"1\"},\"matchExpressions\":[{\"key\":\"b\",\"operator\":\"Exists\"},"
				    "{\"key\":\"c\",\"operator\":\"NotIn\",\"values\":[\"x\"]}]}"),
			    NULL, &selector, &e));
	REQUIRE(!json_parse(&a, STR("{\"a\":\"1\",\"b\":\"\"}"), NULL, &labels, &e));
	REQUIRE(!api_selector_of(&a, selector, &s, &e));
	CHECK(api_selector_matches(s, labels));
	json_put_str(&a, labels, "c", STR("x"));
	CHECK(!api_selector_matches(s, labels));
	REQUIRE(!api_selector_of(&a, NULL, &s, &e));
	CHECK(!api_selector_matches(s, labels) && !api_selector_everything(s));
	REQUIRE(!api_selector_of(&a, json_object(&a), &s, &e));
	CHECK(api_selector_matches(s, labels) && api_selector_everything(s));
}

TEST(selector_fields)
{
	static const struct str selectable[] = {STR_INIT("spec.nodeName"), STR_INIT("spec.unschedulable"), STR_INIT("")};
	static const struct api_resource r = {.plural = STR_INIT("pods"), .selectable = selectable};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct api_field_selector *s;
	struct json *pod;
	REQUIRE(!json_parse(&a, STR("{\"metadata\":{\"name\":\"a,b\",\"namespace\":\"n\"},\"spec\":{}}"), NULL, &pod, &e));
	REQUIRE(!api_field_selector_parse(&a, &r, STR("metadata.name=a\\,b,spec.nodeName=,spec.unschedulable!=true"), &s, &e));
	CHECK(api_field_selector_matches(s, pod));
	CHECK_STR(api_field_selector_value(s, "metadata.name"), "a,b");
	REQUIRE(!api_field_selector_parse(&a, &r, STR("metadata.namespace!=n"), &s, &e));
	CHECK(!api_field_selector_matches(s, pod));
	REQUIRE(!api_field_selector_parse(&a, &r, STR(""), &s, &e));
	CHECK(api_field_selector_everything(s));
	CHECK(api_field_selector_parse(&a, &r, STR("data.k=v"), &s, &e) && e.reason == ERR_BAD_REQUEST);
	CHECK(api_field_selector_parse(&a, &r, STR("metadata.name"), &s, &e) && e.reason == ERR_BAD_REQUEST);
}
