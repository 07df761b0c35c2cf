// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "wire/exchange.h"

enum { PIECE = 64 * 1024 };

struct output {
	struct arena *arena;
	struct blob **list;
	size_t count, room, bytes;
};

// Gives the stream a fresh blob to write into, closing the one before.
static void next_blob(struct output *o, z_stream *z)
{
	if (o->count == o->room) {
		size_t room = o->room ? o->room * 2 : 8;
		struct blob **list = ARENA_ARRAY(o->arena, struct blob *, room);
		if (o->count)
			memcpy(list, o->list, o->count * sizeof *list);
		o->list = list;
		o->room = room;
	}
	struct blob *b = blob_create_raw(PIECE);
	o->list[o->count++] = b;
	o->bytes += PIECE;
	z->next_out = (Bytef *)b->p;
	z->avail_out = PIECE;
}

static void compress_part(struct output *o, z_stream *z, struct str part, int flush)
{
	z->next_in = (Bytef *)part.p;
	z->avail_in = (uInt)part.n;
	do {
		if (z->avail_out == 0)
			next_blob(o, z);
		MUST(deflate(z, flush) != Z_STREAM_ERROR);
	} while (z->avail_out == 0);
}

struct blob **gzip_blobs(struct arena *a, struct blob *const *body, size_t count, size_t *out_count, size_t *out_bytes)
{
	enum { GZIP_FORMAT = 16 };
	struct output o = {.arena = a};
	z_stream z = {0};
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP_FORMAT, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		mem_panic("out of memory");
	for (size_t i = 0; i < count; i++) {
		compress_part(&o, &z, blob_str(body[i]), Z_NO_FLUSH);
		blob_unref(body[i]);
	}
	compress_part(&o, &z, STR_NONE, Z_FINISH);
	o.list[o.count - 1]->n -= z.avail_out;
	*out_bytes = o.bytes - z.avail_out;
	*out_count = o.count;
	deflateEnd(&z);
	return o.list;
}
