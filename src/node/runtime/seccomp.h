// SPDX-License-Identifier: Apache-2.0
// The RuntimeDefault seccomp profile: system calls that containers have no need of, and that have let others out, fail
// with EPERM. Compiled once for each set of capabilities that matters and kept, since compiling takes longer than
// starting a container.
#ifndef NODE_SECCOMP_H
#define NODE_SECCOMP_H

#include "base/arena.h"
#include "base/err.h"

struct seccomp_cache;

struct seccomp_cache *seccomp_cache_create(void);
void seccomp_cache_destroy(struct seccomp_cache *c); // NULL is fine
// The kernel's filter program in base64, as crun's annotation run.oci.seccomp_bpf_data takes it. From any thread.
int seccomp_filter(struct seccomp_cache *c, struct arena *a, uint64_t capabilities, struct str *base64, struct err *e);

#endif
