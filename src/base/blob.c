// SPDX-License-Identifier: Apache-2.0
#include "base/blob.h"

#include "base/mem.h"

struct blob *blob_create_raw(size_t n)
{
	MUST(n < UINT32_MAX);
	struct blob *b = mem_alloc(sizeof *b + n);
	atomic_init(&b->refs, 1);
	b->n = (uint32_t)n;
	return b;
}

struct blob *blob_create(struct str bytes)
{
	struct blob *b = blob_create_raw(bytes.n);
	if (bytes.n)
		memcpy(b->p, bytes.p, bytes.n);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(struct blob *b)
{
	if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}
