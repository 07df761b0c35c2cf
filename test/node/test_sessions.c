// SPDX-License-Identifier: Apache-2.0
// exec and attach with real containers.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime_fixture.h"
#include "unit.h"

struct talk {
	struct buf out, err;
	struct runtime_session *slow; // paused at each piece of output, which is only counted; NULL: none of that
	size_t bytes;
	bool ended, failed;
	int code;
	enum err_reason reason;
	char text[256];
};

static void on_output(void *arg, int stream, struct str data)
{
	struct talk *t = arg;
	t->bytes += data.n;
	if (t->slow)
		runtime_session_pause(t->slow, true);
	else
		buf_add(stream == 2 ? &t->err : &t->out, data);
}

static void on_end(void *arg, int code, const struct err *e)
{
	struct talk *t = arg;
	t->ended = true;
	t->failed = e != NULL;
	t->code = code;
	t->reason = e ? e->reason : ERR_NONE;
	str_to_c(str_of(err_text(e)), t->text, sizeof(t->text));
}

static const struct runtime_session_events events = {on_output, on_end};

static void talk_finish(struct talk *t)
{
	buf_finish(&t->out);
	buf_finish(&t->err);
}
#define CLEAN_TALK __attribute__((cleanup(talk_finish)))

static struct runtime_session *start(struct rig *g, struct talk *t, const char *script, bool tty, bool stdin_open, int64_t timeout_ns)
{
	struct str args[] = {STR("sh"), STR("-c"), str_of(script)};
	struct runtime_exec_spec s = {
		.id = STR("c1"), .args = args, .arg_count = 3, .tty = tty, .stdin_open = stdin_open, .timeout_ns = timeout_ns,
	};
	memset(t, 0, sizeof *t);
	return runtime_exec(g->runtime, &s, &events, t);
}

static void run(struct rig *g, struct talk *t, const char *script, int64_t timeout_ns)
{
	start(g, t, script, false, false, timeout_ns);
	REQUIRE(rig_until(g, &t->ended));
}

TEST(exec_output_and_code)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	run(&g, &t, "echo out; echo err >&2; exit 5", 0);
	CHECK(!t.failed && t.code == 5);
	CHECK_STR(buf_str(&t.out), "out\n");
	CHECK_STR(buf_str(&t.err), "err\n");
}

TEST(exec_of_much_output)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_session *s = start(&g, &t, "head -c 3000000 /dev/zero", false, false, 0);
	runtime_session_pause(s, true);
	rig_turn(&g, 100);
	CHECK_INT(t.out.n, 0);
	runtime_session_pause(s, false);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK_INT(t.out.n, 3000000);
}

TEST(exec_stdin)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_session *s = start(&g, &t, "wc -c; echo done", false, true, 0);
	char *block = mem_zalloc(1 << 20);
	runtime_session_write(s, (struct str){block, 1 << 20});
	free(block);
	runtime_session_write(s, STR("end"));
	runtime_session_close_stdin(s);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK_STR(buf_str(&t.out), "1048579\ndone\n");
}

TEST(exec_with_a_terminal)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_session *s = start(&g, &t, "tty; read line; stty size; echo $TERM; exit 6", true, true, 0);
	for (int i = 0; i < 400 && str_find(buf_str(&t.out), '\n') < 0; i++)
		rig_turn(&g, 25);
	runtime_session_resize(s, 132, 43);
	runtime_session_write(s, STR("go\n"));
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(!t.failed && t.code == 6);
	CHECK_STR(buf_str(&t.out), "/dev/pts/0\r\ngo\r\n43 132\r\nxterm\r\n");
}

// The end of stdin reaches a process whose terminal has no room left at that moment.
TEST(end_of_stdin_at_a_full_terminal)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK, u CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	const size_t size = 1 << 18;
	char *lines = mem_alloc(size);
	memset(lines, '\n', size);
	struct runtime_session *s = start(&g, &t, "stty -echo; echo ready; exec sleep 1000", true, true, 0);
	for (int i = 0; i < 400 && !t.out.n; i++)
		rig_turn(&g, 25);
	runtime_session_write(s, (struct str){lines, size});
	rig_turn(&g, 100);
	size_t fits = size - runtime_session_pending(s);
	CHECK(fits > 0 && fits < size);
	runtime_session_cancel(s);
	s = start(&g, &u, "stty -echo; echo ready; sleep 0.5; cat >/dev/null; exit 3", true, true, 0);
	for (int i = 0; i < 400 && !u.out.n; i++)
		rig_turn(&g, 25);
	runtime_session_write(s, (struct str){lines, fits});
	runtime_session_close_stdin(s);
	CHECK(rig_until(&g, &u.ended));
	CHECK_INT(u.code, 3);
	free(lines);
}

