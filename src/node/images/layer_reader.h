// SPDX-License-Identifier: Apache-2.0
// A packed tar as libarchive wants to read it: unpacked on the way, both sides hashed and bounded.
#ifndef NODE_LAYER_READER_H
#define NODE_LAYER_READER_H

#include "base/arena.h"
#include "oci/digest.h"
#include "oci/inflate.h"

struct archive;
enum { LAYER_READER_ROOM = 128 << 10 };

struct layer_reader {
	int fd; // the caller's
	bool hashing;
	uint64_t bytes_max, ratio_max; // bounds on the unpacked side; 0: none
	void (*progress)(void *arg, uint64_t more);
	void *arg;

	struct oci_inflate inflate;
	struct oci_hash packed_hash, unpacked_hash;
	uint64_t packed, unpacked;
	bool in_header; // of an entry: libarchive keeps in memory what it reads there, so that has a bound of its own
	uint64_t header_bytes;
	struct str rest; // of `in`, not yet unpacked
	bool at_end;
	struct err *e; // where the reader tells its own failures
	char *in, *out;
};

// kind: of the packed digest to be compared; the unpacked side is always SHA-256.
int layer_reader_init(struct layer_reader *r, int fd, bool hashing, enum oci_digest_kind kind, struct err *e);
void layer_reader_finish(struct layer_reader *r);
// A tar over it; archive_read_free when done. What is read between the two calls belongs to one entry's header.
struct archive *layer_reader_archive(struct layer_reader *r, struct err *e);
void layer_reader_begin_header(struct layer_reader *r);
void layer_reader_end_header(struct layer_reader *r);
// Reads what follows the archive's end, so that the hashes cover all; fails on truncated input.
int layer_reader_drain(struct layer_reader *r, struct err *e);
void layer_reader_digests(struct layer_reader *r, struct arena *a, struct str *packed, struct str *unpacked);

#endif
