// SPDX-License-Identifier: Apache-2.0
// The EndpointSlices that say the same as an Endpoints object: for each subset and address family as many as are needed
// for a hundred addresses each. Pure.
#ifndef CONTROLLERS_MIRROR_PLAN_H
#define CONTROLLERS_MIRROR_PLAN_H

#include "base/json.h"

// Whether the Endpoints are to be mirrored at all; service NULL: there is none.
bool mirror_wanted(const struct json *endpoints, const struct json *service);
// An array of EndpointSlices, without names.
struct json *mirror_slices(struct arena *a, const struct json *endpoints);
// Whether a slice that is there says what one of mirror_slices does.
bool mirror_same(const struct json *known, const struct json *wanted);

#endif
