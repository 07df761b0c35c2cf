// SPDX-License-Identifier: Apache-2.0
// Certificates, tokens, and TLS between two engines in memory.
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/encode.h"
#include "base/times.h"
#include "unit.h"
#include "wire/jwt.h"
#include "wire/tls.h"
#include "wire/x509.h"

static const int64_t now = 1700000000 * TIME_S;
static const int64_t year = 365 * 24 * 3600 * TIME_S;

struct identities {
	struct x509_pair authority, server, client;
};

static void make_identities(struct identities *i)
{
	static const struct str names[] = {STR_INIT("localhost"), STR_INIT("127.0.0.1"), STR_INIT("::1")};
	static const struct str groups[] = {STR_INIT("system:masters"), STR_INIT("devs")};
	struct err e CLEAN_ERR = ERR_EMPTY;
	REQUIRE(x509_make_authority(STR("test-ca"), now - TIME_S, now + year, &i->authority, &e) == 0);
	struct x509_request server = {.common_name = STR("server"), .names = names, .name_count = 3,
				      .uses = X509_USE_SERVER, .not_before_ns = now - TIME_S,
				      .not_after_ns = now + year};
	struct x509_request client = {.common_name = STR("alice"), .organizations = groups, .organization_count = 2,
				      .uses = X509_USE_CLIENT, .not_before_ns = now - TIME_S,
				      .not_after_ns = now + year / 2};
	struct str ca = buf_str(&i->authority.certificate), key = buf_str(&i->authority.key);
	REQUIRE(x509_issue(ca, key, &server, &i->server, &e) == 0);
	REQUIRE(x509_issue(ca, key, &client, &i->client, &e) == 0);
}

static void finish_identities(struct identities *i)
{
	x509_pair_finish(&i->authority);
	x509_pair_finish(&i->server);
	x509_pair_finish(&i->client);
}

TEST(certificates_say_what_was_asked)
{
	struct identities i;
	make_identities(&i);
	struct x509_facts facts;
	REQUIRE(x509_inspect(buf_str(&i.client.certificate), &facts, NULL) == 0);
	CHECK(facts.not_after_ns == now + year / 2 && !facts.is_authority);
	CHECK_STR(str_of(facts.common_name), "alice");
	REQUIRE(x509_inspect(buf_str(&i.authority.certificate), &facts, NULL) == 0);
	CHECK(facts.is_authority);
	struct str names[] = {STR("127.0.0.1"), STR("localhost")}, other = STR("10.0.0.1");
	CHECK(x509_covers(buf_str(&i.server.certificate), names, 2));
	CHECK(!x509_covers(buf_str(&i.server.certificate), &other, 1));
	CHECK(x509_matches(buf_str(&i.server.certificate), buf_str(&i.server.key), buf_str(&i.authority.certificate)));
	CHECK(!x509_matches(buf_str(&i.server.certificate), buf_str(&i.client.key), buf_str(&i.authority.certificate)));
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(x509_inspect(STR("nonsense"), &facts, &e) < 0);
	finish_identities(&i);
}

// ---- TLS

static void carry(struct tls *from, struct buf *to)
{
	struct blob *b = tls_output(from);
	buf_add(to, blob_str(b));
	blob_unref(b);
}

struct pair {
	struct tls *client, *server;
	struct buf to_client, to_server;
};

static enum tls_result shake(struct tls *t, struct buf *in, struct err *e)
{
	struct str rest = buf_str(in);
	enum tls_result r = tls_handshake(t, &rest, e);
	buf_drop(in, in->n - rest.n);
	return r;
}

// Both ends' last results.
static void shake_both(struct pair *p, enum tls_result *client, enum tls_result *server)
{
	*client = *server = TLS_WANT;
	for (int i = 0; i < 10 && (*client == TLS_WANT || *server == TLS_WANT); i++) {
		if (*client == TLS_WANT)
			*client = shake(p->client, &p->to_client, NULL);
		carry(p->client, &p->to_server);
		if (*server == TLS_WANT)
			*server = shake(p->server, &p->to_server, NULL);
		carry(p->server, &p->to_client);
	}
}

static void finish_pair(struct pair *p)
{
	tls_destroy(p->client);
	tls_destroy(p->server);
	buf_finish(&p->to_client);
	buf_finish(&p->to_server);
}

static void contexts(struct identities *i, bool with_client, struct tls_context **server, struct tls_context **client)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct tls_config s = {.certificate = buf_str(&i->server.certificate), .key = buf_str(&i->server.key),
			       .authorities = buf_str(&i->authority.certificate)};
	struct tls_config c = {.authorities = buf_str(&i->authority.certificate)};
	if (with_client) {
		c.certificate = buf_str(&i->client.certificate);
		c.key = buf_str(&i->client.key);
	}
	*server = tls_context_server(&s, &e);
	*client = tls_context_client(&c, &e);
	REQUIRE(*server && *client);
}