TEST(a_size_told_before_there_is_a_terminal_counts)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_session *s = start(&g, &t, "read line; stty size", true, true, 0);
	runtime_session_resize(s, 132, 43);
	runtime_session_write(s, STR("go\n"));
	REQUIRE(rig_until(&g, &t.ended));
	CHECK_STR(buf_str(&t.out), "go\r\n43 132\r\n");
}

TEST(exec_failures)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_exec_spec x = {.id = STR("c1"), .args = (struct str[]){STR("/no/such")}, .arg_count = 1};
	memset(&t, 0, sizeof(t));
	runtime_exec(g.runtime, &x, &events, &t);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(t.failed && t.reason == ERR_BAD_REQUEST && strstr(t.text, "/no/such"));
	CHECK_INT(t.err.n, 0); // crun's words are the error, not output
	x.id = STR("c9");
	t.ended = false;
	runtime_exec(g.runtime, &x, &events, &t);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(t.failed && t.reason == ERR_NOT_FOUND);
	run(&g, &t, "sleep 1000", INT64_C(300000000));
	CHECK(t.failed && t.reason == ERR_TIMEOUT);
	rig_turn(&g, 100);
	run(&g, &t, "ps | grep -c '[s]leep'", 0); // the container's own
	CHECK_STR(buf_str(&t.out), "1\n");
}

TEST(exec_cancelled)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK, u CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_session *s = start(&g, &t, "exec sleep 500", false, true, 0);
	rig_turn(&g, 200);
	runtime_session_cancel(s);
	s = start(&g, &t, "exec sleep 500", false, true, 0);
	runtime_session_cancel(s); // while it is being started
	rig_turn(&g, 300);
	CHECK(!t.ended);
	run(&g, &u, "ps | grep -c '[s]leep 500'", 0);
	CHECK_STR(buf_str(&u.out), "0\n");
}

// At whatever point of its start the client goes away, the process does not stay.
TEST(exec_cancelled_while_it_starts)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK, u CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	for (int i = 0; i < 150; i++) {
		struct runtime_session *s = start(&g, &t, "exec sleep 500", i % 2, true, 0);
		rig_turn(&g, i % 30);
		runtime_session_cancel(s);
	}
	rig_turn(&g, 500);
	run(&g, &u, "ps | grep -c '[s]leep 500'", 0);
	CHECK_STR(buf_str(&u.out), "0\n");
}

// What a process leaves behind on its pipe is not waited for.
TEST(exec_leaving_a_child)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	run(&g, &t, "sleep 900 & echo started", 0);
	CHECK_STR(buf_str(&t.out), "started\n");
	CHECK_INT(t.code, 0);
}

// The agent does not wait for, let alone read, what a child says that the process left behind.
TEST(exec_leaving_a_child_that_talks_for_ever)
{
	static const char *const scripts[] = {
		"cat /dev/zero & sleep 0.2; exit 7",
		"cat /dev/zero >&2 & sleep 0.2; exit 7",
		"(trap '' HUP; exec cat /dev/zero) & sleep 0.2; exit 7",
	};
	struct rig g CLEAN_RIG;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct talk t CLEAN_TALK;
		t.slow = start(&g, &t, scripts[i], i == 2, false, 0);
		for (int turn = 0; turn < 1000 && !t.ended; turn++) { // so slow that the pipe is always full
			rig_turn(&g, 2);
			if (!t.ended)
				runtime_session_pause(t.slow, false);
		}
		REQUIRE(t.ended);
		CHECK(!t.failed);
		CHECK_INT(t.code, 7);
		CHECK(t.bytes > 0);
	}
}

// All that the process itself said is told, however much the pipe holds when it ends, and also when that is only then
// taken.
TEST(exec_output_left_in_the_pipe)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1000") == 0);
	struct runtime_session *s = start(&g, &t, "head -c 60000 /dev/zero; head -c 50000 /dev/zero >&2", false, false, 0);
	runtime_session_pause(s, true);
	rig_turn(&g, 500);
	CHECK_INT(t.bytes, 0);
	runtime_session_pause(s, false);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK_INT(t.out.n, 60000);
	CHECK_INT(t.err.n, 50000);
}

TEST(attach_output_and_stdin)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec c = rig_spec(&g, "c1", "read a; echo \"got $a\"; echo e >&2; exit 8");
	c.stdin_open = c.stdin_once = true;
	REQUIRE(rig_create(&g, &c) == 0 && rig_start(&g, "c1") == 0);
	memset(&t, 0, sizeof(t));
	struct runtime_session *s = runtime_attach(g.runtime, STR("c1"), true, &events, &t);
	rig_turn(&g, 50);
	runtime_session_write(s, STR("jar\n"));
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(!t.failed);
	CHECK_STR(buf_str(&t.out), "got jar\n");
	CHECK_STR(buf_str(&t.err), "e\n");
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 8);
}

