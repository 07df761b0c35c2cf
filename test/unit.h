// SPDX-License-Identifier: Apache-2.0
// A small frame for unit tests: TEST(name) { CHECK(...); } in any file of a test program, which links unit.c.
// The program runs every test (or those whose name contains its first argument) and ends with
// "N passed, N failed, N skipped"; exit status 0 when none failed.
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"

struct unit_test {
	const char *name, *file;
	void (*run)(void);
	struct unit_test *next;
};

void unit_register(struct unit_test *t);
void unit_fail(const char *file, int line, const char *what, ...) __attribute__((format(printf, 3, 4)));
// Ends the running test as skipped; say what is absent.
void unit_skip(const char *why) __attribute__((noreturn));
void unit_stop(void) __attribute__((noreturn)); // ends the running test

#define TEST(test_name)                                                                      \
	static void test_##test_name(void);                                                  \
	__attribute__((constructor)) static void register_##test_name(void)                  \
	{                                                                                    \
		static struct unit_test t = {#test_name, __FILE__, test_##test_name, NULL};  \
		unit_register(&t);                                                           \
	}                                                                                    \
	static void test_##test_name(void)

// Fails the test and goes on.
#define CHECK(condition) ((condition) ? (void)0 : unit_fail(__FILE__, __LINE__, "%s", #condition))
// Fails the test and ends it.
#define REQUIRE(condition) ((condition) ? (void)0 : (unit_fail(__FILE__, __LINE__, "%s", #condition), unit_stop()))
#define CHECK_INT(got, want)                                                                                \
	do {                                                                                                \
		long long got_ = (long long)(got), want_ = (long long)(want);                               \
		if (got_ != want_)                                                                          \
			unit_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, want_);           \
	} while (0)
#define CHECK_STR(got, want)                                                                                            \
	do {                                                                                                            \
		struct str got_ = (got), want_ = str_of(want);                                                          \
		if (!str_eq(got_, want_))                                                                               \
			unit_fail(__FILE__, __LINE__, "%s is \"%.*s\", not \"%.*s\"", #got, STR_FMT(got_), STR_FMT(want_)); \
	} while (0)

#endif
