// SPDX-License-Identifier: Apache-2.0
#include "tar_maker.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "node/images/tree.h"
#include "oci/digest.h"
#include "oci/manifest.h"

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

static void header(struct buf *tar, const char *name, char type, unsigned mode, const char *link, uint64_t size)
{
	struct ustar h;
	memset(&h, 0, sizeof(h));
	memcpy(h.name, name, strnlen(name, sizeof(h.name)));
	snprintf(h.mode, sizeof(h.mode), "%07o", mode & 07777);
	snprintf(h.uid, sizeof(h.uid), "%07o", 0);
	snprintf(h.gid, sizeof(h.gid), "%07o", 0);
	snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)size);
	snprintf(h.mtime, sizeof(h.mtime), "%011o", 1);
	h.type = type;
	if (link)
		memcpy(h.link, link, strnlen(link, sizeof(h.link)));
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	snprintf(h.major, sizeof(h.major), "%07o", 1);
	snprintf(h.minor, sizeof(h.minor), "%07o", 3);
	memset(h.sum, ' ', sizeof(h.sum));
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((unsigned char *)&h)[i];
	snprintf(h.sum, sizeof(h.sum), "%06o", sum);
	buf_add(tar, (struct str){(char *)&h, sizeof(h)});
}

void tar_add(struct buf *tar, const char *name, char type, unsigned mode, const char *link, struct str data)
{
	header(tar, name, type, mode, link, data.n);
	buf_add(tar, data);
	while (tar->n % 512)
		buf_add_byte(tar, 0);
}

void tar_add_sized(struct buf *tar, const char *name, uint64_t claimed_size)
{
	header(tar, name, '0', 0644, NULL, claimed_size);
}

// A record of a PAX header: its length, which counts itself, a space, "key=value", a line end.
void tar_add_xattr(struct buf *tar, const char *name, struct str value)
{
	struct buf record CLEAN_BUF;
	buf_init(&record);
	size_t rest = strlen(" SCHILY.xattr.=\n") + strlen(name) + value.n, length = rest + 2;
	length += length >= 100;
	buf_fmt(&record, "%zu SCHILY.xattr.%s=", length, name);
	buf_add(&record, value);
	buf_add_byte(&record, '\n');
	MUST(record.n == length);
	tar_add(tar, "pax", 'x', 0644, NULL, buf_str(&record));
}

void tar_end(struct buf *tar)
{
	for (int i = 0; i < 1024; i++)
		buf_add_byte(tar, 0);
}

void tar_gzip(struct buf *out, struct str bytes)
{
	z_stream z = {0};
	deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	uLong most = deflateBound(&z, bytes.n);
	buf_reserve(out, most);
	z.next_in = (Bytef *)(uintptr_t)bytes.p;
	z.avail_in = (uInt)bytes.n;
	z.next_out = (Bytef *)out->p + out->n;
	z.avail_out = (uInt)most;
	deflate(&z, Z_FINISH);
	out->n += most - z.avail_out;
	deflateEnd(&z);
}

void tar_zstd(struct buf *out, struct str bytes)
{
	size_t most = ZSTD_compressBound(bytes.n);
	buf_reserve(out, most);
	out->n += ZSTD_compress(out->p + out->n, most, bytes.p, bytes.n, 3);
}

