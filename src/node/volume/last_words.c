// SPDX-License-Identifier: Apache-2.0
#include "node/volume/last_words.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/volume/files.h"

enum { WORDS_FILE_MAX = 4096, WORDS_LOG_MAX = 2048, WORDS_LINES_MAX = 80, LOG_TAIL = 64 << 10 };

struct str last_words_of_file(struct arena *a, const char *path)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	files_read(path, WORDS_FILE_MAX, &out);
	return arena_str(a, buf_str(&out));
}

// Takes the time, the stream and the tag off a line; "F" ends a line of the container's, "P" does not.
static struct str text_of_line(struct str line, bool *whole)
{
	struct str field, rest = line;
	str_cut(rest, ' ', &field, &rest);
	str_cut(rest, ' ', &field, &rest);
	str_cut(rest, ' ', &field, &rest);
	*whole = !str_is(field, "P");
	return rest;
}

// Where the last `max` lines begin.
static size_t tail_start(struct str text, size_t max)
{
	size_t i = text.n, lines = 0;
	while (i > 0) {
		if (text.p[i - 1] == '\n' && i < text.n && ++lines == max)
			break;
		i--;
	}
	return i;
}

struct str last_words_of_log(struct arena *a, const char *path)
{
	struct buf raw CLEAN_BUF;
	struct buf out CLEAN_BUF;
	buf_init(&raw);
	buf_init(&out);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return STR_NONE;
	off_t size = lseek(fd, 0, SEEK_END);
	lseek(fd, size > LOG_TAIL ? size - LOG_TAIL : 0, SEEK_SET);
	files_read_fd(fd, LOG_TAIL, &raw);
	close(fd);
	struct str text = buf_str(&raw), line;
	if (size > LOG_TAIL)
		str_cut(text, '\n', &line, &text); // cut in the middle
	text = str_from(text, tail_start(text, WORDS_LINES_MAX));
	while (str_next(&text, '\n', &line)) {
		bool whole;
		if (!line.n)
			continue;
		buf_add(&out, text_of_line(line, &whole));
		if (whole)
			buf_add_byte(&out, '\n');
	}
	struct str words = buf_str(&out);
	return arena_str(a, words.n > WORDS_LOG_MAX ? str_from(words, words.n - WORDS_LOG_MAX) : words);
}
