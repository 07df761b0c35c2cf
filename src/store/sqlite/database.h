// SPDX-License-Identifier: Apache-2.0
// The file: two tables, written in groups by one thread.
//
//   objects(row, key, revision, value, sum): one row an object. Rows are numbered as they come, so that new ones are
//     appended to the last page; the index over keys is in memory.
//   meta: one row: the format, the revision of the last commit, how many objects there are and the XOR of their sums,
//     by which a file that lost or kept a row it should not is known.
//
// WAL with synchronous=FULL: one fsync a commit. The connection that writes also checkpoints, once the WAL has grown
// to CHECKPOINT_PAGES, so that it stays bounded. The file is locked for as long as it is open.
#ifndef STORE_SQLITE_DATABASE_H
#define STORE_SQLITE_DATABASE_H

#include "store/record.h"

#include "base/err.h"

struct database;

int database_open(const char *path, struct database **out, struct err *e);
void database_close(struct database *d);

// Calls each with every record, whose reference it hands over; then tells the revision and the first free row.
int database_load(struct database *d, void (*each)(void *arg, struct record *r), void *arg, int64_t *revision,
		  int64_t *next_row, struct err *e);

// A group: begin, any number of puts and deletes, commit. After a failure: database_roll_back.
int database_begin(struct database *d, struct err *e);
int database_put(struct database *d, struct record *r, const struct record *replaced, struct err *e); // sets r->sum
int database_delete(struct database *d, const struct record *r, struct err *e);
int database_commit(struct database *d, int64_t revision, struct err *e);
void database_roll_back(struct database *d);

// Moves what the WAL holds into the file where it is due. Its failure loses nothing: it is tried again later.
void database_checkpoint(struct database *d);

#endif
