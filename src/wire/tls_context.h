// SPDX-License-Identifier: Apache-2.0
// What tls.c and tls_context.c share.
#ifndef WIRE_TLS_CONTEXT_H
#define WIRE_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "wire/tls.h"

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ssl;
	bool server;
};

// Fills e from OpenSSL's queue of errors, as "what: reason"; returns -1.
int tls_error(struct err *e, const char *what);

#endif
