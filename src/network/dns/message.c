// SPDX-License-Identifier: Apache-2.0
#include "network/dns/message.h"

enum {
	HEADER = DNS_HEADER, CLASS_IN = 1, LABEL_MAX = 63,
	POINTER = 0xc0, POINTERS_MAX = 32, POINTER_TO_QUESTION = 0xc00c,
	FLAG_ANSWER = 0x8000, FLAG_AUTHORITATIVE = 0x0400, FLAG_TRUNCATED = 0x0200, FLAG_RECURSION_DESIRED = 0x0100,
	FLAG_RECURSION_AVAILABLE = 0x0080, FLAG_AUTHENTIC = 0x0020, FLAG_UNCHECKED = 0x0010, OPCODE_MASK = 0x7800,
	CODE_MASK = 15, EDNS_DNSSEC_OK = 0x8000, NEGATIVE_TTL_S = 5,
};

static uint16_t u16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static void put16(struct buf *b, unsigned v)
{
	buf_add_byte(b, (char)(v >> 8));
	buf_add_byte(b, (char)v);
}

static void put32(struct buf *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v & 0xffff);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

// A name at *at, without compression: a question has none. Dots inside a label are refused: no name of ours has any.
static int parse_name(struct arena *a, struct str m, size_t *at, struct str *out)
{
	char *name = arena_alloc(a, DNS_NAME_MAX + 1);
	size_t n = 0;
	for (;;) {
		if (*at >= m.n)
			return -1;
		size_t len = (unsigned char)m.p[(*at)++];
		if (len == 0)
			break;
		if (len > LABEL_MAX || m.n - *at < len || n + len + 1 > DNS_NAME_MAX)
			return -1;
		if (n)
			name[n++] = '.';
		for (size_t i = 0; i < len; i++, (*at)++) {
			if (m.p[*at] == '.' || m.p[*at] == '\0')
				return -1;
			name[n++] = lower(m.p[*at]);
		}
	}
	*out = (struct str){name, n};
	return 0;
}

// The OPT record, where one stands among the additional ones (we ask for it only when nothing else precedes it).
static void parse_edns(struct str m, size_t at, struct dns_query *q)
{
	bool alone = u16(m.p + 6) == 0 && u16(m.p + 8) == 0 && u16(m.p + 10) >= 1;
	if (!alone || m.n < at + 11 || m.p[at] != 0 || u16(m.p + at + 1) != DNS_OPT)
		return;
	size_t size = u16(m.p + at + 3);
	q->edns = true;
	q->dnssec_ok = u16(m.p + at + 7) & EDNS_DNSSEC_OK;
	q->plain = u16(m.p + 10) == 1 && m.n == at + 11 && u16(m.p + at + 9) == 0;
	q->udp_size = size < DNS_UDP_PLAIN ? DNS_UDP_PLAIN : size > DNS_UDP_MAX ? DNS_UDP_MAX : size;
}

int dns_parse(struct arena *a, struct str m, struct dns_query *q, enum dns_code *code)
{
	if (m.n < HEADER || u16(m.p + 2) & FLAG_ANSWER)
		return -1;
	unsigned flags = u16(m.p + 2);
	*q = (struct dns_query){
		.id = u16(m.p),
		.recursion_desired = flags & FLAG_RECURSION_DESIRED,
		.checking_disabled = flags & FLAG_UNCHECKED,
		.authentic_data = flags & FLAG_AUTHENTIC,
		.udp_size = DNS_UDP_PLAIN,
	};
	if (flags & OPCODE_MASK) {
		*code = DNS_NOT_IMPLEMENTED;
		return 1;
	}
	size_t at = HEADER;
	*code = DNS_FORMAT;
	if (u16(m.p + 4) != 1 || parse_name(a, m, &at, &q->name) < 0 || m.n - at < 4)
		return 1;
	q->type = u16(m.p + at);
	unsigned class = u16(m.p + at + 2);
	at += 4;
	q->question = str_sub(m, HEADER, at - HEADER);
	if (class != CLASS_IN) {
		*code = DNS_REFUSED;
		return 1;
	}
	q->plain = at == m.n;
	parse_edns(m, at, q);
	return 0;
}

