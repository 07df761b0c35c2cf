// SPDX-License-Identifier: Apache-2.0
// A transport that answers lists from fixed texts and whose watches stay silent: enough for a cache that does not change.
#ifndef TEST_NETWORK_CANNED_H
#define TEST_NETWORK_CANNED_H

#include "client/client.h"

struct canned_list {
	const char *path;  // "/api/v1/services"
	const char *items; // JSON objects, separated by commas
};

// lists ends with a NULL path and must outlive it.
struct transport *canned_create(struct loop *l, const struct canned_list *lists);

#endif
