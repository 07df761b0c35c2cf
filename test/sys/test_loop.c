// SPDX-License-Identifier: Apache-2.0
// What every loop promises, in both worlds.
#include "unit.h"

#include <unistd.h>

#include "base/times.h"
#include "base/buf.h"
#include "world.h"

// ---- tasks

struct counter {
	struct task task;
	struct loop *to, *back;
	int rounds, order, *next_order;
	bool done;
};

static void bounce(struct task *t)
{
	struct counter *c = CONTAINER_OF(t, struct counter, task);
	struct loop *here = c->to;
	c->to = c->back;
	c->back = here;
	if (--c->rounds > 0)
		loop_post(c->to, t);
	else
		c->done = true;
}

TEST_BOTH(tasks_bounce_between_loops)
{
	struct counter c = {.task = {.run = bounce}, .to = w->loop, .back = w->other, .rounds = 10001};
	loop_post(c.to, &c.task);
	w->run(w, &c.done);
	CHECK_INT(c.rounds, 0);
}

static void take_order(struct task *t)
{
	struct counter *c = CONTAINER_OF(t, struct counter, task);
	c->order = (*c->next_order)++;
	c->done = true;
}

TEST_BOTH(tasks_run_in_the_order_of_posting)
{
	struct counter c[100] = {0};
	int next = 0;
	for (int i = 0; i < 100; i++) {
		c[i] = (struct counter){.task = {.run = take_order}, .next_order = &next};
		loop_post(w->loop, &c[i].task);
		CHECK(!c[i].done);
	}
	w->run(w, &c[99].done);
	for (int i = 0; i < 100; i++)
		CHECK_INT(c[i].order, i);
}

// ---- timers

struct alarm {
	struct timer timer;
	struct loop *loop;
	int64_t started, fired;
	int count, again;
	bool done;
};

static void ring(struct timer *t)
{
	struct alarm *x = CONTAINER_OF(t, struct alarm, timer);
	x->count++;
	x->fired = loop_now(x->loop);
	if (x->again-- > 0)
		timer_start(x->loop, t, 3 * TIME_MS);
	else
		x->done = true;
}

static void start_alarm(struct loop *l, struct alarm *x, int64_t delay)
{
	*x = (struct alarm){.timer = {.fire = ring}, .loop = l, .started = loop_now(l)};
	timer_start(l, &x->timer, delay);
}

TEST_BOTH(timers_fire_in_their_order_and_not_before_their_time)
{
	struct alarm x[20];
	for (int i = 0; i < 20; i++)
		start_alarm(w->loop, &x[i], (20 - i) * 2 * TIME_MS);
	CHECK(timer_running(&x[0].timer));
	timer_stop(&x[5].timer);
	CHECK(!timer_running(&x[5].timer));
	timer_start(w->loop, &x[7].timer, 1 * TIME_MS);
	w->run(w, &x[0].done);
	for (int i = 0; i < 20; i++) {
		CHECK_INT(x[i].count, i != 5);
		CHECK(i == 5 || x[i].fired - x[i].started >= (i == 7 ? 1 : (20 - i) * 2) * TIME_MS);
		CHECK(i == 0 || i == 5 || i == 7 || x[i].fired <= x[0].fired);
	}
}

TEST_BOTH(a_timer_may_start_itself_again)
{
	struct alarm x;
	start_alarm(w->loop, &x, 0);
	x.again = 4;
	w->run(w, &x.done);
	CHECK_INT(x.count, 5);
	CHECK(x.fired - x.started >= 12 * TIME_MS);
}

// ---- work

struct job {
	struct work work;
	int value, *finished;
	bool done;
};

static void job_run(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);
	j->value *= 2;
}

static void job_done(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);
	j->done = ++*j->finished == 50;
}

static bool any_done(struct job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (jobs[i].done)
			return true;
	return false;
}

TEST_BOTH(work_runs_and_comes_home)
{
	struct job jobs[50];
	int finished = 0;
	struct alarm wait;
	for (int i = 0; i < 50; i++) {
		jobs[i] = (struct job){.work = {job_run, job_done}, .value = i, .finished = &finished};
		loop_work(w->loop, &jobs[i].work);
	}
	for (int turn = 0; turn < 100 && !any_done(jobs, 50); turn++) {
		start_alarm(w->loop, &wait, TIME_MS);
		w->run(w, &wait.done);
	}
	CHECK_INT(finished, 50);
	for (int i = 0; i < 50; i++)
		CHECK_INT(jobs[i].value, 2 * i);
}

