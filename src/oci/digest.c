// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"

#include <openssl/evp.h>

#include "base/encode.h"

static const struct {
	struct str prefix;
	size_t digits;
	const EVP_MD *(*method)(void);
} kinds[] = {
	[OCI_SHA256] = {STR_INIT("sha256:"), 64, EVP_sha256},
	[OCI_SHA512] = {STR_INIT("sha512:"), 128, EVP_sha512},
};

static bool lower_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}

bool oci_digest_parse(struct str text, enum oci_digest_kind *kind, struct str *hex)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct str digits = str_from(text, kinds[k].prefix.n);
		if (!str_starts(text, kinds[k].prefix) || digits.n != kinds[k].digits || !lower_hex(digits))
			continue;
		if (kind)
			*kind = (enum oci_digest_kind)k;
		if (hex)
			*hex = digits;
		return true;
	}
	return false;
}

void oci_hash_init(struct oci_hash *h, enum oci_digest_kind kind)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	MUST(c && EVP_DigestInit_ex(c, kinds[kind].method(), NULL) == 1);
	*h = (struct oci_hash){c, kind};
}

void oci_hash_add(struct oci_hash *h, struct str bytes)
{
	MUST(EVP_DigestUpdate(h->impl, bytes.p, bytes.n) == 1);
}

struct str oci_hash_end(struct oci_hash *h, struct arena *a)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	MUST(EVP_DigestFinal_ex(h->impl, sum, &n) == 1);
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_add(&text, kinds[h->kind].prefix);
	encode_hex(&text, (struct str){(char *)sum, n});
	return arena_str(a, buf_str(&text));
}

void oci_hash_finish(struct oci_hash *h)
{
	EVP_MD_CTX_free(h->impl);
	h->impl = NULL;
}

struct str oci_digest_of(struct arena *a, struct str bytes)
{
	struct oci_hash h;
	oci_hash_init(&h, OCI_SHA256);
	oci_hash_add(&h, bytes);
	struct str digest = oci_hash_end(&h, a);
	oci_hash_finish(&h);
	return digest;
}

struct str oci_chain_id(struct arena *a, struct str parent, struct str diff_id)
{
	if (str_empty(parent))
		return diff_id;
	return oci_digest_of(a, arena_fmt(a, "%.*s %.*s", STR_FMT(parent), STR_FMT(diff_id)));
}
