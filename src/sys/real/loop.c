// SPDX-License-Identifier: Apache-2.0
#include "sys/real/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <time.h>

#include "base/times.h"

static _Thread_local struct real_loop *current; // the loop that runs on this thread

// ---- clocks and chance

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t real_now(struct loop *l)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int64_t real_wall(struct loop *l)
{
	return clock_ns(CLOCK_REALTIME);
}

static void draw(void *out, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = getrandom((char *)out + at, n - at, 0);
		if (got > 0)
			at += (size_t)got;
		else
			MUST(got < 0 && errno == EINTR);
	}
}

static void real_random(struct loop *base, void *out, size_t n)
{
	struct real_loop *l = real_of(base);
	if (n > sizeof l->random) {
		draw(out, n);
		return;
	}
	if (n > l->random_left) {
		draw(l->random, sizeof l->random);
		l->random_left = sizeof l->random;
	}
	l->random_left -= n;
	memcpy(out, l->random + l->random_left, n);
	explicit_bzero(l->random + l->random_left, n); // it may become a key
}

// ---- tasks

void real_awake(struct real_loop *l)
{
	if (atomic_load_explicit(&l->asleep, memory_order_relaxed))
		atomic_store(&l->asleep, false);
}

void real_wake(struct real_loop *l)
{
	// The loop announces its sleep before it looks for posts a last time, so one of the two sees the other.
	if (current != l && atomic_load(&l->asleep) && atomic_exchange(&l->asleep, false))
		uv_async_send(&l->wake);
}

static void real_post(struct loop *base, struct task *t)
{
	struct real_loop *l = real_of(base);
	struct task *newest = atomic_load_explicit(&l->posted, memory_order_relaxed);
	do
		t->next = newest;
	while (!atomic_compare_exchange_weak(&l->posted, &newest, t));
	real_wake(l);
}

// Runs what has been posted by now; what these tasks post is left for the next time.
static void run_posted(struct real_loop *l)
{
	real_work_finish(l);
	struct task *newest = atomic_load_explicit(&l->posted, memory_order_relaxed);
	if (!newest)
		return;
	newest = atomic_exchange(&l->posted, NULL);
	struct task *oldest = NULL;
	while (newest) {
		struct task *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct task *t = oldest;
		oldest = t->next;
		t->run(t);
	}
}

static bool has_more(struct real_loop *l)
{
	return atomic_load(&l->posted) || atomic_load(&l->finished) || l->unsent_count;
}

// ---- timers

static void real_timer_start(struct loop *l, struct timer *t, int64_t delay_ns)
{
	t->loop = l;
	timers_set(&real_of(l)->timers, t, real_now(l) + (delay_ns > 0 ? delay_ns : 0));
}

static void real_timer_stop(struct loop *l, struct timer *t)
{
	timers_unset(&real_of(l)->timers, t);
}

static void on_alarm(uv_timer_t *alarm)
{
	struct real_loop *l = alarm->data;
	l->alarm_due = INT64_MAX;
	int64_t now = real_now(&l->base);
	while (timers_due(&l->timers) <= now) {
		struct timer *t = timers_take(&l->timers);
		t->fire(t);
	}
}

// An alarm that rings too early is left as it is: most timers are stopped or put off before they fire.
static void set_alarm(struct real_loop *l)
{
	int64_t due = timers_due(&l->timers);
	if (due >= l->alarm_due)
		return;
	int64_t delay = due - real_now(&l->base);
	uv_update_time(&l->uv);
	uv_timer_start(&l->alarm, on_alarm, delay > 0 ? (uint64_t)(delay + TIME_MS - 1) / TIME_MS : 0, 0);
	l->alarm_due = due;
}

// ---- turns

static void do_nothing(uv_idle_t *busy)
{
}

static void on_wake(uv_async_t *wake)
{
	real_awake(wake->data);
}

static void on_after_poll(uv_check_t *check)
{
	struct real_loop *l = check->data;
	real_awake(l);
	bool stop = atomic_load(&l->stop); // first: what was posted before the stop still runs
	run_posted(l);
	if (stop)
		uv_stop(&l->uv);
}

static void on_before_poll(uv_prepare_t *prepare)
{
	struct real_loop *l = prepare->data;
	run_posted(l);
	real_streams_flush(l);
	set_alarm(l);
	atomic_store(&l->asleep, true);
	if (has_more(l)) {
		atomic_store(&l->asleep, false);
		uv_idle_start(&l->busy, do_nothing);
	} else {
		uv_idle_stop(&l->busy);
	}
}

