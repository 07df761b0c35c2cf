// SPDX-License-Identifier: Apache-2.0
// Who asks: a client certificate signed by our authority (CN is the user, O the groups), a bearer token of the token
// file or of a ServiceAccount, or, in process, whom the caller vouches for. A wrong credential is refused even where
// none is needed; without any only the health of the server and its version are told.
#ifndef SERVER_AUTHENTICATE_H
#define SERVER_AUTHENTICATE_H

#include "server/call.h"

struct authenticator;

// token_file: CSV lines token,user,uid,"group1,group2"; empty: none. key_pem: signs ServiceAccount tokens.
struct authenticator *authenticator_create(struct str token_file, struct str key_pem, struct err *e);
void authenticator_destroy(struct authenticator *a);

// Fills in call->user. ERR_UNAUTHORIZED.
int authenticate(struct call *c, struct err *e);

// Whom a token proves, for one of `audiences` (empty array or NULL: the server itself). *accepted: the audiences that
// it is good for. ERR_UNAUTHORIZED, never with the token in its text.
int authenticate_token(struct call *c, struct str token, const struct json *audiences, struct user *out,
		       struct json **accepted, struct err *e);

// The issuer and audience of the server's own ServiceAccount tokens.
#define SERVICE_ACCOUNT_ISSUER "https://kubernetes.default.svc.cluster.local"
struct jwt_key;
const struct jwt_key *authenticator_key(const struct authenticator *a);

#endif
