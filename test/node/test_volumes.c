// SPDX-License-Identifier: Apache-2.0
// Volumes on a real disk: files that change all at once, modes and groups, sub-paths that cannot lead out.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/images/tree.h"
#include "node/volume/atomic_dir.h"
#include "node/volume/disk.h"
#include "node/volume/files.h"
#include "node/volume/last_words.h"
#include "unit.h"

static char dir[64], run_dir[80];

static void fresh_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/onggi-volumes-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
}

static const char *in(const char *name)
{
	static char path[8][512];
	static int turn;
	char *out = path[turn++ % 8];
	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

static struct str text_of(struct arena *a, const char *path)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return STR("<none>");
	files_read_fd(fd, 4096, &out);
	close(fd);
	return arena_str(a, buf_str(&out));
}

static size_t entries_in(const char *path)
{
	size_t n = 0;
	DIR *d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static void need_root(void)
{
	if (geteuid() != 0)
		unit_skip("needs root");
}

TEST(files_change_all_at_once)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	fresh_dir();
	struct volume_file files[] = {{STR("deep/k"), STR("v"), 0440, -1}, {STR("l"), STR("w"), 0644, -1}};
	REQUIRE(!atomic_dir_write(dir, files, 2, -1, NULL));
	CHECK_STR(text_of(&a, in("deep/k")), "v");
	CHECK_STR(text_of(&a, in("l")), "w");
	struct stat st;
	CHECK(!lstat(in("..data"), &st) && S_ISLNK(st.st_mode));
	CHECK(!lstat(in("l"), &st) && S_ISLNK(st.st_mode));
	CHECK(!stat(in("deep/k"), &st) && (st.st_mode & 0777) == 0440);
	char before[256] = "", after[256] = "";
	CHECK(readlink(in("..data"), before, sizeof(before) - 1) > 0);
	// The same again changes nothing.
	REQUIRE(!atomic_dir_write(dir, files, 2, -1, NULL));
	CHECK(readlink(in("..data"), after, sizeof(after) - 1) > 0 && !strcmp(before, after));
	// A change: the old set and the name that is no more are gone.
	files[0].bytes = STR("changed");
	REQUIRE(!atomic_dir_write(dir, files, 1, -1, NULL));
	CHECK_STR(text_of(&a, in("deep/k")), "changed");
	CHECK(access(in("l"), F_OK) && lstat(in("l"), &st));
	CHECK_INT(entries_in(dir), 3); // ..data, the set, deep
	REQUIRE(!atomic_dir_write(dir, files, 0, -1, NULL));
	CHECK_INT(entries_in(dir), 2);
	files_unmount_and_remove(dir, NULL);
	CHECK(access(dir, F_OK));
}

TEST(group_of_files)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	need_root();
	fresh_dir();
	struct pod_disk disk;
	pod_disk_init(&disk, dir, run_dir);
	struct volume_file files[] = {{STR("k"), STR("v"), 0400, -1}, {STR("token"), STR("t"), 0600, 1000}};
	struct volume volumes[] = {
		{.name = STR("config"), .kind = VOLUME_FILES, .files = files, .file_count = 2},
		{.name = STR("secret"), .kind = VOLUME_FILES, .in_memory = true, .files = files, .file_count = 1},
		{.name = STR("empty"), .kind = VOLUME_EMPTY},
		{.name = STR("memory"), .kind = VOLUME_MEMORY, .in_memory = true, .size = 1 << 20},
	};
	struct volume_set set = {volumes, 4, 2000};
	struct str which;
	struct err e CLEAN_ERR = ERR_EMPTY;
	if (disk.ops->set_up_volumes(&disk, STR("u1"), &set, &which, &e))
		unit_fail(__FILE__, __LINE__, "%.*s: %s", STR_FMT(which), err_text(&e));
	struct stat st;
	CHECK(!stat(in("pods/u1/config"), &st) && (st.st_mode & 07777) == 02777 && st.st_gid == 2000);
	CHECK(!stat(in("run/files/u1/volumes/secret"), &st) && (st.st_mode & 07777) == 03777);
	CHECK(!stat(in("pods/u1/empty"), &st) && (st.st_mode & 07777) == 02777);
	CHECK(!stat(in("run/files/u1/volumes/memory"), &st) && (st.st_mode & 07777) == 03777);
	CHECK(!stat(in("pods/u1/config/k"), &st) && (st.st_mode & 07777) == 0440 && st.st_gid == 2000);
	CHECK(!stat(in("pods/u1/config/token"), &st) && (st.st_mode & 07777) == 0640 && st.st_uid == 1000);
	// Again, as by an agent that comes back: what a container wrote stays.
	CHECK(!files_write(in("pods/u1/empty/kept"), STR("x"), 0644, NULL));
	CHECK(!disk.ops->set_up_volumes(&disk, STR("u1"), &set, &which, NULL));
	CHECK_STR(text_of(&a, in("pods/u1/empty/kept")), "x");
	struct str *uids;
	CHECK(disk.ops->list(&disk, &a, &uids) >= 1);
	CHECK(!disk.ops->tear_down(&disk, STR("u1"), NULL));
	CHECK(access(in("pods/u1"), F_OK));
	CHECK(!disk.ops->tear_down(&disk, STR("u1"), NULL)); // once more does no harm
	files_unmount_and_remove(dir, NULL);
}

