// SPDX-License-Identifier: Apache-2.0
// Device nodes of the host, in the form of config.json's linux.devices.
#ifndef NODE_HOST_DEVICES_H
#define NODE_HOST_DEVICES_H

#include "base/json.h"
#include "node/runtime/runtime.h"

struct json *host_devices_all(struct arena *a); // for privileged containers: all below /dev but terminals and the like
// Absent ones are left out.
struct json *host_devices_named(struct arena *a, const struct runtime_device *devices, size_t count);

#endif
