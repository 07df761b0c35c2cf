// SPDX-License-Identifier: Apache-2.0
// The EndpointSlices and the Endpoints of a Service, decided from its backends and what is there. Pure. Slices keep the
// endpoints they have, so that a change of one pod writes one slice; none holds more than 100.
#ifndef CONTROLLERS_ENDPOINTSLICE_PLAN_H
#define CONTROLLERS_ENDPOINTSLICE_PLAN_H

#include "controllers/backends.h"

enum { SLICE_MAX = 100, ENDPOINTS_MAX = 1000 };

struct slice_view {
	const struct json *service;
	struct str family; // address type: "IPv4", "IPv6"
	struct backends backends;
	const struct json *const *slices; // of the Service, of this family and this controller
	size_t slice_count;
	struct str (*zone_of)(void *arg, struct str node);			// STR_NONE: unknown
	struct str (*new_name)(void *arg, struct arena *a, struct str service); // for a new slice
	void *arg;
};

struct slice_plan {
	struct json **create;
	size_t create_count;
	struct slice_change {
		struct str name;
		struct json *patch; // merge patch
	} *change;
	size_t change_count;
	struct str *delete; // names
	size_t delete_count;
};

// Whether it says that this controller keeps it.
bool slice_is_kept(const struct json *slice);
void slice_plan(struct arena *a, const struct slice_view *v, struct slice_plan *plan);

// The whole Endpoints object as it should be. `known`: as it is, or NULL; what others said in it stays.
struct json *endpoints_plan(struct arena *a, const struct json *service, struct backends backends,
			    const struct json *known);
bool endpoints_differ(const struct json *wanted, const struct json *known);

#endif