TEST(attach_end_of_stdin)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec c = rig_spec(&g, "c1", "wc -c");
	c.stdin_open = c.stdin_once = true;
	REQUIRE(rig_create(&g, &c) == 0 && rig_start(&g, "c1") == 0);
	memset(&t, 0, sizeof(t));
	struct runtime_session *s = runtime_attach(g.runtime, STR("c1"), true, &events, &t);
	runtime_session_write(s, STR("12345"));
	runtime_session_close_stdin(s);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK_STR(buf_str(&t.out), "5\n");
}

// A container whose stdin is open for others too goes on; who has said all does not wait for its end.
TEST(attach_leaves_stdin_open)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec c = rig_spec(&g, "c1", "read a; echo \"first $a\"; read b; echo \"then $b\"; exit 3");
	c.stdin_open = true;
	REQUIRE(rig_create(&g, &c) == 0 && rig_start(&g, "c1") == 0);
	memset(&t, 0, sizeof(t));
	struct runtime_session *s = runtime_attach(g.runtime, STR("c1"), true, &events, &t);
	runtime_session_write(s, STR("jar\n"));
	runtime_session_close_stdin(s);
	CHECK(!t.ended);
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(!t.failed);
	buf_clear(&t.out);
	t.ended = false;
	s = runtime_attach(g.runtime, STR("c1"), true, &events, &t);
	runtime_session_write(s, STR("lid\n"));
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(str_ends(buf_str(&t.out), STR("then lid\n")));
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 3);
}

// A client that does not read must not stop the container.
TEST(attach_stalled)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 0.2; head -c 5000000 /dev/zero | tr '\\0' 'x'; exit 2") == 0);
	memset(&t, 0, sizeof(t));
	struct runtime_session *s = runtime_attach(g.runtime, STR("c1"), false, &events, &t);
	runtime_session_pause(s, true);
	rig_wait_exit(&g, "c1");
	CHECK_INT(g.exited.exit_code, 2);
	CHECK(!t.ended && t.out.n == 0);
	runtime_session_pause(s, false);
	CHECK(rig_until(&g, &t.ended));
	CHECK(t.out.n > 500000 && t.out.n <= 1 << 20);
}

// The monitor takes its clients one after the other; all of them come to be served.
TEST(attached_by_many_at_once)
{
	enum { CLIENTS = 60 };
	struct rig g CLEAN_RIG;
	struct talk t[CLIENTS];
	rig_set_up(&g);
	REQUIRE(rig_run(&g, "c1", "sleep 1.5; echo out") == 0);
	memset(t, 0, sizeof(t));
	for (size_t i = 0; i < CLIENTS; i++)
		runtime_attach(g.runtime, STR("c1"), false, &events, &t[i]);
	for (size_t i = 0; i < CLIENTS; i++) {
		REQUIRE(rig_until(&g, &t[i].ended));
		if (t[i].failed)
			unit_fail(__FILE__, __LINE__, "client %zu: %s", i, t[i].text);
		CHECK_STR(buf_str(&t[i].out), t[i].failed ? "" : "out\n");
		talk_finish(&t[i]);
	}
}

TEST(terminal_container)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec c = rig_spec(&g, "c1", "read a; stty size");
	c.stdin_open = c.tty = true;
	REQUIRE(rig_create(&g, &c) == 0 && rig_start(&g, "c1") == 0);
	memset(&t, 0, sizeof(t));
	struct runtime_session *s = runtime_attach(g.runtime, STR("c1"), true, &events, &t);
	rig_turn(&g, 50);
	runtime_session_resize(s, 100, 30);
	rig_turn(&g, 50);
	runtime_session_write(s, STR("x\n"));
	REQUIRE(rig_until(&g, &t.ended));
	CHECK(str_ends(buf_str(&t.out), STR("30 100\r\n")));
}

// What confines the container confines what is run in it later.
TEST(exec_is_confined)
{
	struct rig g CLEAN_RIG;
	struct talk t CLEAN_TALK;
	rig_set_up(&g);
	REQUIRE(rig_pod(&g, "p1") == 0);
	struct runtime_container_spec c = rig_spec(&g, "c1", "exec sleep 1000");
	c.seccomp_default = c.no_new_privileges = true;
	c.has_uid = true, c.uid = 1234;
	c.cap_drop = (struct str[]){STR("ALL")}, c.cap_drop_count = 1;
	c.oom_score_adj = 321;
	REQUIRE(rig_create(&g, &c) == 0 && rig_start(&g, "c1") == 0);
	run(&g, &t, "id -u; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; cat /proc/self/oom_score_adj; unshare -U true", 0);
	CHECK_STR(buf_str(&t.out), "1234\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n321\n");
	CHECK(str_contains(buf_str(&t.err), STR("Operation not permitted")));
	CHECK(t.code != 0);
}
