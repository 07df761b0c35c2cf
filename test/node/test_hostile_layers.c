// SPDX-License-Identifier: Apache-2.0
// Archives made to harm: each import fails with a clear error and changes neither the store nor anything outside it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/images/images.h"
#include "node/images/tree.h"
#include "tar_maker.h"
#include "unit.h"

struct world {
	struct arena a;
	char *dir;
	const char *data, *victim; // a directory outside the store, with one file
	struct images *images;
};

static void set_up(struct world *w)
{
	if (geteuid() != 0)
		unit_skip("needs root (owners of files)");
	arena_init(&w->a);
	w->dir = test_dir("hostile");
	w->data = arena_fmt(&w->a, "%s/data", w->dir).p;
	w->victim = arena_fmt(&w->a, "%s/victim", w->dir).p;
	REQUIRE(mkdir(w->victim, 0755) == 0);
	write_file(arena_fmt(&w->a, "%s/file", w->victim).p, STR("host"));
	REQUIRE(images_open(w->data, &w->images, NULL) == 0);
}

static void tear_down(struct world *w)
{
	images_close(w->images);
	test_dir_remove(w->dir);
	arena_finish(&w->a);
}

#define CLEAN_WORLD __attribute__((cleanup(tear_down)))

static void check_unharmed(struct world *w, const char *what)
{
	struct stat st;
	size_t layers = entries_below(arena_fmt(&w->a, "%s/layers", w->data).p);
	struct image *list;
	size_t count = 1;
	images_list(w->images, &w->a, &list, &count, NULL);
	bool same = stat(arena_fmt(&w->a, "%s/file", w->victim).p, &st) == 0 && st.st_size == 4 && st.st_nlink == 1;
	if (entries_below(w->victim) != 1 || layers || count || !same)
		unit_fail(__FILE__, __LINE__, "%s: something changed", what);
	CHECK_INT(entries_below(arena_fmt(&w->a, "%s/images/tmp", w->data).p), 0);
}

static void check_refused(struct world *w, const char *what, const struct layout_layer *layers, size_t count, const char *says)
{
	static int serial;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct image *got;
	size_t n;
	const char *source = arena_fmt(&w->a, "%s/source%d", w->dir, serial++).p;
	layout_write(source, "jar:v", layers, count);
	if (images_import(w->images, &w->a, source, NULL, &got, &n, &e) == 0)
		unit_fail(__FILE__, __LINE__, "%s: was taken", what);
	else if (!strstr(err_text(&e), says))
		unit_fail(__FILE__, __LINE__, "%s: says \"%s\"", what, err_text(&e));
	check_unharmed(w, what);
}

struct entry {
	const char *name;
	char type;
	const char *link; // "@": the victim's directory; "@/x": below it
};

static const char *true_link(struct world *w, const char *link)
{
	return link && link[0] == '@' ? arena_fmt(&w->a, "%s%s", w->victim, link + 1).p : link;
}

static void make_tar(struct world *w, struct buf *tar, const struct entry *entries, size_t count)
{
	buf_init(tar);
	for (size_t i = 0; i < count && entries[i].name; i++) {
		const struct entry *n = &entries[i];
		const char *name = n->name[0] == '@' ? arena_fmt(&w->a, "%s%s", w->victim, n->name + 1).p : n->name;
		tar_add(tar, name, n->type, 0755, true_link(w, n->link), n->type == '0' ? STR("evil") : STR_NONE);
	}
	tar_end(tar);
}

