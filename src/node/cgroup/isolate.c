// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/cgroup/cgroup.h"

#define UNIFIED "/sys/fs/cgroup/unified"

static bool is_file_system(const char *path, long magic)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && (long)fs.f_type == magic;
}

static bool is_hybrid(void)
{
	return is_file_system(UNIFIED, CGROUP2_SUPER_MAGIC) && !is_file_system("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC);
}

// In a fresh mount namespace: what the host mounts still arrives here, what we mount does not go there.
static int arrange_mounts(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -1;
	return umount2(UNIFIED, MNT_DETACH);
}

static int enter(const char *namespace_path, struct err *e)
{
	char cwd[4096];
	const char *back = getcwd(cwd, sizeof(cwd));
	int fd = open(namespace_path, O_RDONLY | O_CLOEXEC);
	int code = fd < 0 ? -1 : setns(fd, CLONE_NEWNS);
	int number = errno;
	if (fd >= 0)
		close(fd);
	if (code < 0)
		return err_errno(e, number, "enter mount namespace %s", namespace_path);
	if (back && chdir(back) < 0)
		return err_errno(e, errno, "%s", back);
	return 0;
}

// A namespace can be pinned only from outside it, on a mount that does not propagate: a child makes it, we pin it.
static int pin(const char *run_dir, const char *pin_path, struct err *e)
{
	int up[2], down[2];
	char c, ns[64];
	if (mount(run_dir, run_dir, NULL, MS_BIND, NULL) < 0 || mount(NULL, run_dir, NULL, MS_PRIVATE, NULL) < 0)
		return err_errno(e, errno, "%s", run_dir);
	int fd = open(pin_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0)
		return err_errno(e, errno, "%s", pin_path);
	close(fd);
	pid_t child = fork();
	if (child == 0) {
		close(down[1]);
		c = unshare(CLONE_NEWNS) < 0 || arrange_mounts() < 0 ? (char)errno : 0;
		if (write(up[1], &c, 1) == 1)
			(void)!read(down[0], &c, 1); // until the pin is set
		_exit(0);
	}
	close(up[1]);
	int number = child < 0 ? errno : read(up[0], &c, 1) != 1 ? EPIPE : c;
	snprintf(ns, sizeof(ns), "/proc/%d/ns/mnt", (int)child);
	if (number == 0 && mount(ns, pin_path, NULL, MS_BIND, NULL) < 0)
		number = errno;
	close(up[0]);
	close(down[0]);
	close(down[1]);
	if (child > 0)
		waitpid(child, NULL, 0);
	return number ? err_errno(e, number, "mount namespace for cgroups") : 0;
}

static int enter_pinned(const char *run_dir, struct err *e)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/mnt", run_dir);
	if (!is_file_system(path, NSFS_MAGIC) && pin(run_dir, path, e) < 0)
		return -1;
	return enter(path, e);
}

// A dozen small files for each container come and go there: on a disk's file system that is most of what a start costs.
static int keep_in_memory(const char *run_dir, struct err *e)
{
	if (is_file_system(run_dir, TMPFS_MAGIC) || mount("tmpfs", run_dir, "tmpfs", MS_NOSUID, "mode=0711") == 0)
		return 0;
	return err_errno(e, errno, "mount a tmpfs at %s", run_dir);
}

int node_isolate(const char *run_dir, struct err *e)
{
	bool hybrid = is_hybrid();
	if (!run_dir)
		return hybrid && (unshare(CLONE_NEWNS) < 0 || arrange_mounts() < 0)
			   ? err_errno(e, errno, "mount namespace")
			   : 0;
	if (mkdir(run_dir, 0711) < 0 && errno != EEXIST)
		return err_errno(e, errno, "%s", run_dir);
	if (hybrid && enter_pinned(run_dir, e) < 0)
		return -1;
	return keep_in_memory(run_dir, e);
}

void node_unisolate(const char *run_dir)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/mnt", run_dir);
	umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	unlink(path);
	while (umount2(run_dir, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		; // the private mount below it; another for each start that was interrupted before its pin was set
}
