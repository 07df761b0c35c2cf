// SPDX-License-Identifier: Apache-2.0
// Real containers where something runs out, or somebody ends, in the middle.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime_fixture.h"
#include "tar_maker.h"
#include "unit.h"

// ---- pods that are made in several attempts

struct outcome {
	bool done, failed;
};

static void on_done(void *arg, const struct err *e)
{
	*(struct outcome *)arg = (struct outcome){true, e != NULL};
}

static bool makes(struct rig *g, const struct runtime_pod_spec *p)
{
	struct outcome o = {0};
	runtime_pod_make(g->runtime, p, on_done, &o);
	REQUIRE(rig_until(g, &o.done));
	return !o.failed;
}

// A sysctl that the kernel refuses is refused each time it is tried, and what was made before is not made twice.
TEST(a_pod_that_cannot_be_made)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	struct runtime_sysctl sysctls[] = {{STR("kernel.shm_rmid_forced"), STR("nonsense")}};
	struct runtime_pod_spec p = {.uid = STR("p1"), .hostname = STR("h"), .sysctls = sysctls, .sysctl_count = 1};
	for (int i = 0; i < 3; i++)
		CHECK(!makes(&g, &p));
	CHECK(rig_pod_remove(&g, "p1") == 0);
	CHECK(!makes(&g, &p));
	sysctls[0].value = STR("1");
	CHECK(makes(&g, &p));
	CHECK(makes(&g, &p));
	struct runtime_container_spec s = rig_spec(&g, "c1", "cat /proc/sys/kernel/shm_rmid_forced; hostname");
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_STR(rig_log(&g, "c1"), "1\nh");
	CHECK(rig_pod_remove(&g, "p1") == 0);
}

// A process namespace ends with its first process; the pod gets another one.
TEST(first_process_of_a_shared_namespace_killed)
{
	struct rig g CLEAN_RIG;
	struct cgroups c;
	pid_t *pids;
	size_t count;
	rig_set_up(&g);
	struct runtime_pod_spec p = {.uid = STR("p1"), .hostname = STR("h"), .share_pid = true};
	REQUIRE(makes(&g, &p));
	REQUIRE(cgroups_init(&c, NULL, g.parent, NULL) == 0);
	REQUIRE(cgroup_pids(&c, &g.a, "podp1/init", &pids, &count, NULL) == 0 && count == 1);
	kill(pids[0], SIGKILL);
	for (int i = 0; i < 400 && !cgroup_is_empty(&c, "podp1/init"); i++)
		rig_turn(&g, 5);
	CHECK(makes(&g, &p));
	struct runtime_container_spec s = rig_spec(&g, "c1", "cat /proc/1/comm");
	REQUIRE(rig_create(&g, &s) == 0 && rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_STR(rig_log(&g, "c1"), "pod-init");
	CHECK(rig_pod_remove(&g, "p1") == 0);
}

// Without a note of the namespaces that are the pod's, a container would be put into the host's.
TEST(no_container_without_its_pod)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec s = rig_spec(&g, "c1", "true");
	const char *note = arena_fmt(&g.a, "%s/pods/p1/pod.json", g.run).p;
	static const char *const damaged[] = {"", "[]", "{}", "{\"netNs\":"};
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
		write_file(note, str_of(damaged[i]));
		CHECK(rig_create(&g, &s) < 0);
	}
	REQUIRE(unlink(note) == 0);
	CHECK(rig_create(&g, &s) < 0);
	REQUIRE(rig_pod(&g, "p1") == 0);
	CHECK(rig_create(&g, &s) == 0);
}

// The second of two starts is refused, and takes nothing of the first away.
TEST(started_twice)
{
	struct rig g CLEAN_RIG;
	struct outcome one = {0}, two = {0};
	struct runtime_state s;
	rig_set_up(&g);
	struct runtime_container_spec spec = rig_spec(&g, "c1", "exec sleep 1000");
	REQUIRE(rig_pod(&g, "p1") == 0 && rig_create(&g, &spec) == 0);
	runtime_start(g.runtime, STR("c1"), on_done, &one);
	runtime_start(g.runtime, STR("c1"), on_done, &two);
	REQUIRE(rig_until(&g, &two.done));
	CHECK(one.done && !one.failed && two.failed);
	rig_close(&g);
	rig_open(&g);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &s));
	CHECK_INT(s.phase, RUNTIME_RUNNING);
}

