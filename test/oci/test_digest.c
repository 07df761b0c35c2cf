// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"
#include "unit.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

TEST(digest_forms)
{
	enum oci_digest_kind kind;
	struct str hex;
	CHECK(oci_digest_parse(STR(EMPTY), &kind, &hex) && kind == OCI_SHA256 && hex.n == 64);
	CHECK(!oci_digest_parse(STR("sha256:"), NULL, NULL));
	CHECK(!oci_digest_parse(STR("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"), NULL, NULL));
	CHECK(!oci_digest_parse(STR("md5:d41d8cd98f00b204e9800998ecf8427e"), NULL, NULL));
	CHECK(!oci_digest_parse(STR("sha256:../../../../../../../../../../../../../../../../etc/passwd000000"), NULL, NULL));
	CHECK(!oci_digest_parse(STR_NONE, NULL, NULL));
}

TEST(digest_of_bytes)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	CHECK_STR(oci_digest_of(&a, STR_NONE), EMPTY);
	CHECK_STR(oci_digest_of(&a, STR("abc")), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct oci_hash h;
	oci_hash_init(&h, OCI_SHA512);
	oci_hash_add(&h, STR("a"));
	oci_hash_add(&h, STR("bc"));
	CHECK(str_starts(oci_hash_end(&h, &a), STR("sha512:ddaf35a193617abacc417349ae204131")));
	oci_hash_finish(&h);
}

// The specification: ChainID(L0) = DiffID(L0), ChainID(L0|...|Ln) = Digest(ChainID(L0|...|Ln-1) + " " + DiffID(Ln)).
TEST(chain_ids)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str lowest = oci_chain_id(&a, STR_NONE, STR(EMPTY));
	CHECK_STR(lowest, EMPTY);
	struct str next = oci_chain_id(&a, lowest, STR(EMPTY));
	CHECK(str_eq(next, oci_digest_of(&a, STR(EMPTY " " EMPTY))));
}
