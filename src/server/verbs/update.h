// SPDX-License-Identifier: Apache-2.0
// What updating shares with patching: an object in a body is the one that the path names.
#ifndef SERVER_UPDATE_H
#define SERVER_UPDATE_H

#include "server/call.h"

// Fills in the path's namespace; ERR_BAD_REQUEST when the object says another one, or not the path's name.
int update_check_identity(struct call *c, struct json *object, struct err *e);

#endif
