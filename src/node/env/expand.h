// SPDX-License-Identifier: Apache-2.0
// "$(NAME)" in commands, arguments, environment values and subPathExpr: replaced where the name is known, left as it is
// where not; "$$" is one "$". Source of the rule: the Kubernetes API, Container.command.
#ifndef NODE_ENV_EXPAND_H
#define NODE_ENV_EXPAND_H

#include "base/arena.h"

// `lookup` says whether the name is known, and its value.
typedef bool expand_lookup(void *arg, struct str name, struct str *value);
struct str expand(struct arena *a, struct str text, expand_lookup *lookup, void *arg);

#endif
