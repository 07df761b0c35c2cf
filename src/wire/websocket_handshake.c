// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include "base/encode.h"
#include "wire/websocket.h"

bool websocket_requested(struct http_headers h)
{
	return http_header_lists(h, "connection", "upgrade") && http_header_lists(h, "upgrade", "websocket");
}

const char *websocket_choose(struct http_headers h, const char *const *ours)
{
	for (; *ours; ours++)
		if (http_header_lists(h, "sec-websocket-protocol", *ours))
			return *ours;
	return NULL;
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

int websocket_answer(struct arena *a, struct http_headers request, const char *protocol, struct http_headers *out,
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
	if (protocol)
		list[n++] = (struct http_header){STR("Sec-WebSocket-Protocol"), str_of(protocol)};
	*out = (struct http_headers){list, n};
	return 0;
}
