// SPDX-License-Identifier: Apache-2.0
// Prometheus text (version 0.0.4) with the names and labels that dashboards for Kubernetes expect.
#include "server/metrics.h"

#include <stdatomic.h>
#include <unistd.h>

#include "server/plain.h"
#include "server/respond.h"
#include "server/worker.h"

enum { SERIES_MAX = 1024, LABEL_MAX = 320 };

static const double bounds[] = {0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60};

struct series {
	atomic_bool ready; // labels are written
	uint64_t hash;
	int code;
	char labels[LABEL_MAX]; // without code
	atomic_uint_fast64_t count, sum_us, buckets[ARRAY_LEN(bounds)];
};

struct metrics {
	struct series series[SERIES_MAX]; // open addressing; full: what is new is not counted
};

struct metrics *metrics_create(void)
{
	return MEM_NEW(struct metrics);
}

void metrics_destroy(struct metrics *m)
{
	free(m);
}

// ---- counting

static const char *verb_label(const struct call *c)
{
	static const char *const names[][2] = {
		{"get", "GET"},	   {"list", "LIST"},   {"watch", "WATCH"},   {"create", "POST"},
		{"update", "PUT"}, {"patch", "PATCH"}, {"delete", "DELETE"}, {"deletecollection", "DELETECOLLECTION"}};
	struct str sub = c->route.subresource;
	if (str_is(sub, "exec") || str_is(sub, "attach") || str_is(sub, "portforward") || str_is(sub, "proxy"))
		return "CONNECT";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_is(c->route.verb, names[i][0]))
			return names[i][1];
	return "OTHER";
}

static const char *scope_label(const struct call *c)
{
	if (!c->route.is_resource)
		return "";
	return !str_empty(c->route.name) ? "resource" : !str_empty(c->route.namespace) ? "namespace" : "cluster";
}

static uint64_t hash_of(const struct call *c, const char *verb, const char *scope)
{
	uint64_t h = (uint64_t)(uintptr_t)c->route.resource * 31 + (uint64_t)c->code;
	h = h * 31 + (uint64_t)(uintptr_t)verb;
	h = h * 31 + (uint64_t)(uintptr_t)scope;
	return (h * 31 + (c->route.sub ? str_hash(c->route.subresource) : 0)) * UINT64_C(0x9e3779b97f4a7c15);
}

static void write_labels(struct series *s, const struct call *c, const char *verb, const char *scope)
{
	static const struct api_resource none;
	const struct api_resource *r = c->route.resource ? c->route.resource : &none; // unknown names are not told
	struct buf out CLEAN_BUF;
	buf_init(&out);
	buf_fmt(&out,
		"component=\"apiserver\",group=\"%.*s\",resource=\"%.*s\",scope=\"%s\",subresource=\"%.*s\","
		"verb=\"%s\",version=\"%.*s\"",
		STR_FMT(r->group), STR_FMT(r->plural), scope, STR_FMT(c->route.sub ? c->route.subresource : STR_NONE),
		verb, STR_FMT(r->version));
	str_to_c(buf_str(&out), s->labels, sizeof(s->labels));
	s->code = c->code;
}

static struct series *series_of(struct metrics *m, const struct call *c)
{
	const char *verb = verb_label(c), *scope = scope_label(c);
	uint64_t hash = hash_of(c, verb, scope);
	for (size_t i = 0; i < SERIES_MAX; i++) {
		struct series *s = &m->series[((hash >> 40) + i) & (SERIES_MAX - 1)];
		if (!atomic_load_explicit(&s->ready, memory_order_relaxed)) {
			s->hash = hash;
			write_labels(s, c, verb, scope);
			atomic_store_explicit(&s->ready, true, memory_order_release);
			return s;
		}
		if (s->hash == hash)
			return s;
	}
	return NULL;
}

static void add(atomic_uint_fast64_t *x, uint64_t n)
{
	atomic_fetch_add_explicit(x, n, memory_order_relaxed);
}

void metrics_count(struct metrics *m, const struct call *c, int64_t duration_ns)
{
	struct series *s = series_of(m, c);
	if (!s)
		return;
	add(&s->count, 1);
	add(&s->sum_us, (uint64_t)duration_ns / 1000);
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if ((double)duration_ns <= bounds[i] * 1e9) {
			add(&s->buckets[i], 1);
			return;
		}
}

// ---- telling

static uint64_t value_of(const atomic_uint_fast64_t *x)
{
	return atomic_load_explicit((atomic_uint_fast64_t *)x, memory_order_relaxed);
}

