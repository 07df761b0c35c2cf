// SPDX-License-Identifier: Apache-2.0
// What the server publishes about itself (discovery, OpenAPI), made from the schema when first asked for and kept: the
// same bytes for every client, on every loop.
#ifndef SERVER_DOCUMENTS_H
#define SERVER_DOCUMENTS_H

struct documents;

struct documents *documents_create(void);
void documents_destroy(struct documents *d);

#endif