static const struct {
	const char *what, *says;
	struct entry low[4], top[4];
} hostile[] = {
	{"climbing", "..", {{"../victim/file", '0', NULL}}, {{0}}},
	{"climbing from within", "..", {{"a/b/../../../victim/file", '0', NULL}}, {{0}}},
	{"absolute", "absolute", {{"@/file", '0', NULL}}, {{0}}},
	{"absolute symlink, then through it", "symlink", {{"x", '2', "@"}, {"x/file", '0', NULL}}, {{0}}},
	{"climbing symlink, then through it", "symlink", {{"x", '2', "../../../../../../../../tmp"}, {"x/evil", '0', NULL}}, {{0}}},
	{"symlink to a symlink", "symlink", {{"y", '2', "@"}, {"x", '2', "y"}, {"x/file", '0', NULL}}, {{0}}},
	{"symlink and directory below it", "symlink", {{"x", '2', "@"}, {"x/dir", '5', NULL}}, {{0}}},
	{"symlink to the root", "symlink", {{"x", '2', "/"}, {"x/etc/evil", '0', NULL}}, {{0}}},
	{"through a symlink of the layer below", "symlink", {{"x", '2', "@"}}, {{"x/file", '0', NULL}}},
	{"through a climbing symlink below", "symlink", {{"a/x", '2', "../../.."}}, {{"a/x/file", '0', NULL}}},
	{"through the root of the layer below", "symlink", {{"x", '2', "/"}}, {{"x/etc/evil", '0', NULL}}},
	{"whiteout through a symlink", "symlink", {{"x", '2', "@"}, {"x/.wh.file", '0', NULL}}, {{0}}},
	{"opaque through a symlink", "symlink", {{"x", '2', "@"}, {"x/.wh..wh..opq", '0', NULL}}, {{0}}},
	{"whiteout of ..", "whiteout", {{"a/.wh...", '0', NULL}}, {{0}}},
	{"whiteout of nothing", "whiteout", {{".wh.", '0', NULL}}, {{0}}},
	{"hardlink by ..", "..", {{"x", '1', "../victim/file"}}, {{0}}},
	{"hardlink, absolute", "absolute", {{"x", '1', "@/file"}}, {{0}}},
	{"hardlink through a symlink", "symlink", {{"s", '2', "@"}, {"x", '1', "s/file"}}, {{0}}},
	{"hardlink to nothing", "hardlink", {{"x", '1', "nothing"}}, {{0}}},
	{"character device", "device", {{"dev/mem", '3', NULL}}, {{0}}},
	{"block device", "device", {{"dev/sda", '4', NULL}}, {{0}}},
	{"a device in the upper layer", "device", {{"a", '0', NULL}}, {{"null", '3', NULL}}},
	{"the root as a file", "root", {{"./", '2', "@"}}, {{0}}},
};

TEST(hostile_layers)
{
	struct world w CLEAN_WORLD;
	set_up(&w);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct buf low CLEAN_BUF, top CLEAN_BUF;
		make_tar(&w, &low, hostile[i].low, 4);
		make_tar(&w, &top, hostile[i].top, 4);
		struct layout_layer layers[] = {{.tar = buf_str(&low), .packing = LAYER_GZIP}, {.tar = buf_str(&top)}};
		check_refused(&w, hostile[i].what, layers, hostile[i].top[0].name ? 2 : 1, hostile[i].says);
	}
}

#define WRONG "sha256:0000000000000000000000000000000000000000000000000000000000000000"

TEST(wrong_digests)
{
	struct world w CLEAN_WORLD;
	struct buf tar CLEAN_BUF;
	set_up(&w);
	buf_init(&tar);
	tar_add(&tar, "a", '0', 0644, NULL, STR("x"));
	tar_end(&tar);
	struct layout_layer digest = {.tar = buf_str(&tar), .lie_digest = WRONG}, diff = {.tar = buf_str(&tar), .lie_diff_id = WRONG};
	struct layout_layer cut = {.tar = buf_str(&tar), .packing = LAYER_GZIP, .cut = true};
	check_refused(&w, "layer digest", &digest, 1, "digest mismatch");
	check_refused(&w, "diffID", &diff, 1, "diffID mismatch");
	check_refused(&w, "cut", &cut, 1, "cut short");
}

TEST(wrong_manifest_and_config)
{
	struct world w CLEAN_WORLD;
	struct buf tar CLEAN_BUF;
	set_up(&w);
	buf_init(&tar);
	tar_end(&tar);
	struct layout_layer layer = {.tar = buf_str(&tar)};
	const char *source = arena_fmt(&w.a, "%s/source", w.dir).p, *blobs = arena_fmt(&w.a, "%s/blobs/sha256", source).p;
	layout_write(source, "jar:v", &layer, 1);
	REQUIRE(system(arena_fmt(&w.a, "for f in %s/*; do printf ' ' >>$f; done", blobs).p) == 0);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct image *got;
	size_t n;
	CHECK(images_import(w.images, &w.a, source, NULL, &got, &n, &e) < 0);
	CHECK(strstr(err_text(&e), "digest mismatch"));
	check_unharmed(&w, "manifest");
	CHECK(images_import(w.images, &w.a, "/nonexistent", NULL, &got, &n, &e) < 0);
	CHECK(strstr(err_text(&e), "No such file"));
	CHECK(images_import(w.images, &w.a, w.victim, NULL, &got, &n, &e) < 0);
	CHECK(strstr(err_text(&e), "neither an OCI layout"));
	CHECK(images_import(w.images, &w.a, "/dev/zero", NULL, &got, &n, &e) < 0);
}

