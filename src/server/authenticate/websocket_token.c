// SPDX-License-Identifier: Apache-2.0
#include "server/authenticate/websocket_token.h"

#include "base/encode.h"
#include "wire/websocket.h"

static const char protocol_header[] = "Sec-WebSocket-Protocol";

static struct str token_prefix(void)
{
	return STR("base64url.bearer.authorization.k8s.io.");
}

// Offers without tokens, in one header in the place of all there were.
static void put_offers(struct call *c, struct str offers)
{
	struct http_header *list = ARENA_ARRAY(c->arena, struct http_header, c->headers.count + 1);
	size_t n = 0;
	for (size_t i = 0; i < c->headers.count; i++)
		if (!str_eq_nocase(c->headers.list[i].name, str_of(protocol_header)))
			list[n++] = c->headers.list[i];
	if (!str_empty(offers))
		list[n++] = (struct http_header){str_of(protocol_header), offers};
	c->headers = (struct http_headers){list, n};
}

static struct str decode(struct call *c, struct str text)
{
	struct str token;
	if (decode_base64_url(c->arena, text, &token) < 0 || !str_utf8_valid(token))
		return STR("");
	return token;
}

struct str websocket_token_take(struct call *c)
{
	struct str prefix = token_prefix(), found = STR_NONE;
	struct buf others CLEAN_BUF;
	buf_init(&others);
	size_t tokens = 0;
	struct websocket_offers offers = {.count = 0};
	if (websocket_requested(c->headers))
		offers = websocket_offers(c->headers);
	for (size_t i = 0; i < offers.count; i++) {
		if (str_starts(offers.list[i], prefix)) {
			found = str_from(offers.list[i], prefix.n);
			tokens++;
		} else {
			buf_fmt(&others, "%s%.*s", others.n ? "," : "", STR_FMT(offers.list[i]));
		}
	}
	if (!tokens)
		return STR_NONE;
	put_offers(c, arena_str(c->arena, buf_str(&others)));
	return tokens == 1 && others.n ? decode(c, found) : STR("");
}
