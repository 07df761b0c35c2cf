// SPDX-License-Identifier: Apache-2.0
#include "wire/jwt.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "base/times.h"

enum { COORDINATE = 32 }; // bytes of r, s, x and y on P-256

struct jwt_key {
	EVP_PKEY *pkey;
	bool is_private;
	const char *algorithm; // "ES256" or "RS256"
	char id[44];	       // base64url of a SHA-256
};

static int failed(struct err *e, const char *what)
{
	ERR_clear_error();
	return err_set(e, ERR_INTERNAL, "%s", what);
}

// ---- Keys

int jwt_key_make(struct buf *private_pem, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text;
	bool good = key && bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	if (good) {
		long n = BIO_get_mem_data(bio, &text);
		buf_add(private_pem, (struct str){text, (size_t)n});
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	return good ? 0 : failed(e, "making a signing key");
}

static int no_passphrase(char *out, int room, int writing, void *arg)
{
	return -1;
}

static EVP_PKEY *read_pem(struct str pem, bool *is_private)
{
	BIO *bio = BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.n);
	if (!bio)
		mem_panic("out of memory");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	*is_private = key != NULL;
	if (!key) {
		BIO_free(bio);
		bio = BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.n);
		key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
	}
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static const char *algorithm_of(EVP_PKEY *key)
{
	char group[32];
	size_t n;
	if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 2048)
		return "RS256";
	if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &n) &&
	    (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0))
		return "ES256";
	return NULL;
}

// The hash of the public key's DER form.
static bool make_id(struct jwt_key *k)
{
	unsigned char *der = NULL, hash[32];
	int n = i2d_PUBKEY(k->pkey, &der);
	if (n <= 0 || !EVP_Digest(der, (size_t)n, hash, NULL, EVP_sha256(), NULL)) {
		OPENSSL_free(der);
		return false;
	}
	OPENSSL_free(der);
	struct buf text CLEAN_BUF;
	buf_init(&text);
	encode_base64_url(&text, (struct str){(char *)hash, sizeof hash});
	return str_to_c(buf_str(&text), k->id, sizeof k->id);
}

int jwt_key_load(struct str pem, struct jwt_key **out, struct err *e)
{
	struct jwt_key *k = MEM_NEW(struct jwt_key);
	k->pkey = read_pem(pem, &k->is_private);
	k->algorithm = k->pkey ? algorithm_of(k->pkey) : NULL;
	if (k->algorithm && make_id(k)) {
		*out = k;
		return 0;
	}
	const char *why = k->pkey ? "a signing key must be EC P-256 or RSA of 2048 bits or more" : "not a key in PEM";
	jwt_key_destroy(k);
	return failed(e, why);
}

void jwt_key_destroy(struct jwt_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

struct str jwt_key_id(const struct jwt_key *k)
{
	return str_of(k->id);
}

static void put_number(struct arena *a, struct json *jwk, const struct jwt_key *k, const char *name,
		       const char *parameter, int width)
{
	BIGNUM *number = NULL;
	if (!EVP_PKEY_get_bn_param(k->pkey, parameter, &number))
		mem_panic("a public key without its numbers");
	int n = width ? width : BN_num_bytes(number);
	unsigned char *bytes = arena_alloc(a, (size_t)n);
	BN_bn2binpad(number, bytes, n);
	BN_free(number);
	struct buf text CLEAN_BUF;
	buf_init(&text);
	encode_base64_url(&text, (struct str){(char *)bytes, (size_t)n});
	json_put_str(a, jwk, name, arena_str(a, buf_str(&text)));
}

struct json *jwt_key_jwk(struct arena *a, const struct jwt_key *k)
{
	struct json *jwk = json_object(a);
	bool rsa = strcmp(k->algorithm, "RS256") == 0;
	json_put_str(a, jwk, "use", STR("sig"));
	json_put_str(a, jwk, "kty", rsa ? STR("RSA") : STR("EC"));
	json_put_str(a, jwk, "kid", arena_str(a, jwt_key_id(k)));
	if (!rsa)
		json_put_str(a, jwk, "crv", STR("P-256"));
	json_put_str(a, jwk, "alg", str_of(k->algorithm));
	if (rsa) {
		put_number(a, jwk, k, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		put_number(a, jwk, k, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	} else {
		put_number(a, jwk, k, "x", OSSL_PKEY_PARAM_EC_PUB_X, COORDINATE);
		put_number(a, jwk, k, "y", OSSL_PKEY_PARAM_EC_PUB_Y, COORDINATE);
	}
	return jwk;
}

// ---- Signatures. JWS has r and s of ECDSA side by side (RFC 7518, 3.4), OpenSSL as DER.

static bool der_to_raw(struct buf *signature)
{
	const unsigned char *at = (const unsigned char *)signature->p;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)signature->n);
	unsigned char raw[2 * COORDINATE];
	bool good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, COORDINATE) == COORDINATE &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + COORDINATE, COORDINATE) == COORDINATE;
	ECDSA_SIG_free(sig);
	buf_clear(signature);
	buf_add(signature, (struct str){(char *)raw, sizeof raw});
	return good;
}

