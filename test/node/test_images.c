// SPDX-License-Identifier: Apache-2.0
// Importing, listing, removing images; layers that try to leave their root are in test_hostile_layers.c.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/images/store.h"
#include "node/images/tree.h"
#include "oci/digest.h"
#include "oci/manifest.h"
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
	CHECK_INT(entries_below(arena_fmt(&f.a, "%s/containers/c1/upper", f.data).p), 2);
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

struct naming {
	const char *annotation, *name;
	bool digest; // follows the name
};

// Writes index.json anew: the layout's only manifest by each of the names, in an index of its own the last time. Gives that
// index's digest.
static struct str rewrite_index(struct fixture *f, const struct naming *names, size_t count)
{
	struct buf all CLEAN_BUF;
	buf_init(&all);
	const char *path = arena_fmt(&f->a, "%s/index.json", f->source).p;
	struct json *j;
	REQUIRE(json_parse(&f->a, text_in(f, path), NULL, &j, NULL) == 0);
	struct str digest = json_str(j, "manifests.0.digest");
	struct str size = arena_fmt(&f->a, "%lld", (long long)json_i64(j, "manifests.0.size", 0));
	struct str inner = arena_fmt(&f->a, "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%.*s\",\"size\":%.*s}]}",
				     STR_FMT(digest), STR_FMT(size));
	struct str inner_digest = oci_digest_of(&f->a, inner);
	write_file(arena_fmt(&f->a, "%s/blobs/sha256/%.*s", f->source, STR_FMT(str_from(inner_digest, 7))).p, inner);
	BUF_LIT(&all, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count;
		struct str target = last ? inner_digest : digest, bytes = last ? arena_fmt(&f->a, "%zu", inner.n) : size;
		buf_fmt(&all, "%s{\"digest\":\"%.*s\",\"size\":%.*s,\"annotations\":{\"%s\":\"%s%.*s\"}}", i ? "," : "",
			STR_FMT(target), STR_FMT(bytes), names[i].annotation, names[i].name,
			STR_FMT(names[i].digest ? digest : STR("")));
	}
	BUF_LIT(&all, "]}");
	write_file(path, buf_str(&all));
	return inner_digest;
}

