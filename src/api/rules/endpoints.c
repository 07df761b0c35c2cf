// SPDX-License-Identifier: Apache-2.0
// Endpoints and EndpointSlice.
#include "api/rules/rules.h"

static void check_endpoint_address(struct check *c, const struct path *p, const struct json *address)
{
	struct str ip = text_of(address, "ip");
	check_format(c, AT(p, "ip"), ip, format_ip);
	if (text_of(address, "hostname").n)
		check_format(c, AT(p, "hostname"), text_of(address, "hostname"), format_dns_label);
	if (field(address, "nodeName"))
		check_format(c, AT(p, "nodeName"), text_of(address, "nodeName"), format_dns_subdomain);
	check_not_special_ip(c, AT(p, "ip"), ip);
}

static void check_addresses(struct check *c, const struct path *p, const struct json *addresses)
{
	size_t i = 0;
	json_each(address, addresses)
		check_endpoint_address(c, AT_INDEX(p, i++), address);
}

void rules_endpoints_create(struct check *c)
{
	size_t i = 0;
	json_each(subset, field(c->object, "subsets")) {
		const struct path *p = AT_INDEX(AT(NULL, "subsets"), i++);
		const struct json *ports = field(subset, "ports");
		if (!is_set(subset, "addresses") && !is_set(subset, "notReadyAddresses"))
			fail_required(c, p, "`addresses` or `notReadyAddresses` must be given");
		check_addresses(c, AT(p, "addresses"), field(subset, "addresses"));
		check_addresses(c, AT(p, "notReadyAddresses"), field(subset, "notReadyAddresses"));
		size_t j = 0;
		json_each(port, ports)
			check_named_port(c, AT_INDEX(AT(p, "ports"), j++), port, ports->count > 1);
	}
}

enum { ENDPOINTS_MAX = 1000, ADDRESSES_MAX = 100, PORTS_MAX = 20000, ZONES_MAX = 8 };

static bool is_canonical(struct str address)
{
	unsigned char bytes[16];
	char text[FORMAT_IP_ROOM];
	if (format_ip_bytes(address, bytes) != 16)
		return true;
	format_ip_text(bytes, text);
	return str_is(address, text);
}

// Of the wrong family the list as a whole is told.
static void check_slice_address(struct check *c, const struct path *list, size_t i, struct str address, struct str type)
{
	const struct path *p = AT_INDEX(list, i);
	size_t before = c->failures;
	if (str_is(type, "FQDN")) {
		check_format(c, p, address, format_fully_qualified_name);
		return;
	}
	if (!IS_ONE_OF(type, "IPv4", "IPv6"))
		return;
	bool v6 = str_is(type, "IPv6");
	check_format(c, p, address, format_ip);
	if (c->failures == before && v6 && !is_canonical(address))
		fail_text(c, p, address, "must be written in the one form of RFC 5952");
	if (c->failures != before)
		return;
	check_format(c, list, address, v6 ? format_ipv6 : format_ipv4);
	check_not_special_ip(c, p, address);
}

// Hints name each zone (or node) once.
static void check_hints(struct check *c, const struct path *p, const struct json *hints, format_check *format)
{
	if (count_of(hints) > ZONES_MAX) {
		fail_too_many(c, p, hints->count, ZONES_MAX);
		return;
	}
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t i = 0;
	json_each(hint, hints) {
		const struct path *name = AT(AT_INDEX(p, i), "name");
		if (seen_add(&known, text_of(hint, "name")))
			fail_duplicate(c, name, field(hint, "name"));
		else
			check_format(c, name, text_of(hint, "name"), format);
		i++;
	}
}

