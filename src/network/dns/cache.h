// SPDX-License-Identifier: Apache-2.0
// Answers that others gave a moment ago, kept for as long as they said, and half a minute at most. Only whole ones are
// kept: answers with records, and those that say with a SOA how long nothing is there (RFC 2308); never a failure. At
// most 1,024, of one megabyte together; the oldest make room.
#ifndef NETWORK_DNS_CACHE_H
#define NETWORK_DNS_CACHE_H

#include "network/dns/message.h"

struct dns_cache;

struct dns_cache *dns_cache_create(void);
void dns_cache_destroy(struct dns_cache *c);
void dns_cache_clear(struct dns_cache *c);

// An answer of at most `limit` bytes to the query, with its id and the letters of its question, its times to live shorter
// by its age; false: there is none. Only queries that are plain, and are alike in name, type and all flags, share one.
bool dns_cache_get(struct dns_cache *c, const struct dns_query *q, int64_t now, size_t limit, struct buf *out);
// now: monotonic.
void dns_cache_put(struct dns_cache *c, const struct dns_query *q, struct str answer, int64_t now);

#endif