// As containerd writes them: an entry for each name, names by digest and the image's ID among them; and an index for one
// platform of several.
TEST(one_image_by_several_names)
{
	static const struct naming names[] = {
		{"org.opencontainers.image.ref.name", "jar:two", false},
		{"org.opencontainers.image.ref.name", "jar:one", false},
		{"io.containerd.image.name", "r.example/jar@", true},
		{"io.containerd.image.name", "", true},
		{"io.containerd.image.name", "docker.io/library/jar:three", false},
	};
	struct fixture f CLEAN_FIXTURE;
	struct buf tar CLEAN_BUF;
	struct image *got, m;
	size_t count;
	set_up(&f);
	struct layout_layer layer = {.tar = one_file_tar(&tar, "a", "1")};
	layout_write(f.source, NULL, &layer, 1);
	struct str index = rewrite_index(&f, names, ARRAY_LEN(names));
	must_import(&f, f.source);
	REQUIRE(images_list(f.images, &f.a, &got, &count, NULL) == 0);
	REQUIRE(count == 1);
	REQUIRE(got[0].names.count == 3);
	CHECK_STR(got[0].names.items[0], "docker.io/library/jar:one");
	CHECK_STR(got[0].names.items[1], "docker.io/library/jar:three");
	CHECK_STR(got[0].names.items[2], "docker.io/library/jar:two");
	CHECK(images_find(f.images, &f.a, arena_fmt(&f.a, "r.example/jar@%.*s", STR_FMT(got[0].digest)), &m, NULL) == 0);
	CHECK(images_find(f.images, &f.a, arena_fmt(&f.a, "jar@%.*s", STR_FMT(got[0].digest)), &m, NULL) == 0);
	CHECK(images_find(f.images, &f.a, arena_fmt(&f.a, "jar@%.*s", STR_FMT(index)), &m, NULL) == 0);
	struct images_import how = {.name = STR("mine:1")};
	CHECK(images_import(f.images, &f.a, f.source, &how, &got, &count, NULL) == 0);
	CHECK_INT(count, 1);
	CHECK(images_tag(f.images, STR("mine:1"), STR("a.example/first:1"), NULL) == 0);
	REQUIRE(images_find(f.images, &f.a, STR("mine:1"), &m, NULL) == 0);
	CHECK_STR(m.names.items[0], "a.example/first:1");
	CHECK(images_find(f.images, &f.a, arena_fmt(&f.a, "a.example/first@%.*s", STR_FMT(m.digest)), &m, NULL) == 0);
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

// Of any number of layers, one and none among them; they stay as they are, and in use until the container goes.
TEST(images_beside_the_root)
{
	struct fixture f CLEAN_FIXTURE;
	struct layout_layer layers[100] = {{.packing = LAYER_PLAIN}};
	struct buf tars[100];
	struct image root;
	struct str path;
	struct err e CLEAN_ERR = ERR_EMPTY;
	static const size_t counts[] = {1, 0, 2, 100};
	set_up(&f);
	for (size_t i = 0; i < 100; i++)
		layers[i].tar = one_file_tar(&tars[i], arena_fmt(&f.a, "f%zu", i).p, "x");
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		const char *source = arena_fmt(&f.a, "%s/%zu", f.dir, counts[i]).p;
		layout_write(source, arena_fmt(&f.a, "of:%zu", counts[i]).p, layers, counts[i]);
		must_import(&f, source);
	}
	REQUIRE(images_find(f.images, &f.a, STR("of:2"), &root, NULL) == 0);
	REQUIRE(rootfs_mount(f.images, &f.a, STR("c1"), &root, &path, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct str name = arena_fmt(&f.a, "of:%zu", counts[i]);
		if (rootfs_mount_image(f.images, &f.a, STR("c1"), (unsigned)i, name, &path, &e) < 0)
			unit_fail(__FILE__, __LINE__, "%s: %s", name.p, err_text(&e));
		if (counts[i])
			CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/f%zu", path.p, counts[i] - 1).p), "x");
		CHECK(mkdir(arena_fmt(&f.a, "%s/new", path.p).p, 0755) < 0 && errno == EROFS);
		CHECK(images_remove(f.images, name, &e) < 0 && e.reason == ERR_CONFLICT);
	}
	CHECK(rootfs_mount_image(f.images, &f.a, STR("c1"), 4, STR("of:3"), &path, &e) < 0 && e.reason == ERR_NOT_FOUND);
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		CHECK(images_remove(f.images, arena_fmt(&f.a, "of:%zu", counts[i]), NULL) == 0);
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

// At the borders of what the kernel takes as options of a mount.
TEST(images_of_any_number_of_layers)
{
	enum { LAYERS = OCI_LAYERS_MAX };
	struct fixture f CLEAN_FIXTURE;
	struct layout_layer layers[LAYERS + 1] = {{.packing = LAYER_PLAIN}};
	struct buf tars[LAYERS + 1];
	struct str id = STR("c123456789012345678901234567890123456789012345678901234567890123");
	set_up(&f);
	for (size_t i = 0; i <= LAYERS; i++)
		layers[i].tar = one_file_tar(&tars[i], arena_fmt(&f.a, "f%zu", i).p, "x");
	for (size_t n = 30; n <= LAYERS; n += n < 55 ? 1 : n < 180 ? 30 : 5) {
		struct image m;
		struct str path;
		struct err e CLEAN_ERR = ERR_EMPTY;
		const char *source = arena_fmt(&f.a, "%s%zu", f.source, n).p;
		layout_write(source, "jar:deep", layers, n);
		must_import(&f, source);
		REQUIRE(images_find(f.images, &f.a, STR("jar:deep"), &m, NULL) == 0);
		if (rootfs_mount(f.images, &f.a, id, &m, &path, &e) < 0)
			unit_fail(__FILE__, __LINE__, "%zu layers: %s", n, err_text(&e));
		else
			CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/f%zu", path.p, n - 1).p), "x");
		CHECK(rootfs_remove(f.images, id, NULL) == 0);
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	layout_write(f.source, "jar:deeper", layers, LAYERS + 1);
	CHECK(import(&f, f.source, &e) < 0 && strstr(err_text(&e), "layers: more than 200"));
	for (size_t i = 0; i <= LAYERS; i++)
		buf_finish(&tars[i]);
}

static pid_t fork_worker(struct fixture *f, void (*work)(struct fixture *f, struct images *s), int times)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	for (int i = 0; i < times; i++) {
		struct images *own; // as every command opens its own
		if (images_open(f->data, &own, NULL) < 0)
			_exit(2);
		work(f, own);
		images_close(own);
	}
	_exit(0);
}

static void import_one(struct fixture *f, struct images *s)
{
	struct err e = ERR_EMPTY;
	struct arena a;
	struct image *got;
	size_t count;
	arena_init(&a);
	if (images_import(s, &a, f->source, NULL, &got, &count, &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		_exit(1);
	}
	arena_finish(&a);
}

static void look(struct fixture *f, struct images *s)
{
}

static void import_and_remove_other(struct fixture *f, struct images *s)
{
	struct arena a;
	struct image *got;
	size_t count;
	arena_init(&a);
	images_import(s, &a, arena_fmt(&a, "%s-other", f->source).p, NULL, &got, &count, NULL);
	images_remove(s, STR("jar:other"), NULL);
	arena_finish(&a);
}

static void import_and_remove(struct fixture *f, struct images *s)
{
	import_one(f, s);
	images_remove(s, STR("jar:v"), NULL);
}

// Commands side by side, one of which sweeps what killed ones left and removes layers that others are about to need.
TEST(imports_side_by_side)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf one CLEAN_BUF, two CLEAN_BUF, three CLEAN_BUF;
	set_up(&f);
	struct layout_layer layers[] = {{.tar = one_file_tar(&one, "a", "1")}, {.tar = one_file_tar(&two, "b", "2")}};
	struct layout_layer others[] = {layers[0], {.tar = one_file_tar(&three, "c", "3")}};
	layout_write(f.source, "jar:v", layers, 2);
	layout_write(arena_fmt(&f.a, "%s-other", f.source).p, "jar:other", others, 2);
	pid_t children[] = {
		fork_worker(&f, import_one, 150), fork_worker(&f, import_one, 150), fork_worker(&f, look, 1500),
		fork_worker(&f, import_and_remove_other, 150), fork_worker(&f, import_and_remove, 150),
	};
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		int status = -1;
		waitpid(children[i], &status, 0);
		CHECK_INT(status, 0);
	}
	import_one(&f, f.images);
	struct image m;
	struct str path;
	REQUIRE(images_find(f.images, &f.a, STR("jar:v"), &m, NULL) == 0);
	REQUIRE(rootfs_mount(f.images, &f.a, STR("c1"), &m, &path, NULL) == 0);
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/a", path.p).p), "1");
	CHECK_STR(text_in(&f, arena_fmt(&f.a, "%s/b", path.p).p), "2");
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
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
		CHECK(count <= 1);
		CHECK_INT(entries_below(arena_fmt(&f.a, "%s/layers", f.data).p), count ? 403 : 0);
		CHECK_INT(entries_below(arena_fmt(&f.a, "%s/images/tmp", f.data).p), 0);
		if (count)
			images_remove(again, STR("jar:v"), NULL);
		images_close(again);
	}
}

