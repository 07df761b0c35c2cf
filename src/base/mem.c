// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

void mem_panic(const char *what)
{
	fprintf(stderr, "onggi: %s\n", what);
	abort();
}

void *mem_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);
	if (!p)
		mem_panic("out of memory");
	return p;
}

void *mem_zalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		mem_panic("out of memory");
	return p;
}

void *mem_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		mem_panic("out of memory");
	return p;
}

char *mem_strdup(const char *c_string)
{
	size_t size = strlen(c_string) + 1;
	return memcpy(mem_alloc(size), c_string, size);
}
