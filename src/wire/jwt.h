// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens in compact form (RFC 7519, 7515), signed with ES256 or RS256. The algorithm belongs to the
// key: a token whose header names another one is refused, `none` and HMAC do not exist. No clock inside: who
// verifies compares exp and nbf itself, or by jwt_check_time.
#ifndef WIRE_JWT_H
#define WIRE_JWT_H

#include "base/json.h"

struct jwt_key; // immutable; used from any thread

int jwt_key_make(struct buf *private_pem, struct err *e); // a new P-256 key
// PEM, private or public: EC P-256 or RSA of at least 2048 bits. Several keys: call for each.
int jwt_key_load(struct str pem, struct jwt_key **out, struct err *e);
void jwt_key_destroy(struct jwt_key *k);
struct str jwt_key_id(const struct jwt_key *k); // of the public key, stable: goes into `kid`
struct json *jwt_key_jwk(struct arena *a, const struct jwt_key *k); // the public key as a JSON Web Key

enum { JWT_MAX = 16 * 1024 };

// Adds the token to out.
int jwt_sign(const struct jwt_key *k, const struct json *claims, struct buf *out, struct err *e);
// Checks form and signature. *claims live in the arena. ERR_UNAUTHORIZED. The reason never holds the token.
int jwt_verify(struct arena *a, const struct jwt_key *k, struct str token, struct json **claims, struct err *e);
int jwt_check_time(const struct json *claims, int64_t now_ns, struct err *e); // exp (demanded), nbf; no leeway

#endif
