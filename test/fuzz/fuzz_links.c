// SPDX-License-Identifier: Apache-2.0
// A page in pieces (the first byte says how long) and whole: the same comes out, and nothing is lost but what was put in.
#include "server/proxy/links.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct link_view view = {.prefix = STR_INIT("/p"),
				      .far_host = STR_INIT("10.0.0.1"),
				      .far_port = STR_INIT("8080"),
				      .near_host = STR_INIT("cloud")};

static void show(struct str page, size_t piece, struct buf *out)
{
	struct links l;
	links_init(&l, &view);
	for (size_t at = 0; at < page.n; at += piece)
		links_feed(&l, str_sub(page, at, piece), out);
	links_end(&l, out);
	links_finish(&l);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct buf pieces CLEAN_BUF, whole CLEAN_BUF;
	if (size < 2 || size > LINKS_TAG_MAX)
		return 0;
	struct str page = {(const char *)data + 1, size - 1};
	buf_init(&pieces);
	buf_init(&whole);
	show(page, data[0] % 32 + 1, &pieces);
	show(page, page.n, &whole);
	MUST(str_eq(buf_str(&pieces), buf_str(&whole)));
	return 0;
}
