// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <stdlib.h>

#include "base/json.h"
#include "unit.h"

static struct json *parse(struct arena *a, const char *text)
{
	struct json *v = NULL;
	json_parse(a, str_of(text), NULL, &v, NULL);
	return v;
}

TEST(json_round_trip)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *v = parse(&a, " {\"a\":[1,-2.5e3,true,null],\"b\":{\"c\":\"x\\n\\u00e9\\ud83d\\ude00\"}} ");
	REQUIRE(v != NULL);
	CHECK_STR(json_text(&a, v), "{\"a\":[1,-2.5e3,true,null],\"b\":{\"c\":\"x\\n\u00e9\U0001F600\"}}");
	CHECK_INT(json_i64(v, "a.0", 0), 1);
	CHECK(json_equal(v, json_clone(&a, v)));
}

TEST(json_duplicates_tell_their_path)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json_options o = {.duplicates = json_array(&a)};
	struct json *v;
	REQUIRE(json_parse(&a, STR("{\"s\":{\"l\":[{\"x\":1,\"x\":2}]},\"k\":1,\"k\":3}"), &o, &v, NULL) == 0);
	CHECK_INT(json_i64(v, "s.l.0.x", 0), 2);
	CHECK_INT(json_i64(v, "k", 0), 3);
	CHECK_STR(json_index(o.duplicates, 0)->text, "s.l[0].x");
	CHECK_STR(json_index(o.duplicates, 1)->text, "k");
}

TEST(json_many_duplicates)
{
	struct arena a CLEAN_ARENA;
	struct buf b CLEAN_BUF;
	arena_init(&a);
	buf_init(&b);
	BUF_LIT(&b, "{\"k0\":[7]");
	for (int i = 0; i < 1000; i++)
		buf_fmt(&b, ",\"k%d\":[%d]", i / 2, i);
	BUF_LIT(&b, "}");
	struct json *v;
	REQUIRE(json_parse(&a, buf_str(&b), NULL, &v, NULL) == 0);
	CHECK_INT(v->count, 500);
	CHECK_INT(json_i64(v, "k0.0", 0), 1);
	CHECK_INT(json_i64(v, "k499.0", 0), 999);
	CHECK_INT(json_at(v, "k499")->count, 1);
}

TEST(json_edits)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *v = parse(&a, "{\"a\":1,\"b\":2,\"c\":[1,2,3]}");
	json_put_int(&a, v, "b", 5);
	json_remove(v, STR("a"));
	json_insert(json_at(v, "c"), 1, json_int(&a, 9));
	json_remove_index(json_at(v, "c"), 3);
	json_put_str(&a, json_need_object(&a, v, "m.n"), "k", STR("v"));
	CHECK_STR(json_text(&a, v), "{\"b\":5,\"c\":[1,9,2],\"m\":{\"n\":{\"k\":\"v\"}}}");
}

TEST(json_refuses_depth)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	char *deep = malloc(100001);
	memset(deep, '[', 100000);
	deep[100000] = 0;
	CHECK(parse(&a, deep) == NULL);
	free(deep);
}

// The public corpus: y_ must parse, n_ must not, i_ may do either.
TEST(json_corpus)
{
	const char *folder = SOURCE_ROOT "/../shared/reference/json";
	DIR *dir = opendir(folder);
	if (!dir)
		unit_skip("the corpus of JSON texts is not here");
	for (struct dirent *d; (d = readdir(dir));) {
		if (d->d_name[0] == '.')
			continue;
		char path[600];
		snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
		FILE *f = fopen(path, "rb");
		char *text = malloc(1 << 20);
		size_t n = fread(text, 1, 1 << 20, f);
		fclose(f);
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct json *v = NULL;
		bool ok = json_parse(&a, (struct str){text, n}, NULL, &v, NULL) == 0;
		if ((d->d_name[0] == 'y' && !ok) || (d->d_name[0] == 'n' && ok))
			unit_fail(__FILE__, __LINE__, "%s is %s", d->d_name, ok ? "accepted" : "refused");
		free(text);
	}
	closedir(dir);
}