// One container that cannot be taken away does not keep the others running.
TEST(a_container_that_stays)
{
	struct rig g CLEAN_RIG;
	struct cgroups c;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0 && rig_run(&g, "c2", "exec sleep 1000") == 0 &&
		rig_run(&g, "c3", "exec sleep 1000") == 0);
	const char *busy = arena_fmt(&g.a, "%s/containers/c2/busy", g.data).p;
	REQUIRE(mkdir(busy, 0755) == 0 && mount("tmpfs", busy, "tmpfs", 0, NULL) == 0);
	CHECK(rig_pod_remove(&g, "p1") < 0);
	CHECK(strstr(err_text(&g.e), "containers/c2"));
	REQUIRE(cgroups_init(&c, NULL, g.parent, NULL) == 0);
	CHECK(cgroup_is_empty(&c, "podp1"));
	CHECK(access(arena_fmt(&g.a, "%s/containers/c1", g.data).p, F_OK) < 0);
	CHECK(access(arena_fmt(&g.a, "%s/containers/c3", g.data).p, F_OK) < 0);
	umount2(busy, MNT_DETACH);
	CHECK(rig_pod_remove(&g, "p1") == 0);
	struct runtime_state *list;
	CHECK_INT(runtime_list(g.runtime, &g.a, &list), 0);
}

// ---- agents that end in the middle

// Killed after it had noted the start and before the process was let go.
TEST(agent_killed_between_note_and_start)
{
	struct rig g CLEAN_RIG;
	struct runtime_state s;
	rig_set_up(&g);
	struct runtime_container_spec spec = rig_spec(&g, "c1", "echo ran; exit 3");
	REQUIRE(rig_pod(&g, "p1") == 0 && rig_create(&g, &spec) == 0);
	write_file(arena_fmt(&g.a, "%s/containers/c1/started", g.data).p, STR_NONE);
	rig_close(&g);
	rig_open(&g);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &s));
	CHECK_INT(s.phase, RUNTIME_CREATED);
	CHECK_INT(s.started, 0);
	REQUIRE(rig_start(&g, "c1") == 0);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 3);
	CHECK_STR(rig_log(&g, "c1"), "ran");
}

static void on_output(void *arg, int stream, struct str data)
{
}

struct talk_end {
	bool ended;
};

static void on_end(void *arg, int code, const struct err *e)
{
	((struct talk_end *)arg)->ended = true;
}

static const struct runtime_session_events session_events = {on_output, on_end};

static int monitor_of(struct rig *g, const char *id)
{
	char text[32] = "";
	FILE *f = fopen(arena_fmt(&g->a, "%s/containers/%s/conmon.pid", g->data, id).p, "re");
	REQUIRE(f && fgets(text, sizeof(text), f));
	fclose(f);
	return atoi(text);
}

// Its process has ended when the agent comes, and its monitor, that was to write how, is killed after that.
TEST(monitor_killed_after_adoption)
{
	struct rig g CLEAN_RIG;
	struct runtime_state s;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &s));
	rig_close(&g);
	int monitor = monitor_of(&g, "c1");
	REQUIRE(kill(monitor, SIGSTOP) == 0 && kill(s.pid, SIGKILL) == 0);
	usleep(50000);
	rig_open(&g);
	rig_turn(&g, 100);
	CHECK_INT(g.exits, 0);
	kill(monitor, SIGKILL);
	rig_wait_exit(&g, "c1");
	CHECK(g.exited.lost);
}

static int run_c1(struct rig *g)
{
	if (rig_pod(g, "p1") == 0)
		rig_run(g, "c1", "exec sleep 1000");
	pause();
	return 0;
}

static int exec_in_c1(struct rig *g)
{
	struct str args[] = {STR("sh"), STR("-c"), STR("echo old >>/dev/shm/said")};
	struct runtime_exec_spec x = {.id = STR("c1"), .args = args, .arg_count = 3};
	struct talk_end t = {0};
	runtime_exec(g->runtime, &x, &session_events, &t);
	rig_until(g, &t.ended);
	return 0;
}