// ---- streams

struct talk { // a client that sends much, a server that sends it back
	struct world *w;
	struct stream *client, *server;
	struct buf got;
	size_t to_send, echoed;
	bool server_closed, done, broken, refused, moved;
};

static struct blob *pattern(size_t at, size_t n)
{
	struct blob *b = blob_create_raw(n);
	for (size_t i = 0; i < n; i++)
		b->p[i] = (char)((at + i) * 131 >> 3);
	return b;
}

static void server_read(void *arg, struct str data, const struct err *e)
{
	struct talk *t = arg;
	if (e || data.n == 0) {
		t->server_closed = true;
		if (!e)
			stream_shutdown(t->server);
		return;
	}
	t->echoed += data.n;
	stream_write(t->server, blob_create(data));
	if (stream_pending(t->server) > 100000)
		stream_read(t->server, false);
}

static void server_drain(void *arg)
{
	struct talk *t = arg;
	if (!t->server_closed)
		stream_read(t->server, true);
}

static void client_read(void *arg, struct str data, const struct err *e)
{
	struct talk *t = arg;
	t->broken |= e != NULL;
	if (e || data.n == 0)
		t->done = true;
	else
		buf_add(&t->got, data);
}

static void client_drain(void *arg)
{
	struct talk *t = arg;
	static const size_t piece = 10000;
	for (int i = 0; i < 20 && t->to_send > 0; i++) {
		size_t n = t->to_send < piece ? t->to_send : piece;
		stream_write(t->client, pattern(1000000 - t->to_send, n));
		t->to_send -= n;
		if (t->to_send == 0)
			stream_shutdown(t->client);
	}
}

static const struct stream_events server_events = {server_read, server_drain};
static const struct stream_events client_events = {client_read, client_drain};

static void on_accept(void *arg, struct stream *s)
{
	struct talk *t = arg;
	t->server = s;
	stream_start(s, &server_events, t);
}

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	struct talk *t = arg;
	t->client = s;
	if (!s) {
		t->refused = t->done = true;
		return;
	}
	stream_start(s, &client_events, t);
	client_drain(t);
}

static void echo(struct world *w, const char *address)
{
	struct talk t = {.w = w, .to_send = 1000000};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct listener *x = NULL;
	struct err e CLEAN_ERR = ERR_EMPTY;
	REQUIRE(net_listen(w->loop, address, on_accept, &t, &x, &e) == 0);
	int port = listener_port(x);
	net_connect(w->loop, port ? arena_fmt(&a, "127.0.0.1:%d", port).p : address, on_connect, &t);
	CHECK(!t.client);
	w->run(w, &t.done);
	CHECK(!t.broken);
	CHECK_INT(t.got.n, 1000000);
	struct blob *whole = pattern(0, 1000000);
	CHECK(str_eq(buf_str(&t.got), blob_str(whole)));
	blob_unref(whole);
	buf_finish(&t.got);
	stream_close(t.client);
	stream_close(t.server);
	listener_close(x);
}

TEST_BOTH(a_megabyte_there_and_back_over_tcp)
{
	echo(w, "127.0.0.1:0");
}

TEST_BOTH(a_megabyte_there_and_back_over_a_unix_socket)
{
	echo(w, "unix:/tmp/onggi-test-loop.sock");
}

TEST_BOTH(nobody_listens)
{
	struct talk t = {.w = w};
	net_connect(w->loop, "127.0.0.1:1", on_connect, &t);
	w->run(w, &t.done);
	CHECK(t.refused);
	t = (struct talk){.w = w};
	net_connect(w->loop, "not an address", on_connect, &t);
	w->run(w, &t.done);
	CHECK(t.refused);
}

TEST_BOTH(connecting_is_given_up)
{
	struct talk t = {.w = w};
	struct listener *x = NULL;
	REQUIRE(net_listen(w->loop, "127.0.0.1:0", on_accept, &t, &x, NULL) == 0);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	stream_close(net_connect(w->loop, arena_fmt(&a, "127.0.0.1:%d", listener_port(x)).p, on_connect, &t));
	stream_close(net_connect(w->loop, "nonsense", on_connect, &t));
	struct alarm wait;
	start_alarm(w->loop, &wait, 20 * TIME_MS);
	w->run(w, &wait.done);
	CHECK(!t.done && !t.client);
	stream_close(t.server);
	listener_close(x);
}

