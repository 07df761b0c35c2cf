// SPDX-License-Identifier: Apache-2.0
#include "api/format.h"
#include "unit.h"

static size_t faults(format_check *check, const char *text)
{
	struct format_faults f = {0};
	check(str_of(text), &f);
	return f.count;
}

static const char long_label[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; // 64

TEST(format_names)
{
	CHECK_INT(faults(format_dns_label, "my-name"), 0);
	CHECK_INT(faults(format_dns_label, "1digit"), 0);
	CHECK_INT(faults(format_dns_label, "ok.dots"), 1);
	CHECK_INT(faults(format_dns_label, ""), 1);
	CHECK_INT(faults(format_dns_label, long_label), 1);
	CHECK_INT(faults(format_dns_subdomain, "ok.dots"), 0);
	CHECK_INT(faults(format_dns_subdomain, "a..b"), 1);
	CHECK_INT(faults(format_dns_subdomain, "a."), 1);
	CHECK_INT(faults(format_dns_subdomain, "Not_Valid"), 1);
	CHECK_INT(faults(format_domain_name, "example.test."), 0);
	CHECK_INT(faults(format_fully_qualified_name, "example.test"), 0);
	CHECK_INT(faults(format_fully_qualified_name, "test"), 1);
}

TEST(format_keys)
{
	CHECK_INT(faults(format_qualified_name, "example.test/My_name"), 0);
	CHECK_INT(faults(format_qualified_name, "/x"), 1);
	CHECK_INT(faults(format_qualified_name, ""), 2);
	CHECK_INT(faults(format_qualified_name, "a/b/c"), 1);
	CHECK_INT(faults(format_qualified_name, "bad key!"), 1);
	CHECK_INT(faults(format_label_value, ""), 0);
	CHECK_INT(faults(format_label_value, "bad value!"), 1);
	CHECK_INT(faults(format_label_value, long_label), 1);
	CHECK_INT(faults(format_config_key, "file.txt"), 0);
	CHECK_INT(faults(format_config_key, ".."), 1);
	CHECK_INT(faults(format_config_key, "a/b"), 1);
	CHECK_INT(faults(format_env_name, "any thing!"), 0);
	CHECK_INT(faults(format_env_name, "a=b"), 1);
	CHECK_INT(faults(format_port_name, "http"), 0);
	CHECK_INT(faults(format_port_name, ""), 2);
	CHECK_INT(faults(format_port_name, "a--b"), 1);
	CHECK_INT(faults(format_port_name, "80"), 1);
	CHECK_INT(faults(format_sysctl, "net.ipv4.ip_forward"), 0);
	CHECK_INT(faults(format_sysctl, "net/ipv4/ip_forward"), 0);
	CHECK_INT(faults(format_sysctl, "net..ipv4"), 1);
	CHECK_INT(faults(format_percent, "25%"), 0);
	CHECK_INT(faults(format_percent, "%"), 1);
	CHECK_INT(faults(format_path_segment, "a/b%"), 2);
}

TEST(format_addresses)
{
	static const char *const good[] = {"10.9.8.7", "::", "::1", "2001:db8::ffff", "1:2:3:4:5:6:7:8",
					   "fe80::1:2", "1::"};
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1:2", ":::", "1::2::3",
					  "1:2:3:4:5:6:7:8:9", "12345::", "1:", ":1", "::1.2.3", "1.2.3.4 "};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (faults(format_ip, good[i]))
			unit_fail(__FILE__, __LINE__, "%s is refused", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!faults(format_ip, bad[i]))
			unit_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
	unsigned char bytes[16];
	CHECK_INT(format_ip_bytes(STR("1::2"), bytes), 16);
	CHECK_INT(bytes[1], 1);
	CHECK_INT(bytes[15], 2);
	CHECK_INT(bytes[7], 0);
	int bits = 0;
	CHECK_INT(format_cidr_bytes(STR("10.0.0.0/24"), bytes, &bits), 4);
	CHECK_INT(bits, 24);
	CHECK_INT(faults(format_cidr, "10.0.0.0/33"), 1);
	CHECK_INT(faults(format_cidr, "10.0.0.0"), 1);
	CHECK_INT(faults(format_cidr, "10.0.0.1/24"), 1);
	CHECK_INT(faults(format_cidr, "10.128.0.0/9"), 0);
	CHECK_INT(faults(format_cidr, "10.64.0.0/9"), 1);
	CHECK_INT(faults(format_cidr, "0.0.0.0/0"), 0);
	CHECK_INT(faults(format_cidr, "10.0.0.1/32"), 0);
	CHECK_INT(faults(format_cidr, "2001:db8::1/64"), 1);
	CHECK_INT(faults(format_cidr, "::ffff:10.0.0.0/120"), 1);
	CHECK_INT(faults(format_ip, "::ffff:10.0.0.1"), 1);
	CHECK_INT(faults(format_cidr, "2001:db8::/64"), 0);
	CHECK_INT(faults(format_ipv4, "::1"), 1);
	CHECK_INT(faults(format_ipv6, "::1"), 0);
}