// RUN is in memory, a small one that all of the machine needs: what containers write to is not there.
TEST(what_containers_may_write_is_on_the_disk)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	need_root();
	fresh_dir();
	struct pod_disk disk;
	struct str words, uid = STR("u");
	pod_disk_init(&disk, dir, run_dir);
	REQUIRE(!disk.ops->set_up_etc(&disk, uid, STR("1 a\n"), STR("nameserver 1\n"), STR("h"), NULL));
	REQUIRE(!disk.ops->set_up_container(&disk, &a, uid, STR("c"), 0, NULL, 0, &words, NULL));
	CHECK(str_starts(words, arena_fmt(&a, "%s/pods/u/", dir)));
	CHECK(str_starts(pod_disk_etc(&a, &disk, uid, "hosts"), arena_fmt(&a, "%s/pods/u/", dir)));
	CHECK_STR(text_of(&a, pod_disk_etc(&a, &disk, uid, "hosts").p), "1 a\n");
	CHECK(!files_write(words.p, STR("bye"), 0666, NULL));
	CHECK_STR(disk.ops->last_words(&disk, &a, uid, STR("c"), 0, false), "bye");
	struct str next; // a container that fails on and on does not fill the directory
	REQUIRE(!disk.ops->set_up_container(&disk, &a, uid, STR("c"), 1, NULL, 0, &next, NULL));
	disk.ops->remove_logs(&disk, uid, STR("c"), 0);
	CHECK(access(words.p, F_OK) != 0 && access(next.p, F_OK) == 0);
	CHECK(!disk.ops->tear_down(&disk, uid, NULL));
	CHECK(access(in("pods/u"), F_OK));
	files_unmount_and_remove(dir, NULL);
}

// What sub_path of a volume shows of the file or directory there; "<refused>" where it is.
static struct str shown(struct pod_disk *disk, struct arena *a, struct str uid, const char *sub_path)
{
	struct pod_disk_mount m = {.volume = STR("v"), .sub_path = str_of(sub_path)};
	struct str words;
	if (disk->ops->set_up_container(disk, a, uid, STR("c"), 0, &m, 1, &words, NULL))
		return STR("<refused>");
	struct stat st;
	return stat(m.source.p, &st) || S_ISDIR(st.st_mode) ? STR("<directory>") : text_of(a, m.source.p);
}

TEST(sub_paths_stay_inside)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	need_root();
	fresh_dir();
	struct pod_disk disk;
	pod_disk_init(&disk, dir, run_dir);
	struct volume volume = {.name = STR("v"), .kind = VOLUME_EMPTY};
	struct volume_set set = {&volume, 1, -1};
	struct str which, uid = STR("u");
	REQUIRE(!disk.ops->set_up_etc(&disk, uid, STR(""), STR(""), STR("h"), NULL));
	REQUIRE(!disk.ops->set_up_volumes(&disk, uid, &set, &which, NULL));
	CHECK(!files_write(in("outside"), STR("secret"), 0600, NULL));
	CHECK(!files_write(in("pods/u/v/file"), STR("mine"), 0644, NULL));
	CHECK(!symlink(in("outside"), in("pods/u/v/absolute")));
	CHECK(!symlink("../../../../outside", in("pods/u/v/climbing")));
	CHECK(!symlink("/", in("pods/u/v/root")));
	CHECK(!symlink("file", in("pods/u/v/good")));
	CHECK_STR(shown(&disk, &a, uid, "file"), "mine");
	CHECK_STR(shown(&disk, &a, uid, "good"), "mine");
	CHECK_STR(shown(&disk, &a, uid, "new/deep"), "<directory>");
	CHECK(!access(in("pods/u/v/new/deep"), F_OK));
	// A link means what it would mean were the volume the root: nothing of the host is ever shown.
	CHECK(!str_is(shown(&disk, &a, uid, "absolute"), "secret"));
	CHECK(!str_is(shown(&disk, &a, uid, "climbing"), "secret"));
	CHECK_STR(shown(&disk, &a, uid, "root/file"), "mine");
	CHECK_STR(shown(&disk, &a, uid, "../v/file"), "<refused>");
	CHECK_STR(shown(&disk, &a, uid, "file/below"), "<refused>");
	CHECK(!disk.ops->tear_down(&disk, uid, NULL));
	CHECK(!access(in("outside"), F_OK));
	files_unmount_and_remove(dir, NULL);
}

