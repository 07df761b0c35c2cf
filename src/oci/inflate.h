// SPDX-License-Identifier: Apache-2.0
// Unpacks a byte stream that is plain, gzip (also of several members) or zstd (also of several frames); which, it sees
// from the first bytes. Does no I/O: the caller pushes packed bytes and takes unpacked ones.
#ifndef OCI_INFLATE_H
#define OCI_INFLATE_H

#include "base/err.h"
#include "base/str.h"

enum oci_packing { OCI_PLAIN, OCI_GZIP, OCI_ZSTD };

struct oci_inflate {
	enum oci_packing packing;
	void *impl;
	bool between; // at the end of a member or frame, where the stream may end
};

enum oci_packing oci_packing_of(struct str first_bytes); // 4 suffice
void oci_inflate_init(struct oci_inflate *z, enum oci_packing packing);
// Takes from the front of *in and writes at most `room` bytes to out; *n says how many. Nothing taken and nothing
// written means that more input is needed. ERR_BAD_REQUEST on corrupt data.
int oci_inflate_run(struct oci_inflate *z, struct str *in, char *out, size_t room, size_t *n, struct err *e);
bool oci_inflate_complete(const struct oci_inflate *z); // whether the input may end here
void oci_inflate_finish(struct oci_inflate *z);

#endif