void loop_real_run(struct loop *base)
{
	struct real_loop *l = real_of(base), *outer = current;
	current = l;
	uv_run(&l->uv, UV_RUN_DEFAULT);
	atomic_store(&l->stop, false);
	current = outer;
}

void loop_real_stop(struct loop *base)
{
	struct real_loop *l = real_of(base);
	atomic_store(&l->stop, true);
	uv_async_send(&l->wake);
}

// ---- life

static const struct loop_ops real_ops = {
	.now = real_now,
	.wall = real_wall,
	.random = real_random,
	.post = real_post,
	.timer_start = real_timer_start,
	.timer_stop = real_timer_stop,
	.work = real_work,
	.listen = real_listen,
	.listener_close = real_listener_close,
	.listener_port = real_listener_port,
	.connect = real_connect,
	.stream_move = real_stream_move,
	.stream_start = real_stream_start,
	.stream_read = real_stream_read,
	.stream_write = real_stream_write,
	.stream_pending = real_stream_pending,
	.stream_shutdown = real_stream_shutdown,
	.stream_close = real_stream_close,
	.stream_peer = real_stream_peer,
	.file_read = real_file_read,
	.file_write = real_file_write,
	.file_remove = real_file_remove,
	.dir_make = real_dir_make,
};

struct loop *loop_real_create(void)
{
	struct real_loop *l = MEM_NEW(struct real_loop);
	l->base.ops = &real_ops;
	l->alarm_due = INT64_MAX;
	l->read_buffer = mem_alloc(READ_BUFFER_SIZE);
	TAILQ_INIT(&l->unsent);
	MUST(uv_loop_init(&l->uv) == 0);
	MUST(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
	uv_prepare_init(&l->uv, &l->before_poll);
	uv_check_init(&l->uv, &l->after_poll);
	uv_idle_init(&l->uv, &l->busy);
	uv_timer_init(&l->uv, &l->alarm);
	l->wake.data = l->before_poll.data = l->after_poll.data = l->alarm.data = l;
	uv_prepare_start(&l->before_poll, on_before_poll);
	uv_check_start(&l->after_poll, on_after_poll);
	signal(SIGPIPE, SIG_IGN); // a peer that went away is an error of one stream, not the end of the process
	return &l->base;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_real_settle(struct loop *base)
{
	struct real_loop *l = real_of(base), *outer = current;
	current = l;
	for (run_posted(l); atomic_load(&l->posted) || l->working; run_posted(l))
		if (l->working)
			uv_sleep(1);
	current = outer;
}

void loop_real_destroy(struct loop *base)
{
	if (!base)
		return;
	loop_real_settle(base);
	struct real_loop *l = real_of(base), *outer = current;
	current = l;
	real_listeners_close(l);
	real_streams_close(l);
	uv_walk(&l->uv, close_handle, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&l->uv) == 0);
	current = outer;
	timers_finish(&l->timers);
	while (l->signals) {
		struct signal_watch *w = l->signals;
		l->signals = w->next;
		free(w);
	}
	explicit_bzero(l->random, sizeof l->random);
	free(l->read_buffer);
	free(l);
}

static void thread_main(void *arg)
{
	struct real_loop *l = arg;
	pthread_setname_np(pthread_self(), l->name);
	loop_real_run(&l->base);
}

struct loop *loop_real_thread(const char *name)
{
	struct real_loop *l = real_of(loop_real_create());
	str_to_c(str_of(name), l->name, sizeof l->name);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); // signals are the main thread's
	MUST(uv_thread_create(&l->thread, thread_main, l) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return &l->base;
}

void loop_real_thread_destroy(struct loop *l)
{
	if (!l)
		return;
	loop_real_stop(l);
	uv_thread_join(&real_of(l)->thread);
	loop_real_destroy(l);
}

static void on_uv_signal(uv_signal_t *uv, int number)
{
	struct signal_watch *w = uv->data;
	w->on_signal(w->arg, number);
}

void loop_real_on_signal(struct loop *base, int number, void (*on_signal)(void *arg, int number), void *arg)
{
	struct real_loop *l = real_of(base);
	struct signal_watch *w = MEM_NEW(struct signal_watch);
	*w = (struct signal_watch){.on_signal = on_signal, .arg = arg, .next = l->signals};
	l->signals = w;
	w->uv.data = w;
	uv_signal_init(&l->uv, &w->uv);
	uv_signal_start(&w->uv, on_uv_signal, number);
}

void *loop_real_uv(struct loop *l)
{
	return &real_of(l)->uv;
}
