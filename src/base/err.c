// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>

#include "base/buf.h"

static const struct {
	const char *name;
	int code;
} reasons[ERR_REASONS] = {
	[ERR_NONE] = {"", 500},
	[ERR_BAD_REQUEST] = {"BadRequest", 400},
	[ERR_UNAUTHORIZED] = {"Unauthorized", 401},
	[ERR_FORBIDDEN] = {"Forbidden", 403},
	[ERR_NOT_FOUND] = {"NotFound", 404},
	[ERR_METHOD_NOT_ALLOWED] = {"MethodNotAllowed", 405},
	[ERR_NOT_ACCEPTABLE] = {"NotAcceptable", 406},
	[ERR_ALREADY_EXISTS] = {"AlreadyExists", 409},
	[ERR_CONFLICT] = {"Conflict", 409},
	[ERR_GONE] = {"Gone", 410},
	[ERR_EXPIRED] = {"Expired", 410},
	[ERR_TOO_LARGE] = {"RequestEntityTooLarge", 413},
	[ERR_UNSUPPORTED_MEDIA] = {"UnsupportedMediaType", 415},
	[ERR_INVALID] = {"Invalid", 422},
	[ERR_TOO_MANY_REQUESTS] = {"TooManyRequests", 429},
	[ERR_INTERNAL] = {"InternalError", 500},
	[ERR_UNAVAILABLE] = {"ServiceUnavailable", 503},
	[ERR_TIMEOUT] = {"Timeout", 504},
};

static char *vformat(const char *format, va_list args)
{
	struct buf b;
	buf_init(&b);
	buf_vfmt(&b, format, args);
	buf_add_byte(&b, '\0');
	return b.p;
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	free(e->text);
	for (size_t i = 0; i < e->cause_count; i++) {
		free(e->causes[i].field);
		free(e->causes[i].reason);
		free(e->causes[i].message);
	}
	free(e->causes);
	*e = ERR_EMPTY;
}

int err_vset(struct err *e, enum err_reason reason, const char *format, va_list args)
{
	if (e) {
		char *text = vformat(format, args); // before the clear: an argument may be the old text
		err_clear(e);
		e->reason = reason;
		e->text = text;
	}
	return -1;
}

int err_set(struct err *e, enum err_reason reason, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	err_vset(e, reason, format, args);
	va_end(args);
	return -1;
}

int err_wrap(struct err *e, const char *format, ...)
{
	if (!e)
		return -1;
	va_list args;
	va_start(args, format);
	struct buf b;
	buf_init(&b);
	buf_vfmt(&b, format, args);
	va_end(args);
	BUF_LIT(&b, ": ");
	buf_add_c(&b, err_text(e));
	buf_add_byte(&b, '\0');
	free(e->text);
	e->text = b.p;
	if (e->reason == ERR_NONE)
		e->reason = ERR_INTERNAL;
	return -1;
}

int err_errno(struct err *e, int number, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (e) {
		char *what CLEAN_FREE = vformat(format, args);
		err_set(e, number == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, "%s: %s", what, strerror(number));
	}
	va_end(args);
	return -1;
}

static char *copy(struct str s)
{
	char *p = mem_alloc(s.n + 1);
	str_to_c(s, p, s.n + 1);
	return p;
}

void err_cause(struct err *e, struct str field, const char *reason, const char *format, ...)
{
	if (!e)
		return;
	e->reason = ERR_INVALID;
	if (e->cause_count == ERR_CAUSES_MAX) {
		e->cause_dropped++;
		return;
	}
	va_list args;
	va_start(args, format);
	e->causes = mem_realloc(e->causes, (e->cause_count + 1) * sizeof *e->causes);
	e->causes[e->cause_count++] = (struct err_cause){copy(field), mem_strdup(reason), vformat(format, args)};
	va_end(args);
}

void err_move(struct err *to, struct err *from)
{
	if (to) {
		err_clear(to);
		*to = *from;
		*from = ERR_EMPTY;
	} else {
		err_clear(from);
	}
}

const char *err_text(const struct err *e)
{
	return e && e->text ? e->text : e && e->cause_count ? e->causes[0].message : "unknown error";
}

const char *err_reason_name(enum err_reason reason)
{
	return reasons[reason].name;
}

int err_http_code(enum err_reason reason)
{
	return reasons[reason].code;
}

enum err_reason err_reason_of(struct str name, int http_code)
{
	for (int i = 1; i < ERR_REASONS; i++)
		if (str_is(name, reasons[i].name))
			return (enum err_reason)i;
	for (int i = 1; i < ERR_REASONS; i++)
		if (reasons[i].code == http_code)
			return (enum err_reason)i;
	return ERR_INTERNAL;
}
