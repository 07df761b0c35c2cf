// SPDX-License-Identifier: Apache-2.0
#include "server/authenticate/token_cache.h"

enum { SLOTS = 256 };

struct slot {
	struct arena arena;
	struct str token;
	struct json *claims;
};

struct token_cache {
	struct slot slots[SLOTS];
};

struct token_cache *token_cache_create(void)
{
	struct token_cache *c = MEM_NEW(struct token_cache);
	for (size_t i = 0; i < SLOTS; i++)
		arena_init(&c->slots[i].arena);
	return c;
}

void token_cache_destroy(struct token_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		arena_finish(&c->slots[i].arena);
	free(c);
}

const struct json *token_cache_get(const struct token_cache *c, struct str token)
{
	const struct slot *s = &c->slots[str_hash(token) % SLOTS];
	return s->claims && str_eq(s->token, token) ? s->claims : NULL;
}

void token_cache_put(struct token_cache *c, struct str token, const struct json *claims)
{
	struct slot *s = &c->slots[str_hash(token) % SLOTS];
	arena_reset(&s->arena);
	s->token = arena_str(&s->arena, token);
	s->claims = json_clone(&s->arena, claims);
}
