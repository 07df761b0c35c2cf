// SPDX-License-Identifier: Apache-2.0
#include "api/rules/rule.h"

void check_format(struct check *c, const struct path *p, struct str value, format_check *format)
{
	struct format_faults f = {0};
	format(value, &f);
	for (size_t i = 0; i < f.count; i++)
		fail_text(c, p, value, "%s", f.text[i]);
}

void check_lower_format(struct check *c, const struct path *p, struct str value, format_check *format)
{
	char *lower = arena_c(c->arena, value);
	for (char *l = lower; *l; l++)
		if (*l >= 'A' && *l <= 'Z')
			*l = (char)(*l - 'A' + 'a');
	struct format_faults f = {0};
	format(str_of(lower), &f);
	for (size_t i = 0; i < f.count; i++)
		fail_text(c, p, value, "%s", f.text[i]);
}

bool text_is_one_of(struct str text, const char *const *allowed)
{
	for (; *allowed; allowed++)
		if (str_is(text, *allowed))
			return true;
	return false;
}

bool check_one_of(struct check *c, const struct path *p, const struct json *value, const char *const *allowed)
{
	struct str text = value && value->type == JSON_STRING ? value->text : STR("");
	bool good = text_is_one_of(text, allowed);
	if (!good)
		fail_unsupported(c, p, value, allowed);
	return good;
}

static int64_t number_of(const struct json *number)
{
	return number && number->type == JSON_INT ? number->integer : 0;
}

void check_not_negative(struct check *c, const struct path *p, const struct json *number)
{
	if (number_of(number) < 0)
		fail_invalid(c, p, number, "must not be less than 0");
}

void check_range(struct check *c, const struct path *p, const struct json *number, int64_t min, int64_t max)
{
	int64_t value = number_of(number);
	if (value < min || value > max)
		fail_invalid(c, p, json_int(c->arena, value), "must be between %lld and %lld, inclusive",
			     (long long)min, (long long)max);
}

void check_port(struct check *c, const struct path *p, const struct json *number)
{
	check_range(c, p, number, 1, 65535);
}

void check_named_port(struct check *c, const struct path *p, const struct json *port, bool needs_name)
{
	struct str name = text_of(port, "name");
	if (name.n)
		check_format(c, AT(p, "name"), name, format_dns_label);
	else if (needs_name)
		fail_required(c, AT(p, "name"), "ports need names where there are several");
	check_port(c, AT(p, "port"), field(port, "port"));
	ONE_OF(c, AT(p, "protocol"), field(port, "protocol"), "SCTP", "TCP", "UDP");
	if (field(port, "appProtocol"))
		check_format(c, AT(p, "appProtocol"), text_of(port, "appProtocol"), format_qualified_name);
}

void check_immutable(struct check *c, const struct path *p, const struct json *value, const struct json *old)
{
	if (!same(value, old))
		fail_invalid(c, p, value, "the field can't be changed");
}

void check_labels(struct check *c, const struct path *p, const struct json *labels)
{
	json_each(label, labels) {
		check_format(c, p, label->key, format_qualified_name);
		check_format(c, p, label->text, format_label_value);
	}
}

enum { ANNOTATIONS_MAX = 256 * 1024 }; // bytes of keys and values together

void check_annotations(struct check *c, const struct path *p, const struct json *annotations)
{
	size_t total = 0;
	json_each(annotation, annotations) {
		check_lower_format(c, p, annotation->key, format_qualified_name);
		total += annotation->key.n + annotation->text.n;
	}
	if (total > ANNOTATIONS_MAX)
		fail_too_long(c, p, ANNOTATIONS_MAX);
}

void check_not_special_ip(struct check *c, const struct path *p, struct str ip)
{
	unsigned char b[16], zero[16] = {0};
	size_t n = format_ip_bytes(ip, b);
	if (n == 0) {
		fail_text(c, p, ip, "must be an IP address");
	} else if (!memcmp(b, zero, n)) {
		fail_text(c, p, ip, "may not be the unspecified address");
	} else if (n == 4 ? b[0] == 127 : !memcmp(b, zero, 15) && b[15] == 1) {
		fail_text(c, p, ip, "may not be in the loopback range");
	} else if (n == 4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80) {
		fail_text(c, p, ip, "may not be in the link-local range");
	} else if (n == 4 ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 0x0f) == 2) {
		fail_text(c, p, ip, "may not be in the link-local multicast range");
	}
}

// Label selectors

static void check_expression(struct check *c, const struct path *p, const struct json *expression)
{
	struct str op = text_of(expression, "operator");
	const struct json *values = field(expression, "values");
	bool wants_values = IS_ONE_OF(op, "In", "NotIn");
	if (wants_values && count_of(values) == 0)
		fail_required(c, AT(p, "values"), "must be given when `operator` is 'In' or 'NotIn'");
	else if (IS_ONE_OF(op, "Exists", "DoesNotExist") && count_of(values) > 0)
		fail_forbidden(c, AT(p, "values"), "may not be given when `operator` is 'Exists' or 'DoesNotExist'");
	else if (!wants_values && !IS_ONE_OF(op, "Exists", "DoesNotExist"))
		fail_text(c, AT(p, "operator"), op, "not a selector's operator: use In, NotIn, Exists or DoesNotExist");
	check_format(c, AT(p, "key"), text_of(expression, "key"), format_qualified_name);
	size_t i = 0;
	json_each(value, values)
		check_format(c, AT_INDEX(AT(p, "values"), i++), value->text, format_label_value);
}

void check_label_selector(struct check *c, const struct path *p, const struct json *selector)
{
	check_labels(c, AT(p, "matchLabels"), field(selector, "matchLabels"));
	size_t i = 0;
	json_each(expression, field(selector, "matchExpressions"))
		check_expression(c, AT_INDEX(AT(p, "matchExpressions"), i++), expression);
}

bool label_selector_is_good(struct check *c, const struct json *selector)
{
	struct err ignored CLEAN_ERR = ERR_EMPTY;
	struct check trial = *c;
	trial.e = &ignored;
	trial.failures = 0;
	check_label_selector(&trial, NULL, selector);
	return trial.failures == 0;
}
