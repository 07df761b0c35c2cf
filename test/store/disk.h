// SPDX-License-Identifier: Apache-2.0
// A disk in memory for SQLite that fails as told, and whose power can be cut: what was written but not synced is then
// there in part, torn at sectors, or not at all.
#ifndef TEST_STORE_DISK_H
#define TEST_STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void disk_insert(uint64_t seed); // from here on SQLite's files are on it; empty
void disk_remove(void);		 // and away again
long disk_operations(void);	 // writes, syncs, truncations and reads so far
void disk_fail_at(long operation); // once, with an I/O error; 0: never
bool disk_failed(void);		   // whether that came
void disk_set_full(bool full);	   // writes fail for want of room
void disk_cut_power_at(long operation); // nothing works from there on; 0: never
void disk_restore_power(void);		// with what has survived
// For flipping bits; NULL where there is no such file.
unsigned char *disk_bytes(const char *path, size_t *n);

#endif
