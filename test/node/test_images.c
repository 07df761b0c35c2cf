// SPDX-License-Identifier: Apache-2.0
// Importing, listing, removing images; layers that try to leave their root are in test_hostile_layers.c.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/images/images.h"
#include "node/images/tree.h"
#include "oci/digest.h"
#include "tar_maker.h"
#include "unit.h"

struct fixture {
	struct arena a;
	char *dir;
	const char *data, *source;
	struct images *images;
};

static void set_up(struct fixture *f)
{
	if (geteuid() != 0)
		unit_skip("needs root (owners of files)");
	arena_init(&f->a);
	f->dir = test_dir("images");
	f->data = arena_fmt(&f->a, "%s/data", f->dir).p;
	f->source = arena_fmt(&f->a, "%s/source", f->dir).p;
	REQUIRE(images_open(f->data, &f->images, NULL) == 0);
}

static void tear_down(struct fixture *f)
{
	images_close(f->images);
	test_dir_remove(f->dir);
	arena_finish(&f->a);
}

#define CLEAN_FIXTURE __attribute__((cleanup(tear_down)))

static int import(struct fixture *f, const char *path, struct err *e)
{
	struct image *got;
	size_t count;
	return images_import(f->images, &f->a, path, NULL, &got, &count, e);
}

static void must_import(struct fixture *f, const char *path)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (import(f, path, &e) < 0)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
}

static struct str one_file_tar(struct buf *b, const char *name, const char *text)
{
	buf_init(b);
	tar_add(b, name, '0', 0644, NULL, str_of(text));
	tar_end(b);
	return buf_str(b);
}

static struct str text_in(struct fixture *f, const char *path)
{
	int fd CLEAN_FD = open(path, O_RDONLY);
	char room[256];
	ssize_t n = fd < 0 ? 0 : read(fd, room, sizeof(room));
	return fd < 0 ? STR("(absent)") : arena_str(&f->a, (struct str){room, (size_t)n});
}

TEST(layout_in_every_packing)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf low CLEAN_BUF, mid CLEAN_BUF, top CLEAN_BUF;
	set_up(&f);
	struct layout_layer layers[] = {
		{.tar = one_file_tar(&low, "etc/a", "one"), .packing = LAYER_PLAIN},
		{.tar = one_file_tar(&mid, "etc/b", "two"), .packing = LAYER_GZIP},
		{.tar = one_file_tar(&top, "etc/a", "three"), .packing = LAYER_ZSTD},
	};
	layout_write(f.source, "r.example/jar:v1", layers, 3);
	must_import(&f, f.source);
	struct image m;
	REQUIRE(images_find(f.images, &f.a, STR("r.example/jar:v1"), &m, NULL) == 0);
	CHECK(m.layers.count == 3 && m.size == 11 && m.digests.count == 1);
	CHECK_STR(m.command.items[0], "sh");
	CHECK(images_find(f.images, &f.a, m.id, &m, NULL) == 0);
	CHECK(images_find(f.images, &f.a, str_sub(m.id, 7, 12), &m, NULL) == 0);
	CHECK(images_find(f.images, &f.a, m.digests.items[0], &m, NULL) == 0);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(images_find(f.images, &f.a, STR("r.example/jar:v2"), &m, &e) < 0 && e.reason == ERR_NOT_FOUND);
	struct str path;
	REQUIRE(rootfs_mount(f.images, &f.a, STR("c1"), &m, &path, NULL) == 0);
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/etc/a", path.p).p), "three");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/etc/b", path.p).p), "two");
	write_file(arena_fmt(&f.a, "%s/etc/b", path.p).p, STR("mine"));
	uint64_t bytes, inodes;
	CHECK(rootfs_usage(f.images, STR("c1"), &bytes, &inodes) == 0 && inodes == 2);
	CHECK(images_remove(f.images, STR("r.example/jar:v1"), &e) < 0 && e.reason == ERR_CONFLICT);
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
	CHECK(images_remove(f.images, STR("r.example/jar:v1"), NULL) == 0);
	CHECK(access(arena_fmt(&f.a, "%s/layers/%.*s", f.data, STR_FMT(m.layers.items[0])).p, F_OK) < 0);
}

TEST(docker_archive_as_a_tar)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf low CLEAN_BUF, outer CLEAN_BUF, packed CLEAN_BUF;
	set_up(&f);
	struct layout_layer layer = {.tar = one_file_tar(&low, "hello", "hi")};
	docker_write(f.source, "jar:old", &layer, 1);
	const char *tar = arena_fmt(&f.a, "%s/saved.tar", f.dir).p;
	REQUIRE(system(arena_fmt(&f.a, "tar -C %s -cf %s .", f.source, tar).p) == 0);
	must_import(&f, tar);
	struct image m;
	REQUIRE(images_find(f.images, &f.a, STR("jar:old"), &m, NULL) == 0);
	CHECK_STR(m.names.items[0], "docker.io/library/jar:old");
	buf_init(&outer);
	buf_init(&packed);
	REQUIRE(system(arena_fmt(&f.a, "gzip -k %s", tar).p) == 0);
	must_import(&f, arena_fmt(&f.a, "%s.gz", tar).p);
}

