// SPDX-License-Identifier: Apache-2.0
#include "node/cgroup/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void cgroup_path(const struct cgroups *c, const char *tree, const char *path, const char *file, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s%s%s%s%s%s%s%s", c->root, c->v2 || !tree[0] ? "" : "/", c->v2 ? "" : tree, c->parent,
		 path[0] ? "/" : "", path, file[0] ? "/" : "", file);
}

int cgroup_write(const struct cgroups *c, const char *tree, const char *path, const char *file, const char *text)
{
	char name[PATH_MAX];
	cgroup_path(c, tree, path, file, name);
	int fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int number = errno;
	close(fd);
	errno = number;
	return n < 0 ? -1 : 0;
}

ssize_t cgroup_read(const struct cgroups *c, const char *tree, const char *path, const char *file, char *out,
		    size_t size)
{
	char name[PATH_MAX];
	cgroup_path(c, tree, path, file, name);
	out[0] = 0;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t n = 0;
	for (ssize_t got; n < size - 1 && (got = read(fd, out + n, size - 1 - n)) > 0;)
		n += (size_t)got;
	out[n] = 0;
	close(fd);
	return (ssize_t)n;
}

uint64_t cgroup_read_u64(const struct cgroups *c, const char *tree, const char *path, const char *file)
{
	char text[64];
	uint64_t value;
	ssize_t n = cgroup_read(c, tree, path, file, text, sizeof(text));
	return n > 0 && str_to_u64(str_trim(str_of(text)), &value) == 0 ? value : 0;
}

uint64_t cgroup_key(const char *text, const char *key)
{
	struct str rest = str_of(text), line, name, value;
	uint64_t number;
	while (str_next(&rest, '\n', &line))
		if (str_cut(line, ' ', &name, &value) && str_is(name, key))
			return str_to_u64(str_trim(value), &number) == 0 ? number : 0;
	return 0;
}

bool cgroup_has_tree(const struct cgroups *c, const char *tree)
{
	for (size_t i = 0; i < c->tree_count; i++)
		if (strcmp(c->trees[i], tree) == 0)
			return true;
	return false;
}
