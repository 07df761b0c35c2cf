// SPDX-License-Identifier: Apache-2.0
// What the files about volumes share.
#ifndef API_RULES_VOLUME_H
#define API_RULES_VOLUME_H

#include "api/rules/pod.h"

typedef void volume_check(struct check *c, const struct path *p, const struct json *source,
			  const struct pod_scope *pod);

// volume.c
void check_file_mode(struct check *c, const struct path *p, const struct json *object, const char *name);
void check_needed_text(struct check *c, const struct path *p, const struct json *object, const char *name);
// As a descending path, and not a name that updates of the volume use ("..data").
void check_file_path(struct check *c, const struct path *p, struct str path);
void check_key_files(struct check *c, const struct path *p, const struct json *items); // keys and where they go
// A file of the downward API. Its faults are told of the volume, without an index.
void check_downward_file(struct check *c, const struct path *p, const struct json *file);

volume_check check_projected; // projected.c
volume_check check_ephemeral; // claim.c
volume_check check_storage;   // volume_storage.c: each kind of storage that is not here

#endif
