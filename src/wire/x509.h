// SPDX-License-Identifier: Apache-2.0
// Certificates: an authority of our own, and what it signs (ECDSA P-256, X.509 v3). All texts are PEM. No
// clock inside.
#ifndef WIRE_X509_H
#define WIRE_X509_H

#include "base/buf.h"
#include "base/err.h"

struct x509_pair { // a certificate (or chain) and its key, as PEM
	struct buf certificate, key;
};
void x509_pair_finish(struct x509_pair *p);

enum x509_use { X509_USE_SERVER = 1, X509_USE_CLIENT = 2 };

struct x509_request {
	struct str common_name;
	const struct str *organizations;
	size_t organization_count;
	const struct str *names; // SANs: DNS names and IP addresses
	size_t name_count;
	unsigned uses; // x509_use bits
	int64_t not_before_ns, not_after_ns;
};

// A self-signed authority.
int x509_make_authority(struct str common_name, int64_t not_before_ns, int64_t not_after_ns, struct x509_pair *out,
			struct err *e);
// A new key and a certificate for it, signed by the authority.
int x509_issue(struct str authority_certificate, struct str authority_key, const struct x509_request *r,
	       struct x509_pair *out, struct err *e);

struct x509_facts {
	int64_t not_before_ns, not_after_ns;
	bool is_authority;
	char common_name[128]; // truncated
	unsigned char sha256[32];
};
// Of the first certificate in the PEM text.
int x509_inspect(struct str certificate, struct x509_facts *out, struct err *e);
// Whether every name is among the certificate's SANs.
bool x509_covers(struct str certificate, const struct str *names, size_t count);
// Whether the certificate belongs to this key and was signed by this authority (PEM each; empty: by anybody).
bool x509_matches(struct str certificate, struct str key, struct str authority);

#endif
