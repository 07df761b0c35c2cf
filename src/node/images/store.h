// SPDX-License-Identifier: Apache-2.0
// What the files of this directory share: the store's paths and its index. The index is a JSON document,
// {"version": 1, "images": [{"id", "manifest", "size", "names": [], "digests": [], "layers": []}]},
// kept parsed in memory and read again when the file has changed.
#ifndef NODE_IMAGES_STORE_H
#define NODE_IMAGES_STORE_H

#include <pthread.h>
#include <sys/stat.h>

#include "base/json.h"
#include "node/images/images.h"

struct images {
	char *root; // DATA
	struct images_limits limits;
	pthread_mutex_t mutex; // guards what follows
	struct arena arena;    // of the index
	struct json *index;
	struct stat seen; // of the file it was read from
};

// DATA/<formatted>, in the arena.
const char *store_path(struct images *s, struct arena *a, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The images of the index as it is on disk now, in the arena.
int store_index(struct images *s, struct arena *a, struct json **index, struct err *e);
// Replaces the index; the exclusive lock is held.
int store_write_index(struct images *s, struct arena *a, const struct json *index, struct err *e);
// Of the index's lists of names, which are sorted.
void store_add_sorted(struct arena *a, struct json *list, struct str s);
bool store_remove_name(struct json *list, struct str s); // whether it was there
// The lock over all processes: shared while a container is made, exclusive while the index changes. A descriptor to
// close, or -1.
int store_lock(struct images *s, bool exclusive, struct err *e);
// Deletes layers and blobs that no image of the index needs; the exclusive lock is held.
void store_collect(struct images *s, const struct json *index);
// Whether a container stands on the image.
bool store_in_use(struct images *s, struct str id);
int store_read_file(struct arena *a, int dir, const char *path, size_t max, struct str *out, struct err *e);
// Writes, syncs and names a file in one step.
int store_write_file(struct arena *a, const char *path, struct str bytes, struct err *e);
// Writes a file in its place, neither synced nor in one step: for what is of no use after a crash of the machine, and not
// believed before something later says that it is whole.
int store_write_unsynced(const char *path, struct str bytes, struct err *e);

#endif
