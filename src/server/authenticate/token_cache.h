// SPDX-License-Identifier: Apache-2.0
// Tokens whose signature was found good, so that a client's next request does not cost another verification. What a
// signature says never changes; whether it still counts (time, live objects) is checked each time.
#ifndef SERVER_TOKEN_CACHE_H
#define SERVER_TOKEN_CACHE_H

#include "base/json.h"

struct token_cache;

struct token_cache *token_cache_create(void);
void token_cache_destroy(struct token_cache *c);
const struct json *token_cache_get(const struct token_cache *c, struct str token); // the claims, or NULL
void token_cache_put(struct token_cache *c, struct str token, const struct json *claims);

#endif
