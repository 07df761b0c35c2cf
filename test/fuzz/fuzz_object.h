// SPDX-License-Identifier: Apache-2.0
// What the fuzzers of bodies have in common: decode, default, encode, and the same again gives the same bytes.
#ifndef TEST_FUZZ_OBJECT_H
#define TEST_FUZZ_OBJECT_H

#include "api/object.h"

static inline int fuzz_object(const unsigned char *data, size_t size, enum api_media media)
{
	if (size == 0)
		return 0;
	const struct api_resource *r = &api_resources[data[0] % api_resource_count];
	struct str body = {(const char *)data + 1, size - 1};
	struct arena a CLEAN_ARENA;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct buf once CLEAN_BUF, twice CLEAN_BUF;
	arena_init(&a);
	buf_init(&once);
	buf_init(&twice);
	struct json *object, *again;
	if (api_decode(&a, body, media, r->type, r, API_WARN, json_array(&a), &object, &e) < 0) {
		MUST(e.reason == ERR_BAD_REQUEST);
		return 0;
	}
	api_default(&a, r, object);
	api_encode(&once, r, object, NULL);
	MUST(api_decode(&a, buf_str(&once), API_JSON, r->type, r, API_STRICT, NULL, &again, &e) == 0);
	api_encode(&twice, r, again, NULL);
	MUST(str_eq(buf_str(&once), buf_str(&twice)));
	return 0;
}

#endif
