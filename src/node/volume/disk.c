// SPDX-License-Identifier: Apache-2.0
#include "node/volume/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "node/images/store.h"
#include "node/images/tree.h"
#include "node/volume/atomic_dir.h"
#include "node/volume/files.h"
#include "node/volume/last_words.h"
#include "node/volume/subpath.h"

enum { TMPFS_KIND = 0x01021994, NOTE_MAX = 1 << 20, FILE_MAX = 64 << 10 };

static struct str data_dir(struct arena *a, const struct pod_disk *d, struct str uid)
{
	return arena_fmt(a, "%s/pods/%.*s", d->data_dir, STR_FMT(uid));
}

static struct str run_dir(struct arena *a, const struct pod_disk *d, struct str uid)
{
	return arena_fmt(a, "%s/files/%.*s", d->run_dir, STR_FMT(uid));
}

static struct str volume_dir(struct arena *a, const struct pod_disk *d, struct str uid, struct str name, bool in_memory)
{
	return in_memory ? arena_fmt(a, "%s/files/%.*s/volumes/%.*s", d->run_dir, STR_FMT(uid), STR_FMT(name))
			 : arena_fmt(a, "%s/pods/%.*s/%.*s", d->data_dir, STR_FMT(uid), STR_FMT(name));
}

// No volume has this name. Containers may write these files: in memory, which the machine shares, they could fill it.
static struct str etc_dir(struct arena *a, const struct pod_disk *d, struct str uid)
{
	return arena_fmt(a, "%s/pods/%.*s/.etc", d->data_dir, STR_FMT(uid));
}

struct str pod_disk_etc(struct arena *a, const struct pod_disk *d, struct str uid, const char *file)
{
	return arena_fmt(a, "%.*s/%s", STR_FMT(etc_dir(a, d, uid)), file);
}

struct str pod_disk_log(struct arena *a, const struct pod_disk *d, struct str uid, struct str container, int attempt)
{
	return arena_fmt(a, "%s/logs/%.*s/%.*s.%d.log", d->data_dir, STR_FMT(uid), STR_FMT(container), attempt);
}

static int set_up_etc(struct pod_disk *d, struct str uid, struct str hosts, struct str resolv, struct str hostname,
		      struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (files_make_dirs(etc_dir(&a, d, uid).p, 0755, e))
		return -1;
	return files_write(pod_disk_etc(&a, d, uid, "hosts").p, hosts, 0644, e) ||
		       files_write(pod_disk_etc(&a, d, uid, "resolv.conf").p, resolv, 0644, e) ||
		       files_write(pod_disk_etc(&a, d, uid, "hostname").p, arena_fmt(&a, "%.*s\n", STR_FMT(hostname)),
				   0644, e)
		   ? -1
		   : 0;
}

static struct str note_path(struct arena *a, const struct pod_disk *d, struct str uid)
{
	return arena_fmt(a, "%s/pods/%.*s/.note", d->data_dir, STR_FMT(uid));
}

static int write_note(struct pod_disk *d, struct str uid, struct str text, bool synced, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = note_path(&a, d, uid).p;
	return synced ? store_write_file(&a, path, text, e) : files_write(path, text, 0600, e);
}

static struct str read_note(struct pod_disk *d, struct arena *a, struct str uid)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	return files_read(note_path(a, d, uid).p, NOTE_MAX, &text) ? STR_NONE : arena_str(a, buf_str(&text));
}

// ---- volumes

static bool is_tmpfs_of_its_own(const char *path)
{
	struct statfs fs;
	struct stat here, above;
	char parent[4096];
	snprintf(parent, sizeof(parent), "%s/..", path);
	return !statfs(path, &fs) && fs.f_type == TMPFS_KIND && !stat(path, &here) && !stat(parent, &above) &&
	       here.st_dev != above.st_dev;
}

// Open to all; as sticky as /tmp where it is in memory.
static unsigned mode_of(const struct volume *v, int64_t fs_group)
{
	return (v->in_memory ? 01777U : 0777U) | (fs_group >= 0 ? 02000U : 0);
}

