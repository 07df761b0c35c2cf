// SPDX-License-Identifier: Apache-2.0
// Errors as metav1.Status, in upstream's shape. Pure.
#ifndef SERVER_STATUS_H
#define SERVER_STATUS_H

#include "api/schema.h"

// What `details` says beside causes and retryAfterSeconds. Upstream leaves details out of some answers and gives an
// empty one in others; `present` says which.
struct status_details {
	bool present;
	struct str name, group, kind, uid;
};

struct status_details status_of_resource(const struct api_resource *r, struct str name); // kind: the plural
struct status_details status_of_kind(const struct api_resource *r, struct str name);	 // kind: the Kind
struct status_details status_empty(void);

// The Status of an error; *code gets its HTTP code.
struct json *status_error(struct arena *a, const struct err *e, const struct status_details *d, int *code);
struct json *status_success(struct arena *a, const struct status_details *d);

// The usual errors, worded. Return -1.
int status_not_found(struct err *e, const struct api_resource *r, struct str name);
int status_exists(struct err *e, const struct api_resource *r, struct str name);
int status_conflict(struct err *e, const struct api_resource *r, struct str name, const char *why);
// "deployments.apps"
struct str status_resource_text(struct arena *a, const struct api_resource *r);

#endif
