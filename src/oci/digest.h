// SPDX-License-Identifier: Apache-2.0
// Digests as the OCI image specification writes them ("sha256:" and 64 hex digits, "sha512:" and 128), and the
// hashing behind them.
#ifndef OCI_DIGEST_H
#define OCI_DIGEST_H

#include "base/arena.h"
#include "base/err.h"

enum oci_digest_kind { OCI_SHA256, OCI_SHA512 };

// Whether `text` is a well-formed digest; parts may be NULL.
bool oci_digest_parse(struct str text, enum oci_digest_kind *kind, struct str *hex);
struct str oci_digest_of(struct arena *a, struct str bytes); // "sha256:..."

struct oci_hash {
	void *impl;
	enum oci_digest_kind kind;
};

void oci_hash_init(struct oci_hash *h, enum oci_digest_kind kind);
void oci_hash_add(struct oci_hash *h, struct str bytes);
struct str oci_hash_end(struct oci_hash *h, struct arena *a); // the digest; only oci_hash_finish may follow
void oci_hash_finish(struct oci_hash *h);

// The name of a layer on top of the chain `parent` (empty for the lowest), as the image specification defines it.
struct str oci_chain_id(struct arena *a, struct str parent, struct str diff_id);

#endif
