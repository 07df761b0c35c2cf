// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

static struct unit_test *tests, **last = &tests;
static int failures_now;
static jmp_buf out;

void unit_register(struct unit_test *t)
{
	*last = t;
	last = &t->next;
}

void unit_fail(const char *file, int line, const char *what, ...)
{
	va_list args;
	va_start(args, what);
	failures_now++;
	printf("    %s:%d: ", file, line);
	vprintf(what, args);
	printf("\n");
	va_end(args);
}

void unit_skip(const char *why)
{
	printf("    skipped: %s\n", why);
	longjmp(out, 2);
}

void unit_stop(void)
{
	longjmp(out, 1);
}

// 0: came to its end, 1: stopped, 2: skipped.
static int run(struct unit_test *t)
{
	failures_now = 0;
	int how = setjmp(out);
	if (how == 0)
		t->run();
	return how;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0, skipped = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct unit_test *t = tests; t; t = t->next) {
		if (argc > 1 && !strstr(t->name, argv[1]))
			continue;
		int how = run(t);
		bool skip = how == 2 && failures_now == 0;
		printf("%s %s\n", skip ? "skip" : failures_now ? "FAIL" : "ok  ", t->name);
		skip ? skipped++ : failures_now ? failed++ : passed++;
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed != 0;
}
