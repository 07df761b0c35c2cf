// SPDX-License-Identifier: Apache-2.0
// Requests over HTTPS: an http_server of one loop whose exchanges become calls.
#ifndef SERVER_HTTPS_H
#define SERVER_HTTPS_H

#include "server/worker.h"

struct https;

// All on the worker's loop.
struct https *https_create(struct worker *w, struct tls_context *tls);
void https_accept(struct https *h, struct stream *s); // a fresh connection, whose owner it becomes
void https_set_tls(struct https *h, struct tls_context *tls);
void https_destroy(struct https *h);

#endif
