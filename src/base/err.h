// SPDX-License-Identifier: Apache-2.0
// What went wrong, told once: functions that can fail return 0 or a negative number and fill their last argument,
// a `struct err *`. Callers wrap it with context on the way up; only the top logs it or makes a Status of it.
// The reasons are those of the Kubernetes API (metav1.StatusReason), so that every error has one.
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum err_reason {
	ERR_NONE = 0,
	ERR_BAD_REQUEST,	 // 400 BadRequest
	ERR_UNAUTHORIZED,	 // 401
	ERR_FORBIDDEN,		 // 403
	ERR_NOT_FOUND,		 // 404
	ERR_METHOD_NOT_ALLOWED,	 // 405
	ERR_NOT_ACCEPTABLE,	 // 406
	ERR_ALREADY_EXISTS,	 // 409
	ERR_CONFLICT,		 // 409
	ERR_GONE,		 // 410
	ERR_EXPIRED,		 // 410, a resourceVersion or continue token too old
	ERR_TOO_LARGE,		 // 413 RequestEntityTooLarge
	ERR_UNSUPPORTED_MEDIA,	 // 415
	ERR_INVALID,		 // 422, with causes
	ERR_TOO_MANY_REQUESTS,	 // 429
	ERR_INTERNAL,		 // 500
	ERR_UNAVAILABLE,	 // 503 ServiceUnavailable
	ERR_TIMEOUT,		 // 504
	ERR_REASONS
};

struct err_cause {
	char *field;   // path: spec.ports[0].name
	char *reason;  // FieldValueInvalid, FieldValueRequired...
	char *message; // without the field
};

enum { ERR_CAUSES_MAX = 500 }; // the rest is counted, not kept

struct err {
	enum err_reason reason;
	char *text; // whole sentence, NULL while reason is ERR_NONE
	struct err_cause *causes;
	size_t cause_count;
	size_t cause_dropped;
	int retry_after_s; // 0: none
};

#define ERR_EMPTY ((struct err){0})

// Fills e (dropping what it held) and returns -1; e may be NULL.
int err_set(struct err *e, enum err_reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
int err_vset(struct err *e, enum err_reason reason, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
// Puts "context: " before the text; returns -1, so that `return err_wrap(e, "import %s", f);` reads well.
int err_wrap(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
// From errno: reason ERR_INTERNAL, or ERR_NOT_FOUND for ENOENT; text "what: No such file or directory".
int err_errno(struct err *e, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Adds one cause and makes the error ERR_INVALID. `reason` is a FieldValue... word, kept by copy.
void err_cause(struct err *e, struct str field, const char *reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void err_clear(struct err *e);			   // frees what it holds; NULL is fine
void err_move(struct err *to, struct err *from); // `from` is left empty; `to` may be NULL

const char *err_text(const struct err *e);	  // never NULL
const char *err_reason_name(enum err_reason reason); // "NotFound"; "" for ERR_NONE
int err_http_code(enum err_reason reason);	  // 404; 500 for ERR_NONE
enum err_reason err_reason_of(struct str name, int http_code); // the inverse, by name first

#define CLEAN_ERR __attribute__((cleanup(err_clear)))

#endif