static void put_name(struct buf *b, struct str name)
{
	struct str label;
	while (name.n && str_next(&name, '.', &label)) {
		size_t n = label.n > LABEL_MAX ? LABEL_MAX : label.n;
		if (n == 0)
			continue;
		buf_add_byte(b, (char)n);
		buf_add(b, str_sub(label, 0, n));
	}
	buf_add_byte(b, 0);
}

static void put_data(struct buf *b, const struct dns_record *r)
{
	switch (r->type) {
	case DNS_A:
		buf_add(b, (struct str){(const char *)r->address, 4});
		break;
	case DNS_AAAA:
		buf_add(b, (struct str){(const char *)r->address, 16});
		break;
	case DNS_TXT:
		buf_add_byte(b, (char)(r->text.n > 255 ? 255 : r->text.n));
		buf_add(b, str_sub(r->text, 0, 255));
		break;
	case DNS_SRV:
		put16(b, r->priority);
		put16(b, r->weight);
		put16(b, r->port);
		put_name(b, r->target);
		break;
	default: // CNAME, PTR
		put_name(b, r->target);
	}
}

// The length of what `put` writes stands before it.
static size_t begin_data(struct buf *b)
{
	put16(b, 0);
	return b->n;
}

static void end_data(struct buf *b, size_t from)
{
	b->p[from - 2] = (char)((b->n - from) >> 8);
	b->p[from - 1] = (char)(b->n - from);
}

static void put_record(struct buf *b, const struct dns_record *r)
{
	if (r->name.n)
		put_name(b, r->name);
	else
		put16(b, POINTER_TO_QUESTION);
	put16(b, r->type);
	put16(b, CLASS_IN);
	put32(b, r->ttl_s);
	size_t from = begin_data(b);
	put_data(b, r);
	end_data(b, from);
}

static void put_soa(struct buf *b, struct str zone)
{
	put_name(b, zone);
	put16(b, DNS_SOA);
	put16(b, CLASS_IN);
	put32(b, NEGATIVE_TTL_S);
	size_t from = begin_data(b);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	put_name(b, arena_fmt(&a, "ns.dns.%.*s", STR_FMT(zone)));
	put_name(b, arena_fmt(&a, "hostmaster.%.*s", STR_FMT(zone)));
	static const uint32_t serial_refresh_retry_expire_minimum[] = {1, 7200, 1800, 86400, NEGATIVE_TTL_S};
	for (size_t i = 0; i < ARRAY_LEN(serial_refresh_retry_expire_minimum); i++)
		put32(b, serial_refresh_retry_expire_minimum[i]);
	end_data(b, from);
}

static void put_opt(struct buf *b)
{
	buf_add_byte(b, 0);
	put16(b, DNS_OPT);
	put16(b, DNS_UDP_MAX);
	put32(b, 0);
	put16(b, 0);
}

static void set16(struct buf *b, size_t at, unsigned v)
{
	b->p[at] = (char)(v >> 8);
	b->p[at + 1] = (char)v;
}

void dns_write(struct buf *out, const struct dns_query *q, const struct dns_answer *x, size_t limit)
{
	enum { OPT_SIZE = 11 };
	size_t start = out->n, written = 0, end = start + limit - (q->edns ? OPT_SIZE : 0);
	unsigned flags = FLAG_ANSWER | (x->authoritative ? FLAG_AUTHORITATIVE : 0) |
			 (q->recursion_desired ? FLAG_RECURSION_DESIRED : 0) |
			 (x->recursion_available ? FLAG_RECURSION_AVAILABLE : 0) |
			 (x->truncated ? FLAG_TRUNCATED : 0) | (unsigned)x->code;
	put16(out, q->id);
	put16(out, flags);
	put16(out, q->question.n ? 1 : 0);
	put16(out, 0);
	put16(out, x->zone.n && x->count == 0);
	put16(out, q->edns);
	buf_add(out, q->question);
	for (; written < x->count; written++) {
		size_t before = out->n;
		put_record(out, &x->answers[written]);
		if (out->n > end) {
			out->n = before;
			set16(out, start + 2, flags | FLAG_TRUNCATED);
			break;
		}
	}
	set16(out, start + 6, (unsigned)written);
	if (x->zone.n && x->count == 0)
		put_soa(out, x->zone);
	if (q->edns)
		put_opt(out);
}

