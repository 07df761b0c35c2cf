// SPDX-License-Identifier: Apache-2.0
#include "network/dns/message.h"
#include "unit.h"

#define BYTES(literal) ((struct str){literal, sizeof(literal) - 1})

static const char ask_web[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03WeB\x07" "default\x03svc\x00\x00\x01\x00\x01"
			      "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00";

TEST(dns_reads_a_question)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct dns_query q;
	enum dns_code code;
	REQUIRE(dns_parse(&a, BYTES(ask_web), &q, &code) == 0);
	CHECK_STR(q.name, "web.default.svc");
	CHECK_INT(q.id, 0x1234);
	CHECK_INT(q.type, DNS_A);
	CHECK(q.edns && q.recursion_desired);
	CHECK_INT(q.udp_size, DNS_UDP_MAX);
}

TEST(dns_refuses_what_is_no_question)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct dns_query q;
	enum dns_code code = DNS_OK;
	struct str whole = BYTES(ask_web);
	for (size_t n = 0; n < 12; n++)
		CHECK_INT(dns_parse(&a, str_sub(whole, 0, n), &q, &code), -1);
	for (size_t n = 12; n < 33; n++) {
		CHECK_INT(dns_parse(&a, str_sub(whole, 0, n), &q, &code), 1);
		CHECK_INT(code, DNS_FORMAT);
	}
	char answer[] = "\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00";
	CHECK_INT(dns_parse(&a, BYTES(answer), &q, &code), -1);
	char pointer[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01";
	CHECK_INT(dns_parse(&a, BYTES(pointer), &q, &code), 1); // would never end
	char update[] = "\x12\x34\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01";
	CHECK_INT(dns_parse(&a, BYTES(update), &q, &code), 1);
	CHECK_INT(code, DNS_NOT_IMPLEMENTED);
}

TEST(dns_cuts_a_long_answer_and_says_so)
{
	struct arena a CLEAN_ARENA;
	struct buf out CLEAN_BUF;
	arena_init(&a);
	buf_init(&out);
	struct dns_query q;
	enum dns_code code;
	struct dns_record records[100];
	for (int i = 0; i < 100; i++)
		records[i] = (struct dns_record){.type = DNS_A, .ttl_s = 5, .address = {10, 0, 0, (unsigned char)i}};
	struct dns_answer x = {.answers = records, .count = 100};
	REQUIRE(dns_parse(&a, BYTES(ask_web), &q, &code) == 0);
	dns_write(&out, &q, &x, 512);
	CHECK(out.n <= 512 && out.n > 480);
	CHECK(out.p[2] & 0x02);
	CHECK_INT((unsigned char)out.p[7], (512 - 33 - 11) / 16);
	buf_clear(&out);
	dns_write(&out, &q, &x, DNS_TCP_MAX);
	CHECK(!(out.p[2] & 0x02));
	CHECK_INT((unsigned char)out.p[7], 100);
}

TEST(dns_negative_answers_carry_the_zone)
{
	struct arena a CLEAN_ARENA;
	struct buf out CLEAN_BUF;
	arena_init(&a);
	buf_init(&out);
	struct dns_query q;
	enum dns_code code;
	struct dns_answer x = {.code = DNS_NO_NAME, .authoritative = true, .zone = STR("cluster.local")};
	REQUIRE(dns_parse(&a, BYTES(ask_web), &q, &code) == 0);
	dns_write(&out, &q, &x, 512);
	CHECK_INT(out.p[3] & 15, DNS_NO_NAME);
	CHECK_INT(out.p[9], 1);
}
