// SPDX-License-Identifier: Apache-2.0
// Container logs as they lie on disk: files of lines "TIME STREAM TAG TEXT" (TAG P: the line goes on in the next one),
// LOG being written, LOG.1 the one before, and so on. A reader is pulled piece by piece and holds the files open, so that
// rotation takes nothing away from it.
#ifndef NODE_LOG_READER_H
#define NODE_LOG_READER_H

#include "base/buf.h"
#include "base/err.h"

struct log_query {
	int64_t tail;	  // lines at the end; -1: all
	int64_t since;	  // wall clock, ns; 0: from the beginning
	int64_t limit;	  // bytes of output; -1: none
	bool timestamps;
	bool out, err;	  // which streams
};

struct log_reader;

// In the middle of a rotation, where nothing has the path's name yet, the log is what was renamed. ERR_NOT_FOUND where there
// is none.
int log_reader_open(struct log_reader **out, const char *path, const struct log_query *q, struct err *e);
void log_reader_close(struct log_reader *r); // NULL is fine

enum log_progress {
	LOG_MORE, // call again
	LOG_IDLE, // at the end, for now
	LOG_FULL, // the limit is reached
};

// Appends at most some 64 KiB of output. Once the log was rotated, goes on in the newer files, one after the other.
enum log_progress log_reader_next(struct log_reader *r, struct buf *out);
// The descriptor of the file being read, for inotify by /proc/self/fd.
int log_reader_fd(const struct log_reader *r);

#endif
