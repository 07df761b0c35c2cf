// SPDX-License-Identifier: Apache-2.0
// The address of this machine, as others reach it.
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

// That from which packets to elsewhere leave (the default route's); in a network without a way out, the first of an
// interface that is up. False, and out untouched, where there is neither.
bool address_of_machine(char *out, size_t size);
// That of the default route alone.
bool address_of_default_route(char *out, size_t size);
// Whether an interface of this machine has it.
bool address_is_here(const char *address);

#endif
