// SPDX-License-Identifier: Apache-2.0
// Impersonate-User, -Group, -Uid and -Extra-*: to act as somebody else, for those who have the right to.
#ifndef SERVER_IMPERSONATE_H
#define SERVER_IMPERSONATE_H

#include "server/call.h"

int impersonate(struct call *c, struct err *e); // ERR_FORBIDDEN

#endif
