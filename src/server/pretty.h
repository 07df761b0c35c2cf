// SPDX-License-Identifier: Apache-2.0
// JSON text spread over lines, for ?pretty=true. Pure.
#ifndef SERVER_PRETTY_H
#define SERVER_PRETTY_H

#include "base/buf.h"

void pretty_json(struct buf *out, struct str json); // well-formed text, two spaces a level

#endif
