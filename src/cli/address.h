// SPDX-License-Identifier: Apache-2.0
// The address of this machine, as others reach it.
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

// That from which packets to elsewhere leave (the default route's). False, and out untouched, where there is no route.
bool address_of_default_route(char *out, size_t size);

#endif
