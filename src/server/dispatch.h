// SPDX-License-Identifier: Apache-2.0
// The way of every call: parse the path, find out who asks, whether they may, and hand it to the verb.
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/call.h"

void dispatch(struct call *c);

#endif
