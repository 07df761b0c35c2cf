// SPDX-License-Identifier: Apache-2.0
#include "base/times.h"
#include "network/dns/cache.h"
#include "unit.h"

struct exchange {
	struct arena arena;
	struct dns_query query;
	struct buf answer;
};

// A query for the name, and an answer with such records, as a resolver writes it.
static void exchange(struct exchange *x, const char *name, uint16_t id, struct dns_answer answer)
{
	enum dns_code code;
	struct buf message CLEAN_BUF;
	arena_init(&x->arena);
	buf_init(&x->answer);
	buf_init(&message);
	dns_write_query(&message, id, str_of(name), DNS_A);
	REQUIRE(dns_parse(&x->arena, arena_str(&x->arena, buf_str(&message)), &x->query, &code) == 0);
	dns_write(&x->answer, &x->query, &answer, DNS_TCP_MAX);
}

static void finish(struct exchange *x)
{
	arena_finish(&x->arena);
	buf_finish(&x->answer);
}

// The time to live of the first record that is known for the query; -1: nothing is.
static int known(struct dns_cache *c, const struct dns_query *q, int64_t now, size_t limit)
{
	struct buf out CLEAN_BUF;
	struct dns_reader r;
	struct dns_found x;
	buf_init(&out);
	if (!dns_cache_get(c, q, now, limit, &out))
		return -1;
	REQUIRE(out.n >= DNS_HEADER && (unsigned char)out.p[0] == q->id >> 8 && (unsigned char)out.p[1] == (q->id & 255));
	REQUIRE(dns_read(&r, buf_str(&out), q) && memcmp(out.p + DNS_HEADER, q->question.p, q->question.n) == 0);
	return dns_read_next(&r, &x) ? (int)x.ttl_s : -2;
}

static struct dns_record address = {.type = DNS_A, .ttl_s = 20, .address = {192, 0, 2, 7}};

TEST(cache_keeps_answers_for_their_time)
{
	struct dns_cache *c = dns_cache_create();
	struct exchange first, again, other;
	exchange(&first, "Example.TEST", 7, (struct dns_answer){.answers = &address, .count = 1});
	exchange(&again, "example.test", 9, (struct dns_answer){0});
	exchange(&other, "example.test2", 9, (struct dns_answer){0});
	CHECK_INT(known(c, &first.query, 0, 512), -1);
	dns_cache_put(c, &first.query, buf_str(&first.answer), 100 * TIME_S);
	CHECK_INT(known(c, &again.query, 100 * TIME_S, 512), 20);
	CHECK_INT(known(c, &again.query, 105 * TIME_S + 1, 512), 15);
	CHECK_INT(known(c, &again.query, 105 * TIME_S, first.answer.n - 1), -1); // does not fit
	CHECK_INT(known(c, &again.query, 120 * TIME_S, 512), -1);
	CHECK_INT(known(c, &other.query, 100 * TIME_S, 512), -1);
	struct dns_query q = again.query;
	q.dnssec_ok = true;
	CHECK_INT(known(c, &q, 100 * TIME_S, 512), -1);
	q = again.query;
	q.type = DNS_AAAA;
	CHECK_INT(known(c, &q, 100 * TIME_S, 512), -1);
	q = again.query;
	q.plain = false;
	CHECK_INT(known(c, &q, 100 * TIME_S, 512), -1);
	dns_cache_clear(c);
	CHECK_INT(known(c, &again.query, 100 * TIME_S, 512), -1);
	dns_cache_destroy(c);
	finish(&first);
	finish(&again);
	finish(&other);
}

TEST(cache_keeps_no_failures_and_nothing_cut)
{
	struct dns_record eternal = {.type = DNS_A, .ttl_s = 86400}, brief = {.type = DNS_A};
	const struct {
		struct dns_answer answer;
		bool cut;
		int ttl; // found at once; -1: not kept
	} cases[] = {
		{{.code = DNS_FAILED}, false, -1},
		{{.code = DNS_REFUSED}, false, -1},
		{{.code = DNS_NO_NAME}, false, -1}, // does not say for how long
		{{.code = DNS_NO_NAME, .zone = STR("test")}, false, 5},
		{{.zone = STR("test")}, false, 5},
		{{.answers = &address, .count = 1}, true, -1},
		{{.answers = &brief, .count = 1}, false, -1},
		{{.answers = &eternal, .count = 1}, false, 86400},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dns_cache *c = dns_cache_create();
		struct exchange x;
		exchange(&x, "example.test", 7, cases[i].answer);
		if (cases[i].cut)
			x.answer.p[2] |= 2;
		dns_cache_put(c, &x.query, buf_str(&x.answer), 0);
		CHECK_INT(known(c, &x.query, 0, 512), cases[i].ttl);
		CHECK_INT(known(c, &x.query, 30 * TIME_S, 512), -1); // never longer
		for (size_t n = DNS_HEADER; n < x.answer.n; n++) { // cut off anywhere
			dns_cache_clear(c);
			dns_cache_put(c, &x.query, str_sub(buf_str(&x.answer), 0, n), 0);
			CHECK_INT(known(c, &x.query, 0, 512), -1);
		}
		dns_cache_destroy(c);
		finish(&x);
	}
}

TEST(cache_has_room_for_so_many)
{
	enum { MANY = 3000, ROOM = 1024 };
	struct dns_cache *c = dns_cache_create();
	int kept = 0, last = 0;
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < MANY; i++) {
			char name[32];
			struct exchange x;
			snprintf(name, sizeof name, "n%d.test", i);
			exchange(&x, name, 7, (struct dns_answer){.answers = &address, .count = 1});
			if (pass == 0)
				dns_cache_put(c, &x.query, buf_str(&x.answer), 0);
			else
				kept += last = known(c, &x.query, 0, 512) > 0;
			finish(&x);
		}
	CHECK_INT(kept, ROOM);
	CHECK(last);
	dns_cache_destroy(c);
}
