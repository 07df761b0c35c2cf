// SPDX-License-Identifier: Apache-2.0
// Heap memory that never fails to its caller: where the system has none left, the process ends with a line on
// stderr (everything acknowledged is already on disk, and containers live on without us). Sizes that come from
// outside are bounded by whoever reads them, never here.
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull, alloc_size(2)));
char *mem_strdup(const char *c_string) __attribute__((returns_nonnull));

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))

// Says why on stderr and aborts: for states that only a bug can reach.
void mem_panic(const char *what) __attribute__((noreturn, cold));
// An assertion that stays on in production.
#define MUST(condition) ((condition) ? (void)0 : mem_panic("broken promise: " #condition " at " __FILE__))

// Frees a char * at the end of its scope: `char *s CLEAN_FREE = ...`.
static inline void mem_free_pointer(void *p)
{
	free(*(void **)p);
}
#define CLEAN_FREE __attribute__((cleanup(mem_free_pointer)))

// The struct that holds `pointer` as its member `member`.
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
