// SPDX-License-Identifier: Apache-2.0
// ServiceAccount tokens: JSON Web Tokens with the claims of Kubernetes, bound to the account and, where asked for, to a
// pod, secret or node. A token is good as long as all of them live (by uid).
#ifndef SERVER_SERVICE_ACCOUNT_H
#define SERVER_SERVICE_ACCOUNT_H

#include "server/call.h"

struct token_binding {
	struct str kind; // "Pod", "Secret", "Node"; n == 0: none
	struct str name, uid;
	struct str node_name, node_uid; // of a pod: where it runs, when known
};

enum { TOKEN_MIN_S = 600, TOKEN_MAX_S = 1 << 26 };

// Signs a token of the account (a parsed ServiceAccount object).
int service_account_sign(struct call *c, const struct json *account, const struct json *audiences, int64_t seconds,
			 const struct token_binding *b, struct buf *token, int64_t *expires_ns, struct err *e);

int service_account_verify(struct call *c, struct str token, const struct json *audiences, struct user *out,
			   struct json **accepted, struct err *e);

#endif
