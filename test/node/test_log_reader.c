// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/times.h"
#include "node/stream/log_reader.h"
#include "tar_maker.h"
#include "unit.h"

struct place {
	struct arena a;
	char *dir;
	const char *path;
};

static void set_up(struct place *p)
{
	arena_init(&p->a);
	p->dir = test_dir("log");
	p->path = arena_fmt(&p->a, "%s/main.log", p->dir).p;
}

static void tear_down(struct place *p)
{
	test_dir_remove(p->dir);
	arena_finish(&p->a);
}
#define CLEAN_PLACE __attribute__((cleanup(tear_down)))

static const struct log_query everything = {.tail = -1, .limit = -1, .out = true, .err = true};

static void append(const char *path, const char *text)
{
	FILE *f = fopen(path, "ae");
	REQUIRE(f);
	fputs(text, f);
	fclose(f);
}

// Lines "0 o text": seconds since 12:00, stream, text; a '+' after the stream letter means a partial line.
static void append_lines(const char *path, const char *lines)
{
	struct str rest = str_of(lines), line, when, stream, text;
	while (str_next(&rest, '\n', &line)) {
		char out[256];
		str_cut(line, ' ', &when, &line);
		str_cut(line, ' ', &stream, &text);
		snprintf(out, sizeof(out), "2026-01-01T12:00:%02d.000000001+00:00 %s %s %.*s\n", (int)(when.p[0] - '0'),
			 stream.p[0] == 'e' ? "stderr" : "stdout", stream.n > 1 ? "P" : "F", STR_FMT(text));
		append(path, out);
	}
}

static struct str drain(struct place *p, struct log_reader *r)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	while (log_reader_next(r, &out) == LOG_MORE)
		;
	return arena_str(&p->a, buf_str(&out));
}

static struct str read_all(struct place *p, struct log_query q)
{
	struct log_reader *r;
	REQUIRE(log_reader_open(&r, p->path, &q, NULL) == 0);
	struct str text = drain(p, r);
	log_reader_close(r);
	return text;
}

TEST(lines_and_streams)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	append_lines(p.path, "0 o one\n1 e two\n2 o+ thr\n2 o ee\n3 o \n4 o  spaces ");
	append(p.path, "garbage\n2026-01-01T12:00:09Z stdout F not finished");
	CHECK_STR(read_all(&p, everything), "one\ntwo\nthree\n\n spaces \n");
	struct log_query q = everything;
	q.err = false;
	CHECK_STR(read_all(&p, q), "one\nthree\n\n spaces \n");
	q = everything, q.out = false;
	CHECK_STR(read_all(&p, q), "two\n");
	q = everything, q.timestamps = true, q.limit = 99;
	CHECK_STR(read_all(&p, q), "2026-01-01T12:00:00.000000001Z one\n2026-01-01T12:00:01.000000001Z two\n2026-01-01T12:00:02.000000001");
	q = everything, q.limit = 5;
	CHECK_STR(read_all(&p, q), "one\nt");
	q = everything;
	time_parse(STR("2026-01-01T12:00:02Z"), &q.since);
	CHECK_STR(read_all(&p, q), "three\n\n spaces \n");
}

TEST(streams_in_turns)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	// Two streams that write parts of lines in turns give whole lines; what never ends comes at the end.
	append_lines(p.path, "0 o+ v\n0 e error\n1 o alue\n2 e+ le\n2 o+ pro\n3 e ft\n4 o+ mpt");
	CHECK_STR(read_all(&p, everything), "error\nvalue\nleft\nprompt");
}

TEST(tails)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	static const char *const want[] = {"", "5\n", "4\n5\n", "3\n4\n5\n", "2\n3\n4\n5\n", "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n"};
	append_lines(arena_fmt(&p.a, "%s.2", p.path).p, "0 o 1");
	append_lines(arena_fmt(&p.a, "%s.1", p.path).p, "0 o 2\n0 o 3");
	append_lines(p.path, "0 o 4\n0 o 5");
	for (int n = 0; n < 7; n++) {
		struct log_query q = everything;
		q.tail = n;
		CHECK_STR(read_all(&p, q), want[n]);
	}
	CHECK_STR(read_all(&p, everything), want[6]);
}

TEST(tail_of_long_files)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	FILE *f = fopen(p.path, "we");
	for (int i = 0; i < 20000; i++)
		fprintf(f, "2026-01-01T12:00:00Z stdout F line %d\n", i);
	fclose(f);
	struct log_query q = everything;
	q.tail = 10000;
	struct str text = read_all(&p, q);
	CHECK(str_starts(text, STR("line 10000\n")) && str_ends(text, STR("line 19999\n")));
	q.tail = 30000;
	CHECK(str_starts(read_all(&p, q), STR("line 0\n")));
}

