// SPDX-License-Identifier: Apache-2.0
// A question is read and answered; the answer keeps to its limit.
#include "base/mem.h"
#include "network/dns/message.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
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
