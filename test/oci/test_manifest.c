// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.h"
#include "unit.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BLOB "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:" HEX "\",\"size\":3}"

static int parse(const char *text, struct oci_manifest *m, struct err *e)
{
	static struct arena a;
	static bool begun;
	if (begun)
		arena_finish(&a);
	begun = true;
	arena_init(&a);
	return oci_manifest_parse(&a, str_of(text), m, e);
}

TEST(a_manifest)
{
	struct oci_manifest m;
	REQUIRE(parse("{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[" BLOB "," BLOB "]}", &m, NULL) == 0);
	CHECK(!m.is_index && m.layer_count == 2 && m.layers[1].size == 3);
	CHECK(oci_layer_type_known(m.layers[0].media_type));
}

TEST(an_index)
{
	struct oci_manifest m;
	REQUIRE(parse("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:" HEX "\",\"size\":9,"
		      "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"},"
		      "\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}}]}",
		      &m, NULL) == 0);
	CHECK(m.is_index && m.manifest_count == 1);
	CHECK_STR(m.manifests[0].architecture, "arm64");
	CHECK_STR(m.manifests[0].ref_name, "v1");
}

TEST(refused_manifests)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "manifest"},
		{"[]", "schemaVersion"},
		{"{\"schemaVersion\":1}", "schemaVersion"},
		{"{\"schemaVersion\":2}", "neither"},
		{"{\"schemaVersion\":2,\"layers\":[],\"manifests\":[],\"config\":" BLOB "}", "both"},
		{"{\"schemaVersion\":2,\"manifests\":[],\"config\":" BLOB "}", "config"},
		{"{\"schemaVersion\":2,\"layers\":[]}", "config"},
		{"{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":7}", "layers"},
		{"{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[{\"digest\":\"sha256:..\",\"size\":1}]}", "layers[0].digest"},
		{"{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[{\"digest\":\"sha256:" HEX "\",\"size\":-1}]}", "layers[0].size"},
		{"{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[{\"digest\":\"sha256:" HEX
		 "\",\"size\":1,\"urls\":[\"http://elsewhere.example/\"]}]}", "layers[0].urls"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_manifest m;
		struct err e CLEAN_ERR = ERR_EMPTY;
		CHECK(parse(cases[i].text, &m, &e) < 0);
		if (!strstr(err_text(&e), cases[i].says))
			unit_fail(__FILE__, __LINE__, "case %zu says \"%s\"", i, err_text(&e));
	}
}

TEST(a_config)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct oci_config c;
	struct str text = STR("{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"1970-01-01T00:00:01Z\",\"config\":{"
			      "\"User\":\"1000\",\"Env\":[\"A=1\"],\"Cmd\":[\"sh\"],\"Entrypoint\":null,\"WorkingDir\":\"/w\","
			      "\"Volumes\":{\"/data\":{}},\"Labels\":{\"a\":\"b\"}},"
			      "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]}}");
	REQUIRE(oci_config_parse(&a, text, &c, NULL) == 0);
	CHECK(c.diff_ids.count == 1 && c.command.count == 1 && c.entrypoint.count == 0 && c.created == 1000000000);
	CHECK_STR(c.volumes.items[0], "/data");
	CHECK_STR(c.labels.items[0], "a=b");
	CHECK(oci_config_parse(&a, STR("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"x\"]}}"), &c, NULL) < 0);
	CHECK(oci_config_parse(&a, STR("{\"rootfs\":{\"type\":\"layers\"},\"config\":{\"Cmd\":[\"a\\u0000b\"]}}"), &c, NULL) < 0);
	CHECK(oci_config_parse(&a, STR("{\"rootfs\":{\"type\":\"layers\"},\"config\":{\"Env\":[1]}}"), &c, NULL) < 0);
}
