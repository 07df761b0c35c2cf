// SPDX-License-Identifier: Apache-2.0
// Volumes where things go wrong: a full disk, an agent killed half-way, trees that a container built against us.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/volume/atomic_dir.h"
#include "node/volume/disk.h"
#include "node/volume/files.h"
#include "tar_maker.h"
#include "unit.h"

struct place {
	struct arena a;
	char dir[64]; // a tmpfs of its own, so that it can be filled
	struct pod_disk disk;
};

static void set_up(struct place *p)
{
	if (geteuid() != 0)
		unit_skip("needs root");
	arena_init(&p->a);
	snprintf(p->dir, sizeof(p->dir), "/tmp/onggi-faults-XXXXXX");
	REQUIRE(mkdtemp(p->dir) != NULL);
	REQUIRE(mount("tmpfs", p->dir, "tmpfs", 0, "size=64m,nr_inodes=100000") == 0);
	pod_disk_init(&p->disk, p->dir, arena_fmt(&p->a, "%s/run", p->dir).p);
}

static void tear_down(struct place *p)
{
	while (umount2(p->dir, MNT_DETACH) == 0)
		;
	rmdir(p->dir);
	arena_finish(&p->a);
}

#define CLEAN_PLACE __attribute__((cleanup(tear_down)))

static const char *in(struct place *p, const char *name)
{
	return arena_fmt(&p->a, "%s/%s", p->dir, name).p;
}

static struct str text_of(struct place *p, const char *name)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	int fd CLEAN_FD = open(in(p, name), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return STR("<none>");
	files_read_fd(fd, 4096, &out);
	return arena_str(&p->a, buf_str(&out));
}

// Leaves room for so many more files; -1: for any number.
static void limit_files(struct place *p, int more)
{
	struct str options = STR("nr_inodes=100000");
	if (more >= 0) {
		options = arena_fmt(&p->a, "nr_inodes=%zu", entries_below(p->dir) + 1 + (unsigned)more);
	}
	REQUIRE(mount(NULL, p->dir, NULL, MS_REMOUNT, options.p) == 0);
}

// A set of files that cannot be brought up to date stays as it was, or is new in all that it shows; later it becomes whole.
TEST(files_where_no_more_fit)
{
	struct volume_file before[] = {{STR("a"), STR("old"), 0644, -1}};
	struct volume_file after[] = {
		{STR("a"), STR("new"), 0644, -1}, {STR("b"), STR("new"), 0644, -1}, {STR("deep/c"), STR("new"), 0644, -1}};
	struct place p CLEAN_PLACE;
	set_up(&p);
	bool succeeded = false;
	for (int more = 0; !succeeded; more++) {
		REQUIRE(more < 20);
		const char *dir = in(&p, "config");
		REQUIRE(mkdir(dir, 0755) == 0 && !atomic_dir_write(dir, before, 1, -1, NULL));
		limit_files(&p, more);
		succeeded = !atomic_dir_write(dir, after, 3, -1, NULL);
		struct str a = text_of(&p, "config/a");
		if (!str_is(a, "old") && !str_is(a, "new"))
			unit_fail(__FILE__, __LINE__, "with room for %d more files: a is \"%.*s\"", more, STR_FMT(a));
		limit_files(&p, -1);
		CHECK(!atomic_dir_write(dir, after, 3, -1, NULL));
		CHECK_STR(text_of(&p, "config/a"), "new");
		CHECK_STR(text_of(&p, "config/b"), "new");
		CHECK_STR(text_of(&p, "config/deep/c"), "new");
		CHECK(tree_erase(AT_FDCWD, dir) == 0);
	}
}

static void kill_at_random(struct place *p, void (*what)(struct place *p))
{
	static unsigned seed = 7;
	pid_t child = fork();
	if (child == 0) {
		what(p);
		_exit(0);
	}
	seed = seed * 1103515245 + 12345;
	usleep(seed >> 16 & 2047);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static const struct volume_file two_files[] = {{STR("a"), STR("1"), 0644, -1}, {STR("b"), STR("2"), 0644, -1}};

static void write_two_files(struct place *p)
{
	atomic_dir_write(in(p, "config"), two_files, 2, -1, NULL);
}

TEST(files_written_by_an_agent_that_was_killed)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	for (int i = 0; i < 300; i++) {
		REQUIRE(mkdir(in(&p, "config"), 0755) == 0);
		kill_at_random(&p, write_two_files);
		REQUIRE(!atomic_dir_write(in(&p, "config"), two_files, 2, -1, NULL));
		CHECK_STR(text_of(&p, "config/a"), "1");
		CHECK_STR(text_of(&p, "config/b"), "2");
		CHECK_INT(entries_below(in(&p, "config")), 6); // ..data, the set and its two files, two links: nothing else is left
		REQUIRE(tree_erase(AT_FDCWD, in(&p, "config")) == 0);
	}
}

