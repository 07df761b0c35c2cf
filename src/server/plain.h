// SPDX-License-Identifier: Apache-2.0
// Paths that are no resources: health, version, metrics, discovery, OpenAPI, the token issuer's documents.
#ifndef SERVER_PLAIN_H
#define SERVER_PLAIN_H

#include "server/call.h"

void plain_path(struct call *c);
bool plain_path_is_public(struct str path); // told to everybody

void health_path(struct call *c);    // /livez, /readyz, /healthz and what is below them
void version_path(struct call *c);   // /version
void metrics_path(struct call *c);   // /metrics
void documents_path(struct call *c); // /api, /apis, /openapi
void issuer_path(struct call *c);    // /.well-known/openid-configuration, /openid/v1/jwks

#endif
