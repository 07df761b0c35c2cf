// SPDX-License-Identifier: Apache-2.0
#include "wire/x509.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/mem.h"
#include "base/times.h"

static int failed(struct err *e, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	ERR_clear_error();
	return err_set(e, ERR_INTERNAL, "%s: %s", what, reason ? reason : "the text is not such a thing");
}

void x509_pair_finish(struct x509_pair *p)
{
	if (p->key.p)
		OPENSSL_cleanse(p->key.p, p->key.room);
	buf_finish(&p->certificate);
	buf_finish(&p->key);
}

// ---- PEM

static BIO *bio_of(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.n);
	if (!bio)
		mem_panic("out of memory");
	return bio;
}

static int no_passphrase(char *out, int room, int writing, void *arg)
{
	return -1;
}

static X509 *read_certificate(struct str pem)
{
	BIO *bio = bio_of(pem);
	X509 *x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return x;
}

static EVP_PKEY *read_key(struct str pem)
{
	BIO *bio = bio_of(pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return key;
}

static void take_bio(BIO *bio, struct buf *out)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);
	buf_init(out);
	buf_add(out, (struct str){text, (size_t)n});
	BIO_free(bio);
}

static bool write_pair(X509 *certificate, EVP_PKEY *key, struct x509_pair *out)
{
	BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_secmem());
	if (!c || !k)
		mem_panic("out of memory");
	bool good = PEM_write_bio_X509(c, certificate) && PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
	take_bio(c, &out->certificate);
	take_bio(k, &out->key);
	if (!good)
		x509_pair_finish(out);
	return good;
}

// ---- Making

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool good = extension && X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	return good;
}

static bool set_times(X509 *x, int64_t not_before_ns, int64_t not_after_ns)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(not_before_ns / TIME_S)) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(not_after_ns / TIME_S));
}

static bool set_serial(X509 *x)
{
	BIGNUM *number = BN_new();
	bool good = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	return good;
}

static bool add_name(X509_NAME *name, int nid, struct str value)
{
	const unsigned char *text = (const unsigned char *)value.p;
	return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, text, (int)value.n, -1, 0);
}

// A certificate with all but issuer, extensions and signature.
static X509 *begin(EVP_PKEY *key, struct str common_name, int64_t not_before_ns, int64_t not_after_ns)
{
	X509 *x = X509_new();
	if (x && X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_times(x, not_before_ns, not_after_ns) &&
	    X509_set_pubkey(x, key) && add_name(X509_get_subject_name(x), NID_commonName, common_name))
		return x;
	X509_free(x);
	return NULL;
}

int x509_make_authority(struct str common_name, int64_t not_before_ns, int64_t not_after_ns, struct x509_pair *out,
			struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? begin(key, common_name, not_before_ns, not_after_ns) : NULL;
	bool good = x && X509_set_issuer_name(x, X509_get_subject_name(x)) &&
		    add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
		    add_extension(x, x, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") &&
		    add_extension(x, x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256()) &&
		    write_pair(x, key, out);
	X509_free(x);
	EVP_PKEY_free(key);
	return good ? 0 : failed(e, "making an authority");
}

static GENERAL_NAME *general_name(struct str text)
{
	char name[256];
	if (!str_to_c(text, name, sizeof name))
		return NULL;
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
	ERR_clear_error(); // a DNS name, then
	if (address) {
		GENERAL_NAME_set0_value(g, GEN_IPADD, address);
	} else {
		ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
		ASN1_STRING_set(dns, name, (int)text.n);
		GENERAL_NAME_set0_value(g, GEN_DNS, dns);
	}
	return g;
}

static bool add_alternative_names(X509 *x, const struct str *names, size_t count)
{
	if (count == 0)
		return true;
	GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
	bool good = list != NULL;
	for (size_t i = 0; good && i < count; i++) {
		GENERAL_NAME *g = general_name(names[i]);
		good = g && sk_GENERAL_NAME_push(list, g) > 0;
	}
	good = good && X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, 0);
	GENERAL_NAMES_free(list);
	return good;
}

static const char *extended_usage(unsigned uses)
{
	if (uses == X509_USE_SERVER)
		return "serverAuth";
	return uses == X509_USE_CLIENT ? "clientAuth" : "serverAuth,clientAuth";
}

static bool fill(X509 *x, X509 *authority, const struct x509_request *r)
{
	for (size_t i = 0; i < r->organization_count; i++)
		if (!add_name(X509_get_subject_name(x), NID_organizationName, r->organizations[i]))
			return false;
	return X509_set_issuer_name(x, X509_get_subject_name(authority)) &&
	       add_extension(x, authority, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, authority, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(x, authority, NID_ext_key_usage, extended_usage(r->uses)) &&
	       add_extension(x, authority, NID_authority_key_identifier, "keyid") &&
	       add_alternative_names(x, r->names, r->name_count);
}

int x509_issue(struct str authority_certificate, struct str authority_key, const struct x509_request *r,
	       struct x509_pair *out, struct err *e)
{
	X509 *authority = read_certificate(authority_certificate), *x = NULL;
	EVP_PKEY *signer = read_key(authority_key), *key = EVP_EC_gen("P-256");
	if (authority && signer && key)
		x = begin(key, r->common_name, r->not_before_ns, r->not_after_ns);
	bool good = x && fill(x, authority, r) && X509_sign(x, signer, EVP_sha256()) && write_pair(x, key, out);
	X509_free(x);
	X509_free(authority);
	EVP_PKEY_free(signer);
	EVP_PKEY_free(key);
	return good ? 0 : failed(e, "issuing a certificate");
}

// ---- Reading

static int64_t time_ns(const ASN1_TIME *t)
{
	struct tm parts;
	return ASN1_TIME_to_tm(t, &parts) ? (int64_t)timegm(&parts) * TIME_S : 0;
}

int x509_inspect(struct str certificate, struct x509_facts *out, struct err *e)
{
	X509 *x = read_certificate(certificate);
	if (!x)
		return failed(e, "reading a certificate");
	*out = (struct x509_facts){
		.not_before_ns = time_ns(X509_get0_notBefore(x)),
		.not_after_ns = time_ns(X509_get0_notAfter(x)),
		.is_authority = X509_check_ca(x) > 0,
	};
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out->common_name, sizeof out->common_name);
	X509_digest(x, EVP_sha256(), out->sha256, NULL);
	X509_free(x);
	return 0;
}

static bool covers_one(X509 *x, struct str name)
{
	char text[256];
	if (!str_to_c(name, text, sizeof text))
		return false;
	return X509_check_ip_asc(x, text, 0) == 1 ||
	       X509_check_host(x, text, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

bool x509_covers(struct str certificate, const struct str *names, size_t count)
{
	X509 *x = read_certificate(certificate);
	bool all = x != NULL;
	for (size_t i = 0; all && i < count; i++)
		all = covers_one(x, names[i]);
	X509_free(x);
	ERR_clear_error();
	return all;
}

bool x509_matches(struct str certificate, struct str key, struct str authority)
{
	X509 *x = read_certificate(certificate), *issuer = read_certificate(authority);
	EVP_PKEY *own = read_key(key);
	bool issued = authority.n == 0 || (x && issuer && X509_verify(x, X509_get0_pubkey(issuer)) == 1);
	bool good = x && own && issued && X509_check_private_key(x, own) == 1;
	X509_free(x);
	X509_free(issuer);
	EVP_PKEY_free(own);
	ERR_clear_error();
	return good;
}
