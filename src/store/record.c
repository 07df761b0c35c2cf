// SPDX-License-Identifier: Apache-2.0
#include "store/record.h"

#include "base/mem.h"

struct record *record_create(struct str key, struct blob *value)
{
	struct record *r = mem_alloc(sizeof *r + key.n);
	*r = (struct record){.key_n = (uint32_t)key.n, .value = value};
	atomic_init(&r->refs, 1);
	memcpy(r->key, key.p, key.n);
	return r;
}

struct record *record_ref(struct record *r)
{
	if (r)
		atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void record_unref(struct record *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	blob_unref(r->value);
	free(r);
}
