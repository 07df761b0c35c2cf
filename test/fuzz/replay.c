// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer over files: what ./dev test does with the committed corpus. Arguments are files or directories.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t room = 16u << 20;
	unsigned char *data = malloc(room);
	if (!f || !data)
		return -1;
	size_t n = fread(data, 1, room, f);
	fclose(f);
	unsigned char *exact = malloc(n ? n : 1); // so that the address sanitizer sees a read past the end
	for (size_t i = 0; i < n; i++)
		exact[i] = data[i];
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	free(data);
	return 0;
}

static int replay(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return replay_file(path) < 0 ? -1 : 1;
	int count = 0;
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		char inside[4096];
		snprintf(inside, sizeof inside, "%s/%s", path, d->d_name);
		if (d->d_name[0] != '.' && replay_file(inside) == 0)
			count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0;
	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);
		n < 0 ? failed++ : (passed += n);
	}
	printf("%d passed, %d failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