enum { VOLUMES = 40 };

static void make_volumes(struct place *p)
{
	struct volume volumes[VOLUMES];
	struct str which;
	for (int i = 0; i < VOLUMES; i++)
		volumes[i] = (struct volume){.name = arena_fmt(&p->a, "v%d", i), .kind = VOLUME_EMPTY};
	struct volume_set set = {volumes, VOLUMES, 2000};
	p->disk.ops->set_up_volumes(&p->disk, STR("u"), &set, &which, NULL);
}

// A directory without its mode or group would keep the pod's user out for ever.
TEST(volumes_made_by_an_agent_that_was_killed)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	for (int i = 0; i < 300; i++) {
		kill_at_random(&p, make_volumes);
		make_volumes(&p);
		for (int v = 0; v < VOLUMES; v++) {
			struct stat st;
			REQUIRE(stat(in(&p, arena_fmt(&p.a, "pods/u/v%d", v).p), &st) == 0);
			if ((st.st_mode & 07777) != 02777 || st.st_gid != 2000)
				unit_fail(__FILE__, __LINE__, "volume %d: mode %o, group %d", v, st.st_mode & 07777, (int)st.st_gid);
		}
		CHECK(!p.disk.ops->tear_down(&p.disk, STR("u"), NULL));
		CHECK(access(in(&p, "pods/u"), F_OK) < 0);
	}
}

// An agent that comes back to a full disk finds the files of running pods as they are.
TEST(hosts_on_a_full_disk)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	struct str uid = STR("u"), hosts = STR("10.0.0.1 me\n"), more = STR("10.0.0.1 me\n10.0.0.2 you\n");
	REQUIRE(!p.disk.ops->set_up_etc(&p.disk, uid, hosts, STR("nameserver 1\n"), STR("h"), NULL));
	struct buf rest CLEAN_BUF;
	buf_init(&rest);
	buf_reserve(&rest, 65 << 20);
	memset(rest.p, 'x', 65 << 20);
	rest.n = 65 << 20;
	int fd CLEAN_FD = open(in(&p, "rest"), O_WRONLY | O_CREAT, 0600);
	CHECK(files_write_fd(fd, buf_str(&rest)) < 0);
	CHECK(!p.disk.ops->set_up_etc(&p.disk, uid, more, STR("nameserver 1\n"), STR("h"), NULL));
	CHECK_STR(text_of(&p, "pods/u/.etc/hosts"), "10.0.0.1 me\n10.0.0.2 you\n");
	CHECK(!p.disk.ops->set_up_etc(&p.disk, uid, hosts, STR("nameserver 1\n"), STR("h"), NULL));
	CHECK_STR(text_of(&p, "pods/u/.etc/hosts"), "10.0.0.1 me\n");
}

// A container may nest directories as deep as it likes: taking them away costs neither stack nor descriptors.
TEST(a_volume_too_deep_to_be_walked_down)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	make_volumes(&p);
	int fd = open(in(&p, "pods/u/v0"), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 50000; i++) {
		REQUIRE(mkdirat(fd, "d", 0755) == 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	CHECK(!p.disk.ops->tear_down(&p.disk, STR("u"), NULL));
	CHECK(access(in(&p, "pods/u"), F_OK) < 0);
}

// As the volume itself is open to all, so is a part of it that is made for a mount.
TEST(modes_of_new_sub_paths)
{
	struct place p CLEAN_PLACE;
	set_up(&p);
	make_volumes(&p);
	struct pod_disk_mount m = {.volume = STR("v1"), .sub_path = STR("deep/er")};
	struct str words;
	REQUIRE(!p.disk.ops->set_up_etc(&p.disk, STR("u"), STR(""), STR(""), STR("h"), NULL));
	REQUIRE(!p.disk.ops->set_up_container(&p.disk, &p.a, STR("u"), STR("c"), 0, &m, 1, &words, NULL));
	static const char *const made[] = {"pods/u/v1/deep", "pods/u/v1/deep/er"};
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		struct stat st;
		REQUIRE(stat(in(&p, made[i]), &st) == 0);
		CHECK_INT(st.st_mode & 07777, 02777);
		CHECK_INT(st.st_gid, 2000);
	}
	CHECK(!p.disk.ops->tear_down(&p.disk, STR("u"), NULL));
}