static void check_endpoint(struct check *c, const struct path *p, const struct json *endpoint, struct str type)
{
	const struct json *addresses = field(endpoint, "addresses"), *hints = field(endpoint, "hints");
	size_t i = 0;
	if (!count_of(addresses))
		fail_required(c, AT(p, "addresses"), "an endpoint has at least 1 address");
	else if (addresses->count > ADDRESSES_MAX)
		fail_too_many(c, AT(p, "addresses"), addresses->count, ADDRESSES_MAX);
	json_each(address, addresses)
		check_slice_address(c, AT(p, "addresses"), i++, address->text, type);
	if (field(endpoint, "nodeName"))
		check_format(c, AT(p, "nodeName"), text_of(endpoint, "nodeName"), format_dns_subdomain);
	if (field(endpoint, "hostname"))
		check_format(c, AT(p, "hostname"), text_of(endpoint, "hostname"), format_dns_label);
	check_hints(c, AT(AT(p, "hints"), "forZones"), field(hints, "forZones"), format_label_value);
	check_hints(c, AT(AT(p, "hints"), "forNodes"), field(hints, "forNodes"), format_dns_subdomain);
}

static void check_slice_ports(struct check *c, const struct json *ports)
{
	const struct path *list = AT(NULL, "ports");
	if (count_of(ports) > PORTS_MAX)
		fail_too_many(c, list, ports->count, PORTS_MAX);
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	size_t i = 0;
	json_each(port, ports) {
		const struct path *p = AT_INDEX(list, i++);
		struct str name = text_of(port, "name");
		if (name.n)
			check_format(c, AT(p, "name"), name, format_dns_label);
		if (seen_add(&names, name))
			fail_duplicate(c, AT(p, "name"), field(port, "name"));
		ONE_OF(c, AT(p, "protocol"), field(port, "protocol"), "SCTP", "TCP", "UDP");
		if (field(port, "appProtocol"))
			check_format(c, AT(p, "appProtocol"), text_of(port, "appProtocol"), format_qualified_name);
	}
}

// Versions before this one wrote it; now it is dropped without a word.
static bool drop_topology(struct json *slice)
{
	bool had_some = false;
	json_each(endpoint, json_get(slice, STR("endpoints"))) {
		had_some = had_some || field(endpoint, "deprecatedTopology");
		json_remove(endpoint, STR("deprecatedTopology"));
	}
	return had_some;
}

void rules_endpoint_slice_prepare_create(struct api_context *c, struct json *slice)
{
	drop_topology(slice);
}

void rules_endpoint_slice_prepare_update(struct api_context *c, struct json *slice, const struct json *old)
{
	if (drop_topology(slice)) // what is dropped counts as a change
		json_put_int(c->arena, json_get(slice, STR("metadata")), "generation",
			     json_i64(old, "metadata.generation", 0) + 1);
}

void rules_endpoint_slice_create(struct check *c)
{
	const struct path *list = AT(NULL, "endpoints");
	const struct json *endpoints = field(c->object, "endpoints");
	struct str type = text_of(c->object, "addressType");
	if (!type.n)
		fail_required(c, AT(NULL, "addressType"), "use IPv4, IPv6 or FQDN");
	else
		ONE_OF(c, AT(NULL, "addressType"), field(c->object, "addressType"), "FQDN", "IPv4", "IPv6");
	if (count_of(endpoints) > ENDPOINTS_MAX)
		fail_too_many(c, list, endpoints->count, ENDPOINTS_MAX);
	size_t i = 0;
	json_each(endpoint, endpoints)
		check_endpoint(c, AT_INDEX(list, i++), endpoint, type);
	check_slice_ports(c, field(c->object, "ports"));
}

void rules_endpoint_slice_update(struct check *c)
{
	rules_endpoint_slice_create(c);
	check_immutable(c, AT(NULL, "addressType"), field(c->object, "addressType"), field(c->old, "addressType"));
}

bool rules_endpoint_slice_changed(const struct json *slice, const struct json *old)
{
	return !same_field(slice, old, "endpoints") || !same_field(slice, old, "ports") ||
	       !same_field(slice, old, "addressType") ||
	       !same(json_at(slice, "metadata.labels"), json_at(old, "metadata.labels"));
}
