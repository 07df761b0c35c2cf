// SPDX-License-Identifier: Apache-2.0
#include "api/quantity.h"
#include "unit.h"

TEST(quantity_canonical_text)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"0", "0"},		{"1", "1"},		  {"100m", "100m"},	 {"1000m", "1"},
		{"1500m", "1500m"},	{"0.5", "500m"},	  {".5", "500m"},	 {"1.", "1"},
		{"1024", "1024"},	{"1024Ki", "1Mi"},	  {"1.5Gi", "1536Mi"},	 {"0.5Ki", "512"},
		{"1Ki", "1Ki"},		{"64Mi", "64Mi"},	  {"2000000", "2M"},	 {"1e3", "1e3"},
		{"1E3", "1e3"},		{"9E", "9E"},		  {"-1", "-1"},		 {"+5", "5"},
		{"1n", "1n"},		{"0.1n", "1n"},		  {"-0.1n", "-1n"},	 {"9223372036854775807", "9223372036854775807"},
		{"99E", "9223372036854775807"}, {"1.1Ki", "1126400m"}, {"100Ei", "9223372036854775807"}, {"1e-3", "1e-3"},
		{"0.001", "1m"},	{"1u", "1u"},		  {"000001", "1"},	 {"1000000000000000000000", "9223372036854775807"},
		{"123456789.123456789", "123456789123456789n"}, {"m", "0"}, {"Ki", "0"}, {".", "0"}, {"+", "0"},
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quantity q;
		if (quantity_parse(str_of(cases[i].in), &q)) {
			unit_fail(__FILE__, __LINE__, "%s is refused", cases[i].in);
			continue;
		}
		struct str text = quantity_text(&a, q);
		if (!str_is(text, cases[i].out))
			unit_fail(__FILE__, __LINE__, "%s became %.*s, not %s", cases[i].in, STR_FMT(text), cases[i].out);
	}
}

TEST(quantity_refuses)
{
	static const char *const bad[] = {"", "x", "1x", "1 Mi", "1mi", "1ki", "--1", "1e", "1e+", "1.2.3", "1Kii", "1K"};
	struct quantity q;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!quantity_parse(str_of(bad[i]), &q))
			unit_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
}

TEST(quantity_texts_that_stay)
{
	static const char *const stay[] = {"1", "100m", "1.125", "2.250", "+5", "0004", "9E3", "3Ki", "+046Ki", "99E", "1e+3", "1234.5e-2"};
	static const char *const change[] = {"0", "00", "0.5", "0.125", "1.5", "1000", "1.000", "8Ki", "1.5Ki", "0m", "m", "1000m", "1.1234567891234567890"};
	for (size_t i = 0; i < ARRAY_LEN(stay); i++)
		if (!quantity_stays(str_of(stay[i])))
			unit_fail(__FILE__, __LINE__, "%s does not stay", stay[i]);
	for (size_t i = 0; i < ARRAY_LEN(change); i++)
		if (quantity_stays(str_of(change[i])))
			unit_fail(__FILE__, __LINE__, "%s stays", change[i]);
}

TEST(quantity_of_thousandths)
{
	static const struct {
		const char *in, *out;
	} cases[] = {{"1n", "1m"}, {"1.0001", "1001m"}, {"-1n", "-1m"}, {"1.5", "1500m"}, {"9E", "9E"}};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct quantity q;
		REQUIRE(!quantity_parse(str_of(cases[i].in), &q));
		CHECK_STR(quantity_text(&a, quantity_whole_milli(q)), cases[i].out);
	}
}

TEST(quantity_arithmetic)
{
	struct quantity a, b;
	REQUIRE(!quantity_parse(STR("100m"), &a) && !quantity_parse(STR("1"), &b));
	CHECK(quantity_cmp(a, b) < 0);
	CHECK_INT(quantity_milli(quantity_add(a, b)), 1100);
	CHECK_INT(quantity_value(a), 1);
	REQUIRE(!quantity_parse(STR("1n"), &a));
	CHECK_INT(quantity_milli(a), 1);
	REQUIRE(!quantity_parse(STR("-1500m"), &a));
	CHECK_INT(quantity_value(a), -1);
}

TEST(quantity_int_or_percent)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int64_t out;
	CHECK(!int_or_percent(json_int(&a, 3), 10, true, &out) && out == 3);
	CHECK(!int_or_percent(json_string(&a, STR("25%")), 10, true, &out) && out == 3);
	CHECK(!int_or_percent(json_string(&a, STR("25%")), 10, false, &out) && out == 2);
	CHECK(int_or_percent(json_string(&a, STR("x%")), 10, false, &out) < 0);
	CHECK(int_or_percent(NULL, 10, false, &out) < 0);
}
