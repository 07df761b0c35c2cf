// SPDX-License-Identifier: Apache-2.0
#include "oci/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "unit.h"

static void pack_gzip(struct buf *out, struct str s)
{
	char room[4096];
	z_stream z = {0};
	deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)(uintptr_t)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = (Bytef *)room;
	z.avail_out = sizeof(room);
	deflate(&z, Z_FINISH);
	buf_add(out, (struct str){room, sizeof(room) - z.avail_out});
	deflateEnd(&z);
}

// Feeds `step` bytes at a time and takes at most 7 at a time.
static int unpack(struct str packed, size_t step, struct buf *out)
{
	struct oci_inflate z;
	int result = 0;
	oci_inflate_init(&z, oci_packing_of(packed));
	for (size_t at = 0; at < packed.n && result == 0; at += step) {
		struct str piece = str_sub(packed, at, step);
		char room[7];
		size_t n = 1;
		while (result == 0 && (piece.n || n)) {
			size_t before = piece.n;
			result = oci_inflate_run(&z, &piece, room, sizeof(room), &n, NULL);
			if (result == 0)
				buf_add(out, (struct str){room, n});
			if (result == 0 && piece.n && piece.n == before && n == 0)
				break;
		}
	}
	if (result == 0 && !oci_inflate_complete(&z))
		result = -2;
	oci_inflate_finish(&z);
	return result;
}

static void check_all_steps(struct str packed, const char *want)
{
	for (size_t step = 1; step < packed.n + 1; step += packed.n / 5 + 1) {
		struct buf out CLEAN_BUF;
		buf_init(&out);
		CHECK_INT(unpack(packed, step, &out), 0);
		CHECK_STR(buf_str(&out), want);
	}
}

TEST(plain_bytes_pass)
{
	check_all_steps(STR("just a tar"), "just a tar");
}

TEST(gzip_of_several_members)
{
	struct buf packed CLEAN_BUF;
	buf_init(&packed);
	pack_gzip(&packed, STR("one pot, "));
	pack_gzip(&packed, STR("two pots"));
	check_all_steps(buf_str(&packed), "one pot, two pots");
}

TEST(zstd_of_several_frames)
{
	struct buf packed CLEAN_BUF;
	buf_init(&packed);
	for (int i = 0; i < 2; i++) {
		char room[256];
		size_t n = ZSTD_compress(room, sizeof(room), "jar;", 4, 3);
		buf_add(&packed, (struct str){room, n});
	}
	check_all_steps(buf_str(&packed), "jar;jar;");
}

TEST(cut_and_corrupt_data_are_told)
{
	struct buf packed CLEAN_BUF, out CLEAN_BUF;
	buf_init(&packed);
	buf_init(&out);
	pack_gzip(&packed, STR("some words that are packed"));
	CHECK_INT(unpack(str_sub(buf_str(&packed), 0, packed.n - 3), 100, &out), -2);
	packed.p[packed.n - 5] ^= 1; // the checksum
	CHECK_INT(unpack(buf_str(&packed), 100, &out), -1);
	packed.p[12] ^= 0x55;
	CHECK(unpack(buf_str(&packed), 100, &out) < 0);
}
