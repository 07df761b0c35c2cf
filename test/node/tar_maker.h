// SPDX-License-Identifier: Apache-2.0
// Tars and image layouts for tests, with whatever a hostile maker might put into them.
#ifndef TEST_TAR_MAKER_H
#define TEST_TAR_MAKER_H

#include "base/arena.h"
#include "base/buf.h"

// One entry, as it is: type is the ustar type flag ('0' file, '1' hardlink, '2' symlink, '3' char, '5' directory, '6' fifo).
void tar_add(struct buf *tar, const char *name, char type, unsigned mode, const char *link, struct str data);
void tar_add_sized(struct buf *tar, const char *name, uint64_t claimed_size); // a header only
void tar_add_xattr(struct buf *tar, const char *name, struct str value); // of the entry that is added next
void tar_end(struct buf *tar);
void tar_gzip(struct buf *out, struct str bytes);
void tar_zstd(struct buf *out, struct str bytes);

struct layout_layer {
	struct str tar;	   // unpacked
	enum { LAYER_PLAIN, LAYER_GZIP, LAYER_ZSTD } packing;
	const char *lie_digest, *lie_diff_id; // instead of the true ones; NULL: true
	bool cut;			      // the blob loses its last bytes
};

// Writes an OCI layout into the directory (made). name NULL: without.
void layout_write(const char *dir, const char *name, const struct layout_layer *layers, size_t count);
extern const char *layout_volumes; // of configs written from now on: "{\"/data\":{}}"; NULL: none
// Writes an archive of the form of `docker save` before version 25.
void docker_write(const char *dir, const char *name, const struct layout_layer *layers, size_t count);

char *test_dir(const char *hint); // a fresh directory under /tmp, the caller's to free
void test_dir_remove(char *dir);  // with all that is in it; frees the name
size_t entries_below(const char *path); // however deep
void write_file(const char *path, struct str bytes);

#endif
