// SPDX-License-Identifier: Apache-2.0
#include "network/dns/cache.h"

#include "base/map.h"
#include "base/times.h"

enum { ENTRIES_MAX = 1024, ANSWER_MAX = 4096, BYTES_MAX = 1 << 20, TTL_MAX_S = 30, RECORDS_MAX = 256 };

struct entry {
	char *key;
	size_t key_n, answer_n;
	int64_t came, ends; // monotonic
	char answer[];
};

struct dns_cache {
	struct map by_query;
	struct entry *ring[ENTRIES_MAX]; // in order of age, from `oldest`
	size_t oldest, count, bytes;
};

struct dns_cache *dns_cache_create(void)
{
	struct dns_cache *c = MEM_NEW(struct dns_cache);
	map_init(&c->by_query);
	return c;
}

static void drop_oldest(struct dns_cache *c)
{
	struct entry *x = c->ring[c->oldest];
	struct str key = {x->key, x->key_n};
	if (map_get(&c->by_query, key) == x) // else a later answer to the same has taken its place
		map_remove(&c->by_query, key);
	c->bytes -= x->answer_n;
	c->oldest = (c->oldest + 1) % ENTRIES_MAX;
	c->count--;
	free(x->key);
	free(x);
}

void dns_cache_clear(struct dns_cache *c)
{
	while (c->count)
		drop_oldest(c);
}

void dns_cache_destroy(struct dns_cache *c)
{
	if (!c)
		return;
	dns_cache_clear(c);
	map_finish(&c->by_query);
	free(c);
}

struct key {
	char bytes[DNS_NAME_MAX + 3];
};

static struct str key_of(const struct dns_query *q, struct key *room)
{
	size_t n = q->name.n < DNS_NAME_MAX ? q->name.n : DNS_NAME_MAX;
	memcpy(room->bytes, q->name.p, n);
	room->bytes[n] = (char)(q->type >> 8);
	room->bytes[n + 1] = (char)q->type;
	room->bytes[n + 2] = (char)(q->recursion_desired | q->checking_disabled << 1 | q->authentic_data << 2 |
				    q->edns << 3 | q->dnssec_ok << 4);
	return (struct str){room->bytes, n + 3};
}

static uint32_t read32(const char *p)
{
	return (uint32_t)(unsigned char)p[0] << 24 | (uint32_t)(unsigned char)p[1] << 16 |
	       (uint32_t)(unsigned char)p[2] << 8 | (unsigned char)p[3];
}

static void write32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (24 - 8 * i));
}

// How long the answer may be kept; 0: not at all.
static uint32_t lifetime_s(const struct dns_query *q, struct str answer)
{
	enum { SOA_LEAST = 22, SOA_MINIMUM = 4 };
	struct dns_reader r;
	struct dns_found x;
	uint32_t least = TTL_MAX_S;
	bool records = false, soa = false;
	if (!q->plain || answer.n > ANSWER_MAX || !dns_read(&r, answer, q) || dns_truncated(answer) ||
	    (dns_code_of(answer) != DNS_OK && dns_code_of(answer) != DNS_NO_NAME))
		return 0;
	for (int n = 0; dns_read_next(&r, &x); n++) {
		if (n == RECORDS_MAX || (x.type == DNS_OPT && (x.data_n || x.ttl_s >> 24)))
			return 0; // options are for one asker alone; the upper bits hold more of the code
		if (x.type == DNS_OPT)
			continue;
		records |= x.section == DNS_ANSWERS && x.type != DNS_CNAME;
		if (x.section == DNS_AUTHORITIES && x.type == DNS_SOA && x.data_n >= SOA_LEAST) {
			uint32_t minimum = read32(answer.p + x.data + x.data_n - SOA_MINIMUM);
			soa = true;
			least = minimum < least ? minimum : least;
		}
		least = x.ttl_s < least ? x.ttl_s : least;
	}
	return !r.broken && (records || q->type == DNS_CNAME || soa) ? least : 0;
}

void dns_cache_put(struct dns_cache *c, const struct dns_query *q, struct str answer, int64_t now)
{
	struct key room;
	uint32_t lifetime = lifetime_s(q, answer);
	if (!lifetime)
		return;
	while (c->count == ENTRIES_MAX || c->bytes + answer.n > BYTES_MAX)
		drop_oldest(c);
	struct entry *x = mem_alloc(sizeof *x + answer.n);
	struct str key = key_of(q, &room);
	*x = (struct entry){.key_n = key.n, .answer_n = answer.n, .came = now, .ends = now + lifetime * TIME_S};
	x->key = mem_alloc(key.n);
	memcpy(x->key, key.p, key.n);
	memcpy(x->answer, answer.p, answer.n);
	c->ring[(c->oldest + c->count++) % ENTRIES_MAX] = x;
	c->bytes += answer.n;
	map_set(&c->by_query, key, x);
}

bool dns_cache_get(struct dns_cache *c, const struct dns_query *q, int64_t now, size_t limit, struct buf *out)
{
	struct key room;
	struct dns_reader r;
	struct dns_found record;
	const struct entry *x = q->plain ? map_get(&c->by_query, key_of(q, &room)) : NULL;
	if (!x || now >= x->ends || x->answer_n > limit)
		return false;
	uint32_t age = (uint32_t)((now - x->came) / TIME_S);
	size_t start = out->n;
	buf_add(out, (struct str){x->answer, x->answer_n});
	char *p = out->p + start;
	dns_read(&r, (struct str){p, x->answer_n}, q);
	while (dns_read_next(&r, &record))
		if (record.type != DNS_OPT)
			write32(p + record.ttl, record.ttl_s - age);
	p[0] = (char)(q->id >> 8);
	p[1] = (char)q->id;
	memcpy(p + DNS_HEADER, q->question.p, q->question.n);
	return true;
}