// How many containers there are; 9: something that is neither a whole one nor nothing.
static int take_over(struct rig *g)
{
	struct runtime_state *list;
	size_t count = runtime_list(g->runtime, &g->a, &list);
	const char *dir = arena_fmt(&g->a, "%s/containers/c1", g->data).p;
	bool good = count <= 1 && (access(dir, F_OK) == 0) == (count == 1);
	if (count == 1 && list[0].phase == RUNTIME_RUNNING)
		good &= kill(list[0].pid, 0) == 0;
	if (g->crun)
		usleep(1200000); // nobody goes on with what was cut off, however slow
	good &= count || access(dir, F_OK) < 0;
	good &= rig_pod_remove(g, "p1") == 0;
	return good ? (int)count : 9;
}

int rig_agent(struct rig *g, const char *role)
{
	return strcmp(role, "run") == 0 ? run_c1(g) : strcmp(role, "exec") == 0 ? exec_in_c1(g) : take_over(g);
}

static void be_an_agent_and_die(struct rig *g, const char *role, useconds_t after_us)
{
	pid_t child = rig_start_agent(g, role);
	usleep(after_us);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int be_the_next_agent(struct rig *g)
{
	int status = -1;
	waitpid(rig_start_agent(g, "take over"), &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Killed at any moment of a container's making, an agent leaves a whole container or nothing.
TEST(agent_killed_anywhere)
{
	struct rig g CLEAN_RIG;
	int with[2] = {0};
	rig_set_up(&g);
	rig_close(&g);
	for (useconds_t us = 3000; us < 80000; us += 1700) {
		be_an_agent_and_die(&g, "run", us);
		int found = be_the_next_agent(&g);
		REQUIRE(found == 0 || found == 1);
		with[found]++;
	}
	CHECK(with[0] > 0);
	be_an_agent_and_die(&g, "run", 3000000);
	CHECK_INT(be_the_next_agent(&g), 1);
}

static void make_crun_slow(struct rig *g, const char *command)
{
	const char *script = "#!/bin/sh\ncase \"$*\" in *%s*) sleep 1;; esac\nexec /usr/bin/crun \"$@\"\n";
	g->crun = arena_fmt(&g->a, "%s/crun", g->dir).p;
	write_file(g->crun, arena_fmt(&g->a, script, command));
	REQUIRE(chmod(g->crun, 0755) == 0);
}

// Nothing makes a container any more when its agent's successor has taken it away.
TEST(agent_killed_while_crun_is_slow)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	rig_close(&g);
	make_crun_slow(&g, "create");
	for (useconds_t us = 200000; us < 900000; us += 170000) {
		be_an_agent_and_die(&g, "run", us);
		CHECK_INT(be_the_next_agent(&g), 0);
	}
}

// A crun that outlives its agent runs its own command or none, not one of the next agent's.
TEST(agent_killed_while_a_command_starts)
{
	struct rig g CLEAN_RIG;
	struct talk_end t = {0};
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0);
	rig_close(&g);
	make_crun_slow(&g, "exec");
	be_an_agent_and_die(&g, "exec", 500000);
	rig_open(&g);
	struct str args[] = {STR("sh"), STR("-c"), STR("echo new >>/dev/shm/said")};
	struct runtime_exec_spec x = {.id = STR("c1"), .args = args, .arg_count = 3};
	runtime_exec(g.runtime, &x, &session_events, &t);
	REQUIRE(rig_until(&g, &t.ended));
	rig_turn(&g, 500);
	CHECK_INT(system(arena_fmt(&g.a, "[ $(grep -c new %s/pods/p1/shm/said) = 1 ]", g.run).p), 0);
	CHECK(rig_pod_remove(&g, "p1") == 0);
}

// After a reboot there are neither processes nor mounts nor groups, and RUN is empty: what had run is lost, what had
// ended is known, and all of it can be taken away.
TEST(reboot)
{
	struct rig g CLEAN_RIG;
	struct runtime_state s;
	struct cgroups c;
	rig_set_up(&g);
	struct runtime_container_spec spec = rig_spec(&g, "c3", "true");
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0 && rig_run(&g, "c2", "exit 4") == 0 && rig_create(&g, &spec) == 0);
	rig_wait_exit(&g, "c2");
	rig_close(&g);
	kill(monitor_of(&g, "c1"), SIGKILL);
	kill(monitor_of(&g, "c3"), SIGKILL);
	REQUIRE(cgroups_init(&c, NULL, g.parent, NULL) == 0);
	for (int i = 0; i < 400 && !cgroup_is_empty(&c, "podp1"); i++) {
		cgroup_kill(&c, "podp1");
		usleep(5000);
	}
	usleep(50000);
	cgroups_drop(&c);
	const char *format = "(umount -l %s/containers/c?/rootfs; umount -l %s/pods/p1/* %s/bin/crun; rm -r %s/*) 2>/dev/null";
	CHECK_INT(system(arena_fmt(&g.a, format, g.data, g.run, g.run, g.run).p), 0);
	g.exits = 0;
	rig_open(&g);
	rig_turn(&g, 50);
	CHECK_INT(g.exits, 3);
	struct str *pods;
	CHECK_INT(runtime_list_pods(g.runtime, &g.a, &pods), 0);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &s));
	CHECK(s.phase == RUNTIME_EXITED && s.lost && s.finished);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c2"), &s));
	CHECK(s.phase == RUNTIME_EXITED && !s.lost && s.exit_code == 4);
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c3"), &s));
	CHECK(s.phase == RUNTIME_EXITED && s.lost && s.finished);
	CHECK(rig_remove(&g, "c1") == 0);
	REQUIRE(rig_run(&g, "c4", "exit 5") == 0); // in the same pod, made anew
	rig_wait_exit(&g, "c4");
	CHECK_INT(g.exited.exit_code, 5);
	CHECK(rig_pod_remove(&g, "p1") == 0);
	CHECK(!runtime_state(g.runtime, &g.a, STR("c2"), &s));
	CHECK(access(arena_fmt(&g.a, "%s/containers/c3", g.data).p, F_OK) < 0);
}

