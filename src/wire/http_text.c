// SPDX-License-Identifier: Apache-2.0
// Looking things up in headers and queries, and writing heads.
#include "base/encode.h"
#include "wire/http.h"

struct str http_header(struct http_headers h, const char *name)
{
	struct str wanted = str_of(name);
	for (size_t i = 0; i < h.count; i++)
		if (str_eq_nocase(h.list[i].name, wanted))
			return h.list[i].value;
	return STR_NONE;
}

bool http_header_has(struct http_headers h, const char *name)
{
	for (size_t i = 0; i < h.count; i++)
		if (str_eq_nocase(h.list[i].name, str_of(name)))
			return true;
	return false;
}

bool http_header_lists(struct http_headers h, const char *name, const char *token)
{
	for (size_t i = 0; i < h.count; i++) {
		if (!str_eq_nocase(h.list[i].name, str_of(name)))
			continue;
		struct str rest = h.list[i].value, piece;
		while (str_next(&rest, ',', &piece))
			if (str_eq_nocase(str_trim(piece), str_of(token)))
				return true;
	}
	return false;
}

// "q=0", "q=0.0"...: refused.
static bool is_refused(struct str parameters)
{
	struct str p = str_trim(parameters);
	if (!str_starts(p, STR("q=0")) && !str_starts(p, STR("Q=0")))
		return false;
	for (size_t i = 3; i < p.n; i++)
		if (p.p[i] != '0' && p.p[i] != '.')
			return false;
	return true;
}

bool http_accepts_gzip(struct http_headers h)
{
	struct str rest = http_header(h, "accept-encoding"), piece;
	while (str_next(&rest, ',', &piece)) {
		struct str coding, parameters;
		str_cut(piece, ';', &coding, &parameters);
		if (str_eq_nocase(str_trim(coding), STR("gzip")))
			return !is_refused(parameters);
	}
	return false;
}

const char *http_reason(int code)
{
	static const struct {
		int code;
		const char *reason;
	} reasons[] = {
		{100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"},
		{202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"},
		{301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
		{307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
		{401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"},
		{411, "Length Required"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
		{414, "URI Too Long"}, {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
		{417, "Expectation Failed"}, {422, "Unprocessable Content"}, {426, "Upgrade Required"},
		{428, "Precondition Required"}, {429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
		{501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
		{504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
	};
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].code == code)
			return reasons[i].reason;
	return "";
}

bool http_query(struct arena *a, struct str query, const char *name, struct str *value)
{
	struct str pair;
	while (str_next(&query, '&', &pair)) {
		struct str key, text;
		str_cut(pair, '=', &key, &text);
		if (decode_url(a, key, true, &key) == 0 && str_is(key, name))
			return decode_url(a, text, true, value) == 0;
	}
	return false;
}

// What could end a header line early never leaves.
static void add_safely(struct buf *out, struct str s)
{
	size_t at = out->n;
	buf_add(out, s);
	for (; at < out->n; at++)
		if (out->p[at] == '\r' || out->p[at] == '\n' || out->p[at] == '\0')
			out->p[at] = '_';
}

void http_write_header(struct buf *out, struct str name, struct str value)
{
	add_safely(out, name);
	BUF_LIT(out, ": ");
	add_safely(out, value);
	BUF_LIT(out, "\r\n");
}

size_t http_origin_length(struct str link)
{
	static const char *const schemes[] = {"http://", "https://", "//"};
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		struct str scheme = str_of(schemes[i]);
		if (!str_eq_nocase(str_sub(link, 0, scheme.n), scheme))
			continue;
		size_t n = scheme.n;
		while (n < link.n && !memchr("/?#", link.p[n], 3))
			n++;
		return n;
	}
	return 0;
}

void http_write_request(struct buf *out, const char *method, struct str target, struct http_headers headers)
{
	buf_add_c(out, method);
	buf_add_byte(out, ' ');
	size_t at = out->n;
	add_safely(out, target);
	for (; at < out->n; at++)
		if (out->p[at] == ' ')
			out->p[at] = '_';
	BUF_LIT(out, " HTTP/1.1\r\n");
	for (size_t i = 0; i < headers.count; i++)
		http_write_header(out, headers.list[i].name, headers.list[i].value);
}

void http_write_status(struct buf *out, int code)
{
	BUF_LIT(out, "HTTP/1.1 ");
	buf_add_i64(out, code);
	buf_add_byte(out, ' ');
	buf_add_c(out, http_reason(code));
	BUF_LIT(out, "\r\n");
}

void http_write_chunk_head(struct buf *out, size_t n)
{
	char digits[16];
	size_t at = sizeof digits;
	do
		digits[--at] = "0123456789abcdef"[n & 15];
	while (n >>= 4);
	buf_add(out, (struct str){digits + at, sizeof digits - at});
	BUF_LIT(out, "\r\n");
}
