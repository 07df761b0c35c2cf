// SPDX-License-Identifier: Apache-2.0
#include "wire/http_head.h"

static int fault(struct http_fault *f, int code, const char *text)
{
	*f = (struct http_fault){code, text};
	return -1;
}

// RFC 9110 5.6.2: what names and methods are made of.
static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c > 0x20 && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

// Printable ASCII without space.
static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

static bool is_field_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

bool http_head_field(struct str line, struct http_header *out)
{
	ptrdiff_t colon = str_find(line, ':');
	if (colon <= 0)
		return false;
	out->name = str_sub(line, 0, (size_t)colon);
	struct str value = str_from(line, (size_t)colon + 1);
	if (!is_token(out->name) || !is_field_value(value))
		return false;
	out->value = str_trim(value); // no CR or LF is left in it
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_version(struct str s, int *minor, struct http_fault *f)
{
	if (s.n != 8 || !str_starts(s, STR("HTTP/")) || !is_digit(s.p[5]) || s.p[6] != '.' || !is_digit(s.p[7]))
		return fault(f, 400, "malformed HTTP version");
	if (s.p[5] != '1' || s.p[7] > '1')
		return fault(f, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	*minor = s.p[7] - '0';
	return 0;
}

static int parse_request_line(struct str line, struct http_head *h, struct http_fault *f)
{
	struct str rest, version;
	if (!str_cut(line, ' ', &h->method, &rest) || !str_cut(rest, ' ', &h->target, &version))
		return fault(f, 400, "malformed request line");
	if (!is_token(h->method) || h->method.n > 32)
		return fault(f, 400, "malformed method");
	if (parse_version(version, &h->minor, f) < 0)
		return -1;
	if (h->target.n > HTTP_TARGET_MAX)
		return fault(f, 414, "the request target is too long");
	bool asterisk = str_is(h->target, "*") && str_is(h->method, "OPTIONS");
	if (!is_visible(h->target) || str_find(h->target, '#') >= 0 || (!str_starts(h->target, STR("/")) && !asterisk))
		return fault(f, 400, "malformed request target");
	return 0;
}

static int parse_status_line(struct str line, struct http_head *h, struct http_fault *f)
{
	struct str version, rest, code;
	str_cut(line, ' ', &version, &rest);
	if (parse_version(version, &h->minor, f) < 0)
		return -1;
	str_cut(rest, ' ', &code, &h->reason);
	int64_t value;
	if (code.n != 3 || str_to_i64(code, &value) < 0 || value < 100 || value > 599 || !is_field_value(h->reason))
		return fault(f, 400, "malformed status line");
	h->code = (int)value;
	return 0;
}

// Counts lines ahead, so that the list is one allocation.
static int parse_fields(struct arena *a, struct str lines, struct http_head *h, struct http_fault *f)
{
	size_t count = 0;
	for (size_t i = 0; i < lines.n; i++)
		count += lines.p[i] == '\n';
	if (count > HTTP_HEADERS_MAX)
		return fault(f, 431, "too many headers");
	struct http_header *list = ARENA_ARRAY(a, struct http_header, count ? count : 1);
	struct str line;
	for (size_t i = 0; i < count; i++) {
		str_cut(lines, '\n', &line, &lines);
		line.n--; // its CR
		if (!http_head_field(line, &list[i]))
			return fault(f, 400, "malformed header");
	}
	h->headers = (struct http_headers){list, count};
	return 0;
}

// The only header of this name. False when it stands there more than once.
static bool single(struct http_headers h, const char *name, struct str *value, bool *found)
{
	*found = false;
	for (size_t i = 0; i < h.count; i++) {
		if (!str_eq_nocase(h.list[i].name, str_of(name)))
			continue;
		if (*found)
			return false;
		*found = true;
		*value = h.list[i].value;
	}
	return true;
}

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]))
			return false;
	return s.n > 0;
}

// How the body is delimited (RFC 9112, 6.3), as far as the headers say.
static int parse_framing(struct http_head *h, struct http_fault *f)
{
	struct str length, coding;
	bool has_length, has_coding;
	if (!single(h->headers, "content-length", &length, &has_length))
		return fault(f, 400, "several Content-Length headers");
	if (!single(h->headers, "transfer-encoding", &coding, &has_coding))
		return fault(f, 400, "several Transfer-Encoding headers");
	if (has_length && has_coding)
		return fault(f, 400, "both Content-Length and Transfer-Encoding");
	if (has_coding) {
		if (h->minor == 0 || !str_eq_nocase(coding, STR("chunked")))
			return fault(f, 400, "the only transfer coding is chunked");
		h->body = HTTP_BODY_CHUNKED;
	} else if (has_length) {
		if (!is_digits(length) || length.n > 18 || str_to_u64(length, &h->length) < 0)
			return fault(f, 400, "malformed Content-Length");
		h->body = h->length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	}
	return 0;
}

static int check_host(const struct http_head *h, struct http_fault *f)
{
	struct str host = STR_NONE;
	bool found;
	if (!single(h->headers, "host", &host, &found) || (!found && h->minor == 1))
		return fault(f, 400, "exactly one Host header is needed");
	for (size_t i = 0; i < host.n; i++)
		if (strchr("/?#@\\\"<>,", host.p[i])) // finds NUL, too
			return fault(f, 400, "malformed Host header");
	if (!is_visible(host))
		return fault(f, 400, "malformed Host header");
	return 0;
}

static int finish_request(struct http_head *h, struct http_fault *f)
{
	if (check_host(h, f) < 0)
		return -1;
	struct str expect = http_header(h->headers, "expect");
	if (expect.n && !str_eq_nocase(expect, STR("100-continue")))
		return fault(f, 417, "the only expectation known is 100-continue");
	h->expects_continue = expect.n && h->minor == 1 && h->body != HTTP_BODY_NONE;
	return 0;
}

int http_head_parse(struct arena *a, struct str text, bool response, struct http_head *out, struct http_fault *f)
{
	struct http_head h = {0};
	struct str line, rest;
	str_cut(str_sub(text, 0, text.n - 2), '\n', &line, &rest); // without the empty line
	line.n--;
	if ((response ? parse_status_line(line, &h, f) : parse_request_line(line, &h, f)) < 0)
		return -1;
	if (parse_fields(a, rest, &h, f) < 0 || parse_framing(&h, f) < 0)
		return -1;
	bool close = http_header_lists(h.headers, "connection", "close");
	h.keep_alive = !close && (h.minor == 1 || http_header_lists(h.headers, "connection", "keep-alive"));
	h.upgrade = http_header_lists(h.headers, "connection", "upgrade") && http_header_has(h.headers, "upgrade");
	if (!response && finish_request(&h, f) < 0)
		return -1;
	*out = h;
	return 0;
}
