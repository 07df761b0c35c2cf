// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <stdlib.h>

#include "base/buf.h"

static void on_ready(void *arg, const struct err *e)
{
	if (e)
		unit_fail(__FILE__, __LINE__, "the server did not start: %s", err_text(e));
	*(bool *)arg = true;
}

static void start(struct world *w, const char *data_dir)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str masters = STR("system:masters");
	struct server_config c = {.core = w->loop, .store = w->store, .data_dir = data_dir};
	arena_init(&w->arena);
	w->admin = user_make(&w->arena, STR("admin"), STR("1"), &masters, 1);
	w->server = server_create(&c, &e);
	if (!w->server)
		unit_fail(__FILE__, __LINE__, "%s", err_text(&e));
	REQUIRE(w->server != NULL);
	w->worker = local_worker(w->server, w->loop);
	server_start(w->server, on_ready, &w->ready);
	run_until(w, &w->ready);
}

void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){.sim = sim_create(seed)};
	w->loop = sim_loop(w->sim, "server");
	w->cluster = store_cluster_create();
	w->store = store_sim_open(w->cluster, w->loop);
	start(w, "/data");
}

void world_init_beside(struct world *w, struct world *first, const char *data_dir)
{
	*w = (struct world){.sim = first->sim, .loop = sim_loop(first->sim, "other")};
	w->store = store_sim_open(first->cluster, w->loop);
	start(w, data_dir);
}

static void on_stopped(void *arg)
{
	*(bool *)arg = true;
}

void world_finish(struct world *w)
{
	bool stopped = false;
	server_stop(w->server, on_stopped, &stopped);
	run_until(w, &stopped);
	server_destroy(w->server);
	store_destroy(w->store);
	if (w->cluster) {
		store_cluster_destroy(w->cluster);
		sim_destroy(w->sim);
	}
	arena_finish(&w->arena);
}

// ---- asking

static struct str quoted(struct world *w, const char *text)
{
	char *copy = arena_c(&w->arena, str_of(text));
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return str_of(copy);
}

static void on_head(void *arg, int code)
{
	((struct pending *)arg)->answer.code = code;
}

static void on_piece(void *arg, struct blob *piece)
{
	struct pending *p = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct json *line;
	buf_add(&p->text, blob_str(piece));
	struct arena *a = &p->world->arena;
	if (str_starts(blob_str(piece), STR("{\"type\":")) &&
	    json_parse(a, arena_str(a, blob_str(piece)), NULL, &line, &e) == 0)
		json_push(p->events, line);
}

static void on_end(void *arg, bool whole)
{
	struct pending *p = arg;
	struct arena *a = &p->world->arena;
	struct err e CLEAN_ERR = ERR_EMPTY;
	p->answer.text = arena_str(a, buf_str(&p->text));
	if (json_parse(a, p->answer.text, NULL, &p->answer.body, &e) < 0)
		p->answer.body = NULL;
	p->done = true;
	p->call = NULL;
}

static struct pending *start_request(struct world *w, const struct user *user, const char *method, const char *target,
				     const char *type, const char *body)
{
	static const struct local_events events = {on_head, on_piece, on_end};
	struct pending *p = calloc(1, sizeof *p);
	p->world = w;
	p->events = json_array(&w->arena);
	buf_init(&p->text);
	struct local_request r = {.method = str_of(method),
				  .target = str_of(target),
				  .content_type = str_of(type),
				  .body = quoted(w, body ? body : ""),
				  .user = user ? user : &w->admin};
	p->call = local_start(w->worker, &r, &events, p);
	return p;
}

void pending_free(struct pending *p)
{
	local_cancel(p->call);
	buf_finish(&p->text);
	free(p);
}

void run_until(struct world *w, const bool *done)
{
	for (int i = 0; i < 1000000 && !*done; i++)
		if (!sim_step(w->sim))
			break;
	REQUIRE(*done);
}

void run_for(struct world *w, int64_t ns)
{
	sim_run(w->sim, ns);
}

struct answer ask_as(struct world *w, const struct user *user, const char *method, const char *target, const char *type,
		     const char *body)
{
	struct pending *p = start_request(w, user, method, target, type, body);
	run_until(w, &p->done);
	struct answer a = p->answer;
	pending_free(p);
	return a;
}

struct answer ask(struct world *w, const char *method, const char *target, const char *body)
{
	return ask_as(w, NULL, method, target, body ? "application/json" : "", body);
}

struct answer ask_patch(struct world *w, const char *target, const char *type, const char *body)
{
	return ask_as(w, NULL, "PATCH", target, type, body);
}

struct pending *ask_later(struct world *w, const char *method, const char *target, const char *type, const char *body)
{
	return start_request(w, NULL, method, target, type, body);
}

void watch_until(struct pending *p, size_t count)
{
	for (int i = 0; i < 1000000 && p->events->count < count && sim_step(p->world->sim); i++)
		;
	CHECK_INT(p->events->count, count);
	REQUIRE(p->events->count >= count);
}

struct str watch_event(struct pending *p, size_t i)
{
	struct json *event = json_index(p->events, i);
	return arena_fmt(&p->world->arena, "%.*s %.*s", STR_FMT(json_str(event, "type")),
			 STR_FMT(json_str(event, "object.metadata.name")));
}