// Made beside its place and then moved there: a directory without its mode or group, left by an agent that was killed,
// would keep the pod's user out for good. No volume has a dot in its name.
static int make_directory(const char *path, const struct volume *v, int64_t fs_group, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (access(path, F_OK) == 0)
		return 0;
	const char *aside = arena_fmt(&a, "%s.new", path).p;
	if (files_make_dirs(aside, 0755, e))
		return -1;
	if ((fs_group >= 0 && chown(aside, (uid_t)-1, (gid_t)fs_group)) || chmod(aside, mode_of(v, fs_group)) ||
	    rename(aside, path))
		return err_errno(e, errno, "make %s", path);
	return 0;
}

// A tmpfs of the volume's own, whose size is bounded.
static int mount_memory(const char *path, const struct volume *v, int64_t fs_group, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (is_tmpfs_of_its_own(path))
		return 0;
	const char *options = arena_fmt(&a, "size=%llu,mode=%o,gid=%lld", (unsigned long long)v->size,
					mode_of(v, fs_group), fs_group >= 0 ? (long long)fs_group : 0LL)
				      .p;
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME,
		  v->size ? options : strchr(options, ',') + 1))
		return err_errno(e, errno, "mount a tmpfs at %s", path);
	return 0;
}

static int set_up_own(const char *path, const struct volume *v, int64_t fs_group, struct err *e)
{
	if (make_directory(path, v, fs_group, e))
		return -1;
	if (v->kind == VOLUME_MEMORY)
		return mount_memory(path, v, fs_group, e);
	return v->kind == VOLUME_FILES ? atomic_dir_write(path, v->files, v->file_count, fs_group, e) : 0;
}

// ---- hostPath

static int expect(const char *path, bool good, const char *what, struct err *e)
{
	return good ? 0 : err_set(e, ERR_INVALID, "hostPath type check failed: %s is not %s", path, what);
}

static int create_host_path(const char *path, struct str type, struct err *e)
{
	if (!str_is(type, "FileOrCreate"))
		return files_make_dirs(path, 0755, e);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(e, errno, "make %s", path);
	close(fd);
	return 0;
}

static int check_host_path(const struct volume *v, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const char *path = arena_c(&a, v->path);
	struct stat st;
	bool may_create = !v->type.n || str_is(v->type, "DirectoryOrCreate") || str_is(v->type, "FileOrCreate");
	if (stat(path, &st)) {
		if (errno != ENOENT || !may_create)
			return err_set(e, ERR_INVALID, "hostPath type check failed: %s: %s", path, strerror(errno));
		return create_host_path(path, v->type, e);
	}
	if (str_starts(v->type, STR("Directory")))
		return expect(path, S_ISDIR(st.st_mode), "a directory", e);
	if (str_starts(v->type, STR("File")))
		return expect(path, S_ISREG(st.st_mode), "a file", e);
	if (str_is(v->type, "Socket"))
		return expect(path, S_ISSOCK(st.st_mode), "a socket file", e);
	if (str_is(v->type, "CharDevice"))
		return expect(path, S_ISCHR(st.st_mode), "a character device", e);
	if (str_is(v->type, "BlockDevice"))
		return expect(path, S_ISBLK(st.st_mode), "a block device", e);
	return 0;
}

static int set_up_one(const char *path, const struct volume *v, int64_t fs_group, struct err *e)
{
	switch (v->kind) {
	case VOLUME_HOST:
		return check_host_path(v, e);
	case VOLUME_IMAGE:
		return 0;
	default:
		return set_up_own(path, v, fs_group, e);
	}
}

static int set_up_volumes(struct pod_disk *d, struct str uid, const struct volume_set *v, struct str *which,
			  struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < v->count; i++) {
		const struct volume *one = &v->items[i];
		if (set_up_one(volume_dir(&a, d, uid, one->name, one->in_memory).p, one, v->fs_group, e)) {
			*which = one->name;
			return -1;
		}
	}
	return 0;
}

// ---- containers

static struct str words_path(struct arena *a, const struct pod_disk *d, struct str uid, struct str container,
			     int attempt)
{
	return arena_fmt(a, "%.*s/words.%.*s.%d", STR_FMT(etc_dir(a, d, uid)), STR_FMT(container), attempt);
}

static int set_up_words(struct pod_disk *d, struct arena *a, struct str uid, struct str container, int attempt,
			struct str *words, struct err *e)
{
	*words = words_path(a, d, uid, container, attempt);
	return files_write(words->p, STR(""), 0666, e);
}