// Whatever is under way when the agent closes its runtime, nothing is told after that.
TEST(closed_while_a_container_ends)
{
	struct rig g CLEAN_RIG;
	struct outcome o = {0};
	rig_set_up(&g);
	rig_close(&g);
	const char *slow = arena_fmt(&g.a, "%s/slow", g.dir).p;
	g.crun = arena_fmt(&g.a, "%s/crun", g.dir).p;
	struct str script = arena_fmt(&g.a, "#!/bin/sh\ncase \"$*\" in *create*) [ -e %s ] && sleep 5;; esac\nexec /usr/bin/crun \"$@\"\n", slow);
	REQUIRE(file_write(g.loop, g.crun, script, 0755, NULL) == 0);
	rig_open(&g);
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0);
	write_file(slow, STR_NONE);
	struct runtime_container_spec s = rig_spec(&g, "c2", "true");
	struct runtime_state st;
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &st));
	runtime_create(g.runtime, &s, on_done, &o);
	rig_turn(&g, 100);
	kill(monitor_of(&g, "c1"), SIGKILL);
	kill(st.pid, SIGKILL);
	runtime_close(g.runtime);
	g.runtime = NULL;
	rig_turn(&g, 6500);
	CHECK_INT(g.exits, 0);
	CHECK(!o.done);
	rig_open(&g);
	rig_wait_exit(&g, "c1");
	CHECK(rig_pod_remove(&g, "p1") == 0);
}

TEST(closed_while_a_container_starts)
{
	struct rig g CLEAN_RIG;
	struct outcome o = {0};
	rig_set_up(&g);
	struct runtime_container_spec spec = rig_spec(&g, "c1", "exec sleep 1000");
	REQUIRE(rig_pod(&g, "p1") == 0 && rig_create(&g, &spec) == 0);
	runtime_start(g.runtime, STR("c1"), on_done, &o);
	rig_close(&g);
	CHECK(!o.done);
	rig_open(&g);
	struct runtime_state s;
	REQUIRE(runtime_state(g.runtime, &g.a, STR("c1"), &s));
	CHECK_INT(s.phase, RUNTIME_RUNNING);
}

// ---- descriptors that run out

enum { DESCRIPTORS = 80 };

struct shortage {
	struct rlimit before;
	int held[DESCRIPTORS], count;
};

