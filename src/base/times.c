// SPDX-License-Identifier: Apache-2.0
#include "base/times.h"

#include <stdio.h>
#include <time.h>

#define YEAR_0_S INT64_C(-62167219200)
#define YEAR_1_S INT64_C(-62135596800)
#define YEAR_10000_S INT64_C(253402300800)

bool far_time_in_range(struct far_time t)
{
	return t.seconds >= YEAR_0_S && t.seconds < YEAR_10000_S && t.ns >= 0 && t.ns < TIME_S;
}

bool far_time_is_zero(struct far_time t)
{
	return t.seconds == YEAR_1_S && t.ns == 0;
}

static struct far_time far_time_of(int64_t ns)
{
	int64_t fraction = ns % TIME_S, borrowed = fraction < 0;
	return (struct far_time){ns / TIME_S - borrowed, fraction + borrowed * TIME_S};
}

static struct str format(struct arena *a, struct far_time at, int digits)
{
	struct tm tm;
	time_t t = (time_t)at.seconds;
	char point[16] = "";
	gmtime_r(&t, &tm);
	if (digits)
		snprintf(point, sizeof point, ".%0*lld", digits, (long long)(digits == 6 ? at.ns / 1000 : at.ns));
	return arena_fmt(a, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			 tm.tm_hour, tm.tm_min, tm.tm_sec, point);
}

struct str far_time_format(struct arena *a, struct far_time t)
{
	return format(a, t, 0);
}

struct str far_time_format_micro(struct arena *a, struct far_time t)
{
	return format(a, t, 6);
}

struct str time_format(struct arena *a, int64_t ns)
{
	return format(a, far_time_of(ns), 0);
}

struct str time_format_micro(struct arena *a, int64_t ns)
{
	return format(a, far_time_of(ns), 6);
}

struct str time_format_nano(struct arena *a, int64_t ns)
{
	return format(a, far_time_of(ns), 9);
}

static bool two_digits(const char *p, int *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (p[0] - '0') * 10 + p[1] - '0';
	return true;
}

// "Z", "+09:00": seconds to subtract.
static int offset(struct str s, int64_t *out)
{
	int hours, minutes;
	if (str_is(s, "Z") || str_is(s, "z")) {
		*out = 0;
		return 0;
	}
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || !two_digits(s.p + 1, &hours) ||
	    !two_digits(s.p + 4, &minutes) || hours > 23 || minutes > 59)
		return -1;
	*out = (hours * 3600 + minutes * 60) * (s.p[0] == '-' ? -1 : 1);
	return 0;
}

// The first 19 bytes: "2006-01-02T15:04:05".
static int date_time(struct str s, struct tm *out)
{
	static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int century, year, month, day, hour, minute, second;
	if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' ||
	    s.p[16] != ':')
		return -1;
	if (!two_digits(s.p, &century) || !two_digits(s.p + 2, &year) || !two_digits(s.p + 5, &month) ||
	    !two_digits(s.p + 8, &day) || !two_digits(s.p + 11, &hour) || !two_digits(s.p + 14, &minute) ||
	    !two_digits(s.p + 17, &second))
		return -1;
	year += century * 100;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] || (month == 2 && day == 29 && !leap) ||
	    hour > 23 || minute > 59 || second > 59)
		return -1;
	*out = (struct tm){
		.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
		.tm_hour = hour, .tm_min = minute, .tm_sec = second,
	};
	return 0;
}

int far_time_parse(struct str s, struct far_time *out)
{
	struct tm tm;
	if (date_time(s, &tm) < 0)
		return -1;
	struct str rest = str_from(s, 19);
	int64_t fraction = 0, unit = TIME_S, east;
	if (rest.n && rest.p[0] == '.') {
		size_t i = 1;
		for (; i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++)
			if (unit > 1)
				fraction += (rest.p[i] - '0') * (unit /= 10);
		if (i == 1)
			return -1;
		rest = str_from(rest, i);
	}
	if (offset(rest, &east) < 0)
		return -1;
	*out = (struct far_time){(int64_t)timegm(&tm) - east, fraction};
	return far_time_in_range(*out) ? 0 : -1;
}

int time_parse(struct str s, int64_t *ns)
{
	struct far_time t;
	if (far_time_parse(s, &t) < 0 || t.seconds > INT64_MAX / TIME_S - 1 || t.seconds < INT64_MIN / TIME_S + 1)
		return -1;
	*ns = t.seconds * TIME_S + t.ns;
	return 0;
}

// "3m20s"; without what is zero: "3m".
static struct str two_units(struct arena *a, long long large, char large_unit, long long small, char small_unit)
{
	if (small == 0)
		return arena_fmt(a, "%lld%c", large, large_unit);
	return arena_fmt(a, "%lld%c%lld%c", large, large_unit, small, small_unit);
}

struct str time_age(struct arena *a, int64_t elapsed_ns)
{
	long long s = elapsed_ns / TIME_S, m = s / 60, h = m / 60, d = h / 24, y = d / 365;
	if (s < -1)
		return STR("<invalid>");
	if (s < 0)
		return STR("0s");
	if (s < 120)
		return arena_fmt(a, "%llds", s);
	if (m < 10)
		return two_units(a, m, 'm', s % 60, 's');
	if (m < 180)
		return arena_fmt(a, "%lldm", m);
	if (h < 8)
		return two_units(a, h, 'h', m % 60, 'm');
	if (h < 48)
		return arena_fmt(a, "%lldh", h);
	if (d < 8)
		return two_units(a, d, 'd', h % 24, 'h');
	if (d < 730)
		return arena_fmt(a, "%lldd", d);
	if (y < 8)
		return two_units(a, y, 'y', d % 365, 'd');
	return arena_fmt(a, "%lldy", y);
}
