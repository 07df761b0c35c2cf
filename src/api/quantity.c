// SPDX-License-Identifier: Apache-2.0
#include "api/quantity.h"

#define NANO ((__int128)1000000000)
#define NANO_MAX ((__int128)INT64_MAX * NANO)

static const char binary_suffixes[] = "KMGTPE";
static const struct {
	char letter; // 0: none
	int exponent;
} decimal_suffixes[] = {{'n', -9}, {'u', -6}, {'m', -3}, {0, 0},   {'k', 3},
			{'M', 6},  {'G', 9},  {'T', 12}, {'P', 15}, {'E', 18}};

static __int128 clamp(__int128 nano)
{
	return nano > NANO_MAX ? NANO_MAX : nano < -NANO_MAX ? -NANO_MAX : nano;
}

// A positive number being read: its significant digits, which fit, and where the point stands.
struct digits {
	__int128 mantissa;
	int exponent;  // value = mantissa * 10^exponent
	bool more;     // digits beyond those kept, not all zero
};

enum { DIGITS_KEPT = 28 }; // 2^63 with nine decimals has 28

// [0-9]*(.[0-9]*)?, where no digit is 0; returns the bytes read.
static size_t read_digits(struct str s, struct digits *d)
{
	size_t i = 0;
	int kept = 0;
	bool point = false;
	*d = (struct digits){0};
	for (; i < s.n; i++) {
		char c = s.p[i];
		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		if (kept < DIGITS_KEPT) {
			d->mantissa = d->mantissa * 10 + (c - '0');
			kept += d->mantissa > 0;
			d->exponent -= point;
		} else {
			d->more = d->more || c != '0';
			d->exponent += !point;
		}
	}
	return i;
}

// mantissa * 10^exponent * 2^shift in billionths, rounded up.
static __int128 to_nano(struct digits d, int shift)
{
	__int128 value = d.mantissa;
	bool rest = d.more;
	int exponent = d.exponent + 9;
	for (; shift > 0 && value <= NANO_MAX; shift--)
		value *= 2;
	for (; exponent > 0 && value != 0 && value <= NANO_MAX; exponent--)
		value *= 10;
	for (; exponent < 0 && value != 0; exponent++) {
		rest = rest || value % 10 != 0;
		value /= 10;
	}
	return clamp(value + rest);
}

// "e3", "E-6": -1 when it is none. Exponents beyond what can matter are cut.
static int read_exponent(struct str s, int *exponent)
{
	int64_t value;
	if (s.n < 2 || (s.p[0] != 'e' && s.p[0] != 'E'))
		return -1;
	s = str_from(s, 1);
	bool negative = s.p[0] == '-';
	if (s.p[0] == '-' || s.p[0] == '+')
		s = str_from(s, 1);
	if (s.n == 0 || s.n > 9 || s.p[0] == '-' || s.p[0] == '+' || str_to_i64(s, &value))
		return -1;
	if (value > 400)
		value = 400;
	*exponent = (int)(negative ? -value : value);
	return 0;
}

// What a suffix says: powers of ten and of two, and the form. -1: no suffix.
static int read_suffix(struct str s, int *ten, int *two, enum quantity_form *form)
{
	*ten = *two = 0;
	*form = QUANTITY_DECIMAL;
	if (s.n == 2 && s.p[1] == 'i') {
		const char *at = strchr(binary_suffixes, s.p[0]);
		if (!at || !s.p[0])
			return -1;
		*two = 10 * (int)(at - binary_suffixes + 1);
		*form = QUANTITY_BINARY;
		return 0;
	}
	if (s.n <= 1) {
		char letter = s.n ? s.p[0] : 0;
		for (size_t i = 0; i < ARRAY_LEN(decimal_suffixes); i++)
			if (decimal_suffixes[i].letter == letter) {
				*ten = decimal_suffixes[i].exponent;
				return 0;
			}
		return -1;
	}
	*form = QUANTITY_EXPONENT;
	return read_exponent(s, ten);
}

static struct str without_sign(struct str text)
{
	return text.n > 0 && (text.p[0] == '-' || text.p[0] == '+') ? str_from(text, 1) : text;
}

int quantity_parse(struct str text, struct quantity *out)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	if (text.n == 0)
		return -1;
	text = without_sign(text);
	struct digits d;
	size_t n = read_digits(text, &d);
	int ten, two;
	enum quantity_form form;
	if ((n < text.n && text.p[n] == 0) || read_suffix(str_from(text, n), &ten, &two, &form))
		return -1;
	d.exponent += ten;
	__int128 nano = to_nano(d, two);
	*out = (struct quantity){negative ? -nano : nano, form};
	return 0;
}

int quantity_of(const struct json *value, struct quantity *out)
{
	if (!value)
		return -1;
	if (value->type == JSON_INT) {
		*out = quantity_of_int(value->integer);
		return 0;
	}
	if (value->type == JSON_STRING || value->type == JSON_REAL)
		return quantity_parse(value->text, out);
	return -1;
}

struct quantity quantity_of_int(int64_t value)
{
	return (struct quantity){clamp(value * NANO), QUANTITY_DECIMAL};
}

