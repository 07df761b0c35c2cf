// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"
#include "unit.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

TEST(names_get_their_defaults)
{
	static const struct {
		const char *text, *full;
	} cases[] = {
		{"busybox", "docker.io/library/busybox:latest"},
		{"busybox:1.36", "docker.io/library/busybox:1.36"},
		{"user/app", "docker.io/user/app:latest"},
		{"docker.io/busybox", "docker.io/library/busybox:latest"},
		{"index.docker.io/library/busybox", "docker.io/library/busybox:latest"},
		{"localhost/app:v1", "localhost/app:v1"},
		{"localhost:5000/app", "localhost:5000/app:latest"},
		{"r.example/a/b/c:x", "r.example/a/b/c:x"},
		{"Registry/app", "Registry/app:latest"},
		{"[::1]:5000/app:v1", "[::1]:5000/app:v1"},
		{"a--b/c__d/e.f-g:T_.-1", "docker.io/a--b/c__d/e.f-g:T_.-1"},
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_reference r;
		REQUIRE(oci_reference_parse(&a, str_of(cases[i].text), &r, NULL) == 0);
		CHECK_STR(oci_reference_tagged(&a, &r), cases[i].full);
	}
}

TEST(names_by_digest)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct oci_reference r;
	REQUIRE(oci_reference_parse(&a, STR("busybox@sha256:" HEX), &r, NULL) == 0);
	CHECK(str_empty(r.tag));
	CHECK_STR(oci_reference_pinned(&a, &r), "docker.io/library/busybox@sha256:" HEX);
	REQUIRE(oci_reference_parse(&a, STR("busybox:1@sha256:" HEX), &r, NULL) == 0);
	CHECK_STR(r.tag, "1");
	CHECK_STR(r.domain, "docker.io");
	CHECK_STR(r.path, "library/busybox");
}

TEST(ill_formed_names)
{
	static const char *const cases[] = {
		"",	  "UPPER",	"a//b",	   "/a",	 "a/",	     "a:",	  "a:-x",      "a@sha256:12", "a_-b",
		"a___b",  "a..b",	"-a",	   "a b",	 "a\nb",     "r.example:99999/a",	       "r.example./a",
		"../etc", "a/../../etc", "http://r.example/a", ":tag", ("@sha256:" HEX), "a/%2e%2e/b",
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_reference r;
		struct err e CLEAN_ERR = ERR_EMPTY;
		if (oci_reference_parse(&a, str_of(cases[i]), &r, &e) == 0)
			unit_fail(__FILE__, __LINE__, "\"%s\" was taken", cases[i]);
		CHECK(e.reason == ERR_BAD_REQUEST);
	}
	struct str longest = arena_fmt(&a, "r.example/%0250d", 0);
	struct oci_reference r;
	CHECK(oci_reference_parse(&a, longest, &r, NULL) < 0);
}
