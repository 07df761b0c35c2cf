// SPDX-License-Identifier: Apache-2.0
#include "oci/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"

enum { ZSTD_WINDOW_LOG_MAX = 27 }; // 128 MiB: what zstd itself takes without --long

enum oci_packing oci_packing_of(struct str b)
{
	if (str_starts(b, STR("\x1f\x8b")))
		return OCI_GZIP;
	if (str_starts(b, STR("\x28\xb5\x2f\xfd")))
		return OCI_ZSTD;
	return OCI_PLAIN;
}

void oci_inflate_init(struct oci_inflate *z, enum oci_packing packing)
{
	*z = (struct oci_inflate){.packing = packing, .between = packing == OCI_PLAIN};
	if (packing == OCI_GZIP) {
		z->impl = MEM_NEW(z_stream);
		MUST(inflateInit2(z->impl, 16 + MAX_WBITS) == Z_OK);
	} else if (packing == OCI_ZSTD) {
		z->impl = ZSTD_createDStream();
		MUST(z->impl);
		ZSTD_DCtx_setParameter(z->impl, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	}
}

void oci_inflate_finish(struct oci_inflate *z)
{
	if (z->packing == OCI_GZIP && z->impl) {
		inflateEnd(z->impl);
		free(z->impl);
	} else if (z->packing == OCI_ZSTD) {
		ZSTD_freeDStream(z->impl);
	}
	z->impl = NULL;
}

bool oci_inflate_complete(const struct oci_inflate *z)
{
	return z->between;
}

static int run_plain(struct str *in, char *out, size_t room, size_t *n)
{
	*n = in->n < room ? in->n : room;
	if (*n)
		memcpy(out, in->p, *n);
	*in = str_from(*in, *n);
	return 0;
}

static int run_gzip(struct oci_inflate *z, struct str *in, char *out, size_t room, size_t *n, struct err *e)
{
	z_stream *s = z->impl;
	*n = 0;
	if (z->between) { // another member follows, or nothing
		if (in->n == 0)
			return 0;
		inflateReset(s);
		z->between = false;
	}
	s->next_in = (Bytef *)(uintptr_t)in->p;
	s->avail_in = (uInt)in->n;
	s->next_out = (Bytef *)out;
	s->avail_out = (uInt)room;
	int code = inflate(s, Z_NO_FLUSH);
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return err_set(e, ERR_BAD_REQUEST, "gzip data is corrupt: %s", s->msg ? s->msg : "wrong checksum");
	z->between = code == Z_STREAM_END;
	*n = room - s->avail_out;
	*in = str_from(*in, in->n - s->avail_in);
	return 0;
}

static int run_zstd(struct oci_inflate *z, struct str *in, char *out, size_t room, size_t *n, struct err *e)
{
	ZSTD_inBuffer from = {in->p, in->n, 0};
	ZSTD_outBuffer to = {out, room, 0};
	size_t code = ZSTD_decompressStream(z->impl, &to, &from);
	if (ZSTD_isError(code))
		return err_set(e, ERR_BAD_REQUEST, "zstd data is corrupt: %s", ZSTD_getErrorName(code));
	if (from.pos || to.pos)
		z->between = code == 0;
	*n = to.pos;
	*in = str_from(*in, from.pos);
	return 0;
}

int oci_inflate_run(struct oci_inflate *z, struct str *in, char *out, size_t room, size_t *n, struct err *e)
{
	switch (z->packing) {
	case OCI_GZIP:
		return run_gzip(z, in, out, room, n, e);
	case OCI_ZSTD:
		return run_zstd(z, in, out, room, n, e);
	default:
		return run_plain(in, out, room, n);
	}
}
