// SPDX-License-Identifier: Apache-2.0
// The pool that runs work off the loops: one for the process, at most POOL_THREADS threads, started as they are
// needed and ended when idle for a while.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "sys/real/loop.h"

enum { POOL_THREADS = 8, POOL_IDLE_S = 20 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, *last;
	size_t waiting; // threads without work
	size_t threads;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void hand_back(struct work *w)
{
	struct real_loop *l = real_of(w->loop);
	struct work *newest = atomic_load_explicit(&l->finished, memory_order_relaxed);
	do
		w->next = newest;
	while (!atomic_compare_exchange_weak(&l->finished, &newest, w));
	real_wake(l);
}

// The next work, or NULL after a long wait. Called and returns with the lock held.
static struct work *take(void)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += POOL_IDLE_S;
	int r = 0;
	pool.waiting++;
	while (!pool.first && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&pool.more, &pool.lock, &until);
	pool.waiting--;
	struct work *w = pool.first;
	if (w)
		pool.first = w->next;
	return w;
}

static void *pool_main(void *arg)
{
	pthread_setname_np(pthread_self(), "work");
	pthread_mutex_lock(&pool.lock);
	for (struct work *w; (w = take());) {
		pthread_mutex_unlock(&pool.lock);
		w->run(w);
		hand_back(w);
		pthread_mutex_lock(&pool.lock);
	}
	pool.threads--;
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

// With the lock held.
static void add_thread(void)
{
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	if (pthread_create(&thread, &attr, pool_main, NULL) == 0)
		pool.threads++;
	else
		MUST(pool.threads > 0); // with one there is progress
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

void real_work(struct loop *l, struct work *w)
{
	w->loop = l;
	w->next = NULL;
	real_of(l)->working++;
	pthread_mutex_lock(&pool.lock);
	bool behind = pool.first != NULL; // those that wait are on their way to older work
	if (pool.first)
		pool.last->next = w;
	else
		pool.first = w;
	pool.last = w;
	if ((behind || pool.waiting == 0) && pool.threads < POOL_THREADS)
		add_thread();
	pthread_cond_signal(&pool.more);
	pthread_mutex_unlock(&pool.lock);
}

void real_work_finish(struct real_loop *l)
{
	if (!atomic_load_explicit(&l->finished, memory_order_relaxed))
		return;
	struct work *newest = atomic_exchange(&l->finished, NULL), *oldest = NULL;
	while (newest) {
		struct work *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct work *w = oldest;
		oldest = w->next;
		l->working--;
		w->done(w);
	}
}
