// SPDX-License-Identifier: Apache-2.0
// TLS 1.2 and 1.3 as an engine: ciphertext in, ciphertext out, no I/O (OpenSSL behind it); and the same as a
// duplex.
//
// A context holds certificates and is shared by connections on any loop; it is immutable, so a renewed
// certificate is a new context.
#ifndef WIRE_TLS_H
#define WIRE_TLS_H

#include "wire/duplex.h"

struct tls_context;

struct tls_config {
	struct str certificate; // PEM, the chain with our own first; empty: none (a client without certificate)
	struct str key;		// PEM
	// PEM: those who may have signed the peer's certificate. Server: a client certificate is requested, not
	// demanded, when given. Client: empty trusts nobody unless `insecure`.
	struct str authorities;
	bool insecure;		// a client that takes any server
	bool http2;		// offer h2 before http/1.1 by ALPN (client.h speaks only the latter)
};

struct tls_context *tls_context_server(const struct tls_config *c, struct err *e);
struct tls_context *tls_context_client(const struct tls_config *c, struct err *e);
struct tls_context *tls_context_ref(struct tls_context *c); // from any thread
void tls_context_unref(struct tls_context *c);

// Whom the peer's certificate names. A client certificate that does not verify is still shown, `verified`
// false: the handler answers 401.
struct tls_peer {
	bool verified;
	const char *problem; // why not; "" when verified
	struct str common_name;
	const struct str *organizations; // O, in order
	size_t organization_count;
	int64_t not_after_ns; // since 1970
	struct str fingerprint; // SHA-256 of the certificate, 32 bytes
};

// ---- The engine

struct tls;

// server_name: what a client asks for and verifies; NULL for a server. now_ns: wall clock for verification.
struct tls *tls_create(struct tls_context *c, const char *server_name, int64_t now_ns);
void tls_destroy(struct tls *t);

enum tls_result {
	TLS_OK,
	TLS_WANT,   // feed more ciphertext first
	TLS_CLOSED, // the peer said close_notify
	TLS_FAILED, // e is filled; tls_output may hold the alert
};

// Handshakes with the ciphertext at the front of *in.
enum tls_result tls_handshake(struct tls *t, struct str *in, struct err *e);
// Decrypts one piece into out (at most `room` bytes; 16 KiB is a whole record), taking ciphertext off *in.
enum tls_result tls_read(struct tls *t, struct str *in, char *out, size_t room, size_t *n, struct err *e);
// Encrypts; after the handshake only. At most 16 KiB make one record.
enum tls_result tls_write(struct tls *t, struct str plain, struct err *e);
void tls_shutdown(struct tls *t); // close_notify into the output
void tls_reserve(struct tls *t, size_t n); // room for the ciphertext of n bytes: spares regrowing
// The ciphertext produced since the last call, or NULL; the caller's reference.
struct blob *tls_output(struct tls *t);
bool tls_http2(const struct tls *t);		    // ALPN chose h2
const struct tls_peer *tls_peer(const struct tls *t); // NULL: no certificate; lives as long as t

struct tls_peer *tls_peer_copy(struct arena *a, const struct tls_peer *p); // NULL stays NULL

// ---- As a duplex over a stream

// Owns the stream, which has not been started. Handshakes at once; on_ready (never from inside the call)
// comes when that is done or has failed: then nothing follows, and duplex_close is owed. What comes before
// duplex_start is kept.
struct duplex *tls_duplex(struct stream *s, struct tls_context *c, const char *server_name,
			  void (*on_ready)(void *arg, struct duplex *d, const struct err *e), void *arg);
struct tls *tls_of_duplex(struct duplex *d); // d made by tls_duplex or duplex_of_stream; NULL for the latter

#endif
