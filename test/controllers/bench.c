// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include "client/scan.h"

struct life { // the next thing that happens to one pod
	struct bench *bench;
	struct timer timer;
	struct str path, image;
	struct arena memory;
	bool leaving;
};

static int64_t chance_delay(struct bench *b, int64_t most)
{
	return 1 + (int64_t)(sim_random(b->sim) % (uint64_t)(most ? most : 1));
}

static void do_path(struct bench *b, const char *method, struct str path, const char *suffix, struct str body)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	fake_server_do(b->server, method, arena_fmt(&a, "%.*s%s", STR_FMT(path), suffix).p,
		       body.n ? arena_c(&a, body) : NULL);
}

static void happen(struct timer *t)
{
	struct life *life = CONTAINER_OF(t, struct life, timer);
	struct bench *b = life->bench;
	struct arena *a = &life->memory;
	if (life->leaving) {
		do_path(b, "DELETE", life->path, "", STR("{\"gracePeriodSeconds\":0}"));
	} else {
		do_path(b, "POST", life->path, "/binding", STR("{\"target\":{\"name\":\"n1\"}}"));
		struct str now = time_format(a, loop_wall(b->loop));
		bool broken = b->broken_image && str_is(life->image, b->broken_image);
		if (!broken)
			do_path(
				b, "PATCH", life->path, "/status",
				arena_fmt(
				    a,
				    "{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.%d\",\"conditions\":[{\"type\":"
				    "\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"%.*s\"}]}}",
				    (int)(sim_random(b->sim) % 250), STR_FMT(now)));
	}
	arena_finish(&life->memory);
	free(life);
}

static void count(struct bench *b, struct str object, int sign)
{
	struct str status = scan_get(object, "status");
	struct str phase = scan_get_str(status, "phase");
	if (str_is(phase, "Succeeded") || str_is(phase, "Failed"))
		return;
	bool leaving = scan_get(scan_get(object, "metadata"), "deletionTimestamp").n > 0;
	b->living += leaving ? 0 : sign;
	b->available += !leaving && str_contains(status, STR("\"Ready\",\"status\":\"True\"")) ? sign : 0;
}

static void measure(struct bench *b)
{
	b->living = b->available = 0;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	json_each(pod, json_get(fake_server_get(b->server, &a, "/api/v1/pods"), STR("items")))
		count(b, json_text(&a, pod), 1);
	if (b->living > (int64_t)b->pods_most)
		b->pods_most = (size_t)b->living;
	if (b->available < b->available_least)
		b->available_least = b->available;
}

static void on_change(void *arg, const char *type, struct str resource, struct str object)
{
	struct bench *b = arg;
	if (!str_is(resource, "v1/pods"))
		return;
	measure(b);
	struct str metadata = scan_get(object, "metadata");
	bool is_new = strcmp(type, "ADDED") == 0, leaving = scan_get(metadata, "deletionTimestamp").n > 0;
	if (!b->nodes || strcmp(type, "DELETED") == 0 || (!is_new && !leaving))
		return;
	struct life *life = MEM_NEW(struct life);
	life->bench = b;
	arena_init(&life->memory);
	life->path = arena_fmt(&life->memory, "/api/v1/namespaces/%.*s/pods/%.*s",
			       STR_FMT(scan_get_str(metadata, "namespace")), STR_FMT(scan_get_str(metadata, "name")));
	struct str containers = scan_get(scan_get(object, "spec"), "containers"), container;
	if (scan_element(&containers, &container))
		life->image = arena_str(&life->memory, scan_get_str(container, "image"));
	life->leaving = leaving;
	life->timer = (struct timer){.fire = happen, .loop = b->loop};
	timer_start(b->loop, &life->timer, chance_delay(b, leaving ? b->gone_after_ns : b->ready_after_ns));
}

static void start_controllers(struct bench *b)
{
	struct controllers_options options = {str_of(b->selection), STR("certificate")};
	struct err e CLEAN_ERR = ERR_EMPTY;
	b->controllers = controllers_start(fake_server_transport(b->server), &options, &e);
	REQUIRE(b->controllers != NULL);
}

void bench_start(struct bench *b, uint64_t seed, const char *selection)
{
	*b = (struct bench){.selection = selection,
			    .nodes = true,
			    .ready_after_ns = 200 * TIME_MS,
			    .gone_after_ns = 300 * TIME_MS,
			    .available_least = INT64_MAX};
	b->sim = sim_create(seed);
	b->loop = sim_loop(b->sim, "test");
	b->server = fake_server_create(b->loop);
	arena_init(&b->a);
	fake_server_on_change(b->server, on_change, b);
	start_controllers(b);
}

void bench_restart_controllers(struct bench *b)
{
	controllers_stop(b->controllers);
	start_controllers(b);
}

void bench_stop(struct bench *b)
{
	controllers_stop(b->controllers);
	b->nodes = false;
	sim_run(b->sim, 10 * TIME_S); // lives that are under way end
	fake_server_destroy(b->server);
	sim_destroy(b->sim);
	arena_finish(&b->a);
}

void bench_run(struct bench *b, int64_t duration_ns)
{
	sim_run(b->sim, duration_ns);
}

void bench_measure(struct bench *b)
{
	b->pods_most = 0;
	b->available_least = INT64_MAX;
	measure(b);
}

struct json *bench_get(struct bench *b, const char *path)
{
	return fake_server_get(b->server, &b->a, path);
}

struct json *bench_items(struct bench *b, const char *path)
{
	return json_get(bench_get(b, path), STR("items"));
}

size_t bench_ready_pods(struct bench *b)
{
	measure(b);
	return (size_t)b->available;
}

int bench_do(struct bench *b, const char *method, const char *path, const char *body, ...)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	va_list args;
	va_start(args, body);
	buf_vfmt(&text, body, args);
	va_end(args);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\'')
			text.p[i] = '"';
	}
	buf_add_byte(&text, '\0');
	return fake_server_do(b->server, method, path, text.p);
}