TEST(names_move_and_images_without_names_stay)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf one CLEAN_BUF, two CLEAN_BUF;
	set_up(&f);
	struct layout_layer first = {.tar = one_file_tar(&one, "a", "1")}, second = {.tar = one_file_tar(&two, "a", "2")};
	layout_write(arena_fmt(&f.a, "%s1", f.source).p, "jar:v", &first, 1);
	layout_write(arena_fmt(&f.a, "%s2", f.source).p, "jar:v", &second, 1);
	must_import(&f, arena_fmt(&f.a, "%s1", f.source).p);
	must_import(&f, arena_fmt(&f.a, "%s2", f.source).p);
	must_import(&f, arena_fmt(&f.a, "%s2", f.source).p);
	struct image *list;
	size_t count;
	REQUIRE(images_list(f.images, &f.a, &list, &count, NULL) == 0);
	CHECK_INT(count, 2);
	CHECK(list[0].names.count + list[1].names.count == 1);
	CHECK(images_tag(f.images, STR("jar:v"), STR("other/name"), NULL) == 0);
	CHECK(images_remove(f.images, STR("jar:v"), NULL) == 0);
	struct image m;
	CHECK(images_find(f.images, &f.a, STR("other/name:latest"), &m, NULL) == 0);
	CHECK(images_find(f.images, &f.a, STR("jar:v"), &m, NULL) < 0);
}

TEST(another_process_sees_the_change)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf one CLEAN_BUF;
	set_up(&f);
	struct images *agent;
	struct image m;
	REQUIRE(images_open(f.data, &agent, NULL) == 0);
	CHECK(images_find(agent, &f.a, STR("jar:v"), &m, NULL) < 0);
	struct layout_layer layer = {.tar = one_file_tar(&one, "a", "1")};
	layout_write(f.source, "jar:v", &layer, 1);
	must_import(&f, f.source);
	CHECK(images_find(agent, &f.a, STR("jar:v"), &m, NULL) == 0);
	images_close(agent);
}

TEST(layer_semantics)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf low CLEAN_BUF, top CLEAN_BUF;
	set_up(&f);
	buf_init(&low);
	tar_add(&low, "./", '5', 0711, NULL, STR_NONE);
	tar_add(&low, "keep", '5', 0750, NULL, STR_NONE);
	tar_add(&low, "keep/gone", '0', 0644, NULL, STR("x"));
	tar_add(&low, "keep/tool", '0', 04755, NULL, STR("suid"));
	tar_add(&low, "opaque/hidden", '0', 0644, NULL, STR("x"));
	tar_add(&low, "usr/bin/one", '0', 0644, NULL, STR("1"));
	tar_add(&low, "bin", '2', 0777, "usr/bin", STR_NONE);
	tar_add(&low, "pipe", '6', 0644, NULL, STR_NONE);
	tar_end(&low);
	buf_init(&top);
	tar_add(&top, "keep/.wh.gone", '0', 0, NULL, STR_NONE);
	tar_add(&top, "keep/copy", '1', 0, "keep/tool", STR_NONE); // of the layer below
	tar_add(&top, "opaque/.wh..wh..opq", '0', 0, NULL, STR_NONE);
	tar_add(&top, "opaque/shown", '0', 0644, NULL, STR("y"));
	tar_add(&top, "bin/two", '0', 0644, NULL, STR("2")); // through the symlink of the layer below
	tar_add(&top, "twice", '0', 0644, NULL, STR("a"));
	tar_add(&top, "twice", '0', 0644, NULL, STR("b"));
	tar_end(&top);
	struct layout_layer layers[] = {{.tar = buf_str(&low)}, {.tar = buf_str(&top)}};
	layout_write(f.source, "jar:v", layers, 2);
	must_import(&f, f.source);
	struct image m;
	struct str path;
	struct stat st;
	REQUIRE(images_find(f.images, &f.a, STR("jar:v"), &m, NULL) == 0);
	REQUIRE(rootfs_mount(f.images, &f.a, STR("c1"), &m, &path, NULL) == 0);
	const char *root = path.p;
	CHECK(stat(root, &st) == 0 && (st.st_mode & 07777) == 0711);
	CHECK(stat(arena_fmt(&f.a, "%s/keep", root).p, &st) == 0 && (st.st_mode & 07777) == 0750);
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/keep/gone", root).p), "(absent)");
	CHECK(stat(arena_fmt(&f.a, "%s/keep/copy", root).p, &st) == 0 && (st.st_mode & 07777) == 04755);
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/opaque/hidden", root).p), "(absent)");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/opaque/shown", root).p), "y");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/usr/bin/one", root).p), "1");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/usr/bin/two", root).p), "2");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/twice", root).p), "b");
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
}

