// SPDX-License-Identifier: Apache-2.0
// Which families of addresses (IPv4, IPv6) a Service has. Addresses of Services are IPv4 here, so that is what one
// gets; only a headless Service without a selector, whose addresses others choose, may have both.
#include "api/rules/service.h"

#define SPEC AT(NULL, "spec")

static bool is_open(const struct json *spec)
{
	return str_is(text_of(spec, "clusterIP"), "None") && !is_set(spec, "selector");
}

static bool is_single(const struct json *spec)
{
	return str_is(text_of(spec, "ipFamilyPolicy"), "SingleStack");
}

static struct str other_family(struct str family)
{
	return str_is(family, "IPv4") ? STR("IPv6") : STR("IPv4");
}

static void settle_policy(struct api_context *c, struct json *spec, const struct json *old)
{
	struct str before = text_of(old, "ipFamilyPolicy");
	if (field(spec, "ipFamilyPolicy"))
		return;
	if (!before.n)
		before = is_open(spec) ? STR("RequireDualStack") : STR("SingleStack");
	json_put_str(c->arena, spec, "ipFamilyPolicy", before);
}

// Who asks for one family and leaves the two as they were keeps the first.
static void drop_second(struct json *spec, const struct json *old)
{
	struct json *families = json_get(spec, STR("ipFamilies"));
	if (old && is_single(spec) && count_of(families) == 2 && same_field(spec, old, "ipFamilies"))
		json_unlink(families, json_first(families)->next);
}

static bool has_family(const struct json *families, const char *family)
{
	json_each(f, families)
		if (str_is(f->text, family))
			return true;
	return false;
}

// Addresses that were given say their families, as far as those are had here.
static void infer_families(struct api_context *c, struct json *families, const struct json *ips)
{
	size_t i = 0;
	unsigned char bytes[16];
	json_each(ip, ips)
		if (i++ >= count_of(families) && format_ip_bytes(ip->text, bytes) == 4 && !has_family(families, "IPv4"))
			json_push(families, json_string(c->arena, STR("IPv4")));
}

void service_settle_families(struct api_context *c, struct json *spec, const struct json *old)
{
	if (type_is(spec, "ExternalName"))
		return;
	settle_policy(c, spec, old);
	drop_second(spec, old);
	struct json *families = json_need_array(c->arena, spec, "ipFamilies");
	size_t given = count_of(families);
	infer_families(c, families, field(spec, "clusterIPs"));
	if (!count_of(families) && (!is_set(spec, "clusterIPs") || str_is(text_of(spec, "clusterIP"), "None")))
		json_push(families, json_string(c->arena, STR("IPv4")));
	bool reduced = given && given < count_of(field(old, "ipFamilies")); // refused by service_check_families
	if (is_open(spec) && !is_single(spec) && !reduced && count_of(families) == 1)
		json_push(families, json_string(c->arena, other_family(json_first(families)->text)));
}

// Addresses without a family are of one that is not had here: see infer_families.
static void check_known_families(struct check *c, const struct json *spec)
{
	size_t i = 0;
	if (!str_is(text_of(spec, "clusterIP"), "None"))
		json_each(ip, field(spec, "clusterIPs")) {
			if (i >= count_of(field(spec, "ipFamilies")))
				fail_invalid(c, AT_INDEX(AT(SPEC, "clusterIPs"), i), ip,
					     "addresses of Services are IPv4 here");
			i++;
		}
}

static void check_policy(struct check *c, const struct json *spec)
{
	const struct path *p = AT(SPEC, "ipFamilyPolicy");
	const struct json *policy = field(spec, "ipFamilyPolicy");
	if (is_single(spec) && count_of(field(spec, "clusterIPs")) == 2)
		fail_invalid(c, p, policy, "SingleStack has one address");
	if (is_single(spec) && count_of(field(spec, "ipFamilies")) == 2)
		fail_invalid(c, p, policy, "SingleStack has one family");
	if (!is_single(spec) && count_of(field(spec, "ipFamilies")) < count_of(json_at(c->old, "spec.ipFamilies")))
		fail_invalid(c, p, policy, "must be SingleStack to let go of the second family");
}

void service_check_families(struct check *c, const struct json *spec)
{
	size_t before = c->failures, i = 0;
	if (!field(spec, "ipFamilyPolicy")) // dropped with a type that is none
		return;
	check_policy(c, spec);
	check_known_families(c, spec);
	if (c->failures != before || is_open(spec))
		return;
	if (str_is(text_of(spec, "ipFamilyPolicy"), "RequireDualStack"))
		fail_invalid(c, AT(SPEC, "ipFamilyPolicy"), field(spec, "ipFamilyPolicy"),
			     "addresses of Services are of one family here");
	json_each(family, field(spec, "ipFamilies")) {
		if (!str_is(family->text, "IPv4"))
			fail_invalid(c, AT_INDEX(AT(SPEC, "ipFamilies"), i), family,
				     "addresses of Services are IPv4 here");
		i++;
	}
}
