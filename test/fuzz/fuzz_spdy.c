// SPDX-License-Identifier: Apache-2.0
// SPDY frames. The first byte says how the bytes are cut. Odd second byte: what follows is a header block in
// the clear, which is put into a proper frame, so that the search reaches what lies behind the compression.
#include <stdlib.h>

#include "wire/spdy.h"
#include "wire/spdy_dictionary.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_in_steps(struct str bytes, size_t step, struct buf *out)
{
	struct spdy_reader r;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	spdy_reader_init(&r);
	enum spdy_event event = SPDY_MORE;
	for (size_t at = 0; at < bytes.n && event != SPDY_BAD; at += step) {
		struct str part = str_sub(bytes, at, step);
		while ((event = spdy_reader_next(&r, &a, &part)) != SPDY_MORE && event != SPDY_BAD) {
			if (event == SPDY_DATA)
				buf_add(out, r.piece);
			if (event == SPDY_DATA && !r.fin)
				continue;
			buf_fmt(out, "(%d %u %d)", (int)event, r.stream, r.fin);
			if (event == SPDY_SYN_STREAM)
				for (size_t i = 0; i < r.headers.count; i++)
					buf_add(out, r.headers.list[i].value);
			arena_reset(&a);
		}
	}
	spdy_reader_finish(&r);
}

static void frame_block(struct str block, struct buf *out)
{
	z_stream z = {0};
	MUST(deflateInit(&z, 1) == Z_OK && deflateSetDictionary(&z, spdy_dictionary, SPDY_DICTIONARY_SIZE) == Z_OK);
	char *packed = mem_alloc(2 * block.n + 1000);
	z.next_in = (Bytef *)block.p;
	z.avail_in = (uInt)block.n;
	z.next_out = (Bytef *)packed;
	z.avail_out = (uInt)(2 * block.n + 1000);
	deflate(&z, Z_SYNC_FLUSH);
	size_t n = 2 * block.n + 1000 - z.avail_out;
	deflateEnd(&z);
	size_t length = n + 10;
	char head[18] = {(char)0x80, 3, 0, 1, 0, (char)(length >> 16), (char)(length >> 8), (char)length, 0, 0, 0, 1};
	buf_add(out, (struct str){head, sizeof head});
	buf_add(out, (struct str){packed, n});
	free(packed);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size < 3 || size > 30000)
		return 0;
	struct buf framed CLEAN_BUF, whole CLEAN_BUF, cut CLEAN_BUF;
	buf_init(&framed);
	buf_init(&whole);
	buf_init(&cut);
	struct str bytes = {(const char *)data + 2, size - 2};
	if (data[1] & 1) {
		frame_block(bytes, &framed);
		bytes = buf_str(&framed);
	}
	read_in_steps(bytes, bytes.n, &whole);
	read_in_steps(bytes, 1 + data[0], &cut);
	MUST(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
