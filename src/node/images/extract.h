// SPDX-License-Identifier: Apache-2.0
// Unpacks tars that nobody vouches for. Whatever the archive says, nothing outside the root directory is read or
// written: ".." and absolute names, writing through symlinks that lead out, and hardlinks to outside are refused, device
// nodes too. Set-user-ID bits are kept; of extended attributes only security.capability and user.* are.
// On failure the root may hold a part: the caller unpacks into a directory that it throws away then.
#ifndef NODE_EXTRACT_H
#define NODE_EXTRACT_H

#include "node/images/layer_reader.h"

struct extract {
	int root; // an open directory, empty at first
	// A layer of an image: owners, whiteouts (".wh.NAME") turned to overlayfs ones. Else only files, directories and
	// links are taken, ours alone to read.
	bool layer;
	const int *lowers; // open directories of the layers below, the next one first
	size_t lower_count;
	uint64_t entries_max, bytes_max; // 0: none

	uint64_t entries, bytes; // so far; bytes as files claim to be long, holes included
};

// Reads the tar to its end. ERR_BAD_REQUEST for what is refused, with the entry's name; ERR_TOO_LARGE beyond the bounds.
int extract_archive(struct extract *x, struct layer_reader *from, struct err *e);

#endif
