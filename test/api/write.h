// SPDX-License-Identifier: Apache-2.0
// For tests of what a write goes through: decoded, defaulted, prepared, checked. Objects are JSON texts with ' for ".
#ifndef TEST_API_WRITE_H
#define TEST_API_WRITE_H

#include "api/object.h"
#include "unit.h"

struct write {
	struct arena arena;
	struct err e;
	struct json *object;  // as it would be stored; NULL when it was refused
	const char *subresource;
	struct json *warnings; // texts of the last write
};

void write_init(struct write *w);
void write_finish(struct write *w);
#define CLEAN_WRITE __attribute__((cleanup(write_finish)))

// 0, or -1 with w->e. The namespace of the request is "ns", the time 2026-01-01T00:00:00Z.
int write_create(struct write *w, const char *object);
int write_update(struct write *w, const char *old, const char *object); // `old` is created first

// Creates (or updates) and compares the causes: "field reason; field reason" in the order of the text, reasons without
// "FieldValue"; "" for none.
void expect_create(int line, const char *object, const char *causes);
void expect_update(int line, const char *subresource, const char *old, const char *object, const char *causes);
// Creates (or updates) what breaks no rule and compares the warnings' beginnings, up to ':', joined by "; ".
void expect_warnings(int line, const char *subresource, const char *old, const char *object, const char *warnings);
#define WARNS(object, warnings) expect_warnings(__LINE__, "", NULL, object, warnings)
#define CREATE(object, causes) expect_create(__LINE__, object, causes)
#define UPDATE(old, object, causes) expect_update(__LINE__, "", old, object, causes)

#endif
