// SPDX-License-Identifier: Apache-2.0
#include "wire/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <time.h>

#include "wire/tls_context.h"

struct tls {
	SSL *ssl;
	struct tls_context *context;
	int64_t now_ns;
	struct str *in; // ciphertext of the call under way
	struct blob *out;
	size_t out_room;
	struct tls_peer *peer;
	struct arena arena; // of peer
};

// ---- A BIO over our buffers: reads from t->in, writes to t->out

static void out_reserve(struct tls *t, size_t more)
{
	if (!t->out) {
		t->out = blob_create_raw(more);
		t->out->n = 0;
		t->out_room = more;
	} else if (t->out_room - t->out->n < more) {
		t->out_room = t->out_room * 2 > t->out->n + more ? t->out_room * 2 : t->out->n + more;
		MUST(t->out_room < UINT32_MAX);
		t->out = mem_realloc(t->out, sizeof *t->out + t->out_room);
	}
}

static int bio_write(BIO *bio, const char *data, int n)
{
	struct tls *t = BIO_get_data(bio);
	out_reserve(t, (size_t)n);
	memcpy(t->out->p + t->out->n, data, (size_t)n);
	t->out->n += (uint32_t)n;
	return n;
}

static int bio_read(BIO *bio, char *data, int room)
{
	struct tls *t = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (!t->in || t->in->n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	struct str part = str_sub(*t->in, 0, (size_t)room);
	memcpy(data, part.p, part.n);
	*t->in = str_from(*t->in, part.n);
	return (int)part.n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *buffer_bio;

static void make_buffer_bio(void)
{
	buffer_bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers");
	if (!buffer_bio || !BIO_meth_set_write(buffer_bio, bio_write) || !BIO_meth_set_read(buffer_bio, bio_read) ||
	    !BIO_meth_set_ctrl(buffer_bio, bio_control))
		mem_panic("out of memory");
}

static BIO *bio_create(struct tls *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_buffer_bio);
	BIO *bio = BIO_new(buffer_bio);
	if (!bio)
		mem_panic("out of memory");
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	return bio;
}

// ---- Life

static void expect_server(struct tls *t, const char *name)
{
	MUST(name);
	X509_VERIFY_PARAM *p = SSL_get0_param(t->ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(p, name))
		return;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	MUST(SSL_set1_host(t->ssl, name) && SSL_set_tlsext_host_name(t->ssl, name));
}

struct tls *tls_create(struct tls_context *c, const char *server_name, int64_t now_ns)
{
	struct tls *t = MEM_NEW(struct tls);
	t->context = tls_context_ref(c);
	t->now_ns = now_ns;
	arena_init(&t->arena);
	t->ssl = SSL_new(c->ssl);
	if (!t->ssl)
		mem_panic("out of memory");
	BIO *bio = bio_create(t);
	SSL_set_bio(t->ssl, bio, bio);
	X509_VERIFY_PARAM_set_time(SSL_get0_param(t->ssl), (time_t)(now_ns / 1000000000));
	if (c->server) {
		SSL_set_accept_state(t->ssl);
	} else {
		expect_server(t, server_name);
		SSL_set_connect_state(t->ssl);
	}
	return t;
}

void tls_destroy(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	blob_unref(t->out);
	arena_finish(&t->arena);
	tls_context_unref(t->context);
	free(t);
}

// ---- Traffic

static enum tls_result outcome(struct tls *t, int returned, struct err *e)
{
	long verdict;
	switch (SSL_get_error(t->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	}
	verdict = SSL_get_verify_result(t->ssl);
	if (!t->context->server && verdict != X509_V_OK && !SSL_is_init_finished(t->ssl)) {
		ERR_clear_error();
		err_set(e, ERR_UNAVAILABLE, "TLS: the peer's certificate: %s", X509_verify_cert_error_string(verdict));
	} else {
		tls_error(e, "TLS");
	}
	return TLS_FAILED;
}

enum tls_result tls_handshake(struct tls *t, struct str *in, struct err *e)
{
	ERR_clear_error();
	t->in = in;
	int done = SSL_do_handshake(t->ssl);
	t->in = NULL;
	return done == 1 ? TLS_OK : outcome(t, done, e);
}

enum tls_result tls_read(struct tls *t, struct str *in, char *out, size_t room, size_t *n, struct err *e)
{
	ERR_clear_error();
	t->in = in;
	int got = SSL_read_ex(t->ssl, out, room, n);
	t->in = NULL;
	return got == 1 ? TLS_OK : outcome(t, got, e);
}

enum tls_result tls_write(struct tls *t, struct str plain, struct err *e)
{
	ERR_clear_error();
	while (plain.n) {
		size_t n;
		int written = SSL_write_ex(t->ssl, plain.p, plain.n, &n);
		if (written != 1)
			return outcome(t, written, e);
		plain = str_from(plain, n);
	}
	return TLS_OK;
}

void tls_shutdown(struct tls *t)
{
	ERR_clear_error();
	if (SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
}

void tls_reserve(struct tls *t, size_t n)
{
	enum { RECORD = 16384, OVERHEAD = 64 };
	out_reserve(t, n + (n / RECORD + 1) * OVERHEAD);
}

struct blob *tls_output(struct tls *t)
{
	struct blob *out = t->out;
	if (out && out->n == 0)
		return NULL;
	t->out = NULL;
	return out;
}

bool tls_http2(const struct tls *t)
{
	const unsigned char *protocol;
	unsigned n;
	SSL_get0_alpn_selected(t->ssl, &protocol, &n);
	return n == 2 && memcmp(protocol, "h2", 2) == 0;
}

// ---- The peer

static struct str name_text(struct arena *a, X509_NAME *name, int at)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	struct str text = n < 0 ? STR("") : arena_str(a, (struct str){(char *)utf8, (size_t)n});
	OPENSSL_free(utf8);
	return text;
}

static void read_subject(struct tls *t, struct tls_peer *peer, X509 *certificate)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at >= 0)
		peer->common_name = name_text(&t->arena, subject, at);
	int entries = X509_NAME_entry_count(subject);
	struct str *list = ARENA_ARRAY(&t->arena, struct str, (size_t)entries + 1);
	for (at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_organizationName, at)) >= 0;)
		list[peer->organization_count++] = name_text(&t->arena, subject, at);
	peer->organizations = list;
}