TEST_BOTH(two_cannot_listen_on_one_address)
{
	struct talk t = {.w = w};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct listener *x = NULL, *y = NULL;
	REQUIRE(net_listen(w->loop, "127.0.0.1:0", on_accept, &t, &x, NULL) == 0);
	struct err e CLEAN_ERR = ERR_EMPTY;
	CHECK(net_listen(w->loop, arena_fmt(&a, "127.0.0.1:%d", listener_port(x)).p, on_accept, &t, &y, &e) < 0);
	CHECK_INT(e.reason, ERR_UNAVAILABLE);
	CHECK(net_listen(w->loop, "127.0.0.1:port", on_accept, &t, &y, &e) < 0);
	CHECK_INT(e.reason, ERR_BAD_REQUEST);
	listener_close(x);
}

// The server's side lives on the other loop.
static void on_moved(void *arg, struct stream *s)
{
	struct talk *t = arg;
	t->server = s;
	t->moved = s->loop == t->w->other;
	stream_start(s, &server_events, t);
}

static void on_accept_elsewhere(void *arg, struct stream *s)
{
	struct talk *t = arg;
	stream_move(s, t->w->other, on_moved, t);
}

struct closing {
	struct task task;
	struct stream *stream;
	struct loop *home;
	bool done;
};

static void tell_closed(struct task *t)
{
	CONTAINER_OF(t, struct closing, task)->done = true;
}

static void close_there(struct task *t)
{
	struct closing *c = CONTAINER_OF(t, struct closing, task);
	stream_close(c->stream);
	t->run = tell_closed;
	loop_post(c->home, t);
}

TEST_BOTH(a_stream_moves_to_another_loop)
{
	struct talk t = {.w = w, .to_send = 1000000};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct listener *x = NULL;
	REQUIRE(net_listen(w->loop, "127.0.0.1:0", on_accept_elsewhere, &t, &x, NULL) == 0);
	net_connect(w->loop, arena_fmt(&a, "127.0.0.1:%d", listener_port(x)).p, on_connect, &t);
	w->run(w, &t.done);
	CHECK(t.moved && !t.broken);
	CHECK_INT(t.got.n, 1000000);
	buf_finish(&t.got);
	struct closing c = {{close_there}, t.server, w->loop, false};
	loop_post(w->other, &c.task);
	w->run(w, &c.done);
	stream_close(t.client);
	listener_close(x);
}

// ---- files

TEST_BOTH(small_files)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str got;
	struct str dir = arena_fmt(&a, "/tmp/onggi-test-%s/x/y", loop_uuid(w->loop, &a).p);
	const char *path = arena_fmt(&a, "%s/file", dir.p).p;
	CHECK(file_read(w->loop, &a, path, 100, &got, &e) < 0 && e.reason == ERR_NOT_FOUND);
	CHECK(file_write(w->loop, path, STR("x"), 0600, &e) < 0);
	CHECK(dir_make(w->loop, dir.p, 0700, &e) == 0);
	CHECK(dir_make(w->loop, dir.p, 0700, &e) == 0);
	CHECK(file_write(w->loop, path, STR("one"), 0600, &e) == 0);
	CHECK(file_write(w->loop, path, STR("three"), 0600, &e) == 0);
	REQUIRE(file_read(w->loop, &a, path, 100, &got, &e) == 0);
	CHECK_STR(got, "three");
	CHECK(file_read(w->loop, &a, path, 4, &got, &e) < 0 && e.reason == ERR_TOO_LARGE);
	CHECK(file_remove(w->loop, path, &e) == 0);
	CHECK(file_remove(w->loop, path, &e) < 0 && e.reason == ERR_NOT_FOUND);
	for (; dir.n > strlen("/tmp"); dir.n = (size_t)str_find_last(dir, '/'))
		rmdir(arena_c(&a, dir)); // nothing is there in the simulated world
}

// ---- chance

TEST_BOTH(random_numbers)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int seen[6] = {0};
	for (int i = 0; i < 6000; i++)
		seen[loop_random_below(w->loop, 6)]++;
	for (int i = 0; i < 6; i++)
		CHECK(seen[i] > 800 && seen[i] < 1200);
	struct str id = loop_uuid(w->loop, &a);
	CHECK_INT(id.n, 36);
	CHECK(id.p[14] == '4' && strchr("89ab", id.p[19]));
	CHECK(!str_eq(id, loop_uuid(w->loop, &a)));
	CHECK_INT(loop_random_name(w->loop, &a, 5).n, 5);
}
