// SPDX-License-Identifier: Apache-2.0
// Where an entry of a tar goes: its parent directory, opened without leaving the root. For extract.c only.
#ifndef NODE_EXTRACT_PATH_H
#define NODE_EXTRACT_PATH_H

#include <limits.h>

#include "node/images/extract.h"

struct place {
	int parent;	     // open; `path_finish` closes it
	char path[PATH_MAX]; // no ".", "//", symlink on the way or slash at either end; "" is the root itself
	const char *name;    // its last part, in `path`
};

// Cleans the name and opens the parent, which is made where it is absent (with owner and mode of the directory of that
// name in a layer below). Refuses "..", absolute names, and parents that are symlinks leading out of the root.
int path_find(struct extract *x, const char *name, struct place *out, struct err *e);
void path_finish(struct place *p);
// Copies a regular file of the same name from a layer below, so that it can be linked to. -1 with errno.
int path_copy_up(struct extract *x, const struct place *p);

#endif