static int64_t asn1_time_ns(const ASN1_TIME *time)
{
	struct tm parts;
	return ASN1_TIME_to_tm(time, &parts) ? (int64_t)timegm(&parts) * INT64_C(1000000000) : 0;
}

static struct tls_peer *read_peer(struct tls *t, X509 *certificate)
{
	struct tls_peer *peer = ARENA_NEW(&t->arena, struct tls_peer);
	long verdict = SSL_get_verify_result(t->ssl);
	unsigned char hash[32];
	X509_digest(certificate, EVP_sha256(), hash, NULL);
	peer->fingerprint = arena_str(&t->arena, (struct str){(char *)hash, sizeof hash});
	peer->not_after_ns = asn1_time_ns(X509_get0_notAfter(certificate));
	if (verdict == X509_V_OK && peer->not_after_ns <= t->now_ns) // in a resumed session
		verdict = X509_V_ERR_CERT_HAS_EXPIRED;
	peer->verified = verdict == X509_V_OK;
	peer->problem = peer->verified ? "" : X509_verify_cert_error_string(verdict);
	read_subject(t, peer, certificate);
	return peer;
}

const struct tls_peer *tls_peer(const struct tls *t)
{
	X509 *certificate = t->peer ? NULL : SSL_get0_peer_certificate(t->ssl);
	if (certificate) {
		struct tls *cache = (struct tls *)t;
		cache->peer = read_peer(cache, certificate);
	}
	return t->peer;
}

struct tls_peer *tls_peer_copy(struct arena *a, const struct tls_peer *p)
{
	if (!p)
		return NULL;
	struct tls_peer *copy = ARENA_NEW(a, struct tls_peer);
	struct str *organizations = ARENA_ARRAY(a, struct str, p->organization_count + 1);
	*copy = *p;
	copy->common_name = arena_str(a, p->common_name);
	copy->fingerprint = arena_str(a, p->fingerprint);
	for (size_t i = 0; i < p->organization_count; i++)
		organizations[i] = arena_str(a, p->organizations[i]);
	copy->organizations = organizations;
	return copy;
}