static void each_series(struct server *server, struct buf *out,
			void (*tell)(struct buf *out, const struct series *s, int worker))
{
	int number = 0;
	for (struct worker *w = atomic_load(&server->workers); w; w = w->next, number++)
		for (size_t i = 0; i < SERIES_MAX; i++)
			if (atomic_load_explicit(&w->metrics->series[i].ready, memory_order_acquire))
				tell(out, &w->metrics->series[i], number);
}

static void tell_total(struct buf *out, const struct series *s, int worker)
{
	buf_fmt(out, "apiserver_request_total{code=\"%d\",dry_run=\"\",%s,worker=\"%d\"} %llu\n", s->code, s->labels,
		worker, (unsigned long long)value_of(&s->count));
}

static void tell_duration(struct buf *out, const struct series *s, int worker)
{
	uint64_t below = 0, count = value_of(&s->count);
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		below += value_of(&s->buckets[i]);
		buf_fmt(out,
			"apiserver_request_sli_duration_seconds_bucket{code=\"%d\",%s,worker=\"%d\",le=\"%g\"} %llu\n",
			s->code, s->labels, worker, bounds[i], (unsigned long long)below);
	}
	buf_fmt(out, "apiserver_request_sli_duration_seconds_bucket{code=\"%d\",%s,worker=\"%d\",le=\"+Inf\"} %llu\n",
		s->code, s->labels, worker, (unsigned long long)count);
	buf_fmt(out, "apiserver_request_sli_duration_seconds_sum{code=\"%d\",%s,worker=\"%d\"} %.6f\n", s->code,
		s->labels, worker, (double)value_of(&s->sum_us) / 1e6);
	buf_fmt(out, "apiserver_request_sli_duration_seconds_count{code=\"%d\",%s,worker=\"%d\"} %llu\n", s->code,
		s->labels, worker, (unsigned long long)count);
}

static void tell_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void tell_in_flight(struct server *server, struct buf *out)
{
	unsigned reads = 0, writes = 0, watches = 0;
	for (struct worker *w = atomic_load(&server->workers); w; w = w->next) {
		reads += __atomic_load_n(&w->reads, __ATOMIC_RELAXED);
		writes += __atomic_load_n(&w->writes, __ATOMIC_RELAXED);
		watches += __atomic_load_n(&w->watches, __ATOMIC_RELAXED);
	}
	tell_head(out, "apiserver_current_inflight_requests", "gauge", "Requests under way, watches apart.");
	buf_fmt(out, "apiserver_current_inflight_requests{request_kind=\"readOnly\"} %u\n", reads);
	buf_fmt(out, "apiserver_current_inflight_requests{request_kind=\"mutating\"} %u\n", writes);
	tell_head(out, "apiserver_longrunning_requests", "gauge", "Watches under way.");
	buf_fmt(out, "apiserver_longrunning_requests{verb=\"WATCH\"} %u\n", watches);
}

// From /proc/self (proc(5)), where there is one.
static void tell_process(struct call *c, struct buf *out)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str text, field;
	uint64_t numbers[2] = {0};
	if (file_read(c->loop, c->arena, "/proc/self/statm", 4096, &text, &e) < 0)
		return;
	for (size_t i = 0; i < 2 && str_next(&text, ' ', &field); i++)
		str_to_u64(field, &numbers[i]);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	tell_head(out, "process_virtual_memory_bytes", "gauge", "Address space.");
	buf_fmt(out, "process_virtual_memory_bytes %llu\n", (unsigned long long)(numbers[0] * page));
	tell_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
	buf_fmt(out, "process_resident_memory_bytes %llu\n", (unsigned long long)(numbers[1] * page));
	if (file_read(c->loop, c->arena, "/proc/self/stat", 4096, &text, &e) < 0)
		return;
	text = str_from(text, (size_t)(str_find_last(text, ')') + 1));
	uint64_t ticks = 0, one;
	for (int i = 2; str_next(&text, ' ', &field); i++)
		if ((i == 14 || i == 15) && str_to_u64(field, &one) == 0)
			ticks += one;
	tell_head(out, "process_cpu_seconds_total", "counter", "User and system time.");
	buf_fmt(out, "process_cpu_seconds_total %.2f\n", (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

void metrics_path(struct call *c)
{
	struct server *s = c->server;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	tell_head(&out, "apiserver_request_total", "counter", "Answered requests.");
	each_series(s, &out, tell_total);
	tell_head(&out, "apiserver_request_sli_duration_seconds", "histogram",
		  "Time from a request's arrival to its answer.");
	each_series(s, &out, tell_duration);
	tell_in_flight(s, &out);
	tell_process(c, &out);
	tell_head(&out, "process_start_time_seconds", "gauge", "When the server started.");
	buf_fmt(&out, "process_start_time_seconds %.3f\n", (double)s->started_wall_ns / 1e9);
	respond_text(c, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
}
