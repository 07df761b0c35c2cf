// SPDX-License-Identifier: Apache-2.0
// What shows when a layer lies on others, and how one hides what is below: overlayfs has a character device 0:0 for a name
// that is no more (a whiteout), and an attribute for a directory that nothing shows through (an opaque one).
// Paths are as in struct place. Functions return 0, or -1 with errno set.
#ifndef NODE_LAYERS_H
#define NODE_LAYERS_H

#include <sys/stat.h>

#include "node/images/extract.h"

// What shows at the path once x->root lies on x->lowers, and of which of them it is. False: nothing.
bool layers_look(const struct extract *x, const char *path, struct stat *st, int *layer);
// Hides what the layers below show at the path (whose directory is `parent`), but nothing of this layer's own.
int layers_hide(struct extract *x, int parent, const char *path);
// The same for all names in the directory; is_root: that of the layer.
int layers_hide_all(struct extract *x, int directory, bool is_root);
// mkdir that is content with a directory; one that takes the place of a whiteout is opaque.
int layers_make_directory(int parent, const char *name);

#endif
