// SPDX-License-Identifier: Apache-2.0
// What shows when layers lie on each other: whiteouts, symlinks on the way, links to what lies below, in any order that a
// maker of images may choose.
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "node/images/images.h"
#include "node/images/tree.h"
#include "tar_maker.h"
#include "unit.h"

enum { LAYERS = 3, ENTRIES = 6 };

struct entry {
	const char *name;
	char type;
	const char *link;
};

static const struct {
	const char *what;
	struct entry layers[LAYERS][ENTRIES];
	const char *shows; // all that is not a directory, sorted
} cases[] = {
	{"through a symlink below that climbs but stays inside",
	 {{{"run", '5', NULL}, {"var", '5', NULL}, {"var/run", '2', "../run"}}, {{"var/run/x", '0', NULL}}},
	 "run/x var/run@"},
	{"through a symlink of this layer to a directory below",
	 {{{"usr/lib/a", '0', NULL}}, {{"lib", '2', "usr/lib"}, {"lib/b", '0', NULL}}},
	 "lib@ usr/lib/a usr/lib/b"},
	{"through two symlinks of two layers",
	 {{{"a/x", '0', NULL}}, {{"b", '2', "a"}}, {{"c", '2', "b"}, {"c/y", '0', NULL}}},
	 "a/x a/y b@ c@"},
	{"where a symlink was deleted first",
	 {{{"usr/bin/old", '0', NULL}, {"bin", '2', "usr/bin"}}, {{".wh.bin", '0', NULL}, {"bin/new", '0', NULL}}},
	 "bin/new usr/bin/old"},
	{"where a symlink was deleted a layer before",
	 {{{"usr/bin/old", '0', NULL}, {"bin", '2', "usr/bin"}}, {{".wh.bin", '0', NULL}}, {{"bin/new", '0', NULL}}},
	 "bin/new usr/bin/old"},
	{"a directory deleted and made again", {{{"a/low", '0', NULL}}, {{".wh.a", '0', NULL}, {"a/new", '0', NULL}}}, "a/new"},
	{"the same, its whiteout told last", {{{"a/low", '0', NULL}}, {{"a/new", '0', NULL}, {".wh.a", '0', NULL}}}, "a/new"},
	{"a file and its whiteout told last", {{{"a", '0', NULL}}, {{"a", '0', NULL}, {".wh.a", '0', NULL}}}, "a"},
	{"below a directory deleted two layers before",
	 {{{"a/b/c", '0', NULL}}, {{".wh.a", '0', NULL}}, {{"a/b/d", '0', NULL}}},
	 "a/b/d"},
	{"all of the root deleted",
	 {{{"old", '0', NULL}, {"both/low", '0', NULL}, {"dir/x", '0', NULL}},
	  {{"both/high", '0', NULL}, {".wh..wh..opq", '0', NULL}, {"dir/new", '0', NULL}}},
	 "both/high dir/new"},
	{"a whiteout of what is not there", {{{"a", '0', NULL}}, {{".wh.b", '0', NULL}, {"c/.wh.d", '0', NULL}}}, "a"},
	{"a whiteout through a symlink below", {{{"u/f", '0', NULL}, {"b", '2', "u"}}, {{"b/.wh.f", '0', NULL}}}, "b@"},
	{"all of a directory through a symlink", {{{"u/f", '0', NULL}, {"b", '2', "u"}}, {{"b/.wh..wh..opq", '0', NULL}}}, "b@"},
	{"deleted twice", {{{"a", '0', NULL}}, {{".wh.a", '0', NULL}}, {{".wh.a", '0', NULL}}}, ""},
	{"a file instead of a directory", {{{"a/b", '0', NULL}}, {{"a", '0', NULL}}}, "a"},
	{"a symlink instead of a directory", {{{"a/b", '0', NULL}, {"c/d", '0', NULL}}, {{"a", '2', "c"}}}, "a@ c/d"},
	{"a directory instead of a symlink",
	 {{{"c/d", '0', NULL}, {"a", '2', "c"}}, {{"a", '5', NULL}, {"a/new", '0', NULL}}},
	 "a/new c/d"},
	{"a link through a symlink below", {{{"u/f", '0', NULL}, {"b", '2', "u"}}, {{"b/g", '1', "b/f"}}}, "b@ u/f u/g"},
	{"a link to a file two layers below", {{{"a/b", '0', NULL}}, {{"c", '0', NULL}}, {{"d", '1', "a/b"}}}, "a/b c d"},
};

struct world {
	struct arena a;
	char *dir;
	struct images *images;
	struct err e;
	int serial;
};

static void set_up(struct world *w)
{
	if (geteuid() != 0)
		unit_skip("needs root");
	memset(w, 0, sizeof *w);
	arena_init(&w->a);
	w->dir = test_dir("layers");
	REQUIRE(images_open(arena_fmt(&w->a, "%s/data", w->dir).p, &w->images, NULL) == 0);
}

static void tear_down(struct world *w)
{
	images_close(w->images);
	test_dir_remove(w->dir);
	err_clear(&w->e);
	arena_finish(&w->a);
}

#define CLEAN_WORLD __attribute__((cleanup(tear_down)))