static int set_up_container(struct pod_disk *d, struct arena *a, struct str uid, struct str container, int attempt,
			    struct pod_disk_mount *mounts, size_t count, struct str *words, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct pod_disk_mount *m = &mounts[i];
		if (m->image.n)
			continue;
		struct str volume =
			m->host_path.n ? arena_str(a, m->host_path) : volume_dir(a, d, uid, m->volume, m->in_memory);
		m->source = volume;
		if (!m->sub_path.n)
			continue;
		m->source = arena_fmt(a, "%.*s/subpaths/%.*s/%zu", STR_FMT(run_dir(a, d, uid)), STR_FMT(container), i);
		if (subpath_mount(volume.p, m->sub_path, m->source.p, e))
			return err_wrap(e, "subPath \"%.*s\" of volume \"%.*s\"", STR_FMT(m->sub_path),
					STR_FMT(m->volume));
	}
	return set_up_words(d, a, uid, container, attempt, words, e);
}

static struct str read_last_words(struct pod_disk *d, struct arena *a, struct str uid, struct str container,
				  int attempt, bool from_log)
{
	return from_log ? last_words_of_log(a, pod_disk_log(a, d, uid, container, attempt).p)
			: last_words_of_file(a, words_path(a, d, uid, container, attempt).p);
}

static int read_file(struct pod_disk *d, struct arena *a, struct str uid, struct str volume, bool in_memory,
		     struct str path, struct str *text, struct err *e)
{
	struct buf content CLEAN_BUF;
	buf_init(&content);
	int r = subpath_read(volume_dir(a, d, uid, volume, in_memory).p, path, FILE_MAX, &content, e);
	*text = arena_str(a, buf_str(&content));
	return r;
}

// ---- the end

static int tear_down(struct pod_disk *d, struct str uid, struct err *e)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct str dirs[] = {run_dir(&a, d, uid), data_dir(&a, d, uid)}; // sub-paths are mounts of what lies in volumes
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		if (!access(dirs[i].p, F_OK) && files_unmount_and_remove(dirs[i].p, e))
			r = -1;
	}
	return r;
}

static void remove_logs(struct pod_disk *d, struct str uid, struct str container, int attempt)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	if (attempt < 0) {
		tree_erase(AT_FDCWD, arena_fmt(&a, "%s/logs/%.*s", d->data_dir, STR_FMT(uid)).p);
		return;
	}
	struct str log = pod_disk_log(&a, d, uid, container, attempt);
	unlink(words_path(&a, d, uid, container, attempt).p);
	unlink(log.p);
	for (int i = 1; !unlink(arena_fmt(&a, "%s.%d", log.p, i).p); i++)
		; // what rotation left
}

static void list_dir(struct arena *a, const char *parent, const char *which, struct str *out, size_t *count,
		     size_t room)
{
	DIR *dir = opendir(arena_fmt(a, "%s/%s", parent, which).p);
	for (struct dirent *entry; dir && *count < room && (entry = readdir(dir));) {
		if (entry->d_name[0] != '.')
			out[(*count)++] = arena_str(a, str_of(entry->d_name));
	}
	if (dir)
		closedir(dir);
}

static size_t list(struct pod_disk *d, struct arena *a, struct str **uids)
{
	enum { LISTED_MAX = 20000 };
	size_t count = 0;
	*uids = ARENA_ARRAY(a, struct str, LISTED_MAX);
	list_dir(a, d->run_dir, "files", *uids, &count, LISTED_MAX);
	list_dir(a, d->data_dir, "pods", *uids, &count, LISTED_MAX);
	list_dir(a, d->data_dir, "logs", *uids, &count, LISTED_MAX);
	return count;
}

void pod_disk_init(struct pod_disk *d, const char *data_dir, const char *run)
{
	static const struct pod_disk_ops ops = {
		set_up_etc, write_note, read_note, set_up_volumes, set_up_container, read_last_words, tear_down,
		remove_logs, read_file, list,
	};
	static const char *const of_pods[] = {"pods", "logs"};
	*d = (struct pod_disk){&ops, data_dir, run};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(of_pods); i++) {
		const char *path = arena_fmt(&a, "%s/%s", data_dir, of_pods[i]).p;
		files_make_dirs(path, 0755, NULL); // what fails here is told where it is needed
		tree_spread(path);
	}
}
