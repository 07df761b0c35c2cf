// SPDX-License-Identifier: Apache-2.0
// DNS messages (RFC 1035, 2782, 6891): reads one question, writes one answer. No I/O.
#ifndef NETWORK_DNS_MESSAGE_H
#define NETWORK_DNS_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"

enum dns_type {
	DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_OPT = 41,
	DNS_IXFR = 251, DNS_AXFR = 252, DNS_ANY = 255,
};
enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILED = 2, DNS_NO_NAME = 3, DNS_NOT_IMPLEMENTED = 4, DNS_REFUSED = 5 };

enum { DNS_HEADER = 12, DNS_UDP_PLAIN = 512, DNS_UDP_MAX = 1232, DNS_TCP_MAX = 65535, DNS_NAME_MAX = 255 };

struct dns_query {
	uint16_t id, type;
	bool recursion_desired, checking_disabled, authentic_data; // bits RD, CD, AD
	bool edns, dnssec_ok;
	bool plain; // nothing else is in it than a question and, with EDNS, an OPT record without options
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
	bool truncated; // there is more than these records, by TCP
	struct dns_record *answers;
	size_t count;
	struct str zone; // not empty: a SOA of this zone goes with an answer without records
};

// The whole message, at most `limit` bytes: cut at a record with the truncation bit set beyond that.
void dns_write(struct buf *out, const struct dns_query *query, const struct dns_answer *answer, size_t limit);

// A query for names in `name` (as in dns_query) that wants recursion and takes datagrams of DNS_UDP_MAX.
void dns_write_query(struct buf *out, uint16_t id, struct str name, uint16_t type);

// ---- reading answers that others wrote; all places are offsets into the message

enum dns_section { DNS_ANSWERS, DNS_AUTHORITIES, DNS_ADDITIONAL };

struct dns_found { // one record
	enum dns_section section;
	uint16_t type;
	uint32_t ttl_s;
	size_t name, ttl, data, data_n;
};

struct dns_reader {
	struct str message;
	size_t at;
	unsigned left[3]; // records of each section
	bool broken;	  // it ended before they did
};

// Goes to the first record of an answer that repeats the question of the query (but for the case of letters, and with
// any id); false: it is none.
bool dns_read(struct dns_reader *r, struct str message, const struct dns_query *query);
bool dns_read_next(struct dns_reader *r, struct dns_found *out); // false: there are no more, or it is broken
// The name at that place, following its pointers; as in dns_query. False: it is broken.
bool dns_read_name(struct arena *a, struct str message, size_t at, struct str *out);
enum dns_code dns_code_of(struct str answer); // of DNS_HEADER bytes at least, as the next one
bool dns_truncated(struct str answer);

#endif
