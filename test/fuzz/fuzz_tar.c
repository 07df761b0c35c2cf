// SPDX-License-Identifier: Apache-2.0
// A layer of an image (the first byte says of which kind, the rest is the tar, plain or packed): whatever it holds, it is
// unpacked or refused, and nothing beside its directory changes.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/images/extract.h"
#include "node/images/layer_reader.h"
#include "node/images/tree.h"

enum { BYTES_MAX = 1 << 20, ENTRIES_MAX = 300, RATIO_MAX = 100 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char base[64];

static int open_made(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	MUST(mkdir(path, 0755) == 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

// base/{root, low, victim/file}; low holds what layers below may hold against the one above.
static void set_up(int *root, int *low, int *victim)
{
	snprintf(base, sizeof(base), "%s/onggi-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(base));
	*root = open_made("root");
	*low = open_made("low");
	*victim = open_made("victim");
	int fd = openat(*victim, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	MUST(fd >= 0 && write(fd, "host", 4) == 4);
	close(fd);
	MUST(symlinkat("../victim", *low, "out") == 0 && symlinkat("dir", *low, "in") == 0 && mkdirat(*low, "dir", 0755) == 0);
}

static void check_unharmed(int victim)
{
	struct stat st;
	char path[128];
	MUST(fstatat(victim, "file", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 4 && st.st_nlink == 1 && S_ISREG(st.st_mode));
	MUST(faccessat(victim, "../root", F_OK, 0) == 0 && faccessat(victim, "../low/dir", F_OK, 0) == 0);
	snprintf(path, sizeof(path), "%s/victim", base);
	MUST(unlinkat(victim, "file", 0) == 0 && rmdir(path) == 0); // there was nothing else in it
}

static void unpack(int root, int low, bool layer, const unsigned char *data, size_t size)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct layer_reader r;
	int in CLEAN_FD = memfd_create("layer", MFD_CLOEXEC);
	MUST(in >= 0 && write(in, data, size) == (ssize_t)size && lseek(in, 0, SEEK_SET) == 0);
	MUST(layer_reader_init(&r, in, true, OCI_SHA256, &e) == 0);
	r.bytes_max = BYTES_MAX;
	r.ratio_max = RATIO_MAX;
	struct extract x = {
		.root = root, .layer = layer, .lowers = &low, .lower_count = 1, .entries_max = ENTRIES_MAX, .bytes_max = BYTES_MAX,
	};
	int result = extract_archive(&x, &r, &e);
	if (result == 0)
		result = layer_reader_drain(&r, &e);
	MUST(result == 0 || e.reason);
	MUST(x.bytes <= BYTES_MAX || result < 0);
	layer_reader_finish(&r);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	int root, low, victim;
	if (size < 1)
		return 0;
	set_up(&root, &low, &victim);
	unpack(root, low, data[0] & 1, data + 1, size - 1);
	check_unharmed(victim);
	close(root);
	close(low);
	close(victim);
	tree_erase(AT_FDCWD, base);
	return 0;
}