static bool raw_to_der(struct arena *a, struct str *signature)
{
	if (signature->n != 2 * COORDINATE)
		return false;
	const unsigned char *raw = (const unsigned char *)signature->p;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;
	BIGNUM *r = BN_bin2bn(raw, COORDINATE, NULL), *s = BN_bin2bn(raw + COORDINATE, COORDINATE, NULL);
	if (!sig || !ECDSA_SIG_set0(sig, r, s))
		mem_panic("out of memory");
	int n = i2d_ECDSA_SIG(sig, &der);
	ECDSA_SIG_free(sig);
	if (n > 0)
		*signature = arena_str(a, (struct str){(char *)der, (size_t)n});
	OPENSSL_free(der);
	return n > 0;
}

static bool sign(const struct jwt_key *k, struct str text, struct buf *signature)
{
	size_t n = (size_t)EVP_PKEY_get_size(k->pkey);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	buf_reserve(signature, n);
	bool good = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, k->pkey) &&
		    EVP_DigestSign(context, (unsigned char *)signature->p, &n, (const unsigned char *)text.p, text.n);
	EVP_MD_CTX_free(context);
	signature->n = good ? n : 0;
	return good && (strcmp(k->algorithm, "RS256") == 0 || der_to_raw(signature));
}

static bool verify(const struct jwt_key *k, struct arena *a, struct str text, struct str signature)
{
	if (strcmp(k->algorithm, "ES256") == 0 && !raw_to_der(a, &signature))
		return false;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, k->pkey) &&
		    EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.n,
				     (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}

// ---- Tokens

int jwt_sign(const struct jwt_key *k, const struct json *claims, struct buf *out, struct err *e)
{
	if (!k->is_private)
		return failed(e, "a public key can't sign");
	struct buf part CLEAN_BUF, text CLEAN_BUF;
	buf_init(&part);
	buf_init(&text);
	buf_fmt(&part, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", k->algorithm, k->id);
	encode_base64_url(&text, buf_str(&part));
	buf_add_byte(&text, '.');
	buf_clear(&part);
	json_write(&part, claims);
	encode_base64_url(&text, buf_str(&part));
	buf_clear(&part);
	if (!sign(k, buf_str(&text), &part))
		return failed(e, "signing a token");
	buf_add_byte(&text, '.');
	encode_base64_url(&text, buf_str(&part));
	buf_add(out, buf_str(&text));
	return 0;
}

struct parts {
	struct str signed_text; // header.claims
	struct str signature;	// decoded
	struct json *header, *claims;
};

static int decode_object(struct arena *a, struct str text, struct json **out)
{
	struct str bytes;
	struct json_options options = {.depth_max = 20, .duplicates = json_array(a)};
	if (decode_base64_url(a, text, &bytes) < 0 || json_parse(a, bytes, &options, out, NULL) < 0)
		return -1;
	return (*out)->type == JSON_OBJECT && options.duplicates->count == 0 ? 0 : -1;
}

static int take_apart(struct arena *a, struct str token, struct parts *out)
{
	struct str header, claims, signature, rest;
	if (token.n > JWT_MAX || !str_cut(token, '.', &header, &rest) || !str_cut(rest, '.', &claims, &signature))
		return -1;
	if (signature.n == 0 || str_find(signature, '.') >= 0)
		return -1;
	out->signed_text = str_sub(token, 0, header.n + 1 + claims.n);
	if (decode_object(a, header, &out->header) < 0 || decode_object(a, claims, &out->claims) < 0)
		return -1;
	if (json_get(out->header, STR("crit"))) // extensions that we would have to understand
		return -1;
	return decode_base64_url(a, signature, &out->signature);
}

int jwt_verify(struct arena *a, const struct jwt_key *k, struct str token, struct json **claims, struct err *e)
{
	struct parts parts;
	if (take_apart(a, token, &parts) < 0)
		return err_set(e, ERR_UNAUTHORIZED, "the token is malformed");
	if (!json_str_is(parts.header, "alg", k->algorithm))
		return err_set(e, ERR_UNAUTHORIZED, "the token's algorithm is not the key's");
	if (!verify(k, a, parts.signed_text, parts.signature))
		return err_set(e, ERR_UNAUTHORIZED, "the token's signature is wrong");
	*claims = parts.claims;
	return 0;
}

int jwt_check_time(const struct json *claims, int64_t now_ns, struct err *e)
{
	int64_t now = now_ns / TIME_S;
	const struct json *exp = json_get(claims, STR("exp")), *nbf = json_get(claims, STR("nbf"));
	if (!exp || (exp->type != JSON_INT && exp->type != JSON_REAL) || json_double(exp) <= (double)now)
		return err_set(e, ERR_UNAUTHORIZED, "the token has expired");
	if (nbf && ((nbf->type != JSON_INT && nbf->type != JSON_REAL) || json_double(nbf) > (double)now))
		return err_set(e, ERR_UNAUTHORIZED, "the token is not valid yet");
	return 0;
}
