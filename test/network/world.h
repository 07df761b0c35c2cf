// SPDX-License-Identifier: Apache-2.0
// A network namespace of the test program's own, so that nothing of the machine is touched.
#ifndef TEST_NETWORK_WORLD_H
#define TEST_NETWORK_WORLD_H

// Enters it, once for the whole program; skips the running test where that is not allowed.
void world_enter(void);

#endif
