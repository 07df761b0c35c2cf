// SPDX-License-Identifier: Apache-2.0
#include "reference.h"
#include "unit.h"

TEST(protobuf_says_what_json_says)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int tried = 0;
	struct json *names = reference_names(&a, "objects", ".json");
	json_each(name, names) {
		struct json *want =
			parse_or_stop(&a, reference_file(&a, arena_fmt(&a, "objects/%.*s", STR_FMT(name->text)).p));
		const struct api_resource *r = resource_of(want);
		if (!r)
			continue;
		struct str stem = str_sub(name->text, 0, name->text.n - sizeof ".json" + 1);
		struct str bytes = reference_file(&a, arena_fmt(&a, "objects/%.*s.pb", STR_FMT(stem)).p);
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct json *got = NULL;
		if (api_decode(&a, bytes, API_PROTOBUF, r->type, r, API_STRICT, NULL, &got, &e) < 0) {
			unit_fail(__FILE__, __LINE__, "%.*s: %s", STR_FMT(stem), err_text(&e));
			continue;
		}
		if (!json_equal(got, want))
			unit_fail(__FILE__, __LINE__, "%.*s is\n  %.*s\nand should be\n  %.*s", STR_FMT(stem),
				  STR_FMT(json_text(&a, got)), STR_FMT(json_text(&a, want)));
		tried++;
	}
	CHECK_INT(tried, (int)api_resource_count);
}

// renewTime: -62135596798 s, which no count of nanoseconds in 64 bits reaches.
TEST(protobuf_takes_times_of_any_year)
{
	static const char bytes[] = "k8s\0" "\x12\x0f\x12\x0d\x22\x0b\x08\x82\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01";
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *lease = NULL;
	const struct api_resource *r = api_resource_find(STR("coordination.k8s.io"), STR("v1"), STR("leases"));
	REQUIRE(api_decode(&a, (struct str){bytes, sizeof bytes - 1}, API_PROTOBUF, r->type, r, API_STRICT, NULL,
			   &lease, &e) == 0);
	CHECK_STR(json_str(lease, "spec.renewTime"), "0001-01-01T00:00:02.000000Z");
}

static void check_broken(const char *bytes, size_t n)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *out = NULL;
	const struct api_resource *r = api_resource_find(STR(""), STR("v1"), STR("configmaps"));
	CHECK(api_decode(&a, (struct str){bytes, n}, API_PROTOBUF, r->type, r, API_STRICT, NULL, &out, &e) < 0);
	CHECK_INT(e.reason, ERR_BAD_REQUEST);
	CHECK(!out);
}

#define BROKEN(bytes) check_broken(bytes, sizeof(bytes) - 1)

TEST(protobuf_refuses_broken_bytes)
{
	BROKEN("");
	BROKEN("k8s");
	BROKEN("{\"kind\":\"ConfigMap\"}");
	BROKEN("k8s\0\x12");		       // a tag without a length
	BROKEN("k8s\0\x12\x05\x0a");	       // shorter than it says
	BROKEN("k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"); // a length of more than 64 bits
	BROKEN("k8s\0\x13\x01");	       // groups are not in use
	BROKEN("k8s\0\x12\x02\x0a\x05");       // an inner length beyond the end
	BROKEN("k8s\0\x1a\x04gzip");	       // encoded content
	BROKEN("k8s\0\x12\x02\x10\x01");       // a number where a map entry belongs
}
