// SPDX-License-Identifier: Apache-2.0
#include "base/blob.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/map.h"
#include "base/times.h"
#include "unit.h"

TEST(str_pieces)
{
	struct str rest = STR("a,,b,"), piece;
	const char *want[] = {"a", "", "b", ""};
	for (size_t i = 0; i < 4; i++) {
		REQUIRE(str_next(&rest, ',', &piece));
		CHECK_STR(piece, want[i]);
	}
	CHECK(!str_next(&rest, ',', &piece));
	CHECK_STR(str_trim(STR(" \t x y\r\n")), "x y");
	CHECK(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
}

TEST(str_numbers)
{
	int64_t i;
	uint64_t u;
	CHECK(str_to_i64(STR("-9223372036854775808"), &i) == 0 && i == INT64_MIN);
	CHECK(str_to_i64(STR("9223372036854775808"), &i) < 0);
	CHECK(str_to_u64(STR("18446744073709551615"), &u) == 0 && u == UINT64_MAX);
	CHECK(str_to_u64(STR("18446744073709551616"), &u) < 0);
	CHECK(str_to_i64(STR(""), &i) < 0 && str_to_i64(STR("-"), &i) < 0 && str_to_i64(STR("1 "), &i) < 0);
}

TEST(map_grows_and_shrinks)
{
	struct map m CLEAN_MAP;
	map_init(&m);
	char key[16];
	for (intptr_t i = 1; i <= 1000; i++) {
		snprintf(key, sizeof key, "key%d", (int)i);
		CHECK(map_set(&m, str_of(key), (void *)i) == NULL);
	}
	for (intptr_t i = 1; i <= 1000; i += 2) {
		snprintf(key, sizeof key, "key%d", (int)i);
		CHECK_INT((intptr_t)map_remove(&m, str_of(key)), i);
	}
	for (intptr_t i = 1; i <= 1000; i++) {
		snprintf(key, sizeof key, "key%d", (int)i);
		CHECK_INT((intptr_t)map_get(&m, str_of(key)), i % 2 ? 0 : i);
	}
	CHECK_INT(m.count, 500);
}

TEST(errors_wrap)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(err_set(&e, ERR_NOT_FOUND, "pods \"%s\" not found", "a") < 0);
	err_wrap(&e, "delete");
	CHECK_STR(str_of(err_text(&e)), "delete: pods \"a\" not found");
	CHECK_INT(err_http_code(e.reason), 404);
	err_cause(&e, STR("spec"), "FieldValueRequired", "must be there");
	CHECK_INT(e.reason, ERR_INVALID);
	CHECK_INT(err_reason_of(STR("Expired"), 410), ERR_EXPIRED);
}

TEST(times)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int64_t ns;
	CHECK(time_parse(STR("2026-11-21T07:10:05.25+09:00"), &ns) == 0);
	CHECK_STR(time_format_micro(&a, ns), "2026-11-20T22:10:05.250000Z");
	CHECK(time_parse(STR("2025-02-29T00:00:00Z"), &ns) < 0);
	CHECK(time_parse(STR("2025-02-28T00:00:00"), &ns) < 0);
	struct far_time far;
	CHECK(far_time_parse(STR("9999-12-31T23:59:59.5Z"), &far) == 0 && far.ns == TIME_S / 2);
	CHECK_STR(far_time_format_micro(&a, far), "9999-12-31T23:59:59.500000Z");
	CHECK(time_parse(STR("9999-12-31T23:59:59Z"), &ns) < 0);
	CHECK(far_time_parse(STR("9999-12-31T23:59:59-01:00"), &far) < 0); // of the year 10000
	CHECK(far_time_parse(STR("0001-01-01T00:00:00Z"), &far) == 0 && far_time_is_zero(far));
	CHECK_STR(time_age(&a, 200 * TIME_S), "3m20s");
	CHECK_STR(time_age(&a, 119 * TIME_S), "119s");
	CHECK_STR(time_age(&a, 3 * 86400 * TIME_S + 7200 * TIME_S), "3d2h");
}

TEST(encodings)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct buf b CLEAN_BUF;
	buf_init(&b);
	struct str out;
	encode_base64(&b, STR("hello"));
	CHECK_STR(buf_str(&b), "aGVsbG8=");
	CHECK(decode_base64(&a, buf_str(&b), &out) == 0);
	CHECK_STR(out, "hello");
	CHECK(decode_base64(&a, STR("aGVsbG8"), &out) < 0);
	CHECK(decode_base64_url(&a, STR("aGVsbG8"), &out) == 0);
	CHECK(decode_url(&a, STR("a%2Fb+c"), true, &out) == 0);
	CHECK_STR(out, "a/b c");
	CHECK(decode_url(&a, STR("%2"), true, &out) < 0);
}
