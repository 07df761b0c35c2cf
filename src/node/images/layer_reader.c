// SPDX-License-Identifier: Apache-2.0
#include "node/images/layer_reader.h"

#include <archive.h>
#include <errno.h>
#include <unistd.h>

enum { RATIO_FROM = 64 << 20 }; // below it a high ratio is no danger
enum { HEADER_MAX = 8 << 20 };	 // a map of a hundred thousand holes is shorter

// The next packed bytes into r->rest.
static int fill(struct layer_reader *r)
{
	ssize_t n;
	do
		n = read(r->fd, r->in, LAYER_READER_ROOM);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(r->e, errno, "read");
	r->rest = (struct str){r->in, (size_t)n};
	r->packed += (uint64_t)n;
	r->at_end = n == 0;
	if (r->hashing)
		oci_hash_add(&r->packed_hash, r->rest);
	if (r->progress && n)
		r->progress(r->arg, (uint64_t)n);
	return 0;
}

int layer_reader_init(struct layer_reader *r, int fd, bool hashing, enum oci_digest_kind kind, struct err *e)
{
	*r = (struct layer_reader){.fd = fd, .hashing = hashing, .e = e};
	r->in = mem_alloc(LAYER_READER_ROOM);
	r->out = mem_alloc(LAYER_READER_ROOM);
	if (hashing) {
		oci_hash_init(&r->packed_hash, kind);
		oci_hash_init(&r->unpacked_hash, OCI_SHA256);
	}
	if (fill(r) < 0) {
		layer_reader_finish(r);
		return -1;
	}
	oci_inflate_init(&r->inflate, oci_packing_of(r->rest));
	return 0;
}

void layer_reader_finish(struct layer_reader *r)
{
	oci_inflate_finish(&r->inflate);
	if (r->hashing) {
		oci_hash_finish(&r->packed_hash);
		oci_hash_finish(&r->unpacked_hash);
	}
	free(r->in);
	free(r->out);
	r->in = r->out = NULL;
}

static int check_bounds(struct layer_reader *r)
{
	if (r->bytes_max && r->unpacked > r->bytes_max)
		return err_set(r->e, ERR_TOO_LARGE, "unpacks to more than %llu bytes",
			       (unsigned long long)r->bytes_max);
	if (r->ratio_max && r->unpacked > RATIO_FROM && r->unpacked / r->ratio_max > r->packed)
		return err_set(r->e, ERR_TOO_LARGE, "unpacks to more than %llu times its size",
			       (unsigned long long)r->ratio_max);
	if (r->in_header && r->header_bytes > HEADER_MAX)
		return err_set(r->e, ERR_TOO_LARGE, "a header of more than %d bytes", HEADER_MAX);
	return 0;
}

void layer_reader_begin_header(struct layer_reader *r)
{
	r->in_header = true;
	r->header_bytes = 0;
}

void layer_reader_end_header(struct layer_reader *r)
{
	r->in_header = false;
}

// Up to a buffer of unpacked bytes; *n 0 at the end.
static int next(struct layer_reader *r, size_t *n)
{
	for (*n = 0;;) {
		size_t had = r->rest.n;
		if (oci_inflate_run(&r->inflate, &r->rest, r->out, LAYER_READER_ROOM, n, r->e) < 0)
			return -1;
		if (*n)
			break;
		if (r->rest.n && r->rest.n < had)
			continue;
		if (r->at_end)
			return oci_inflate_complete(&r->inflate)
				   ? 0
				   : err_set(r->e, ERR_BAD_REQUEST, "compressed data is cut short");
		if (fill(r) < 0)
			return -1;
	}
	r->unpacked += *n;
	r->header_bytes += *n;
	if (r->hashing)
		oci_hash_add(&r->unpacked_hash, (struct str){r->out, *n});
	return check_bounds(r);
}

static la_ssize_t archive_next(struct archive *ar, void *arg, const void **bytes)
{
	struct layer_reader *r = arg;
	size_t n;
	if (next(r, &n) < 0) {
		archive_set_error(ar, EIO, "%s", err_text(r->e));
		return ARCHIVE_FATAL;
	}
	*bytes = r->out;
	return (la_ssize_t)n;
}

struct archive *layer_reader_archive(struct layer_reader *r, struct err *e)
{
	struct archive *ar = archive_read_new();
	MUST(ar);
	archive_read_support_format_tar(ar);
	archive_read_support_format_empty(ar);
	archive_read_support_filter_none(ar);
	if (archive_read_open(ar, r, NULL, archive_next, NULL) == ARCHIVE_OK)
		return ar;
	if (!e->reason)
		err_set(e, ERR_BAD_REQUEST, "not a tar archive: %s", archive_error_string(ar));
	archive_read_free(ar);
	return NULL;
}

int layer_reader_drain(struct layer_reader *r, struct err *e)
{
	for (size_t n = 1; n;)
		if (next(r, &n) < 0)
			return -1;
	return 0;
}

void layer_reader_digests(struct layer_reader *r, struct arena *a, struct str *packed, struct str *unpacked)
{
	*packed = oci_hash_end(&r->packed_hash, a);
	*unpacked = oci_hash_end(&r->unpacked_hash, a);
}
