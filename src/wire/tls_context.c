// SPDX-License-Identifier: Apache-2.0
#include "wire/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

int tls_error(struct err *e, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	ERR_clear_error();
	return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, reason ? reason : "the connection broke");
}

static BIO *bio_of(struct str pem)
{
	BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	if (!bio)
		mem_panic("out of memory");
	return bio;
}

// Keys come without a passphrase; asking the terminal is not what a server does.
static int no_passphrase(char *out, int room, int writing, void *arg)
{
	return -1;
}

static int use_certificate(SSL_CTX *ssl, struct str pem, struct err *e)
{
	BIO *bio = bio_of(pem);
	X509 *own = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL), *more;
	bool good = own && SSL_CTX_use_certificate(ssl, own);
	X509_free(own);
	while (good && (more = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
		if (!SSL_CTX_add0_chain_cert(ssl, more)) {
			X509_free(more);
			good = false;
		}
	BIO_free(bio);
	if (!good)
		return tls_error(e, "the certificate");
	ERR_clear_error(); // the end of the text
	return 0;
}

static int use_key(SSL_CTX *ssl, struct str pem, struct err *e)
{
	BIO *bio = bio_of(pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	bool good = key && SSL_CTX_use_PrivateKey(ssl, key) && SSL_CTX_check_private_key(ssl);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good ? 0 : tls_error(e, "the certificate's key");
}

static int use_authorities(SSL_CTX *ssl, struct str pem, bool server, struct err *e)
{
	BIO *bio = bio_of(pem);
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	X509 *authority;
	size_t count = 0;
	while ((authority = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		if (X509_STORE_add_cert(store, authority) && (!server || SSL_CTX_add_client_CA(ssl, authority)))
			count++;
		X509_free(authority);
	}
	BIO_free(bio);
	if (count == 0)
		return tls_error(e, "the authorities' certificates");
	ERR_clear_error();
	return 0;
}

// A client certificate that does not verify is the handler's to refuse.
static int accept_any(int verified, X509_STORE_CTX *store)
{
	return 1;
}

// `offered` is what the client speaks; `arg` is not NULL where we speak HTTP/2.
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *offered,
			   unsigned n, void *arg)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1", old[] = "\x08http/1.1";
	unsigned char *chosen;
	int found = arg ? SSL_select_next_proto(&chosen, out_n, both, sizeof both - 1, offered, n)
			: SSL_select_next_proto(&chosen, out_n, old, sizeof old - 1, offered, n);
	if (found != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *context_create(const SSL_METHOD *method, bool server)
{
	struct tls_context *c = MEM_NEW(struct tls_context);
	atomic_init(&c->refs, 1);
	c->server = server;
	c->ssl = SSL_CTX_new(method);
	if (!c->ssl)
		mem_panic("out of memory");
	SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF); // tickets do without
	MUST(SSL_CTX_set_ciphersuites(c->ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
					      "TLS_CHACHA20_POLY1305_SHA256"));
	MUST(SSL_CTX_set_cipher_list(c->ssl, "ECDHE+AESGCM:ECDHE+CHACHA20"));
	MUST(SSL_CTX_set1_groups_list(c->ssl, "X25519:P-256:P-384"));
	return c;
}

static int use_identity(struct tls_context *c, const struct tls_config *config, struct err *e)
{
	if (config->certificate.n == 0)
		return 0;
	if (use_certificate(c->ssl, config->certificate, e) < 0)
		return -1;
	return use_key(c->ssl, config->key, e);
}

struct tls_context *tls_context_server(const struct tls_config *config, struct err *e)
{
	struct tls_context *c = context_create(TLS_server_method(), true);
	SSL_CTX_set_num_tickets(c->ssl, 1);
	SSL_CTX_set_session_id_context(c->ssl, (const unsigned char *)"onggi", 5);
	SSL_CTX_set_alpn_select_cb(c->ssl, choose_protocol, config->http2 ? c : NULL);
	bool good = use_identity(c, config, e) == 0;
	if (good && config->authorities.n) {
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, accept_any);
		good = use_authorities(c->ssl, config->authorities, true, e) == 0;
	}
	if (good)
		return c;
	tls_context_unref(c);
	return NULL;
}

struct tls_context *tls_context_client(const struct tls_config *config, struct err *e)
{
	struct tls_context *c = context_create(TLS_client_method(), false);
	SSL_CTX_set_verify(c->ssl, config->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (config->http2)
		SSL_CTX_set_alpn_protos(c->ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	else
		SSL_CTX_set_alpn_protos(c->ssl, (const unsigned char *)"\x08http/1.1", 9);
	if (use_identity(c, config, e) == 0 &&
	    (config->authorities.n == 0 || use_authorities(c->ssl, config->authorities, false, e) == 0))
		return c;
	tls_context_unref(c);
	return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	if (c)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void tls_context_unref(struct tls_context *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(c->ssl);
	free(c);
}
