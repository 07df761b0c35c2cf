// SPDX-License-Identifier: Apache-2.0
#include "api/format.h"

#include "base/mem.h"

#define TOO_LONG(n) "must be no more than " #n " bytes"

static void fault(struct format_faults *f, const char *text)
{
	if (f->count < FORMAT_FAULTS_MAX)
		f->text[f->count++] = text;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_alphanumeric(char c)
{
	return is_letter(c) || is_digit(c);
}

static bool is_lower_alphanumeric(char c)
{
	return is_lower(c) || is_digit(c);
}

// Every byte is of `inner` or one of `also`; not empty.
static bool all_of(struct str s, bool (*inner)(char c), const char *also)
{
	for (size_t i = 0; i < s.n; i++)
		if (!inner(s.p[i]) && !(s.p[i] && strchr(also, s.p[i])))
			return false;
	return s.n > 0;
}

// As all_of, and both ends are of `inner`.
static bool framed(struct str s, bool (*inner)(char c), const char *also)
{
	return all_of(s, inner, also) && inner(s.p[0]) && inner(s.p[s.n - 1]);
}

static bool is_dns_label(struct str s)
{
	return framed(s, is_lower_alphanumeric, "-");
}

static bool is_subdomain(struct str s)
{
	if (s.n == 0 || s.p[s.n - 1] == '.')
		return false;
	struct str label;
	while (str_next(&s, '.', &label))
		if (!is_dns_label(label))
			return false;
	return true;
}

void format_dns_label(struct str s, struct format_faults *f)
{
	if (s.n > 63)
		fault(f, TOO_LONG(63));
	if (!is_dns_label(s))
		fault(f,
		      "a DNS label holds lower case letters, digits and '-', and begins and ends with a letter or "
		      "digit (such as 'my-name' or '123-abc')");
}

void format_dns_subdomain(struct str s, struct format_faults *f)
{
	if (s.n > 253)
		fault(f, TOO_LONG(253));
	if (!is_subdomain(s))
		fault(f,
		      "a DNS subdomain holds lower case letters, digits, '-' and '.', and each part between dots "
		      "begins and ends with a letter or digit (such as 'example.com')");
}

void format_domain_name(struct str s, struct format_faults *f)
{
	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	format_dns_subdomain(s, f);
}

void format_fully_qualified_name(struct str s, struct format_faults *f)
{
	if (s.n == 0) {
		fault(f, "a name is needed here");
		return;
	}
	size_t before = f->count;
	format_dns_subdomain(s, f);
	if (f->count == before && str_find(s, '.') < 0)
		fault(f, "should be a domain with at least two parts separated by dots");
}

static void name_part(struct str name, struct format_faults *f)
{
	if (name.n == 0)
		fault(f, "the name part is empty");
	if (name.n > 63)
		fault(f, "the name part " TOO_LONG(63));
	if (!framed(name, is_alphanumeric, "-_."))
		fault(f,
		      "the name part holds letters, digits, '-', '_' and '.', and begins and ends with a letter or "
		      "digit (such as 'MyName', 'my.name' or '123-abc')");
}

void format_qualified_name(struct str s, struct format_faults *f)
{
	struct str prefix, name;
	if (!str_cut(s, '/', &prefix, &name)) {
		name_part(s, f);
		return;
	}
	if (str_find(name, '/') >= 0) {
		fault(f,
		      "a qualified name is a name of letters, digits, '-', '_' and '.' with, perhaps, a DNS "
		      "subdomain and '/' before it (such as 'example.com/MyName'): there is one '/' too many");
		return;
	}
	if (prefix.n == 0)
		fault(f, "the prefix part before '/' is empty");
	else
		format_dns_subdomain(prefix, f);
	name_part(name, f);
}

void format_label_value(struct str s, struct format_faults *f)
{
	if (s.n > 63)
		fault(f, TOO_LONG(63));
	if (s.n > 0 && !framed(s, is_alphanumeric, "-_."))
		fault(f,
		      "a label's value is empty, or holds letters, digits, '-', '_' and '.', and begins and ends "
		      "with a letter or digit (such as 'MyValue', 'my_value' or '12345')");
}

// Names that would climb or hide when used as a file's.
static void dot_names(struct str s, struct format_faults *f)
{
	if (str_is(s, "."))
		fault(f, "must not be '.'");
	else if (str_is(s, ".."))
		fault(f, "must not be '..'");
	else if (str_starts(s, STR("..")))
		fault(f, "must not start with '..'");
}

void format_env_name(struct str s, struct format_faults *f)
{
	bool printable = s.n > 0;
	for (size_t i = 0; i < s.n; i++)
		printable = printable && s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '=';
	if (!printable)
		fault(f, "a name of an environment variable holds printable ASCII characters other than '='");
}

void format_config_key(struct str s, struct format_faults *f)
{
	if (s.n > 253)
		fault(f, TOO_LONG(253));
	if (!all_of(s, is_alphanumeric, "-_."))
		fault(f,
		      "a key holds letters, digits, '-', '_' and '.' (such as 'key.name', 'KEY_NAME' or 'key-name')");
	dot_names(s, f);
}

void format_port_name(struct str s, struct format_faults *f)
{
	if (s.n > 15)
		fault(f, TOO_LONG(15));
	if (!all_of(s, is_lower_alphanumeric, "-"))
		fault(f, "holds only lower case letters, digits and '-'");
	bool letter = false;
	for (size_t i = 0; i < s.n; i++)
		letter = letter || is_lower(s.p[i]);
	if (!letter)
		fault(f, "holds at least one letter");
	if (str_contains(s, STR("--")))
		fault(f, "holds no '--'");
	if (s.n > 0 && (s.p[0] == '-' || s.p[s.n - 1] == '-'))
		fault(f, "neither begins nor ends with '-'");
}

void format_absolute_path(struct str s, struct format_faults *f)
{
	if (s.n == 0 || s.p[0] != '/')
		fault(f, "must be an absolute path");
}

void format_local_path(struct str s, struct format_faults *f)
{
	if (s.n > 0 && s.p[0] == '/')
		fault(f, "must be a relative path");
	struct str part;
	while (str_next(&s, '/', &part))
		if (str_is(part, "..")) {
			fault(f, "must not contain '..'");
			return;
		}
}

void format_path_segment(struct str s, struct format_faults *f)
{
	if (str_is(s, ".") || str_is(s, "..")) {
		fault(f, str_is(s, ".") ? "must not be '.'" : "must not be '..'");
		return;
	}
	if (str_find(s, '/') >= 0)
		fault(f, "must not contain '/'");
	if (str_find(s, '%') >= 0)
		fault(f, "must not contain '%'");
}

void format_percent(struct str s, struct format_faults *f)
{
	if (s.n < 2 || s.p[s.n - 1] != '%' || !all_of(str_sub(s, 0, s.n - 1), is_digit, ""))
		fault(f, "a percentage is digits and '%' (such as '1%' or '93%')");
}

void format_http_header(struct str s, struct format_faults *f)
{
	if (!all_of(s, is_alphanumeric, "-"))
		fault(f, "a header's name holds letters, digits and '-' (such as 'X-Header-Name')");
}

static bool is_sysctl_part(struct str s)
{
	return framed(s, is_lower_alphanumeric, "-_");
}

void format_sysctl(struct str s, struct format_faults *f)
{
	if (s.n > 253)
		fault(f, TOO_LONG(253));
	struct str rest = s;
	bool good = s.n > 0;
	while (good && rest.n > 0) { // parts are separated by '.' or '/'
		size_t end = 0;
		while (end < rest.n && rest.p[end] != '.' && rest.p[end] != '/')
			end++;
		good = is_sysctl_part(str_sub(rest, 0, end)) && end + 1 != rest.n;
		rest = str_from(rest, end + 1);
	}
	if (!good)
		fault(f, "a sysctl's name is parts of lower case letters, digits, '-' and '_' joined by '.' or '/'");
}

bool format_good(format_check *check, struct str value)
{
	struct format_faults f = {0};
	check(value, &f);
	return f.count == 0;
}
