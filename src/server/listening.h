// SPDX-License-Identifier: Apache-2.0
// The server's presence on its I/O loops: one HTTPS server each, opened, renewed and closed by messages to the loop.
#ifndef SERVER_LISTENING_H
#define SERVER_LISTENING_H

#include "server/state.h"
#include "wire/tls.h"

struct listening;

struct listening *listening_create(struct server *s, struct loop *const *io, size_t count, const char *address);
// done on the core loop with the port.
void listening_open(struct listening *l, struct tls_context *tls,
		    void (*done)(void *arg, int port, const struct err *e), void *arg);
void listening_set_tls(struct listening *l, struct tls_context *tls);
void listening_close(struct listening *l, void (*done)(void *arg), void *arg);
void listening_destroy(struct listening *l); // closed, or never opened

#endif
