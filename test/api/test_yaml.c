// SPDX-License-Identifier: Apache-2.0
#include "reference.h"
#include "unit.h"

static void check_yaml(const char *yaml, const char *json)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *got = NULL;
	if (api_yaml_parse(&a, str_of(yaml), NULL, &got, &e) < 0)
		unit_fail(__FILE__, __LINE__, "%s: %s", yaml, err_text(&e));
	else
		CHECK_STR(json_text(&a, got), json);
}

static void check_bad(struct str yaml, const char *words)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *got = NULL;
	CHECK(api_yaml_parse(&a, yaml, NULL, &got, &e) < 0);
	CHECK_INT(e.reason, ERR_BAD_REQUEST);
	if (!str_contains(str_of(err_text(&e)), str_of(words)))
		unit_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err_text(&e), words);
}

TEST(yaml_scalars)
{
	check_yaml("", "null");
	check_yaml("# nothing\n", "null");
	check_yaml("[~, null, '', x, \"y\", y, No, on, true]", "[null,null,\"\",\"x\",\"y\",true,false,true,true]");
	check_yaml("[1, -2, 0x1f, 010, 0o10, 0b11, 1_000, '1', 1.5, 1e3, .5, 08]",
		   "[1,-2,31,8,8,3,1000,\"1\",1.5,1000,0.5,8]");
	check_yaml("[9223372036854775807, 1:30, 2001-01-01, 1.2.3, -, +1, 1., e3]",
		   "[9223372036854775807,\"1:30\",\"2001-01-01\",\"1.2.3\",\"-\",1,1,\"e3\"]");
	check_yaml("[!!str 1, !!int '7', !own x]", "[\"1\",7,\"x\"]");
	check_yaml("k: |\n  two\n  lines\n", "{\"k\":\"two\\nlines\\n\"}");
}

TEST(yaml_keys_and_duplicates)
{
	check_yaml("{1: a, y: b, 1.5: c, ~: d}", "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"null\":\"d\"}");
	check_yaml("a: 1\nb: 2\na: 3\n", "{\"a\":3,\"b\":2}");
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *duplicates = json_array(&a), *got;
	REQUIRE(api_yaml_parse(&a, STR("x: {a: 1, a: 2}\n"), duplicates, &got, NULL) == 0);
	CHECK_STR(json_text(&a, duplicates), "[\"a\"]");
	check_bad(STR("{[1]: a}"), "key");
}

TEST(yaml_aliases_and_merges)
{
	check_yaml("a: &x {k: 1}\nb: *x\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}");
	check_yaml("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n", "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"k\":3,\"l\":2}}");
	check_yaml("{<<: [{a: 1}, {a: 2, b: 2}], c: 3}", "{\"c\":3,\"a\":1,\"b\":2}");
	check_bad(STR("a: &x [*x]"), "inside its own anchor");
	check_bad(STR("a: *x"), "anchor");
	check_bad(STR("{<<: 7}"), "mapping");
}

TEST(yaml_is_bounded)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	for (int i = 0; i < 100000; i++)
		buf_add_byte(&b, '[');
	check_bad(buf_str(&b), "");
	buf_clear(&b);
	buf_add_c(&b, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
	for (char c = 'b'; c <= 'z'; c++)
		buf_fmt(&b, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1, c - 1, c - 1, c - 1, c - 1,
			c - 1, c - 1, c - 1);
	check_bad(buf_str(&b), "aliases");
}

TEST(yaml_says_where_it_breaks)
{
	check_bad(STR("a: [\n"), "line");
	check_bad(STR("a: b: c"), "line 1");
	check_bad(STR("\tx"), "line 1");
	check_bad(STR("[.inf]"), "infinity");
}
