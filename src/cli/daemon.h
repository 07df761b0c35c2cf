// SPDX-License-Identifier: Apache-2.0
// What processes that stay ask of the kernel for themselves.
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

// As many descriptors as are allowed (a shell or a service begins with 1024; containers inherit them), and to be killed
// last when the machine's memory runs out, as far as we may. What containers run must set its own score.
void daemon_prepare(void);

#endif