TEST(an_image_of_a_hundred_layers)
{
	struct fixture f CLEAN_FIXTURE;
	struct layout_layer layers[100] = {{.packing = LAYER_PLAIN}};
	struct buf tars[100];
	set_up(&f);
	for (size_t i = 0; i < 100; i++)
		layers[i].tar = one_file_tar(&tars[i], arena_fmt(&f.a, "f%zu", i).p, "x");
	layout_write(f.source, "jar:deep", layers, 100);
	must_import(&f, f.source);
	struct image m;
	struct str path;
	struct err e CLEAN_ERR = ERR_EMPTY;
	REQUIRE(images_find(f.images, &f.a, STR("jar:deep"), &m, NULL) == 0);
	if (rootfs_mount(f.images, &f.a, STR("c1"), &m, &path, &e) < 0)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/f0", path.p).p), "x");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/f99", path.p).p), "x");
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
	for (size_t i = 0; i < 100; i++)
		buf_finish(&tars[i]);
}

// A deep tree costs neither stack nor descriptors to remove.
TEST(removing_a_deep_tree)
{
	char *dir = test_dir("deep");
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 5000; i++) {
		REQUIRE(mkdirat(fd, "d", 0755) == 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	CHECK(tree_erase(AT_FDCWD, dir) == 0);
	CHECK(access(dir, F_OK) < 0);
	free(dir);
}

static void fork_importer_and_kill(struct fixture *f, useconds_t after_us)
{
	pid_t child = fork();
	if (child == 0) {
		import(f, f->source, NULL);
		_exit(0);
	}
	usleep(after_us);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

// Killed at any moment, an import leaves all or nothing, and what it staged is swept.
TEST(import_killed_anywhere)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf tar CLEAN_BUF;
	set_up(&f);
	buf_init(&tar);
	for (int i = 0; i < 200; i++)
		tar_add(&tar, arena_fmt(&f.a, "dir%d/file", i).p, '0', 0644, NULL, STR("some bytes"));
	tar_end(&tar);
	struct layout_layer layer = {.tar = buf_str(&tar), .packing = LAYER_GZIP};
	layout_write(f.source, "jar:v", &layer, 1);
	for (useconds_t us = 200; us < 40000; us += us / 3 + 200) {
		fork_importer_and_kill(&f, us);
		struct images *again;
		REQUIRE(images_open(f.data, &again, NULL) == 0);
		struct image *list;
		size_t count;
		REQUIRE(images_list(again, &f.a, &list, &count, NULL) == 0);
		uint64_t bytes, inodes;
		CHECK(count <= 1);
		tree_usage(arena_fmt(&f.a, "%s/layers", f.data).p, &bytes, &inodes);
		CHECK_INT(inodes, count ? 403 : 0);
		tree_usage(arena_fmt(&f.a, "%s/images/tmp", f.data).p, &bytes, &inodes);
		CHECK_INT(inodes, 0);
		if (count)
			images_remove(again, STR("jar:v"), NULL);
		images_close(again);
	}
}

// A disk that fills up in the middle: a clear error, nothing taken in, and room again for the next.
TEST(import_onto_a_full_disk)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf tar CLEAN_BUF, small_tar CLEAN_BUF;
	struct err e CLEAN_ERR = ERR_EMPTY;
	set_up(&f);
	images_close(f.images);
	f.images = NULL;
	if (mount("full", f.data, "tmpfs", 0, "size=400k") < 0)
		unit_skip("cannot mount");
	REQUIRE(images_open(f.data, &f.images, NULL) == 0);
	char *block = mem_zalloc(1 << 20);
	buf_init(&tar);
	tar_add(&tar, "large", '0', 0644, NULL, (struct str){block, 1 << 20});
	tar_end(&tar);
	free(block);
	struct layout_layer large = {.tar = buf_str(&tar), .packing = LAYER_GZIP}, small = {.tar = one_file_tar(&small_tar, "a", "1")};
	layout_write(f.source, "jar:large", &large, 1);
	CHECK(import(&f, f.source, &e) < 0);
	CHECK(strstr(err_text(&e), "No space left on device"));
	struct image *list;
	size_t count = 1;
	CHECK(images_list(f.images, &f.a, &list, &count, NULL) == 0 && count == 0);
	layout_write(arena_fmt(&f.a, "%s2", f.source).p, "jar:small", &small, 1);
	must_import(&f, arena_fmt(&f.a, "%s2", f.source).p);
	umount2(f.data, MNT_DETACH);
}
