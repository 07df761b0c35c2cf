// SPDX-License-Identifier: Apache-2.0
#include "node/stream/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/times.h"
#include "node/images/tree.h"
#include "node/stream/stream_server.h"

enum { PIECE = 64 << 10, LINE_MAX_BYTES = 1 << 20, FILES_MAX = LOG_ROTATE_FILES + 1, OPEN_TRIES = 10 };

struct log_reader {
	char *path;
	struct log_query query;
	int files[1 + FILES_MAX]; // the oldest first; being read: files[at]
	size_t count, at;
	struct buf line; // the part of a line read so far
	bool overlong;	 // that part was thrown away
	struct buf held[2];	 // of each stream, the parts (P) of a line that has not ended yet
	struct str held_time[2]; // of the first part; in held_text
	char held_text[2][64];
	bool inside;	 // output stands within such a line, which was shown for want of anything else
	bool inside_err; // of which stream
	int64_t left;	 // of the limit
};

// ---- opening

static void close_files(struct log_reader *r)
{
	for (size_t i = 0; i < r->count; i++)
		tree_close_fd(&r->files[i]);
	r->count = 0;
}

// The files there are, newest first; how many. 0: errno, EAGAIN in the middle of a rotation, which shows as the same file
// twice. After a rotation there is none of the log's own name until the monitor has begun it.
static size_t open_all(const char *path, int found[FILES_MAX])
{
	struct stat newest = {0}, st;
	char name[4096];
	size_t n = 0;
	for (int i = 0; i < FILES_MAX; i++) {
		snprintf(name, sizeof(name), i ? "%s.%d" : "%s", path, i);
		int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0 && i == 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			break;
		found[n++] = fd;
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (n > 1 && st.st_ino == newest.st_ino)) {
			while (n)
				close(found[--n]);
			errno = EAGAIN;
			return 0;
		}
		if (n == 1)
			newest = st;
	}
	return n;
}

// The newest `count` of the files found become those to be read next.
static void add_files(struct log_reader *r, const int *found, size_t count)
{
	while (count)
		r->files[r->count++] = found[--count];
}

// ---- the last lines

// Goes back through one file; the number of lines found, at most `wanted`, and where they begin.
static int64_t lines_from_end(int fd, int64_t wanted, off_t *from)
{
	char piece[PIECE];
	struct stat st;
	int64_t found = 0;
	*from = 0;
	if (fstat(fd, &st) < 0)
		return 0;
	for (off_t end = st.st_size; end > 0;) {
		off_t begin = end > PIECE ? end - PIECE : 0;
		ssize_t n = pread(fd, piece, (size_t)(end - begin), begin);
		for (ssize_t i = n - 1; i >= 0; i--) {
			if (piece[i] != '\n' || begin + i + 1 == st.st_size)
				continue;
			if (++found == wanted) {
				*from = begin + i + 1;
				return found;
			}
		}
		end = begin;
	}
	return st.st_size ? found + 1 : 0; // the first line has no line end before it
}

static void seek_tail(struct log_reader *r)
{
	int64_t wanted = r->query.tail;
	size_t i = r->count;
	off_t from = 0;
	while (i > 0 && wanted > 0) {
		wanted -= lines_from_end(r->files[--i], wanted, &from);
		if (wanted <= 0)
			break;
	}
	if (r->query.tail == 0) {
		i = r->count - 1;
		from = lseek(r->files[i], 0, SEEK_END);
	}
	r->at = i;
	lseek(r->files[i], from, SEEK_SET);
}

int log_reader_open(struct log_reader **out, const char *path, const struct log_query *q, struct err *e)
{
	struct log_reader *r = MEM_NEW(struct log_reader);
	int found[FILES_MAX];
	size_t n = 0;
	r->path = mem_strdup(path);
	r->query = *q;
	r->left = q->limit;
	buf_init(&r->line);
	buf_init(&r->held[0]);
	buf_init(&r->held[1]);
	for (int i = 0; i < OPEN_TRIES && !(n = open_all(path, found)) && errno == EAGAIN; i++)
		;
	if (!n) {
		err_errno(e, errno, "log %s", path);
		log_reader_close(r);
		return -1;
	}
	add_files(r, found, n);
	if (q->tail >= 0)
		seek_tail(r);
	*out = r;
	return 0;
}

void log_reader_close(struct log_reader *r)
{
	if (!r)
		return;
	close_files(r);
	buf_finish(&r->line);
	buf_finish(&r->held[0]);
	buf_finish(&r->held[1]);
	free(r->path);
	free(r);
}

int log_reader_fd(const struct log_reader *r)
{
	return r->files[r->at];
}

// ---- lines

static void emit(struct log_reader *r, struct buf *out, struct str s)
{
	if (r->query.limit >= 0) {
		s = str_sub(s, 0, (size_t)r->left);
		r->left -= (int64_t)s.n;
	}
	buf_add(out, s);
}

