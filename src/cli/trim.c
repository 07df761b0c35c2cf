// SPDX-License-Identifier: Apache-2.0
#include "cli/trim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

// Mappings of files that nobody wrote to: "r-xp" and "r--p" with no page of our own (relocated constants have some).
void trim_code(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512], permissions[8] = "";
	uintptr_t from = 0, to = 0, start, end;
	unsigned long long inode = 0, own;
	while (maps && fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %llu", &start, &end, permissions,
			   &inode) == 4) {
			from = start;
			to = end;
		} else if (sscanf(line, "Anonymous: %llu kB", &own) == 1 && own == 0 && inode &&
			   permissions[1] == '-') {
			madvise((void *)from, to - from, MADV_DONTNEED);
		}
	}
	if (maps)
		fclose(maps);
}