TEST(a_damaged_image_hides_no_other)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf tars[2];
	struct image *list, m;
	size_t count;
	set_up(&f);
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "good:v" : "bad:v", *source = arena_fmt(&f.a, "%s/%d", f.dir, i).p;
		struct layout_layer layer = {.tar = one_file_tar(&tars[i], "file", name)};
		layout_write(source, name, &layer, 1);
		must_import(&f, source);
		buf_finish(&tars[i]);
	}
	REQUIRE(images_find(f.images, &f.a, STR("bad:v"), &m, NULL) == 0);
	write_file(arena_fmt(&f.a, "%s/images/blobs/sha256/%s", f.data, m.id.p + strlen("sha256:")).p, STR("{"));
	REQUIRE(images_list(f.images, &f.a, &list, &count, NULL) == 0);
	CHECK(count == 1 && str_is(list[0].names.items[0], "docker.io/library/good:v"));
	CHECK(images_find(f.images, &f.a, STR("bad:v"), &m, NULL) < 0);
	CHECK(images_remove(f.images, STR("bad:v"), NULL) == 0);
}

// An index that is not one, or of another version, says nothing about what is needed: nothing is deleted on its word.
TEST(a_damaged_index_deletes_nothing)
{
#define NO_BYTES "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	static const char *const damaged[] = {
		"", "[]", "null", "{}", "{\"version\":1}", "{\"version\":2,\"images\":[]}", "{\"version\":1,\"images\":{}}",
		"{\"version\":1,\"images\":[{}]}", "{\"version\":1,\"images\":[\"x\"]}",
		"{\"version\":1,\"images\":[{\"id\":\"sha256:../../../x\",\"manifest\":\"sha256:1\",\"layers\":[]}]}",
		"{\"version\":1,\"images\":[{\"id\":\"" NO_BYTES "\",\"manifest\":\"" NO_BYTES "\"}]}",
	};
	struct fixture f CLEAN_FIXTURE;
	struct buf tar CLEAN_BUF;
	set_up(&f);
	struct layout_layer layer = {.tar = one_file_tar(&tar, "a", "1")};
	layout_write(f.source, "jar:v", &layer, 1);
	must_import(&f, f.source);
	const char *path = arena_fmt(&f.a, "%s/images/index.json", f.data).p;
	struct str good;
	REQUIRE(store_read_file(&f.a, AT_FDCWD, path, 1 << 20, &good, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
		struct images *again = NULL;
		struct err e CLEAN_ERR = ERR_EMPTY;
		write_file(path, str_of(damaged[i]));
		if (images_open(f.data, &again, &e) == 0)
			unit_fail(__FILE__, __LINE__, "taken for an index: %s", damaged[i]);
		images_close(again);
		CHECK(images_remove(f.images, STR("jar:v"), NULL) < 0);
	}
	write_file(path, good);
	struct image m;
	struct str root;
	REQUIRE(images_find(f.images, &f.a, STR("jar:v"), &m, NULL) == 0);
	REQUIRE(rootfs_mount(f.images, &f.a, STR("c1"), &m, &root, NULL) == 0);
	CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
}

