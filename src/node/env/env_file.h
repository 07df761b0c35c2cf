// SPDX-License-Identifier: Apache-2.0
// Files of variables that a container writes for those after it (fileKeyRef): lines NAME='value', where the value may go
// over several lines and stands for itself; empty lines, and comments behind '#'. Blanks may stand before a name, not
// before its '='; behind that they make the value empty. Source of the rules: Kubernetes v1.36, EnvFiles.
#ifndef NODE_ENV_ENV_FILE_H
#define NODE_ENV_ENV_FILE_H

#include "base/err.h"
#include "base/str.h"

// The first value of the variable, a part of `text`; empty where there is none. ERR_INVALID: a line before it is none of
// these.
int env_file_find(struct str text, struct str name, struct str *value, struct err *e);

#endif
