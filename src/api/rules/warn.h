// SPDX-License-Identifier: Apache-2.0
// What is accepted and still worth a word to whoever sent it: each becomes a Warning header of the answer. Said only of
// objects that broke no rule.
#ifndef API_RULES_WARN_H
#define API_RULES_WARN_H

#include "api/rules/pod.h"

// "path: text". Without a path the text alone.
void warn(struct check *c, const struct path *p, const char *text, ...) __attribute__((format(printf, 3, 4)));
// A good address or range of IPv6 that is not in its one form (RFC 5952).
void warn_ip(struct check *c, const struct path *p, struct str ip);
void warn_cidr(struct check *c, const struct path *p, struct str cidr);
// An amount of bytes that is none of whole bytes.
void warn_fraction(struct check *c, const struct path *p, const struct json *amounts, const char *name);
// The name becomes a host's name, and is not one.
void warn_host_name(struct check *c, const char *use);

// pod_warnings.c: of the spec and the annotations of a pod, or of a template; `p` leads to it, NULL for a pod
void warn_pod(struct check *c, const struct path *p, const struct json *pod);
// pod_annotations.c: profiles that older annotations alone ask for
void warn_profile_annotations(struct check *c, const struct path *p, const struct json *pod);
// overlap_warnings.c: files of one volume that hide each other
void warn_overlaps(struct check *c, const struct json *volumes);

#endif
