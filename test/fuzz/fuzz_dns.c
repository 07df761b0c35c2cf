// SPDX-License-Identifier: Apache-2.0
// A question is read and answered; the answer keeps to its limit. The same bytes as an answer to a question that they
// repeat are kept, and given again.
#include "base/mem.h"
#include "network/dns/cache.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_answer(struct str m)
{
	struct arena a CLEAN_ARENA;
	struct buf out CLEAN_BUF, question CLEAN_BUF;
	arena_init(&a);
	buf_init(&out);
	buf_init(&question);
	buf_add(&question, m);
	question.p[2] = (char)(question.p[2] & 0x07); // as a query
	struct dns_query q;
	struct dns_reader r;
	struct dns_found x;
	struct str name;
	enum dns_code code;
	if (dns_parse(&a, buf_str(&question), &q, &code) != 0 || !dns_read(&r, m, &q))
		return;
	while (dns_read_next(&r, &x)) {
		MUST(x.data + x.data_n <= m.n);
		if (dns_read_name(&a, m, x.name, &name))
			MUST(name.n <= DNS_NAME_MAX);
	}
	struct dns_cache *c = dns_cache_create();
	q.plain = true;
	dns_cache_put(c, &q, m, 0);
	if (dns_cache_get(c, &q, 1, DNS_TCP_MAX, &out))
		MUST(out.n == m.n && !r.broken);
	dns_cache_destroy(c);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size >= DNS_HEADER)
		read_answer((struct str){(const char *)data, size});
	struct arena a CLEAN_ARENA;
	struct buf out CLEAN_BUF;
	arena_init(&a);
	buf_init(&out);
	struct dns_query q;
	struct dns_record record = {.type = DNS_CNAME, .ttl_s = 5};
	struct dns_answer x = {.answers = &record, .count = 1, .zone = STR("cluster.local")};
	int how = dns_parse(&a, (struct str){(const char *)data, size}, &q, &x.code);
	if (how < 0)
		return 0;
	if (how == 0) {
		MUST(q.name.n <= DNS_NAME_MAX && q.udp_size >= DNS_UDP_PLAIN && q.udp_size <= DNS_UDP_MAX);
		record.target = q.name;
	}
	dns_write(&out, &q, &x, q.udp_size);
	MUST(out.n <= q.udp_size + 128 || how != 0); // a SOA may follow the cut
	return 0;
}