TEST(host_paths_by_type)
{
	static const struct {
		const char *path, *type;
		bool good;
	} cases[] = {
		{"file", "File", true},
		{"file", "Directory", false},
		{"dir", "Directory", true},
		{"dir", "File", false},
		{"none", "Directory", false},
		{"none", "File", false},
		{"new1", "DirectoryOrCreate", true},
		{"new2", "FileOrCreate", true},
		{"new3", "", true},
		{"file", "Socket", false},
		{"file", "BlockDevice", false},
		{"file", "", true},
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	fresh_dir();
	struct pod_disk disk;
	pod_disk_init(&disk, dir, run_dir);
	CHECK(!files_write(in("file"), STR(""), 0644, NULL) && !mkdir(in("dir"), 0755));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct volume v = {.name = STR("v"),
				   .kind = VOLUME_HOST,
				   .path = str_of(in(cases[i].path)),
				   .type = str_of(cases[i].type)};
		struct volume_set set = {&v, 1, -1};
		struct str which;
		int r = disk.ops->set_up_volumes(&disk, STR("u"), &set, &which, NULL);
		if ((r == 0) != cases[i].good)
			unit_fail(__FILE__, __LINE__, "%s as %s", cases[i].path, cases[i].type);
	}
	files_unmount_and_remove(dir, NULL);
}

TEST(last_words)
{
	struct arena a CLEAN_ARENA;
	struct buf log CLEAN_BUF;
	arena_init(&a);
	buf_init(&log);
	fresh_dir();
	CHECK_STR(last_words_of_file(&a, in("none")), "");
	CHECK(!files_write(in("words"), STR("good bye\n"), 0644, NULL));
	CHECK_STR(last_words_of_file(&a, in("words")), "good bye\n");
	CHECK(!symlink("/etc/hostname", in("link")));
	CHECK_STR(last_words_of_file(&a, in("link")), ""); // never through a link
	for (int i = 0; i < 200; i++)
		buf_fmt(&log, "2026-01-01T00:00:00.000000000+00:00 stdout F line %d\n", i);
	BUF_LIT(&log, "2026-01-01T00:00:00.000000000+00:00 stderr P no");
	BUF_LIT(&log, "\n2026-01-01T00:00:00.000000000+00:00 stderr F thing\n");
	CHECK(!files_write(in("log"), buf_str(&log), 0644, NULL));
	struct str words = last_words_of_log(&a, in("log"));
	CHECK(str_starts(words, STR("line 122\n")) && str_ends(words, STR("line 199\nnothing\n")));
	files_unmount_and_remove(dir, NULL);
}

TEST(removal_enters_no_mount)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	need_root();
	fresh_dir();
	CHECK(!mkdir(in("theirs"), 0755) && !files_write(in("theirs/kept"), STR("x"), 0644, NULL));
	CHECK(!mkdir(in("ours"), 0755) && !mkdir(in("ours/shown"), 0755) &&
	      !files_write(in("ours/file"), STR("y"), 0644, NULL));
	REQUIRE(!mount(in("theirs"), in("ours/shown"), NULL, MS_BIND,
		       NULL)); // the same file system, so told by the mount only
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_erase(fd, "ours");
	close(fd);
	CHECK(access(in("ours/file"), F_OK) && !access(in("theirs/kept"), F_OK));
	CHECK(!files_unmount_and_remove(in("ours"), NULL));
	CHECK(access(in("ours"), F_OK));
	CHECK_STR(text_of(&a, in("theirs/kept")), "x");
	files_unmount_and_remove(dir, NULL);
}
