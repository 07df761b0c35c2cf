// SPDX-License-Identifier: Apache-2.0
// What is particular to the real world: threads, signals, the pool's bound.
#include "unit.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/times.h"
#include "sys/real.h"
#include "sys/timers.h"

enum { SENDERS = 4, EACH = 20000 };

struct message {
	struct task task;
	int sender, number;
};

static struct receiver {
	struct loop *loop;
	int next[SENDERS], received;
	bool ordered;
} receiver;

static void receive(struct task *t)
{
	struct message *m = CONTAINER_OF(t, struct message, task);
	receiver.ordered &= receiver.next[m->sender]++ == m->number;
	if (++receiver.received == SENDERS * EACH)
		loop_real_stop(receiver.loop);
}

struct sender {
	struct task task;
	struct message *messages;
};

static void send_all(struct task *t)
{
	struct sender *s = CONTAINER_OF(t, struct sender, task);
	for (int i = 0; i < EACH; i++)
		loop_post(receiver.loop, &s->messages[i].task);
}

TEST(many_threads_post_to_one_loop)
{
	struct loop *loops[SENDERS];
	struct sender senders[SENDERS];
	receiver = (struct receiver){.loop = loop_real_create(), .ordered = true};
	for (int s = 0; s < SENDERS; s++) {
		loops[s] = loop_real_thread("sender");
		senders[s] = (struct sender){{.run = send_all}, mem_zalloc(EACH * sizeof(struct message))};
		for (int i = 0; i < EACH; i++)
			senders[s].messages[i] = (struct message){{.run = receive}, s, i};
		loop_post(loops[s], &senders[s].task);
	}
	loop_real_run(receiver.loop);
	CHECK(receiver.ordered);
	CHECK_INT(receiver.received, SENDERS * EACH);
	for (int s = 0; s < SENDERS; s++) {
		loop_real_thread_destroy(loops[s]);
		free(senders[s].messages);
	}
	loop_real_destroy(receiver.loop);
}

static void stop_on_signal(void *arg, int number)
{
	CHECK_INT(number, SIGUSR1);
	loop_real_stop(arg);
}

TEST(a_signal_comes_on_the_loop)
{
	struct loop *l = loop_real_create(), *other = loop_real_thread("other");
	loop_real_on_signal(l, SIGUSR1, stop_on_signal, l);
	kill(getpid(), SIGUSR1);
	loop_real_run(l);
	loop_real_thread_destroy(other);
	loop_real_destroy(l);
}

struct sleeper {
	struct work work;
	struct loop *loop;
	atomic_int *running, *most;
	int *left;
};

static void sleep_a_little(struct work *w)
{
	struct sleeper *s = CONTAINER_OF(w, struct sleeper, work);
	int now = atomic_fetch_add(s->running, 1) + 1, most = atomic_load(s->most);
	while (now > most && !atomic_compare_exchange_weak(s->most, &most, now))
		;
	usleep(3000);
	atomic_fetch_sub(s->running, 1);
}

static void slept(struct work *w)
{
	struct sleeper *s = CONTAINER_OF(w, struct sleeper, work);
	if (--*s->left == 0)
		loop_real_stop(s->loop);
}

TEST(the_pool_works_side_by_side_but_is_bounded)
{
	struct loop *l = loop_real_create();
	struct sleeper sleepers[100];
	atomic_int running = 0, most = 0;
	int left = 100;
	for (int i = 0; i < 100; i++) {
		sleepers[i] = (struct sleeper){{sleep_a_little, slept}, l, &running, &most, &left};
		loop_work(l, &sleepers[i].work);
	}
	loop_real_run(l);
	CHECK(most > 1 && most <= 8);
	loop_real_destroy(l);
}

static void never(struct timer *t)
{
	unit_fail(__FILE__, __LINE__, "fired after its loop was destroyed");
}

static bool task_ran;

static void note_run(struct task *t)
{
	task_ran = true;
}

TEST(destroying_a_loop_runs_what_was_posted_and_stops_timers)
{
	struct loop *l = loop_real_create();
	struct timer t = {.fire = never};
	struct task task = {.run = note_run};
	timer_start(l, &t, TIME_MS);
	loop_post(l, &task);
	struct listener *x = NULL;
	CHECK(net_listen(l, "127.0.0.1:0", NULL, NULL, &x, NULL) == 0); // closed by the loop
	loop_real_destroy(l);
	CHECK(task_ran && !timer_running(&t));
}

TEST(files_have_the_mode_asked_for)
{
	struct loop *l = loop_real_create();
	const char *path = "/tmp/onggi-test-mode";
	struct stat st;
	CHECK(file_write(l, path, STR("secret"), 0600, NULL) == 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(file_write(l, path, STR("shared"), 0644, NULL) == 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
	CHECK(file_remove(l, path, NULL) == 0);
	loop_real_destroy(l);
}

// ---- the queue of timers, against a plain search for the earliest

static uint64_t chance = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance % below;
}

TEST(timers_against_a_model)
{
	enum { N = 200 };
	struct timer timers[N] = {{0}};
	int64_t due[N];
	struct timers queue = {0};
	for (int i = 0; i < N; i++)
		due[i] = INT64_MAX;
	for (int step = 0; step < 20000; step++) {
		int i = (int)draw(N), earliest = 0;
		switch (draw(3)) {
		case 0:
			timers_unset(&queue, &timers[i]);
			due[i] = INT64_MAX;
			break;
		case 1:
			due[i] = (int64_t)draw(1000);
			timers_set(&queue, &timers[i], due[i]);
			break;
		default:
			for (int j = 1; j < N; j++)
				earliest = due[j] < due[earliest] ? j : earliest;
			CHECK_INT(timers_due(&queue), due[earliest]);
			if (due[earliest] != INT64_MAX) {
				struct timer *t = timers_take(&queue);
				CHECK(due[t - timers] == due[earliest] && !timer_running(t));
				due[t - timers] = INT64_MAX;
			}
		}
	}
	timers_finish(&queue);
}