// What was being removed when the agent was killed goes at the next start, be it a layer or a manifest.
TEST(what_a_killed_removal_left_is_swept)
{
	struct fixture f CLEAN_FIXTURE;
	set_up(&f);
	const char *tmp = arena_fmt(&f.a, "%s/images/tmp", f.data).p;
	mkdir(arena_fmt(&f.a, "%s/gone-layer", tmp).p, 0700);
	write_file(arena_fmt(&f.a, "%s/gone-layer/file", tmp).p, STR("x"));
	write_file(arena_fmt(&f.a, "%s/gone-blob", tmp).p, STR("x"));
	struct images *again;
	REQUIRE(images_open(f.data, &again, NULL) == 0);
	images_close(again);
	CHECK_INT(entries_below(tmp), 0);
}

// Layers that were put in their places before the import failed do not stay there.
TEST(an_import_that_fails_at_its_end_leaves_nothing)
{
	struct fixture f CLEAN_FIXTURE;
	struct buf tar CLEAN_BUF;
	struct err e CLEAN_ERR = ERR_EMPTY;
	set_up(&f);
	struct layout_layer layer = {.tar = one_file_tar(&tar, "a", "1")};
	layout_write(f.source, "jar:v", &layer, 1);
	const char *in_the_way = arena_fmt(&f.a, "%s/images/index.json.new", f.data).p;
	REQUIRE(mkdir(in_the_way, 0700) == 0);
	CHECK(import(&f, f.source, &e) < 0);
	CHECK_INT(entries_below(arena_fmt(&f.a, "%s/layers", f.data).p), 0);
	CHECK_INT(entries_below(arena_fmt(&f.a, "%s/images/blobs", f.data).p), 1); // its one directory
	rmdir(in_the_way);
	must_import(&f, f.source);
}

// Imports and mounts give all their descriptors back, wherever they lacked one.
TEST(images_with_few_descriptors)
{
	enum { DESCRIPTORS = 64 };
	struct fixture f CLEAN_FIXTURE;
	struct buf tar CLEAN_BUF;
	struct rlimit before, few = {.rlim_cur = DESCRIPTORS};
	int taken = 0;
	set_up(&f);
	struct layout_layer layer = {.tar = one_file_tar(&tar, "a/b/c", "1")};
	layout_write(f.source, "jar:v", &layer, 1);
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	for (int left = 0; left < 16; left++) {
		int held[DESCRIPTORS], count = 0, free_after = 0;
		struct image m;
		struct str root;
		setrlimit(RLIMIT_NOFILE, &few);
		for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
			held[count++] = fd;
		int free_before = count;
		for (int i = 0; i < left; i++)
			close(held[--count]);
		bool imported = import(&f, f.source, NULL) == 0;
		if (imported && images_find(f.images, &f.a, STR("jar:v"), &m, NULL) == 0)
			taken += rootfs_mount(f.images, &f.a, STR("c1"), &m, &root, NULL) == 0;
		while (count)
			close(held[--count]);
		for (int fd = 0; fd < DESCRIPTORS; fd++)
			free_after += fcntl(fd, F_GETFD) < 0;
		setrlimit(RLIMIT_NOFILE, &before);
		CHECK_INT(free_after, free_before);
		CHECK(rootfs_remove(f.images, STR("c1"), NULL) == 0);
		if (imported)
			CHECK(images_remove(f.images, STR("jar:v"), NULL) == 0);
	}
	CHECK(taken > 0);
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