void write_file(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	MUST(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	close(fd);
}

static void pack(struct buf *out, const struct layout_layer *l)
{
	if (l->packing == LAYER_GZIP)
		tar_gzip(out, l->tar);
	else if (l->packing == LAYER_ZSTD)
		tar_zstd(out, l->tar);
	else
		buf_add(out, l->tar);
}

const char *layout_volumes;

static struct str config_of(struct arena *a, const struct layout_layer *layers, size_t count)
{
	struct buf b CLEAN_BUF;
	buf_init(&b);
	buf_fmt(&b, "{\"architecture\":\"%.*s\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"sh\"],\"Env\":[\"PATH=/bin\"],"
		    "\"Volumes\":%s},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
		STR_FMT(oci_architecture()), layout_volumes ? layout_volumes : "null");
	for (size_t i = 0; i < count; i++) {
		struct str id = layers[i].lie_diff_id ? str_of(layers[i].lie_diff_id) : oci_digest_of(a, layers[i].tar);
		buf_fmt(&b, "%s\"%.*s\"", i ? "," : "", STR_FMT(id));
	}
	BUF_LIT(&b, "]}}");
	return arena_str(a, buf_str(&b));
}

static struct str put_blob(struct arena *a, const char *dir, struct str bytes, const char *lie)
{
	struct str digest = lie ? str_of(lie) : oci_digest_of(a, bytes);
	write_file(arena_fmt(a, "%s/blobs/sha256/%.*s", dir, STR_FMT(str_from(digest, 7))).p, bytes);
	return digest;
}

void layout_write(const char *dir, const char *name, const struct layout_layer *layers, size_t count)
{
	struct arena a CLEAN_ARENA;
	struct buf m CLEAN_BUF, x CLEAN_BUF;
	arena_init(&a);
	buf_init(&m);
	buf_init(&x);
	MUST(tree_make_dirs(arena_fmt(&a, "%s/blobs/sha256", dir).p, 0755) == 0);
	struct str config = config_of(&a, layers, count);
	buf_fmt(&m, "{\"schemaVersion\":2,\"config\":{\"digest\":\"%.*s\",\"size\":%zu},\"layers\":[",
		STR_FMT(put_blob(&a, dir, config, NULL)), config.n);
	for (size_t i = 0; i < count; i++) {
		struct buf packed CLEAN_BUF;
		buf_init(&packed);
		pack(&packed, &layers[i]);
		size_t size = packed.n;
		struct str digest = put_blob(&a, dir, buf_str(&packed), layers[i].lie_digest);
		if (layers[i].cut)
			write_file(arena_fmt(&a, "%s/blobs/sha256/%.*s", dir, STR_FMT(str_from(digest, 7))).p,
				   str_sub(buf_str(&packed), 0, size - 9));
		buf_fmt(&m, "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar%s\",\"digest\":\"%.*s\",\"size\":%zu}",
			i ? "," : "", layers[i].packing == LAYER_GZIP ? "+gzip" : layers[i].packing == LAYER_ZSTD ? "+zstd" : "",
			STR_FMT(digest), size);
	}
	BUF_LIT(&m, "]}");
	buf_fmt(&x, "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%.*s\",\"size\":%zu",
		STR_FMT(put_blob(&a, dir, buf_str(&m), NULL)), m.n);
	if (name)
		buf_fmt(&x, ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}", name);
	BUF_LIT(&x, "}]}");
	write_file(arena_fmt(&a, "%s/index.json", dir).p, buf_str(&x));
	write_file(arena_fmt(&a, "%s/oci-layout", dir).p, STR("{\"imageLayoutVersion\":\"1.0.0\"}"));
}

void docker_write(const char *dir, const char *name, const struct layout_layer *layers, size_t count)
{
	struct arena a CLEAN_ARENA;
	struct buf m CLEAN_BUF;
	arena_init(&a);
	buf_init(&m);
	MUST(tree_make_dirs(dir, 0755) == 0);
	struct str config = config_of(&a, layers, count), hex = str_from(oci_digest_of(&a, config), 7);
	write_file(arena_fmt(&a, "%s/%.*s.json", dir, STR_FMT(hex)).p, config);
	buf_fmt(&m, "[{\"Config\":\"%.*s.json\",\"RepoTags\":[\"%s\"],\"Layers\":[", STR_FMT(hex), name);
	for (size_t i = 0; i < count; i++) {
		const char *sub = arena_fmt(&a, "%s/l%zu", dir, i).p;
		mkdir(sub, 0755);
		write_file(arena_fmt(&a, "%s/layer.tar", sub).p, layers[i].tar);
		buf_fmt(&m, "%s\"l%zu/layer.tar\"", i ? "," : "", i);
	}
	BUF_LIT(&m, "]}]");
	write_file(arena_fmt(&a, "%s/manifest.json", dir).p, buf_str(&m));
}

char *test_dir(const char *hint)
{
	char name[128];
	snprintf(name, sizeof(name), "/tmp/onggi-test-%s-XXXXXX", hint);
	MUST(mkdtemp(name));
	return mem_strdup(name);
}

static size_t entries;

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	entries += at->level > 0;
	return 0;
}

size_t entries_below(const char *path)
{
	enum { OPEN_MOST = 16 };
	entries = 0;
	nftw(path, count_entry, OPEN_MOST, FTW_PHYS);
	return entries;
}

void test_dir_remove(char *dir)
{
	tree_erase(AT_FDCWD, dir);
	free(dir);
}
