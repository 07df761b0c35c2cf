// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "node/images/tree.h"

// '.' for '/' and '/' for '.'
static void swap_separators(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] == '.' ? '/' : text[i] == '/' ? '.' : text[i];
}

struct str sysctl_dotted(struct arena *a, struct str name)
{
	ptrdiff_t dot = str_find(name, '.'), slash = str_find(name, '/');
	if (slash < 0 || (dot >= 0 && dot < slash))
		return name;
	char *text = arena_c(a, name);
	swap_separators(text, name.n);
	return (struct str){text, name.n};
}

bool sysctl_is_own(struct str dotted, bool own_net, bool own_ipc)
{
	static const char *const ipc[] = {"kernel.shm", "kernel.msg", "fs.mqueue."};
	if (str_starts(dotted, STR("net.")))
		return own_net;
	if (str_is(dotted, "kernel.sem"))
		return own_ipc;
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (str_starts(dotted, str_of(ipc[i])))
			return own_ipc;
	return false;
}

int sysctl_write(struct arena *a, struct str dotted, struct str value, struct err *e)
{
	char *path = arena_c(a, arena_fmt(a, "/proc/sys/%.*s", STR_FMT(dotted)));
	swap_separators(path + strlen("/proc/sys/"), dotted.n);
	if (str_contains(str_of(path), STR("..")))
		return err_set(e, ERR_INVALID, "sysctl \"%.*s\": not a name", STR_FMT(dotted));
	int fd CLEAN_FD = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value.p, value.n) != (ssize_t)value.n)
		return err_errno(e, errno, "sysctl %.*s", STR_FMT(dotted));
	return 0;
}