struct quantity quantity_of_milli(int64_t milli)
{
	return (struct quantity){milli * (NANO / 1000), QUANTITY_DECIMAL};
}

static struct str decimal_text(struct arena *a, __int128 nano, enum quantity_form form)
{
	int exponent = -9;
	while (nano % 1000 == 0) {
		nano /= 1000;
		exponent += 3;
	}
	// What is left fits: at most 2^63 of whole units, or nine decimals more where the number is short.
	int64_t high = (int64_t)(nano / NANO), low = (int64_t)(nano % NANO);
	struct str sign = nano < 0 ? STR("-") : STR("");
	uint64_t h = high < 0 ? -(uint64_t)high : (uint64_t)high, l = low < 0 ? -(uint64_t)low : (uint64_t)low;
	struct str number = h ? arena_fmt(a, "%.*s%llu%09llu", STR_FMT(sign), (unsigned long long)h,
					  (unsigned long long)l)
			      : arena_fmt(a, "%.*s%llu", STR_FMT(sign), (unsigned long long)l);
	if (exponent == 0)
		return number;
	if (form == QUANTITY_EXPONENT || exponent > 18)
		return arena_fmt(a, "%.*se%d", STR_FMT(number), exponent);
	return arena_fmt(a, "%.*s%c", STR_FMT(number), decimal_suffixes[(exponent + 9) / 3].letter);
}

struct str quantity_text(struct arena *a, struct quantity q)
{
	if (q.nano == 0)
		return STR("0");
	bool small = q.nano > -1024 * NANO && q.nano < 1024 * NANO;
	if (q.form != QUANTITY_BINARY || small || q.nano % NANO != 0)
		return decimal_text(a, q.nano, q.form == QUANTITY_BINARY ? QUANTITY_DECIMAL : q.form);
	int64_t value = (int64_t)(q.nano / NANO);
	int step = 0;
	while (step < 6 && value % 1024 == 0) {
		value /= 1024;
		step++;
	}
	if (step == 0)
		return arena_fmt(a, "%lld", (long long)value);
	return arena_fmt(a, "%lld%ci", (long long)value, binary_suffixes[step - 1]);
}

static size_t digits_at(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

enum { DECIMAL_DIGITS = 18, BINARY_DIGITS = 14 }; // of texts that are looked at at all

bool quantity_stays(struct str text)
{
	struct str rest = without_sign(text), whole, part = STR("");
	while (rest.n && rest.p[0] == '0')
		rest = str_from(rest, 1);
	whole = str_sub(rest, 0, digits_at(rest));
	rest = str_from(rest, whole.n);
	bool point = rest.n && rest.p[0] == '.';
	if (point) {
		rest = str_from(rest, 1);
		part = str_sub(rest, 0, digits_at(rest));
		rest = str_from(rest, part.n);
	}
	int ten, two;
	enum quantity_form form;
	if (whole.n == 0 || read_suffix(rest, &ten, &two, &form))
		return false;
	if (form == QUANTITY_BINARY) {
		int64_t value;
		return part.n == 0 && (int)whole.n + two * 3 / 10 <= BINARY_DIGITS && !str_to_i64(whole, &value) &&
		       value % 8 != 0;
	}
	int scale = ten - (int)part.n;
	char digits[DECIMAL_DIGITS];
	if (whole.n + part.n > DECIMAL_DIGITS || scale < -9 || scale % 3 != 0)
		return false;
	memcpy(digits, whole.p, whole.n);
	memcpy(digits + whole.n, part.p, part.n);
	return !str_ends((struct str){digits, whole.n + part.n}, STR("000"));
}

struct quantity quantity_whole_milli(struct quantity q)
{
	const __int128 unit = NANO / 1000;
	__int128 rest = q.nano % unit;
	if (rest)
		q.nano += rest > 0 ? unit - rest : -unit - rest;
	return q;
}

int quantity_cmp(struct quantity a, struct quantity b)
{
	return (a.nano > b.nano) - (a.nano < b.nano);
}

static int64_t rounded_up(__int128 nano, __int128 unit)
{
	__int128 whole = nano / unit + (nano % unit > 0);
	return whole > INT64_MAX ? INT64_MAX : whole < INT64_MIN ? INT64_MIN : (int64_t)whole;
}

int64_t quantity_value(struct quantity q)
{
	return rounded_up(q.nano, NANO);
}

int64_t quantity_milli(struct quantity q)
{
	return rounded_up(q.nano, NANO / 1000);
}

struct quantity quantity_add(struct quantity a, struct quantity b)
{
	return (struct quantity){clamp(a.nano + b.nano), a.nano == 0 ? b.form : a.form};
}

int int_or_percent(const struct json *value, int64_t total, bool round_up, int64_t *out)
{
	if (value && value->type == JSON_INT) {
		*out = value->integer;
		return 0;
	}
	int64_t percent;
	if (!value || value->type != JSON_STRING || value->text.n < 2 || value->text.p[value->text.n - 1] != '%' ||
	    str_to_i64(str_sub(value->text, 0, value->text.n - 1), &percent))
		return -1;
	__int128 share = (__int128)percent * total;
	*out = round_up ? rounded_up(share, 100) : (int64_t)(share / 100);
	return 0;
}
