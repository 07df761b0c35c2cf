// SPDX-License-Identifier: Apache-2.0
// Gives back memory that a process needed only to start.
#ifndef CLI_TRIM_H
#define CLI_TRIM_H

// Lets go of the pages of code and constants (of the executable and its libraries) that were touched so far: clean, and
// read again from the file when they are used again. For a process that from now on does next to nothing.
void trim_code(void);

#endif
