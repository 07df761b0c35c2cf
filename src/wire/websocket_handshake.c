// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include "base/encode.h"
#include "wire/server.h"
#include "wire/websocket.h"

bool websocket_requested(struct http_headers h)
{
	return http_header_lists(h, "connection", "upgrade") && http_header_lists(h, "upgrade", "websocket");
}

struct websocket_offers websocket_offers(struct http_headers h)
{
	struct websocket_offers offers = {.count = 0};
	for (size_t i = 0; i < h.count; i++) {
		struct str rest = h.list[i].value, one;
		if (!str_eq_nocase(h.list[i].name, STR("sec-websocket-protocol")))
			continue;
		while (offers.count < WEBSOCKET_OFFERS_MAX && str_next(&rest, ',', &one)) {
			one = str_trim(one);
			if (one.n)
				offers.list[offers.count++] = one;
		}
	}
	return offers;
}

static const char *find(const char *const *ours, struct str wanted)
{
	for (; *ours; ours++)
		if (str_is(wanted, *ours))
			return *ours;
	return NULL;
}

const char *websocket_choose(struct http_headers h, const char *const *ours)
{
	struct websocket_offers offers = websocket_offers(h);
	const char *chosen = offers.count ? NULL : find(ours, STR(""));
	for (size_t i = 0; i < offers.count && !chosen; i++)
		chosen = find(ours, offers.list[i]);
	return chosen;
}

void websocket_accept_key(struct str key, char out[29])
{
	struct buf text CLEAN_BUF, encoded CLEAN_BUF;
	unsigned char hash[20];
	buf_init(&text);
	buf_init(&encoded);
	buf_add(&text, key);
	BUF_LIT(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); // RFC 6455, 1.3
	MUST(EVP_Digest(text.p, text.n, hash, NULL, EVP_sha1(), NULL));
	encode_base64(&encoded, (struct str){(char *)hash, sizeof hash});
	str_to_c(buf_str(&encoded), out, 29);
}

int websocket_answer(struct arena *a, struct http_headers request, struct str protocol, struct http_headers *out,
		     struct err *e)
{
	struct str key = http_header(request, "sec-websocket-key"), bytes;
	if (!str_is(http_header(request, "sec-websocket-version"), "13"))
		return err_set(e, ERR_BAD_REQUEST, "only version 13 of the WebSocket protocol is spoken here");
	if (decode_base64(a, key, &bytes) < 0 || bytes.n != 16)
		return err_set(e, ERR_BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64");
	char *accept = arena_alloc(a, 29);
	websocket_accept_key(key, accept);
	struct http_header *list = ARENA_ARRAY(a, struct http_header, 3);
	size_t n = 0;
	list[n++] = (struct http_header){STR("Upgrade"), STR("websocket")};
	list[n++] = (struct http_header){STR("Sec-WebSocket-Accept"), str_of(accept)};
	if (!str_empty(protocol))
		list[n++] = (struct http_header){STR("Sec-WebSocket-Protocol"), protocol};
	*out = (struct http_headers){list, n};
	return 0;
}

struct duplex *websocket_accept(struct http_exchange *x, const char *protocol)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct http_headers headers;
	if (websocket_answer(&x->arena, x->headers, str_of(protocol), &headers, &e) == 0)
		return http_upgrade(x, headers);
	http_reply_str(x, 400, "text/plain", str_of(err_text(&e)));
	return NULL;
}
