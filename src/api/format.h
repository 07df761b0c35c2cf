// SPDX-License-Identifier: Apache-2.0
// Forms that texts in objects must have: names, keys, addresses, paths. Each check tells every fault it finds, in a
// sentence that completes "Invalid value: ...: "; the same text may break several rules at once (too long, and a bad
// character), and each is a cause of its own.
// Source of the rules: Kubernetes v1.36 validation, RFC 1123, RFC 6335, RFC 4291, RFC 4632.
#ifndef API_FORMAT_H
#define API_FORMAT_H

#include "base/str.h"

enum { FORMAT_FAULTS_MAX = 6 };

struct format_faults {
	const char *text[FORMAT_FAULTS_MAX];
	size_t count;
};

typedef void format_check(struct str value, struct format_faults *faults); // appends

// Whether the text has the form.
bool format_good(format_check *check, struct str value);

format_check format_dns_label;		     // RFC 1123: lower case letters, digits, '-'; at most 63
format_check format_dns_subdomain;	     // labels joined by '.'; at most 253
format_check format_domain_name;	     // a subdomain, perhaps with a closing '.'
format_check format_fully_qualified_name;    // a subdomain of two labels at least
format_check format_qualified_name;	     // keys of labels and annotations: [subdomain/]name
format_check format_label_value;	     // as the name of a key, or empty
format_check format_env_name;		     // printable ASCII but '='
format_check format_config_key;		     // a file's name: letters, digits, '-', '_', '.'
format_check format_port_name;		     // RFC 6335: at most 15, with one letter
format_check format_ip;			     // IPv4 or IPv6
format_check format_ipv4;
format_check format_ipv6;
format_check format_cidr;		     // address/prefix length
format_check format_absolute_path;	     // begins with '/'
format_check format_local_path;		     // relative, and without ".."
format_check format_path_segment;	     // what may stand between two '/' of a URL
format_check format_percent;		     // digits and '%'
format_check format_http_header;
format_check format_sysctl;

// The bytes of an address: 4 or 16 (an IPv4 address inside IPv6 gives 16); 0 when the text is none. Leading zeros
// in IPv4 parts are refused.
size_t format_ip_bytes(struct str text, unsigned char out[16]);
// The same for "address/bits"; *bits gets the prefix length.
size_t format_cidr_bytes(struct str text, unsigned char out[16], int *bits);
// The one form of an IPv6 address (RFC 5952): "2001:db8::1".
enum { FORMAT_IP_ROOM = 48 };
void format_ip_text(const unsigned char ip[16], char out[FORMAT_IP_ROOM]);

#endif
