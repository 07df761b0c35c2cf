// SPDX-License-Identifier: Apache-2.0
// Starting programs: each descriptor comes where it belongs, whatever its number was.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/runtime/spawn.h"
#include "unit.h"

static int at(int fd, int number)
{
	int moved = dup3(fd, number, O_CLOEXEC);
	close(fd);
	return moved;
}

// Runs a shell that copies stdin to stdout and says "e" on stderr; its ends of the pipes have these numbers.
static void talk_over(const int numbers[3])
{
	int in[2], out[2], said[2], status = -1;
	char room[16] = "";
	pid_t pid;
	struct err e CLEAN_ERR = ERR_EMPTY;
	REQUIRE(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(said, O_CLOEXEC) == 0);
	const char *args[] = {"/bin/sh", "-c", "read x; echo $x; echo e >&2", NULL}, *env[] = {NULL};
	struct spawn s = {.args = args, .env = env, .fd_count = 3};
	s.fds[0] = at(in[0], numbers[0]);
	s.fds[1] = at(out[1], numbers[1]);
	s.fds[2] = at(said[1], numbers[2]);
	REQUIRE(write(in[1], "i\n", 2) == 2);
	REQUIRE(spawn_start(&s, &pid, &e) == 0 && spawn_wait(pid, 5000, &status, &e) == 0);
	for (int i = 0; i < 3; i++)
		close(s.fds[i]);
	CHECK_INT(status, 0);
	CHECK(read(out[0], room, sizeof(room)) == 2 && room[0] == 'i');
	CHECK(read(said[0], room, sizeof(room)) == 2 && room[0] == 'e');
	close(in[1]);
	close(out[0]);
	close(said[0]);
}

TEST(descriptors_come_where_they_belong)
{
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const int bases[] = {20, 62, 63, 64, 65, 66, 200};
	for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
		for (size_t i = 0; i < ARRAY_LEN(orders); i++)
			talk_over((int[]){bases[b] + orders[i][0], bases[b] + orders[i][1], bases[b] + orders[i][2]});
	}
}

// Where a process cannot have one more descriptor, a program's end is noticed all the same.
TEST(waiting_with_no_descriptor_left)
{
	const char *args[] = {"/bin/sh", "-c", "exit 7", NULL}, *slow[] = {"/bin/sh", "-c", "exec sleep 100", NULL}, *env[] = {NULL};
	struct spawn s = {.args = args, .env = env, .fds = {-1, -1, -1}, .fd_count = 3};
	struct rlimit before, none;
	struct err e CLEAN_ERR = ERR_EMPTY;
	int status = -1;
	pid_t pid, slow_pid;
	REQUIRE(spawn_start(&s, &pid, &e) == 0);
	s.args = slow;
	REQUIRE(spawn_start(&s, &slow_pid, &e) == 0);
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){1, before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	int waited = spawn_wait(pid, 3000, &status, &e);
	int waited_slow = spawn_wait(slow_pid, 50, &status, &e);
	setrlimit(RLIMIT_NOFILE, &before);
	CHECK_INT(waited, 0);
	CHECK(waited_slow < 0 && e.reason == ERR_TIMEOUT);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
