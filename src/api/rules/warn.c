// SPDX-License-Identifier: Apache-2.0
#include "api/rules/warn.h"

#include "api/quantity.h"

void warn(struct check *c, const struct path *p, const char *text, ...)
{
	va_list args;
	va_start(args, text);
	struct str said = arena_vfmt(c->arena, text, args);
	va_end(args);
	if (p)
		said = arena_fmt(c->arena, "%.*s: %.*s", STR_FMT(path_text(c->arena, p)), STR_FMT(said));
	api_warn(c->arena, c->context->warnings, said);
}

void warn_ip(struct check *c, const struct path *p, struct str ip)
{
	unsigned char bytes[16];
	char usual[FORMAT_IP_ROOM];
	if (format_ip_bytes(ip, bytes) != 16)
		return;
	format_ip_text(bytes, usual);
	if (!str_is(ip, usual))
		warn(c, p, "the IPv6 address \"%.*s\" should be written as \"%s\" (RFC 5952)", STR_FMT(ip), usual);
}

void warn_cidr(struct check *c, const struct path *p, struct str cidr)
{
	unsigned char bytes[16];
	char usual[FORMAT_IP_ROOM];
	int bits;
	if (format_cidr_bytes(cidr, bytes, &bits) != 16)
		return;
	format_ip_text(bytes, usual);
	struct str whole = arena_fmt(c->arena, "%s/%d", usual, bits);
	if (!str_eq(cidr, whole))
		warn(c, p, "the IPv6 range \"%.*s\" should be written as \"%.*s\" (RFC 5952)", STR_FMT(cidr),
		     STR_FMT(whole));
}

void warn_fraction(struct check *c, const struct path *p, const struct json *amounts, const char *name)
{
	const struct json *amount = field(amounts, name);
	struct quantity q;
	if (quantity_of(amount, &q) == 0 && quantity_milli(q) % 1000 != 0)
		warn(c, AT_KEY(p, str_of(name)), "the fraction of a byte in \"%.*s\" makes no sense, use a whole number",
		     STR_FMT(amount->text));
}

void warn_host_name(struct check *c, const char *use)
{
	struct format_faults f = {0};
	format_dns_label(json_str(c->object, "metadata.name"), &f);
	if (f.count)
		warn(c, AT(AT(NULL, "metadata"), "name"), "it is used in %s, which may surprise; a DNS label is better: %s",
		     use, f.text[0]);
}