TEST(tls_carries_bytes_and_knows_the_client)
{
	struct identities i;
	make_identities(&i);
	struct tls_context *server, *client;
	contexts(&i, true, &server, &client);
	struct pair p = {tls_create(client, "127.0.0.1", now), tls_create(server, NULL, now)};
	enum tls_result c, s;
	shake_both(&p, &c, &s);
	REQUIRE(c == TLS_OK && s == TLS_OK);
	const struct tls_peer *peer = tls_peer(p.server);
	REQUIRE(peer);
	CHECK(peer->verified);
	CHECK_STR(peer->common_name, "alice");
	REQUIRE(peer->organization_count == 2);
	CHECK_STR(peer->organizations[0], "system:masters");
	CHECK_STR(peer->organizations[1], "devs");
	CHECK(tls_write(p.client, STR("hello"), NULL) == TLS_OK);
	carry(p.client, &p.to_server);
	struct str in = buf_str(&p.to_server);
	char out[100];
	size_t n;
	REQUIRE(tls_read(p.server, &in, out, sizeof out, &n, NULL) == TLS_OK);
	CHECK_STR(((struct str){out, n}), "hello");
	CHECK(tls_read(p.server, &in, out, sizeof out, &n, NULL) == TLS_WANT);
	tls_shutdown(p.client);
	p.to_server.n = 0;
	carry(p.client, &p.to_server);
	in = buf_str(&p.to_server);
	CHECK(tls_read(p.server, &in, out, sizeof out, &n, NULL) == TLS_CLOSED);
	finish_pair(&p);
	tls_context_unref(server);
	tls_context_unref(client);
	finish_identities(&i);
}

static void check_refusal(const char *name, int64_t client_now, bool foreign, bool accepted)
{
	struct identities i, stranger;
	make_identities(&i);
	make_identities(&stranger);
	struct tls_context *server, *client, *unused;
	contexts(&i, false, &server, &client);
	if (foreign) {
		tls_context_unref(client);
		contexts(&stranger, false, &unused, &client);
		tls_context_unref(unused);
	}
	struct pair p = {tls_create(client, name, client_now), tls_create(server, NULL, now)};
	enum tls_result c, s;
	shake_both(&p, &c, &s);
	CHECK((c == TLS_OK) == accepted);
	if (accepted)
		CHECK(tls_peer(p.server) == NULL);
	finish_pair(&p);
	tls_context_unref(server);
	tls_context_unref(client);
	finish_identities(&i);
	finish_identities(&stranger);
}

TEST(a_client_takes_only_the_right_server)
{
	check_refusal("127.0.0.1", now, false, true);
	check_refusal("::1", now, false, true);
	check_refusal("localhost", now, false, true);
	check_refusal("10.0.0.1", now, false, false);
	check_refusal("example.org", now, false, false);
	check_refusal("127.0.0.1", now + 2 * year, false, false);
	check_refusal("127.0.0.1", now, true, false);
}

TEST(a_foreign_client_certificate_is_shown_unverified)
{
	struct identities i, stranger;
	make_identities(&i);
	make_identities(&stranger);
	struct tls_config c = {.certificate = buf_str(&stranger.client.certificate),
			       .key = buf_str(&stranger.client.key),
			       .authorities = buf_str(&i.authority.certificate)};
	struct tls_config s = {.certificate = buf_str(&i.server.certificate), .key = buf_str(&i.server.key),
			       .authorities = buf_str(&i.authority.certificate)};
	struct tls_context *server = tls_context_server(&s, NULL), *client = tls_context_client(&c, NULL);
	struct pair p = {tls_create(client, "localhost", now), tls_create(server, NULL, now)};
	enum tls_result rc, rs;
	shake_both(&p, &rc, &rs);
	REQUIRE(rs == TLS_OK && tls_peer(p.server));
	CHECK(!tls_peer(p.server)->verified && *tls_peer(p.server)->problem);
	finish_pair(&p);
	tls_context_unref(server);
	tls_context_unref(client);
	finish_identities(&i);
	finish_identities(&stranger);
}

TEST(tls_refuses_nonsense)
{
	struct identities i;
	make_identities(&i);
	struct tls_context *server, *client;
	contexts(&i, false, &server, &client);
	struct tls *t = tls_create(server, NULL, now);
	struct str in = STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(tls_handshake(t, &in, &e) == TLS_FAILED);
	CHECK(e.text);
	tls_destroy(t);
	tls_context_unref(server);
	tls_context_unref(client);
	struct tls_config bad = {.certificate = buf_str(&i.server.certificate), .key = buf_str(&i.client.key)};
	CHECK(tls_context_server(&bad, &e) == NULL);
	finish_identities(&i);
}

// ---- JWT

static struct jwt_key *make_key(void)
{
	struct buf pem CLEAN_BUF;
	buf_init(&pem);
	struct jwt_key *k = NULL;
	REQUIRE(jwt_key_make(&pem, NULL) == 0);
	REQUIRE(jwt_key_load(buf_str(&pem), &k, NULL) == 0);
	return k;
}

static struct json *claims_of(struct arena *a)
{
	struct json *claims = json_object(a);
	json_put_str(a, claims, "sub", STR("system:serviceaccount:default:x"));
	json_put_int(a, claims, "exp", 1000);
	json_put_int(a, claims, "nbf", 500);
	return claims;
}

