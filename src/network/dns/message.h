// SPDX-License-Identifier: Apache-2.0
// DNS messages (RFC 1035, 2782, 6891): reads one question, writes one answer. No I/O.
#ifndef NETWORK_DNS_MESSAGE_H
#define NETWORK_DNS_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"

enum dns_type {
	DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_OPT = 41,
	DNS_ANY = 255,
};
enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILED = 2, DNS_NO_NAME = 3, DNS_NOT_IMPLEMENTED = 4, DNS_REFUSED = 5 };

enum { DNS_UDP_PLAIN = 512, DNS_UDP_MAX = 1232, DNS_TCP_MAX = 65535, DNS_NAME_MAX = 255 };

struct dns_query {
	uint16_t id, type;
	bool recursion_desired;
	bool edns;
	size_t udp_size;     // largest answer over UDP that the asker takes
	struct str name;     // lower case, labels joined by dots, no dot at the end; "" is the root
	struct str question; // the bytes of the question section, as asked
};

// Takes exactly one question of class IN from a query. -1: no answer is due (not a query at all);
// 1: answer with *code (FORMERR, NOTIMP...), only id and question (maybe empty) are filled in.
int dns_parse(struct arena *a, struct str message, struct dns_query *out, enum dns_code *code);

struct dns_record {
	struct str name;   // owner; STR_NONE: the name that was asked for
	uint16_t type;
	uint32_t ttl_s;
	unsigned char address[16];	 // A: 4 bytes, AAAA: 16
	struct str target;		 // CNAME, PTR, SRV
	uint16_t priority, weight, port; // SRV
	struct str text;		 // TXT: up to 255 bytes
};

struct dns_answer {
	enum dns_code code;
	bool authoritative, recursion_available;
	struct dns_record *answers;
	size_t count;
	struct str zone; // not empty: a SOA of this zone goes with an answer without records
};

// The whole message, at most `limit` bytes: cut at a record with the truncation bit set beyond that.
void dns_write(struct buf *out, const struct dns_query *query, const struct dns_answer *answer, size_t limit);

#endif