// Imports the layers and mounts the image; NULL and w->e where that fails.
static const char *mounted(struct world *w, const struct layout_layer *layers, size_t count)
{
	const char *source = arena_fmt(&w->a, "%s/source%d", w->dir, ++w->serial).p;
	struct image *got;
	struct str path;
	size_t n;
	layout_write(source, arena_fmt(&w->a, "t:%d", w->serial).p, layers, count);
	if (images_import(w->images, &w->a, source, NULL, &got, &n, &w->e) < 0 ||
	    rootfs_mount(w->images, &w->a, arena_fmt(&w->a, "c%d", w->serial), &got[0], &path, &w->e) < 0)
		return NULL;
	return path.p;
}

static void unmount(struct world *w)
{
	CHECK(rootfs_remove(w->images, arena_fmt(&w->a, "c%d", w->serial), NULL) == 0);
}

static int by_name(const void *x, const void *y)
{
	return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static void collect(struct arena *a, const char *path, size_t skip, struct str *out, size_t *n)
{
	DIR *d = opendir(path);
	for (struct dirent *at; d && (at = readdir(d));) {
		const char *here = arena_fmt(a, "%s/%s", path, at->d_name).p;
		if (at->d_type == DT_DIR && strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0)
			collect(a, here, skip, out, n);
		else if (at->d_type != DT_DIR)
			out[(*n)++] = arena_fmt(a, "%s%s", here + skip, at->d_type == DT_LNK ? "@" : "");
	}
	if (d)
		closedir(d);
}

static struct str listing(struct arena *a, const char *root)
{
	struct str names[64];
	struct buf out CLEAN_BUF;
	size_t n = 0;
	buf_init(&out);
	collect(a, root, strlen(root) + 1, names, &n);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++)
		buf_fmt(&out, "%s%.*s", i ? " " : "", STR_FMT(names[i]));
	return arena_str(a, buf_str(&out));
}

TEST(layers_on_each_other)
{
	struct world w CLEAN_WORLD;
	set_up(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct layout_layer layers[LAYERS] = {{.packing = LAYER_PLAIN}};
		struct buf tars[LAYERS];
		for (int l = 0; l < LAYERS; l++) {
			buf_init(&tars[l]);
			for (const struct entry *n = cases[i].layers[l]; n < cases[i].layers[l] + ENTRIES && n->name; n++)
				tar_add(&tars[l], n->name, n->type, 0755, n->link, n->type == '0' ? STR("x") : STR_NONE);
			tar_end(&tars[l]);
			layers[l].tar = buf_str(&tars[l]);
		}
		const char *root = mounted(&w, layers, LAYERS);
		if (!root)
			unit_fail(__FILE__, __LINE__, "%s: %s", cases[i].what, err_text(&w.e));
		struct str shows = root ? listing(&w.a, root) : STR_NONE;
		if (root && !str_is(shows, cases[i].shows))
			unit_fail(__FILE__, __LINE__, "%s: shows \"%.*s\", not \"%s\"", cases[i].what, STR_FMT(shows), cases[i].shows);
		if (root)
			unmount(&w);
		for (int l = 0; l < LAYERS; l++)
			buf_finish(&tars[l]);
	}
}

// A deleted file must not come back by a link to it.
TEST(link_to_what_was_deleted)
{
	struct world w CLEAN_WORLD;
	struct buf tars[3];
	set_up(&w);
	for (int l = 0; l < 3; l++)
		buf_init(&tars[l]);
	tar_add(&tars[0], "a/secret", '0', 0600, NULL, STR("x"));
	tar_add(&tars[1], ".wh.a", '0', 0, NULL, STR_NONE);
	tar_add(&tars[2], "link", '1', 0, "a/secret", STR_NONE);
	struct layout_layer layers[3] = {{.packing = LAYER_PLAIN}};
	for (int l = 0; l < 3; l++) {
		tar_end(&tars[l]);
		layers[l].tar = buf_str(&tars[l]);
	}
	CHECK(mounted(&w, layers, 3) == NULL);
	CHECK(strstr(err_text(&w.e), "hardlink"));
	for (int l = 0; l < 3; l++)
		buf_finish(&tars[l]);
}

// What a file may do and be survives being linked from a layer above; modes do not depend on our umask.
TEST(attributes_of_layers)
{
	static const char capability[20] = {1, 0, 0, 2, 0, 4}; // cap_net_bind_service, effective; revision 2
	struct world w CLEAN_WORLD;
	struct buf low CLEAN_BUF, top CLEAN_BUF;
	set_up(&w);
	buf_init(&low);
	buf_init(&top);
	tar_add_xattr(&low, "security.capability", (struct str){capability, sizeof(capability)});
	tar_add(&low, "tool", '0', 0755, NULL, STR("x"));
	tar_add(&low, "pipe", '6', 0666, NULL, STR_NONE);
	tar_end(&low);
	tar_add(&top, "link", '1', 0, "tool", STR_NONE);
	tar_end(&top);
	const char *root = mounted(&w, (struct layout_layer[]){{.tar = buf_str(&low)}, {.tar = buf_str(&top)}}, 2);
	if (!root)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&w.e));
	REQUIRE(root);
	static const char *const names[] = {"tool", "link"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char value[64];
		ssize_t n = getxattr(arena_fmt(&w.a, "%s/%s", root, names[i]).p, "security.capability", value, sizeof(value));
		if (n != sizeof(capability) || memcmp(value, capability, sizeof(capability)) != 0)
			unit_fail(__FILE__, __LINE__, "%s has lost its capability", names[i]);
	}
	struct stat st;
	CHECK(stat(arena_fmt(&w.a, "%s/pipe", root).p, &st) == 0 && (st.st_mode & 07777) == 0666);
	unmount(&w);
}