// All but `left` descriptors are in use from now on.
static void begin_shortage(struct shortage *s, int left)
{
	struct rlimit few;
	s->count = 0;
	getrlimit(RLIMIT_NOFILE, &s->before);
	few = (struct rlimit){DESCRIPTORS, s->before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &few);
	for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
		s->held[s->count++] = fd;
	for (int i = 0; i < left && s->count > 0; i++)
		close(s->held[--s->count]);
}

static void end_shortage(struct shortage *s)
{
	while (s->count)
		close(s->held[--s->count]);
	setrlimit(RLIMIT_NOFILE, &s->before);
}

static int free_descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		n += fcntl(fd, F_GETFD) < 0;
	return n;
}

// A command ends, or says why not, and leaves neither descriptor nor process.
TEST(commands_with_few_descriptors)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0);
	int free_before = free_descriptors();
	for (int left = 0; left < 26; left++) {
		struct str args[] = {STR("sh"), STR("-c"), STR("echo x; exit 3")};
		struct runtime_exec_spec x = {.id = STR("c1"), .args = args, .arg_count = 3, .tty = left % 2, .stdin_open = true};
		struct talk_end t = {0}, u = {0};
		struct shortage s;
		begin_shortage(&s, left / 2);
		struct runtime_session *attached = runtime_attach(g.runtime, STR("c1"), false, &session_events, &u);
		runtime_exec(g.runtime, &x, &session_events, &t);
		bool ended = rig_until(&g, &t.ended);
		end_shortage(&s);
		if (!u.ended)
			runtime_session_cancel(attached);
		if (!ended) {
			unit_fail(__FILE__, __LINE__, "no end with %d descriptors", left / 2);
			break;
		}
		rig_turn(&g, 20);
		CHECK_INT(free_descriptors(), free_before);
	}
}

// The last descriptors are taken while crun is being started.
TEST(commands_without_a_descriptor_to_be_watched_by)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "exec sleep 1000") == 0);
	int free_before = free_descriptors();
	for (int tty = 0; tty < 2; tty++) {
		struct str args[] = {STR("sh"), STR("-c"), STR("exit 3")};
		struct runtime_exec_spec x = {.id = STR("c1"), .args = args, .arg_count = 3, .tty = tty};
		struct talk_end t = {0};
		struct shortage s;
		runtime_exec(g.runtime, &x, &session_events, &t);
		usleep(300000);
		begin_shortage(&s, 0);
		bool ended = rig_until(&g, &t.ended);
		end_shortage(&s);
		REQUIRE(ended);
		rig_turn(&g, 20);
		CHECK_INT(free_descriptors(), free_before);
	}
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); // no dead child is left
}

// A container is made, and its end told, or nothing of it is left.
TEST(containers_with_few_descriptors)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	int free_before = free_descriptors(), made = 0;
	for (int left = 0; left < 24; left++) {
		struct shortage s;
		const char *id = arena_fmt(&g.a, "c%d", left).p;
		struct runtime_container_spec spec = rig_spec(&g, id, "exit 3");
		begin_shortage(&s, left);
		int result = rig_create(&g, &spec);
		if (result == 0 && rig_start(&g, id) == 0) {
			end_shortage(&s);
			rig_wait_exit(&g, id);
			CHECK_INT(g.exited.exit_code, 3);
			made++;
		}
		end_shortage(&s);
		CHECK(rig_remove(&g, id) == 0);
		CHECK(access(arena_fmt(&g.a, "%s/containers/%s", g.data, id).p, F_OK) < 0);
		rig_turn(&g, 20);
		CHECK_INT(free_descriptors(), free_before);
	}
	CHECK(made > 0);
}

// A pod is made, or can be removed.
TEST(pods_with_few_descriptors)
{
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	int free_before = free_descriptors(), made = 0;
	for (int left = 0; left < 16; left++) {
		struct shortage s;
		struct runtime_pod_spec p = {.uid = STR("p1"), .hostname = STR("h"), .share_pid = true};
		begin_shortage(&s, left);
		made += makes(&g, &p);
		end_shortage(&s);
		CHECK(rig_pod_remove(&g, "p1") == 0);
		rig_turn(&g, 20);
		CHECK_INT(free_descriptors(), free_before);
	}
	CHECK(made > 0);
}
