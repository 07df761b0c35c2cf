// SPDX-License-Identifier: Apache-2.0
// WebSocket frames. The first byte: bit 0 from a client (masked), the rest how the bytes are cut. However
// they are cut, the messages are the same.
#include <stdlib.h>

#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_in_steps(struct str bytes, bool from_client, size_t step, struct buf *out)
{
	struct websocket_reader r;
	websocket_reader_init(&r, from_client);
	enum websocket_event event = WEBSOCKET_MORE;
	for (size_t at = 0; at < bytes.n && event != WEBSOCKET_BAD; at += step) {
		struct str part = str_sub(bytes, at, step);
		while ((event = websocket_reader_next(&r, &part)) != WEBSOCKET_MORE && event != WEBSOCKET_BAD) {
			MUST(event != WEBSOCKET_CONTROL || r.piece.n <= WEBSOCKET_CONTROL_MAX);
			if (event == WEBSOCKET_CONTROL)
				buf_fmt(out, "(%d)", (int)r.opcode);
			else if (r.first)
				buf_fmt(out, "<%d:", (int)r.opcode);
			buf_add(out, r.piece);
			if (event == WEBSOCKET_DATA && r.last)
				buf_add_byte(out, '>');
		}
	}
	buf_fmt(out, " %d", event == WEBSOCKET_BAD ? r.error_code : 0);
	websocket_reader_finish(&r);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size < 2 || size > 100000)
		return 0;
	struct str bytes = {(const char *)data + 1, size - 1};
	struct buf whole CLEAN_BUF, cut CLEAN_BUF;
	buf_init(&whole);
	buf_init(&cut);
	read_in_steps(bytes, data[0] & 1, bytes.n, &whole);
	read_in_steps(bytes, data[0] & 1, 1 + data[0] / 2, &cut);
	MUST(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