TEST(tokens_are_signed_and_verified)
{
	struct arena a CLEAN_ARENA;
	struct buf token CLEAN_BUF;
	arena_init(&a);
	buf_init(&token);
	struct jwt_key *k = make_key(), *other = make_key();
	REQUIRE(jwt_sign(k, claims_of(&a), &token, NULL) == 0);
	struct json *claims;
	REQUIRE(jwt_verify(&a, k, buf_str(&token), &claims, NULL) == 0);
	CHECK_STR(json_str(claims, "sub"), "system:serviceaccount:default:x");
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(jwt_verify(&a, other, buf_str(&token), &claims, &e) < 0 && e.reason == ERR_UNAUTHORIZED);
	CHECK(jwt_check_time(claims, 600 * TIME_S, NULL) == 0);
	CHECK(jwt_check_time(claims, 1000 * TIME_S, NULL) < 0);
	CHECK(jwt_check_time(claims, 499 * TIME_S, NULL) < 0);
	CHECK(jwt_check_time(json_object(&a), 1, NULL) < 0);
	for (size_t i = 0; i < token.n - 1; i++) { // no byte may change (of the last one, four bits mean nothing)
		char was = token.p[i];
		token.p[i] = was == 'A' ? 'B' : 'A';
		CHECK(jwt_verify(&a, k, buf_str(&token), &claims, NULL) < 0);
		token.p[i] = was;
	}
	struct json *jwk = jwt_key_jwk(&a, k);
	CHECK_STR(json_str(jwk, "kty"), "EC");
	CHECK(json_str(jwk, "x").n == 43);
	jwt_key_destroy(k);
	jwt_key_destroy(other);
}

static struct jwt_key *make_rsa_key(unsigned bits)
{
	EVP_PKEY *rsa = EVP_RSA_gen(bits);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	struct jwt_key *k = NULL;
	REQUIRE(rsa && PEM_write_bio_PrivateKey(bio, rsa, NULL, NULL, 0, NULL, NULL));
	long n = BIO_get_mem_data(bio, &text);
	jwt_key_load((struct str){text, (size_t)n}, &k, NULL);
	BIO_free(bio);
	EVP_PKEY_free(rsa);
	return k;
}

TEST(tokens_are_signed_with_rsa_too)
{
	struct arena a CLEAN_ARENA;
	struct buf token CLEAN_BUF;
	struct json *claims, *header;
	arena_init(&a);
	buf_init(&token);
	CHECK(make_rsa_key(1024) == NULL);
	struct jwt_key *rsa = make_rsa_key(2048), *ec = make_key();
	REQUIRE(rsa && jwt_sign(rsa, claims_of(&a), &token, NULL) == 0);
	CHECK(jwt_verify(&a, rsa, buf_str(&token), &claims, NULL) == 0);
	CHECK(jwt_verify(&a, ec, buf_str(&token), &claims, NULL) < 0);
	struct str encoded, rest, text;
	str_cut(buf_str(&token), '.', &encoded, &rest);
	REQUIRE(decode_base64_url(&a, encoded, &text) == 0 && json_parse(&a, text, NULL, &header, NULL) == 0);
	CHECK_STR(json_str(header, "alg"), "RS256");
	CHECK(str_eq(json_str(header, "kid"), jwt_key_id(rsa)));
	CHECK_STR(json_str(jwt_key_jwk(&a, rsa), "e"), "AQAB");
	jwt_key_destroy(rsa);
	jwt_key_destroy(ec);
}

static struct str forge(struct arena *a, const char *header, const char *claims, const char *signature)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	encode_base64_url(&out, str_of(header));
	buf_add_byte(&out, '.');
	encode_base64_url(&out, str_of(claims));
	buf_add_byte(&out, '.');
	buf_add_c(&out, signature);
	return arena_str(a, buf_str(&out));
}

TEST(forged_tokens_are_refused)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct jwt_key *k = make_key();
	struct json *claims;
	const char *sig = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	const char *headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}", "{\"alg\":\"RS256\"}",
				 "{\"alg\":\"ES256\"}", "{}", "[]", "{\"alg\":\"ES256\",\"crit\":[\"b64\"]}",
				 "{\"alg\":\"none\",\"alg\":\"ES256\"}"};
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		CHECK(jwt_verify(&a, k, forge(&a, headers[i], "{}", sig), &claims, NULL) < 0);
		CHECK(jwt_verify(&a, k, forge(&a, headers[i], "{}", ""), &claims, NULL) < 0);
	}
	const char *texts[] = {"", ".", "..", "a.b.c", "a.b.c.d", "eyJhbGciOiJFUzI1NiJ9..",
			       " eyJhbGciOiJFUzI1NiJ9.e30.AA"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		CHECK(jwt_verify(&a, k, str_of(texts[i]), &claims, NULL) < 0);
	jwt_key_destroy(k);
}

TEST(keys_that_are_too_weak_are_refused)
{
	struct jwt_key *k;
	CHECK(jwt_key_load(STR("-----BEGIN NONSENSE-----\n"), &k, NULL) < 0);
	CHECK(jwt_key_load(STR(""), &k, NULL) < 0);
}
