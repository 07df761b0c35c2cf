// SPDX-License-Identifier: Apache-2.0
// A part of a volume as a mount of its own. The volume's content belongs to the pod's user, who may put symlinks there
// and change them at any moment: the path is resolved by the kernel inside the volume as if that were the root
// (openat2, RESOLVE_IN_ROOT), and what was found is mounted by its descriptor, not by its name.
#ifndef NODE_VOLUME_SUBPATH_H
#define NODE_VOLUME_SUBPATH_H

#include "base/buf.h"
#include "base/err.h"

// Binds volume/sub_path at `target` (made where absent). A sub-path that does not exist becomes a directory of the
// volume's own mode (as Kubernetes has it: what may write to the volume may write there).
int subpath_mount(const char *volume, struct str sub_path, const char *target, struct err *e);
// Appends the content of a file in the volume, at most `max` bytes. ERR_INVALID: it is longer, or no file.
int subpath_read(const char *volume, struct str path, size_t max, struct buf *out, struct err *e);

#endif
