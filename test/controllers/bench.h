// SPDX-License-Identifier: Apache-2.0
// Controllers over the fake API in virtual time, with imitated nodes: pods without a node are bound, become ready after
// a while, and go when they are deleted.
#ifndef TEST_CONTROLLERS_BENCH_H
#define TEST_CONTROLLERS_BENCH_H

#include "base/times.h"
#include "controllers/controllers.h"
#include "fake_server.h"
#include "sys/sim.h"
#include "unit.h"

struct bench {
	struct sim *sim;
	struct loop *loop;
	struct fake_server *server;
	struct controllers *controllers;
	struct arena a;
	const char *selection;
	bool nodes;			       // imitate them
	const char *broken_image;	       // pods with it never become ready; NULL: none
	int64_t ready_after_ns, gone_after_ns; // at most; chance decides
	size_t pods_most;		       // living pods seen at once
	int64_t available_least;	       // ready pods seen at once, since bench_watch_availability
	int64_t available, living;
};

void bench_start(struct bench *b, uint64_t seed, const char *selection);
void bench_restart_controllers(struct bench *b); // as after a crash
void bench_stop(struct bench *b);
void bench_run(struct bench *b, int64_t duration_ns);
void bench_measure(struct bench *b); // forgets pods_most and available_least

struct json *bench_get(struct bench *b, const char *path); // NULL: absent
struct json *bench_items(struct bench *b, const char *path);
// Counts pods of namespace `one` that are ready and not on their way out.
size_t bench_ready_pods(struct bench *b);
// Sends JSON with ' for ".
int bench_do(struct bench *b, const char *method, const char *path, const char *body, ...)
	__attribute__((format(printf, 4, 5)));

#endif