void dns_write_query(struct buf *out, uint16_t id, struct str name, uint16_t type)
{
	put16(out, id);
	put16(out, FLAG_RECURSION_DESIRED);
	put16(out, 1);
	put32(out, 0);
	put16(out, 1);
	put_name(out, name);
	put16(out, type);
	put16(out, CLASS_IN);
	put_opt(out);
}

// ---- reading answers

enum dns_code dns_code_of(struct str answer)
{
	return u16(answer.p + 2) & CODE_MASK;
}

bool dns_truncated(struct str answer)
{
	return u16(answer.p + 2) & FLAG_TRUNCATED;
}

static bool same_name(const char *x, const char *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(x[i]) != lower(y[i]))
			return false;
	return true;
}

bool dns_read(struct dns_reader *r, struct str m, const struct dns_query *q)
{
	enum { TYPE_AND_CLASS = 4 };
	size_t n = q->question.n;
	if (n <= TYPE_AND_CLASS || m.n < HEADER + n || !(u16(m.p + 2) & FLAG_ANSWER) || u16(m.p + 4) != 1 ||
	    !same_name(m.p + HEADER, q->question.p, n - TYPE_AND_CLASS) ||
	    memcmp(m.p + HEADER + n - TYPE_AND_CLASS, q->question.p + n - TYPE_AND_CLASS, TYPE_AND_CLASS) != 0)
		return false;
	*r = (struct dns_reader){
		.message = m,
		.at = HEADER + n,
		.left = {u16(m.p + 6), u16(m.p + 8), u16(m.p + 10)},
	};
	return true;
}

// Past a name, which ends with the root or with a pointer.
static bool skip_name(struct str m, size_t *at)
{
	while (*at < m.n) {
		size_t n = (unsigned char)m.p[*at];
		if (n >= POINTER) {
			*at += 2;
			return *at <= m.n;
		}
		if (n > LABEL_MAX)
			return false;
		*at += 1 + n;
		if (n == 0)
			return true;
	}
	return false;
}

bool dns_read_next(struct dns_reader *r, struct dns_found *out)
{
	enum { FIXED = 10 }; // type, class, time to live, length
	unsigned section = 0;
	while (section < ARRAY_LEN(r->left) && r->left[section] == 0)
		section++;
	if (section == ARRAY_LEN(r->left) || r->broken)
		return false;
	size_t at = r->at;
	r->broken = true;
	if (!skip_name(r->message, &at) || r->message.n - at < FIXED)
		return false;
	const char *p = r->message.p + at;
	*out = (struct dns_found){
		.section = (enum dns_section)section,
		.type = u16(p),
		.ttl_s = (uint32_t)u16(p + 4) << 16 | u16(p + 6),
		.name = r->at,
		.ttl = at + 4,
		.data = at + FIXED,
		.data_n = u16(p + 8),
	};
	if (r->message.n - out->data < out->data_n)
		return false;
	r->at = out->data + out->data_n;
	r->left[section]--;
	r->broken = false;
	return true;
}

bool dns_read_name(struct arena *a, struct str m, size_t at, struct str *out)
{
	struct buf name CLEAN_BUF;
	buf_init(&name);
	for (int pointers = 0; at < m.n;) {
		size_t n = (unsigned char)m.p[at++];
		if (n >= POINTER) {
			if (at >= m.n || ++pointers > POINTERS_MAX)
				return false;
			at = (n & ~(size_t)POINTER) << 8 | (unsigned char)m.p[at];
			continue;
		}
		if (n == 0) {
			*out = arena_str(a, buf_str(&name));
			return true;
		}
		if (n > LABEL_MAX || m.n - at < n || name.n + n + 1 > DNS_NAME_MAX)
			return false;
		if (name.n)
			buf_add_byte(&name, '.');
		for (size_t i = 0; i < n; i++, at++) {
			if (m.p[at] == '.' || m.p[at] == '\0')
				return false;
			buf_add_byte(&name, lower(m.p[at]));
		}
	}
	return false;
}