static void emit_time(struct log_reader *r, struct buf *out, struct str text)
{
	if (!r->query.timestamps)
		return;
	struct arena a CLEAN_ARENA;
	int64_t when;
	arena_init(&a);
	emit(r, out, time_parse(text, &when) < 0 ? text : time_format_nano(&a, when));
	emit(r, out, STR(" "));
}

static void hold(struct log_reader *r, bool err, struct str time, struct str text)
{
	if (!r->held[err].n) {
		str_to_c(time, r->held_text[err], sizeof(r->held_text[err]));
		r->held_time[err] = str_of(r->held_text[err]);
	}
	buf_add(&r->held[err], text);
}

// Shows what is held of a stream, as the beginning of a line.
static void show_held(struct log_reader *r, bool err, struct buf *out)
{
	if (r->inside) // the other stream's line was not finished
		emit(r, out, STR("\n"));
	emit_time(r, out, r->held_time[err]);
	emit(r, out, buf_str(&r->held[err]));
	buf_clear(&r->held[err]);
	r->inside = true;
	r->inside_err = err;
}

static bool is_wanted(const struct log_reader *r, bool err, struct str time)
{
	int64_t when;
	if (!(err ? r->query.err : r->query.out))
		return false;
	bool begun = r->held[err].n || (r->inside && r->inside_err == err);
	return !r->query.since || begun || (!time_parse(time, &when) && when >= r->query.since);
}

// Two streams written in turns give whole lines all the same: the parts of one wait for its end.
static void take_line(struct log_reader *r, struct str line, struct buf *out)
{
	struct str time, stream, tag, text;
	if (!str_cut(line, ' ', &time, &line) || !str_cut(line, ' ', &stream, &line))
		return; // not of this form: a write that was cut off by a crash
	str_cut(line, ' ', &tag, &text);
	bool err = str_is(stream, "stderr"), ends = !str_starts(tag, STR("P"));
	if (!is_wanted(r, err, time))
		return;
	if (!(r->inside && r->inside_err == err)) {
		hold(r, err, time, text);
		if (!ends && r->held[err].n < LINE_MAX_BYTES)
			return;
		show_held(r, err, out);
	} else {
		emit(r, out, text);
	}
	r->inside = !ends;
	if (ends)
		emit(r, out, STR("\n"));
}

static void take_bytes(struct log_reader *r, struct str bytes, struct buf *out)
{
	struct str line;
	while (bytes.n && !(r->query.limit >= 0 && r->left <= 0)) {
		ptrdiff_t end = str_find(bytes, '\n');
		if (end < 0) {
			r->overlong |= r->line.n + bytes.n > LINE_MAX_BYTES;
			if (!r->overlong)
				buf_add(&r->line, bytes);
			return;
		}
		line = str_sub(bytes, 0, (size_t)end);
		bytes = str_from(bytes, (size_t)end + 1);
		if (r->line.n) {
			buf_add(&r->line, line);
			line = buf_str(&r->line);
		}
		if (!r->overlong)
			take_line(r, line, out);
		r->overlong = false;
		buf_clear(&r->line);
	}
}

// The place of the file among those found, or their number: it is not kept any more.
static size_t find_file(int fd, const int *found, size_t n)
{
	struct stat mine, st;
	size_t i = 0;
	if (fstat(fd, &mine) < 0)
		return 0;
	while (i < n && (fstat(found[i], &st) < 0 || st.st_ino != mine.st_ino))
		i++;
	return i;
}

// At the end of the newest file known: whether rotations have begun newer ones since. It stays the one to be read, for
// what was written to it between the last look and the rotation; they follow.
static bool open_newer(struct log_reader *r)
{
	struct stat now, mine;
	int current = r->files[r->at], found[FILES_MAX];
	if (fstat(current, &mine) < 0 || (stat(r->path, &now) == 0 && now.st_ino == mine.st_ino))
		return false;
	size_t n = open_all(r->path, found), newer = find_file(current, found, n);
	for (size_t i = newer; i < n; i++)
		close(found[i]);
	if (!newer)
		return false;
	r->files[r->at] = -1;
	close_files(r);
	r->files[r->count++] = current;
	r->at = 0;
	add_files(r, found, newer);
	return true;
}

enum log_progress log_reader_next(struct log_reader *r, struct buf *out)
{
	char piece[PIECE];
	if (r->query.limit >= 0 && r->left <= 0)
		return LOG_FULL;
	ssize_t n = read(r->files[r->at], piece, sizeof(piece));
	if (n > 0) {
		take_bytes(r, (struct str){piece, (size_t)n}, out);
		return r->query.limit >= 0 && r->left <= 0 ? LOG_FULL : LOG_MORE;
	}
	if (r->at + 1 < r->count) {
		if (r->line.n || r->overlong) // a write cut off by a full disk: the next file does not go on with it
			take_bytes(r, STR("\n"), out);
		r->at++;
		return LOG_MORE;
	}
	if (open_newer(r))
		return LOG_MORE;
	for (int err = 0; err < 2; err++) { // a prompt, or the end of the last words
		if (!r->held[err].n)
			continue;
		show_held(r, err, out);
		return LOG_MORE;
	}
	return LOG_IDLE;
}
