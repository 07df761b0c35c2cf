// SPDX-License-Identifier: Apache-2.0
// An import: everything is read, verified and unpacked in a staging directory; only then, under the lock, is it moved to
// its places and named in the index. Killed before, it leaves a staging directory without owner (see images_open);
// killed between, layers that no image names (likewise).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "node/images/extract.h"
#include "node/images/import_plan.h"
#include "node/images/layer_reader.h"
#include "node/images/store.h"
#include "node/images/tree.h"
#include "oci/manifest.h"

struct import {
	struct images *store;
	struct arena *arena;
	const struct images_import *how;
	const char *staging; // its path
	int staging_lock;    // held open and locked: says that we live
	int source;	     // the archive as a directory
	struct plan_image *images;
	size_t count;
	struct image *taken; // as they are in the store now
	uint64_t done, total; // bytes of layers
	bool lost;	      // a layer that was in the store has been removed since, with its image
};

enum { TRIES_MAX = 5 };

static struct str hex_of(struct str digest)
{
	MUST(digest.p && digest.n > 7);
	return str_from(digest, 7);
}

static void note_progress(void *arg, uint64_t more)
{
	struct import *i = arg;
	i->done += more;
	if (i->how && i->how->progress)
		i->how->progress(i->how->arg, i->done, i->total);
}

// Under the lock, so that nobody sweeps the directory before we hold ours on it.
static int open_staging(struct import *i, struct err *e)
{
	int lock CLEAN_FD = store_lock(i->store, false, e);
	if (lock < 0)
		return -1;
	char *path = arena_c(i->arena, str_of(store_path(i->store, i->arena, "images/tmp/import-XXXXXX")));
	if (!mkdtemp(path))
		return err_errno(e, errno, "%s", path);
	i->staging = path;
	i->staging_lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i->staging_lock < 0 || flock(i->staging_lock, LOCK_SH) < 0)
		return err_errno(e, errno, "%s", path);
	return 0;
}

static void close_staging(struct import *i)
{
	if (i->source >= 0)
		close(i->source);
	if (i->staging)
		tree_erase(AT_FDCWD, i->staging);
	if (i->staging_lock >= 0)
		close(i->staging_lock);
}

// ---- the archive as a directory

static int unpack_source(struct import *i, int fd, struct err *e)
{
	const char *dir = arena_fmt(i->arena, "%s/source", i->staging).p;
	struct layer_reader r;
	if (mkdir(dir, 0700) < 0 || (i->source = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_errno(e, errno, "%s", dir);
	if (layer_reader_init(&r, fd, false, OCI_SHA256, e) < 0)
		return -1;
	r.ratio_max = i->store->limits.ratio;
	struct extract x = {.root = i->source, .entries_max = i->store->limits.layer_entries};
	int result = extract_archive(&x, &r, e);
	layer_reader_finish(&r);
	return result;
}

static int open_source(struct import *i, const char *path, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno, "open");
	if (S_ISDIR(st.st_mode)) {
		i->source = fd;
		return 0;
	}
	int tar CLEAN_FD = fd;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BAD_REQUEST, "neither a file nor a directory");
	return unpack_source(i, tar, e);
}

// ---- layers

static bool has_layer(struct import *i, struct str chain)
{
	return access(store_path(i->store, i->arena, "layers/%.*s/size", STR_FMT(hex_of(chain))), F_OK) == 0;
}

static const char *staged_layer(struct import *i, struct str chain)
{
	return arena_fmt(i->arena, "%s/%.*s", i->staging, STR_FMT(hex_of(chain))).p;
}

// Descriptors of the layers below number `n`, the next one first. Returns how many; -1 when one cannot be opened.
static ssize_t open_lowers(struct import *i, const struct plan_image *m, size_t n, int *fds, struct err *e)
{
	for (size_t k = 0; k < n; k++) {
		struct str chain = m->layers[n - 1 - k].chain_id;
		const char *path = has_layer(i, chain)
					   ? store_path(i->store, i->arena, "layers/%.*s/diff", STR_FMT(hex_of(chain)))
					   : arena_fmt(i->arena, "%s/diff", staged_layer(i, chain)).p;
		fds[k] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fds[k] < 0) {
			i->lost = errno == ENOENT;
			err_errno(e, errno, "%s", path);
			while (k--)
				close(fds[k]);
			return -1;
		}
	}
	return (ssize_t)n;
}

// A layer's own directory begins as the root of the one below looks.
static int make_layer_root(const char *path, const int *lowers, size_t lower_count)
{
	struct stat st;
	if (mkdir(path, 0755) < 0)
		return -1;
	if (lower_count == 0)
		return chmod(path, 0755);
	if (fstat(lowers[0], &st) < 0 || chown(path, st.st_uid, st.st_gid) < 0)
		return -1;
	return chmod(path, st.st_mode & 07777);
}

static int unpack_tar(struct import *i, struct layer_reader *r, int root, const int *lowers, size_t lower_count,
		      uint64_t *bytes, struct err *e)
{
	const struct images_limits *l = &i->store->limits;
	struct extract x = {
		.root = root,
		.layer = true,
		.lowers = lowers,
		.lower_count = lower_count,
		.entries_max = l->layer_entries,
		.bytes_max = l->layer_bytes,
	};
	int result = extract_archive(&x, r, e);
	*bytes = x.bytes;
	return result;
}

