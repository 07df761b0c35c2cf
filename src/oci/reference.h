// SPDX-License-Identifier: Apache-2.0
// Names of images as people write them, and what they stand for: "busybox" is docker.io/library/busybox:latest.
// The grammar is that of the distribution project, which Kubernetes follows.
#ifndef OCI_REFERENCE_H
#define OCI_REFERENCE_H

#include "base/arena.h"
#include "base/err.h"

struct oci_reference {	   // points into the text or the arena
	struct str domain; // "docker.io", "r.example:5000"
	struct str path;   // "library/busybox"
	struct str tag;	   // empty where only a digest was given; else never empty
	struct str digest; // "sha256:..." or empty
};

int oci_reference_parse(struct arena *a, struct str text, struct oci_reference *out, struct err *e); // ERR_BAD_REQUEST
struct str oci_reference_tagged(struct arena *a, const struct oci_reference *r); // domain/path:tag; needs a tag
struct str oci_reference_pinned(struct arena *a, const struct oci_reference *r); // domain/path@digest; needs one

#endif
