// SPDX-License-Identifier: Apache-2.0
// The store of one server: everything in memory, and durable in one SQLite file.
//
// A transaction is decided on the core loop against all that was accepted before it, then waits for the writer
// thread, which commits what has gathered as one SQLite transaction with one fsync. Then it is shown and answered.
// Where a commit fails (disk full, I/O error), it and all that was decided after it is refused with ERR_UNAVAILABLE;
// reading goes on, and writing resumes by itself when the disk takes it again.
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/store.h"

// Opens or creates PATH (and PATH-wal) and loads it. Fails where another process has it open (ERR_CONFLICT), and where
// it is damaged: every value is checked against its sum, all of them together against the last commit. Call it on the
// core loop's thread, and store_destroy too, after the watches are closed; the core loop must still run, or be
// destroyed, for the memory to go.
int store_sqlite_open(struct loop *core, const char *path, struct store **out, struct err *e);

#endif