static int unpack_layer(struct import *i, const struct plan_image *m, size_t n, struct layer_reader *r, struct err *e)
{
	const char *dir = staged_layer(i, m->layers[n].chain_id), *diff = arena_fmt(i->arena, "%s/diff", dir).p;
	int lowers[OCI_LAYERS_MAX];
	ssize_t lower_count = open_lowers(i, m, n, lowers, e);
	if (lower_count < 0)
		return -1;
	int result = -1;
	uint64_t bytes = 0;
	int root CLEAN_FD = mkdir(dir, 0700) < 0 || make_layer_root(diff, lowers, (size_t)lower_count) < 0
				    ? -1
				    : open(diff, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		err_errno(e, errno, "%s", diff);
	else
		result = unpack_tar(i, r, root, lowers, (size_t)lower_count, &bytes, e);
	while (lower_count--)
		close(lowers[lower_count]);
	if (result < 0)
		return -1;
	const char *size = arena_fmt(i->arena, "%s/size", dir).p;
	return store_write_file(i->arena, size, arena_fmt(i->arena, "%llu", (unsigned long long)bytes), e);
}

static int check_digests(struct import *i, const struct plan_layer *l, struct layer_reader *r, struct err *e)
{
	struct str packed, unpacked;
	if (layer_reader_drain(r, e) < 0)
		return -1;
	layer_reader_digests(r, i->arena, &packed, &unpacked);
	if (!str_empty(l->digest) && !str_eq(packed, l->digest))
		return err_set(e, ERR_BAD_REQUEST, "digest mismatch: the bytes hash to %.*s", STR_FMT(packed));
	if (!str_eq(unpacked, l->diff_id))
		return err_set(e, ERR_BAD_REQUEST, "diffID mismatch: the config says %.*s, the layer unpacks to %.*s",
			       STR_FMT(l->diff_id), STR_FMT(unpacked));
	return 0;
}

static int take_layer(struct import *i, const struct plan_image *m, size_t n, struct err *e)
{
	const struct plan_layer *l = &m->layers[n];
	int fd CLEAN_FD = tree_open(i->source, l->path, O_RDONLY | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno, "%s", l->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BAD_REQUEST, "%s: not a file", l->path);
	if (l->size >= 0 && st.st_size != l->size)
		return err_set(e, ERR_BAD_REQUEST, "%lld bytes, not %lld: cut short or of another image",
			       (long long)st.st_size, (long long)l->size);
	enum oci_digest_kind kind = OCI_SHA256;
	oci_digest_parse(l->digest, &kind, NULL);
	struct layer_reader r;
	if (layer_reader_init(&r, fd, true, kind, e) < 0)
		return -1;
	r.bytes_max = i->store->limits.layer_bytes;
	r.ratio_max = i->store->limits.ratio;
	r.progress = note_progress;
	r.arg = i;
	bool known = has_layer(i, l->chain_id) || access(staged_layer(i, l->chain_id), F_OK) == 0;
	int result = known ? 0 : unpack_layer(i, m, n, &r, e);
	if (result == 0)
		result = check_digests(i, l, &r, e);
	layer_reader_finish(&r);
	return result;
}

static void count_bytes(struct import *i)
{
	i->done = i->total = 0;
	for (size_t m = 0; m < i->count; m++)
		for (size_t n = 0; n < i->images[m].layer_count; n++) {
			struct stat st;
			int fd CLEAN_FD = tree_open(i->source, i->images[m].layers[n].path, O_PATH);
			if (fd >= 0 && fstat(fd, &st) == 0)
				i->total += (uint64_t)st.st_size;
		}
}

static int take_layers(struct import *i, struct err *e)
{
	count_bytes(i);
	for (size_t m = 0; m < i->count; m++) {
		const struct plan_image *image = &i->images[m];
		for (size_t n = 0; n < image->layer_count; n++)
			if (take_layer(i, image, n, e) < 0) {
				struct str name = str_empty(image->layers[n].digest) ? image->layers[n].diff_id
										     : image->layers[n].digest;
				return err_wrap(e, "layer %zu (%.*s)", n, STR_FMT(name));
			}
	}
	if (syncfs(i->staging_lock) < 0)
		return err_errno(e, errno, "sync");
	return 0;
}

// ---- making it visible

static int place_layers(struct import *i, const struct plan_image *m, uint64_t *size, struct err *e)
{
	*size = 0;
	for (size_t n = 0; n < m->layer_count; n++) {
		struct str chain = m->layers[n].chain_id, text;
		const char *to = store_path(i->store, i->arena, "layers/%.*s", STR_FMT(hex_of(chain)));
		if (!has_layer(i, chain) && rename(staged_layer(i, chain), to) < 0)
			return err_errno(e, errno, "%s", to);
		uint64_t bytes = 0;
		if (store_read_file(i->arena, AT_FDCWD, arena_fmt(i->arena, "%s/size", to).p, 32, &text, e) < 0)
			return -1;
		str_to_u64(text, &bytes);
		*size += bytes;
	}
	return 0;
}

static int place_blob(struct import *i, struct str digest, struct str bytes, struct err *e)
{
	const char *path = store_path(i->store, i->arena, "images/blobs/sha256/%.*s", STR_FMT(hex_of(digest)));
	return access(path, F_OK) == 0 ? 0 : store_write_file(i->arena, path, bytes, e);
}

static struct json *entry_of(struct arena *a, struct json *images, struct str id)
{
	json_each(entry, images)
		if (json_str_is(entry, "id", arena_c(a, id)))
			return entry;
	return NULL;
}

static void enter_image(struct arena *a, struct json *images, const struct plan_image *m, uint64_t size)
{
	struct json *entry = entry_of(a, images, m->id);
	if (!entry) {
		entry = json_push(images, json_object(a));
		json_put_str(a, entry, "id", m->id);
		json_put_str(a, entry, "manifest", m->digest);
		json_put_int(a, entry, "size", (int64_t)size);
		struct json *layers = json_need_array(a, entry, "layers");
		for (size_t n = 0; n < m->layer_count; n++)
			json_push(layers, json_string(a, hex_of(m->layers[n].chain_id)));
	}
	struct json *names = json_need_array(a, entry, "names"), *digests = json_need_array(a, entry, "digests");
	for (size_t n = 0; n < m->names.count; n++) {
		json_each(other, images)
			store_remove_name(json_get(other, STR("names")), m->names.items[n]);
		store_add_sorted(a, names, m->names.items[n]);
	}
	for (size_t n = 0; n < m->digests.count; n++)
		store_add_sorted(a, digests, m->digests.items[n]);
}

static int describe_all(struct import *i, struct err *e)
{
	i->taken = ARENA_ARRAY(i->arena, struct image, i->count + 1);
	for (size_t m = 0; m < i->count; m++)
		if (images_find(i->store, i->arena, i->images[m].id, &i->taken[m], e) < 0)
			return -1;
	return 0;
}

// The exclusive lock is held, so that nobody takes away what we have not even told of.
static int commit(struct import *i, struct err *e)
{
	struct json *index;
	if (store_index(i->store, i->arena, &index, e) < 0)
		return -1;
	struct json *images = json_need_array(i->arena, index, "images");
	for (size_t m = 0; m < i->count; m++) {
		uint64_t size;
		if (place_layers(i, &i->images[m], &size, e) < 0 ||
		    place_blob(i, i->images[m].id, i->images[m].config, e) < 0 ||
		    place_blob(i, i->images[m].digest, i->images[m].manifest, e) < 0)
			return -1;
		enter_image(i->arena, images, &i->images[m], size);
	}
	const char *layers = store_path(i->store, i->arena, "layers");
	if (tree_sync_dir(layers) < 0)
		return err_errno(e, errno, "%s", layers);
	return store_write_index(i->store, i->arena, index, e) < 0 ? -1 : describe_all(i, e);
}

// What had its place already when it failed is taken away.
static int commit_or_clean(struct import *i, struct err *e)
{
	struct json *index;
	if (commit(i, e) == 0)
		return 0;
	if (store_index(i->store, i->arena, &index, NULL) == 0)
		store_collect(i->store, index);
	return -1;
}

static bool has_all_layers(struct import *i)
{
	for (size_t m = 0; m < i->count; m++)
		for (size_t n = 0; n < i->images[m].layer_count; n++) {
			struct str chain = i->images[m].layers[n].chain_id;
			if (!has_layer(i, chain) && access(staged_layer(i, chain), F_OK) < 0)
				return false;
		}
	return true;
}

// Layers that are here already need not be unpacked, but nobody keeps them for us until we name them: when one has been
// removed meanwhile, what is missing is unpacked after all.
static int take_and_commit(struct import *i, struct err *e)
{
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		i->lost = false;
		if (take_layers(i, e) < 0 && !i->lost)
			return -1;
		int lock CLEAN_FD = i->lost ? -1 : store_lock(i->store, true, e);
		if (!i->lost && (lock < 0 || has_all_layers(i)))
			return lock < 0 ? -1 : commit_or_clean(i, e);
	}
	return err_set(e, ERR_CONFLICT, "images with the same layers are removed again and again");
}

int images_import(struct images *s, struct arena *a, const char *path, const struct images_import *how,
		  struct image **out, size_t *count, struct err *e)
{
	struct import i = {.store = s, .arena = a, .how = how, .staging_lock = -1, .source = -1};
	int result = -1;
	struct str name = how ? how->name : STR_NONE;
	if (open_staging(&i, e) == 0 && open_source(&i, path, e) == 0 &&
	    import_plan(a, i.source, name, s->limits.manifest_bytes, &i.images, &i.count, e) == 0 &&
	    take_and_commit(&i, e) == 0) {
		*out = i.taken;
		*count = i.count;
		result = 0;
	}
	close_staging(&i);
	return result < 0 ? err_wrap(e, "import %s", path) : 0;
}
