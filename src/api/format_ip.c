// SPDX-License-Identifier: Apache-2.0
// IP addresses and CIDRs as texts (RFC 4291, RFC 4632).
#include "api/format.h"

#include <stdio.h>

#include "base/encode.h"

static void fault(struct format_faults *f, const char *text)
{
	if (f->count < FORMAT_FAULTS_MAX)
		f->text[f->count++] = text;
}

static bool v4_bytes(struct str s, unsigned char *out)
{
	for (int i = 0; i < 4; i++) {
		struct str part;
		if (str_cut(s, '.', &part, &s) != (i < 3))
			return false;
		int64_t value;
		if (part.n == 0 || part.n > 3 || (part.n > 1 && part.p[0] == '0') || part.p[0] == '-' ||
		    part.p[0] == '+' || str_to_i64(part, &value) || value > 255)
			return false;
		out[i] = (unsigned char)value;
	}
	return true;
}

// One or two bytes pairs from the front of *s: a group of hex digits, or an IPv4 address as the last four bytes.
// Returns how many bytes, 0 when it is neither.
static size_t v6_group(struct str *s, unsigned char *out, size_t room)
{
	size_t n = 0;
	unsigned value = 0;
	while (n < s->n && n < 4 && decode_hex_digit(s->p[n]) >= 0)
		value = value * 16 + (unsigned)decode_hex_digit(s->p[n++]);
	if (n < s->n && s->p[n] == '.') {
		if (room < 4 || !v4_bytes(*s, out))
			return 0;
		*s = STR_NONE;
		return 4;
	}
	if (n == 0 || room < 2)
		return 0;
	out[0] = (unsigned char)(value >> 8);
	out[1] = (unsigned char)value;
	*s = str_from(*s, n);
	return 2;
}

static bool v6_bytes(struct str s, unsigned char out[16])
{
	size_t at = 0;
	ptrdiff_t gap = -1; // where "::" stands
	if (str_starts(s, STR("::"))) {
		gap = 0;
		s = str_from(s, 2);
	}
	while (s.n > 0) {
		size_t n = v6_group(&s, out + at, 16 - at);
		if (n == 0)
			return false;
		at += n;
		if (s.n == 0)
			break;
		if (s.p[0] != ':' || s.n == 1)
			return false;
		s = str_from(s, 1);
		if (s.p[0] == ':') {
			if (gap >= 0)
				return false;
			gap = (ptrdiff_t)at;
			s = str_from(s, 1);
		}
	}
	if (gap < 0)
		return at == 16;
	if (at >= 16)
		return false;
	size_t tail = at - (size_t)gap;
	memmove(out + 16 - tail, out + gap, tail);
	memset(out + gap, 0, 16 - at);
	return true;
}

size_t format_ip_bytes(struct str text, unsigned char out[16])
{
	memset(out, 0, 16);
	if (str_find(text, ':') < 0)
		return v4_bytes(text, out) ? 4 : 0;
	return v6_bytes(text, out) ? 16 : 0;
}

size_t format_cidr_bytes(struct str text, unsigned char out[16], int *bits)
{
	struct str address, length;
	int64_t value;
	if (!str_cut(text, '/', &address, &length) || length.n == 0 || length.n > 3 || length.p[0] == '-' ||
	    length.p[0] == '+' || (length.n > 1 && length.p[0] == '0') || str_to_i64(length, &value))
		return 0;
	size_t n = format_ip_bytes(address, out);
	if (n == 0 || value > (int64_t)n * 8)
		return 0;
	*bits = (int)value;
	return n;
}

// The longest run of groups that are zero, two at least; the first of equal ones. Returns its length.
static int longest_gap(const unsigned groups[8], int *start)
{
	int best = 1;
	for (int i = 0, run = 0; i < 8; i++) {
		run = groups[i] ? 0 : run + 1;
		if (run > best) {
			best = run;
			*start = i - run + 1;
		}
	}
	return best > 1 ? best : 0;
}

void format_ip_text(const unsigned char ip[16], char out[FORMAT_IP_ROOM])
{
	unsigned groups[8];
	int gap = 0, n = 0;
	for (int i = 0; i < 8; i++)
		groups[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
	int length = longest_gap(groups, &gap);
	for (int i = 0; i < 8; i++) {
		bool skips = length && i == gap;
		const char *before = skips ? "::" : i == 0 || (length && i == gap + length) ? "" : ":";
		n += skips ? snprintf(out + n, FORMAT_IP_ROOM - (size_t)n, "%s", before)
			   : snprintf(out + n, FORMAT_IP_ROOM - (size_t)n, "%s%x", before, groups[i]);
		if (skips)
			i += length - 1;
	}
}

// ::ffff:10.9.8.7, which some programs take for the IPv4 address and others do not.
static bool is_mapped(const unsigned char bytes[16], size_t n)
{
	static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};
	return n == 16 && memcmp(bytes, prefix, sizeof prefix) == 0;
}

static bool has_bits_beyond(const unsigned char *bytes, size_t n, int bits)
{
	for (size_t i = 0; i < n; i++) {
		int kept = bits - (int)i * 8;
		unsigned mask = kept >= 8 ? 0 : kept <= 0 ? 0xff : 0xffu >> kept;
		if (bytes[i] & mask)
			return true;
	}
	return false;
}

void format_ip(struct str s, struct format_faults *f)
{
	unsigned char bytes[16];
	size_t n = format_ip_bytes(s, bytes);
	if (!n)
		fault(f, "must be an IP address (such as 10.9.8.7 or 2001:db8::ffff)");
	else if (is_mapped(bytes, n))
		fault(f, "must not be an IPv4 address in the form of IPv6");
}

void format_ipv4(struct str s, struct format_faults *f)
{
	unsigned char bytes[16];
	if (format_ip_bytes(s, bytes) != 4)
		fault(f, "must be an IPv4 address (such as 10.9.8.7)");
}

void format_ipv6(struct str s, struct format_faults *f)
{
	unsigned char bytes[16];
	if (format_ip_bytes(s, bytes) != 16)
		fault(f, "must be an IPv6 address (such as 2001:db8::ffff)");
}

void format_cidr(struct str s, struct format_faults *f)
{
	unsigned char bytes[16];
	int bits;
	size_t n = format_cidr_bytes(s, bytes, &bits);
	if (!n)
		fault(f, "must be an address and a prefix length (such as 10.9.8.0/24 or 2001:db8::/64)");
	else if (is_mapped(bytes, n))
		fault(f, "must not be an IPv4 address in the form of IPv6");
	else if (has_bits_beyond(bytes, n, bits))
		fault(f, "must not have bits set beyond the prefix length");
}