TEST(following_over_a_rotation)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	struct log_reader *r;
	append_lines(p.path, "0 o one");
	struct log_query q = everything;
	REQUIRE(log_reader_open(&r, p.path, &q, NULL) == 0);
	CHECK_STR(drain(&p, r), "one\n");
	append(p.path, "2026-01-01T12:00:00Z stdout F ha");
	CHECK_STR(drain(&p, r), "");
	append(p.path, "lf\n");
	CHECK_STR(drain(&p, r), "half\n");
	rename(p.path, arena_fmt(&p.a, "%s.1", p.path).p);
	append_lines(arena_fmt(&p.a, "%s.1", p.path).p, "1 o still the old one");
	CHECK_STR(drain(&p, r), "still the old one\n");
	append_lines(p.path, "1 o the new one");
	CHECK_STR(drain(&p, r), "the new one\n");
	log_reader_close(r);
}

static const char *numbered(struct place *p, int n)
{
	return arena_fmt(&p->a, "%s.%d", p->path, n).p;
}

// As log_rotation does it.
static void rotate(struct place *p, int files)
{
	unlink(numbered(p, files - 1));
	for (int i = files - 2; i >= 1; i--)
		rename(numbered(p, i), numbered(p, i + 1));
	REQUIRE(rename(p->path, numbered(p, 1)) == 0);
}

// A reader whose client is slow finds the files of all rotations since, as far as they are kept.
TEST(following_over_many_rotations)
{
	struct place p CLEAN_PLACE;
	struct log_reader *r;
	set_up(&p);
	append_lines(p.path, "0 o one");
	REQUIRE(log_reader_open(&r, p.path, &everything, NULL) == 0);
	CHECK_STR(drain(&p, r), "one\n");
	append_lines(p.path, "0 o last of the first");
	for (int i = 2; i <= 4; i++) {
		rotate(&p, 5);
		append_lines(p.path, arena_fmt(&p.a, "%d o file %d", i, i).p);
	}
	CHECK_STR(drain(&p, r), "last of the first\nfile 2\nfile 3\nfile 4\n");
	for (int i = 2; i <= 9; i++) { // its own file is gone
		rotate(&p, 5);
		append_lines(p.path, arena_fmt(&p.a, "%d o again %d", i, i).p);
	}
	CHECK_STR(drain(&p, r), "again 5\nagain 6\nagain 7\nagain 8\nagain 9\n");
	log_reader_close(r);
}

// A write that was cut off by a full disk does not take the next file's first line with it.
TEST(a_file_that_ends_within_a_line)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	append_lines(p.path, "0 o one");
	append(p.path, "2026-01-01T12:00:00Z stdout F tw");
	rotate(&p, 5);
	append_lines(p.path, "1 o three");
	CHECK_STR(read_all(&p, everything), "one\ntw\nthree\n");
}

// Between the renaming and the monitor's new file there is no log of that name; what there is can be read.
TEST(opened_in_the_middle_of_a_rotation)
{
	struct place p CLEAN_PLACE;
	struct log_reader *r;
	set_up(&p);
	append_lines(p.path, "0 o one");
	rotate(&p, 5);
	append_lines(p.path, "1 o two");
	rotate(&p, 5);
	REQUIRE(log_reader_open(&r, p.path, &everything, NULL) == 0);
	CHECK_STR(drain(&p, r), "one\ntwo\n");
	append_lines(numbered(&p, 1), "2 o still there");
	append_lines(p.path, "3 o new");
	CHECK_STR(drain(&p, r), "still there\nnew\n");
	log_reader_close(r);
}

// A log that is a symlink to something else is not read.
TEST(only_plain_files)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	struct log_reader *r;
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(log_reader_open(&r, p.path, &everything, &e) < 0 && e.reason == ERR_NOT_FOUND);
	REQUIRE(symlink("/etc/passwd", p.path) == 0);
	CHECK(log_reader_open(&r, p.path, &everything, &e) < 0);
}

TEST(a_line_without_end_is_bounded)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	char *block = mem_alloc(3 << 20);
	memset(block, 'x', 3 << 20);
	write_file(p.path, (struct str){block, 3 << 20});
	free(block);
	append(p.path, "\n2026-01-01T12:00:00Z stdout F after\n");
	CHECK_STR(read_all(&p, everything), "after\n");
}
