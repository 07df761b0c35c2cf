// SPDX-License-Identifier: Apache-2.0
#include "base/encode.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base64(struct buf *out, struct str s, const char *alphabet, bool padding)
{
	buf_reserve(out, (s.n + 2) / 3 * 4);
	for (size_t i = 0; i < s.n; i += 3) {
		size_t have = s.n - i < 3 ? s.n - i : 3;
		unsigned char c[3] = {0};
		memcpy(c, s.p + i, have);
		unsigned v = (unsigned)c[0] << 16 | (unsigned)c[1] << 8 | c[2];
		buf_add_byte(out, alphabet[v >> 18]);
		buf_add_byte(out, alphabet[v >> 12 & 63]);
		if (have > 1)
			buf_add_byte(out, alphabet[v >> 6 & 63]);
		if (have > 2)
			buf_add_byte(out, alphabet[v & 63]);
		for (size_t pad = have; padding && pad < 3; pad++)
			buf_add_byte(out, '=');
	}
}

void encode_base64(struct buf *out, struct str bytes)
{
	base64(out, bytes, standard, true);
}

void encode_base64_url(struct buf *out, struct str bytes)
{
	base64(out, bytes, url_safe, false);
}

static int unbase64(struct arena *a, struct str text, const char *alphabet, bool padded, struct str *bytes)
{
	unsigned char *out = arena_alloc(a, text.n / 4 * 3 + 4);
	size_t n = 0, digits = 0, pads = 0;
	unsigned v = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (padded && (c == '\r' || c == '\n'))
			continue;
		if (padded && c == '=') {
			pads++;
			continue;
		}
		const char *at = c ? strchr(alphabet, c) : NULL;
		if (!at || pads)
			return -1;
		v = v << 6 | (unsigned)(at - alphabet);
		if (++digits % 4 == 0) {
			out[n++] = (unsigned char)(v >> 16);
			out[n++] = (unsigned char)(v >> 8);
			out[n++] = (unsigned char)v;
			v = 0;
		}
	}
	size_t rest = digits % 4;
	if (rest == 1 || (padded && pads != (4 - rest) % 4))
		return -1;
	if (rest >= 2)
		out[n++] = (unsigned char)(rest == 2 ? v >> 4 : v >> 10);
	if (rest == 3)
		out[n++] = (unsigned char)(v >> 2);
	*bytes = (struct str){(char *)out, n};
	return 0;
}

int decode_base64(struct arena *a, struct str text, struct str *bytes)
{
	return unbase64(a, text, standard, true, bytes);
}

int decode_base64_url(struct arena *a, struct str text, struct str *bytes)
{
	return unbase64(a, text, url_safe, false, bytes);
}

int decode_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void encode_hex(struct buf *out, struct str bytes)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		buf_add_byte(out, hex[c >> 4]);
		buf_add_byte(out, hex[c & 15]);
	}
}

static bool is_unreserved(char c)
{
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	return letter || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

void encode_url(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (is_unreserved(c))
			buf_add_byte(out, c);
		else
			buf_fmt(out, "%%%02X", (unsigned char)c);
	}
}

int decode_url(struct arena *a, struct str text, bool form, struct str *out)
{
	char *p = arena_alloc(a, text.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '%') {
			bool whole = i + 2 < text.n;
			int high = whole ? decode_hex_digit(text.p[i + 1]) : -1, low = whole ? decode_hex_digit(text.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && form) {
			c = ' ';
		}
		p[n++] = c;
	}
	*out = (struct str){p, n};
	return 0;
}

void encode_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_add_byte(out, (char)(value | 0x80));
	buf_add_byte(out, (char)value);
}
