// SPDX-License-Identifier: Apache-2.0
#include "node/cgroup/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "node/cgroup/files.h"

enum { PIDS_TEXT = 64 << 10, KILL_ROUNDS = 20, SHARES_PER_CPU = 1024 };

// ---- finding the trees

static bool is_v2(const char *root)
{
	char path[300];
	struct statfs fs;
	if (statfs(root, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return true;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", root); // also in the imitated trees of tests
	return access(path, F_OK) == 0;
}

// Controllers are directories; symlinks beside them ("cpu" for "cpu,cpuacct") are other names of the same.
static void find_trees(struct cgroups *c)
{
	char path[600];
	DIR *d = opendir(c->root);
	for (struct dirent *at; d && (at = readdir(d)) && c->tree_count < CGROUP_CONTROLLERS_MAX;) {
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s/cgroup.procs", c->root, at->d_name);
		bool tree = at->d_name[0] != '.' && strcmp(at->d_name, "unified") != 0 && strlen(at->d_name) < 32 &&
			    fstatat(dirfd(d), at->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
			    access(path, F_OK) == 0;
		if (tree)
			snprintf(c->trees[c->tree_count++], 32, "%s", at->d_name);
	}
	if (d)
		closedir(d);
}

// Version 2 gives a group's children only the controllers it passes down, and lets a group that does hold no processes.
static void pass_down(const struct cgroups *c, const char *directory)
{
	static const char *const controllers[] = {"+cpu", "+memory", "+pids", "+io", "+cpuset"};
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", directory);
	for (size_t i = 0; i < sizeof(controllers) / sizeof *controllers; i++) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		(void)!write(fd, controllers[i], strlen(controllers[i])); // one at a time: the kernel may lack some
		close(fd);
	}
}

// PARENT and the pods' groups; processes are in the containers' and in MONITORS.
static bool holds_groups(const char *path)
{
	return !strchr(path, '/') && strcmp(path, CGROUP_MONITORS) != 0;
}

static int make_in(const struct cgroups *c, const char *tree, const char *path)
{
	char directory[PATH_MAX];
	cgroup_path(c, tree, path, "", directory);
	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		return -1;
	if (c->v2 && holds_groups(path))
		pass_down(c, directory);
	return 0;
}

static int make_everywhere(const struct cgroups *c, const char *path, struct err *e)
{
	for (size_t i = 0; i < c->tree_count; i++)
		if (make_in(c, c->trees[i], path) < 0)
			return err_errno(e, errno, "control group %s%s%s (%s)", c->parent, path[0] ? "/" : "", path,
					 c->trees[i]);
	return 0;
}

// A fresh cpuset of version 1 holds nothing until it is told which processors and memory it may use.
static void fill_cpuset(const struct cgroups *c)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	char up[PATH_MAX], text[4096];
	for (size_t i = 0; i < 2; i++) {
		snprintf(up, sizeof(up), "%s/cpuset/%s", c->root, files[i]);
		int fd = open(up, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			continue;
		text[n] = 0;
		cgroup_write(c, "cpuset", "", files[i], text);
	}
	cgroup_write(c, "cpuset", "", "cgroup.clone_children", "1");
}

int cgroups_init(struct cgroups *c, const char *root, const char *parent, struct err *e)
{
	memset(c, 0, sizeof *c);
	snprintf(c->root, sizeof(c->root), "%s", root ? root : "/sys/fs/cgroup");
	snprintf(c->parent, sizeof(c->parent), "%s", parent);
	c->v2 = is_v2(c->root);
	if (c->v2) {
		c->tree_count = 1;
		pass_down(c, c->root);
	} else {
		find_trees(c);
	}
	if (!c->v2 && !(cgroup_has_tree(c, "memory") && cgroup_has_tree(c, "pids")))
		return err_set(e, ERR_UNAVAILABLE, "%s: no control groups with memory and pids are mounted", c->root);
	if (make_everywhere(c, "", e) < 0)
		return -1;
	if (!c->v2)
		fill_cpuset(c);
	// Pods have together what they may request together, whatever else the machine does.
	struct cgroup_limits all = {.cpu_shares = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) * SHARES_PER_CPU};
	cgroup_set(c, "", &all, NULL);
	return make_everywhere(c, CGROUP_MONITORS, e);
}

// ---- walking

typedef void visit_group(const struct cgroups *c, const char *tree, const char *path, void *arg);

// A directory has a link of each directory in it; file systems that do not count say 1.
static bool has_no_groups(const char *directory)
{
	struct stat st;
	return stat(directory, &st) == 0 && st.st_nlink == 2;
}

static bool is_group(int directory, const struct dirent *at)
{
	struct stat st;
	if (at->d_name[0] == '.' || (at->d_type != DT_DIR && at->d_type != DT_UNKNOWN))
		return false;
	return at->d_type == DT_DIR ||
	       (fstatat(directory, at->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

struct group { // of those found by a walk
	const char *path;
	struct group *next;
};

// Puts the groups right below this one in front of the list.
static void find_below(const struct cgroups *c, const char *tree, const char *path, struct arena *a, struct group **list)
{
	char directory[PATH_MAX];
	cgroup_path(c, tree, path, "", directory);
	DIR *d = has_no_groups(directory) ? NULL : opendir(directory);
	for (struct dirent *at; d && (at = readdir(d));) {
		if (!is_group(dirfd(d), at))
			continue;
		struct group *g = ARENA_NEW(a, struct group);
		*g = (struct group){arena_fmt(a, "%s%s%s", path, path[0] ? "/" : "", at->d_name).p, *list};
		*list = g;
	}
	if (d)
		closedir(d);
}

// Calls visit for the group and all below it, each after those below it. Privileged containers make groups as deep as
// they like: depth costs neither stack nor descriptors.
static void walk(const struct cgroups *c, const char *tree, const char *path, visit_group *visit, void *arg)
{
	struct arena a CLEAN_ARENA;
	struct group *todo = &(struct group){path, NULL}, *found = NULL;
	arena_init(&a);
	while (todo) {
		struct group *g = todo;
		todo = g->next;
		g->next = found; // before all that were found above it
		found = g;
		find_below(c, tree, g->path, &a, &todo);
	}
	for (; found; found = found->next)
		visit(c, tree, found->path, arg);
}

static void remove_group(const struct cgroups *c, const char *tree, const char *path, void *failed)
{
	char directory[PATH_MAX];
	cgroup_path(c, tree, path, "", directory);
	if (rmdir(directory) < 0 && errno != ENOENT)
		*(int *)failed = errno;
}

int cgroup_remove(const struct cgroups *c, const char *path, struct err *e)
{
	int failed = 0;
	for (size_t i = 0; i < c->tree_count; i++)
		walk(c, c->trees[i], path, remove_group, &failed);
	return failed ? err_errno(e, failed, "remove control group %s/%s", c->parent, path) : 0;
}

void cgroups_drop(struct cgroups *c)
{
	cgroup_remove(c, "", NULL);
}

// ---- processes

// The tree in which every process of a group is to be found.
static const char *process_tree(const struct cgroups *c)
{
	return c->v2 ? "" : "pids";
}

int cgroup_pids(const struct cgroups *c, struct arena *a, const char *path, pid_t **pids, size_t *count, struct err *e)
{
	char *text = arena_alloc(a, PIDS_TEXT);
	if (cgroup_read(c, process_tree(c), path, "cgroup.procs", text, PIDS_TEXT) < 0)
		return err_errno(e, errno, "control group %s", path);
	struct str rest = str_of(text), line;
	rest.n = (size_t)(str_find_last(rest, '\n') + 1); // of more than fits the last line may be half a number
	*pids = ARENA_ARRAY(a, pid_t, PIDS_TEXT / 2);
	*count = 0;
	while (str_next(&rest, '\n', &line)) {
		int64_t pid;
		if (str_to_i64(line, &pid) == 0 && pid > 0)
			(*pids)[(*count)++] = (pid_t)pid;
	}
	return 0;
}

static void kill_group(const struct cgroups *c, const char *tree, const char *path, void *killed)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	pid_t *pids;
	size_t count;
	if (cgroup_pids(c, &a, path, &pids, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (kill(pids[i], SIGKILL) == 0)
			++*(int *)killed;
}

int cgroup_kill(const struct cgroups *c, const char *path)
{
	int killed = 0, all = 0;
	if (c->v2 && cgroup_write(c, "", path, "cgroup.kill", "1") == 0)
		return 1;
	// Without cgroup.kill: again, as long as the killed may have had children.
	for (int round = 0; round < KILL_ROUNDS; round++) {
		killed = 0;
		walk(c, process_tree(c), path, kill_group, &killed);
		all += killed;
		if (!killed)
			break;
	}
	return all;
}

static void note_process(const struct cgroups *c, const char *tree, const char *path, void *found)
{
	char text[16];
	if (cgroup_read(c, tree, path, "cgroup.procs", text, sizeof(text)) > 0)
		*(bool *)found = true;
}

bool cgroup_is_empty(const struct cgroups *c, const char *path)
{
	bool found = false;
	walk(c, process_tree(c), path, note_process, &found);
	return !found;
}

bool cgroup_exists(const struct cgroups *c, const char *path)
{
	char directory[PATH_MAX];
	cgroup_path(c, process_tree(c), path, "", directory);
	return access(directory, F_OK) == 0;
}

int cgroup_enter(const struct cgroups *c, const char *path, pid_t pid, struct err *e)
{
	char text[24];
	snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < c->tree_count; i++)
		if (cgroup_write(c, c->trees[i], path, "cgroup.procs", text) < 0)
			return err_errno(e, errno, "move process %d to control group %s/%s", (int)pid, c->parent, path);
	return 0;
}

int cgroup_make(const struct cgroups *c, const char *path, const struct cgroup_limits *l, struct err *e)
{
	return make_everywhere(c, path, e) < 0 ? -1 : cgroup_set(c, path, l, e);
}