TEST(bombs)
{
	struct world w CLEAN_WORLD;
	struct buf zeros CLEAN_BUF, many CLEAN_BUF, sparse CLEAN_BUF;
	set_up(&w);
	images_set_limits(w.images, &(struct images_limits){.layer_bytes = 200 << 20, .layer_entries = 1000, .ratio = 100});
	char *block = mem_zalloc(100 << 20);
	buf_init(&zeros);
	tar_add(&zeros, "zeros", '0', 0644, NULL, (struct str){block, 100 << 20});
	tar_end(&zeros);
	free(block);
	struct layout_layer gzip = {.tar = buf_str(&zeros), .packing = LAYER_GZIP}, zstd = gzip;
	zstd.packing = LAYER_ZSTD;
	check_refused(&w, "gzip bomb", &gzip, 1, "times its size");
	check_refused(&w, "zstd bomb", &zstd, 1, "times its size");
	images_set_limits(w.images, &(struct images_limits){.layer_bytes = 50 << 20, .ratio = 1 << 20});
	check_refused(&w, "too large", &gzip, 1, "bytes");
	images_set_limits(w.images, &(struct images_limits){.layer_entries = 1000});
	buf_init(&many);
	for (int i = 0; i < 1001; i++)
		tar_add(&many, arena_fmt(&w.a, "f%d", i).p, '0', 0644, NULL, STR_NONE);
	tar_end(&many);
	struct layout_layer entries = {.tar = buf_str(&many), .packing = LAYER_GZIP};
	check_refused(&w, "too many", &entries, 1, "entries");
	images_set_limits(w.images, &(struct images_limits){.layer_bytes = 50 << 20});
	struct buf holes CLEAN_BUF, map CLEAN_BUF;
	buf_init(&holes);
	buf_init(&map);
	BUF_LIT(&map, "3000000\n"); // a map of holes, each of which is remembered
	for (int i = 0; i < 3000000; i++)
		BUF_LIT(&map, "0\n0\n");
	tar_add(&holes, "pax", 'x', 0644, NULL, STR("22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
						    "21 GNU.sparse.name=x\n26 GNU.sparse.realsize=10\n"));
	tar_add(&holes, "x", '0', 0644, NULL, buf_str(&map));
	tar_end(&holes);
	struct layout_layer full_of_holes = {.tar = buf_str(&holes), .packing = LAYER_GZIP};
	check_refused(&w, "a map of millions of holes", &full_of_holes, 1, "a header of more than");
	buf_init(&sparse);
	tar_add_sized(&sparse, "huge", UINT64_C(7) << 30);
	struct layout_layer huge = {.tar = buf_str(&sparse)};
	check_refused(&w, "a claim of 7 GiB", &huge, 1, "bytes in all");
}

// The archive around the image is not trusted more than the layers in it.
TEST(hostile_outer_archive)
{
	struct world w CLEAN_WORLD;
	set_up(&w);
	static const struct entry cases[][3] = {
		{{"../victim/file", '0', NULL}},
		{{"index.json", '2', "@/file"}, {"oci-layout", '0', NULL}},
		{{"blobs", '2', "@"}, {"blobs/file", '0', NULL}},
		{{"dev", '3', NULL}},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf tar CLEAN_BUF;
		struct err e CLEAN_ERR = ERR_EMPTY;
		struct image *got;
		size_t n;
		make_tar(&w, &tar, cases[i], 3);
		const char *path = arena_fmt(&w.a, "%s/outer.tar", w.dir).p;
		write_file(path, buf_str(&tar));
		CHECK(images_import(w.images, &w.a, path, NULL, &got, &n, &e) < 0);
		check_unharmed(&w, "outer");
	}
}
