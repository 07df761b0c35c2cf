// SPDX-License-Identifier: Apache-2.0
// Statuses go to the API one request at a time and in order. One that only repeats where the containers are takes the
// place of the one before it in the queue; one in which a container went on does not: whoever watches sees each step.
#include "base/log.h"
#include "node/pod/worker_parts.h"

enum { QUIET_MS = 100, QUEUE_MAX = 8, RETRY_FIRST_MS = 200, RETRY_MAX_MS = 10000 };

struct report_item {
	struct report_item *next;
	struct arena memory;
	struct str body, gist;
	bool quiet;
};

static void send_next(struct pod_worker *w);

static void item_free(struct report_item *item)
{
	arena_finish(&item->memory);
	free(item);
}

static void on_timer(struct timer *t)
{
	struct pod_worker *w = CONTAINER_OF(t, struct pod_worker, report.timer);
	w->report.held = false;
	send_next(w);
}

void report_init(struct pod_worker *w)
{
	arena_init(&w->report.shown);
	w->report.timer.fire = on_timer;
	w->report.timer.loop = w->host->loop;
}

void report_finish(struct pod_worker *w)
{
	timer_stop(&w->report.timer);
	for (struct report_item *item = w->report.first, *next; item; item = next) {
		next = item->next;
		item_free(item);
	}
	w->report.first = w->report.last = NULL;
	arena_finish(&w->report.shown);
}

static size_t queue_length(const struct report *r)
{
	size_t n = 0;
	for (struct report_item *item = r->first; item; item = item->next)
		n++;
	return n;
}

// The item that the new one may replace: the last, while it is not being sent.
static struct report_item *replaceable(struct report *r, struct str gist)
{
	struct report_item *last = r->last;
	if (!last || (r->open && last == r->first))
		return NULL;
	return last->quiet || str_eq(last->gist, gist) || queue_length(r) >= QUEUE_MAX ? last : NULL;
}

static void enqueue(struct pod_worker *w, const struct json *status)
{
	struct report *r = &w->report;
	struct report_item *item = MEM_NEW(struct report_item);
	arena_init(&item->memory);
	struct str gist = pod_status_gist(&item->memory, status);
	struct report_item *old = replaceable(r, gist);
	if (old) {
		arena_reset(&old->memory);
		item_free(item);
		item = old;
		gist = pod_status_gist(&item->memory, status);
	}
	item->gist = gist;
	item->quiet = pod_status_is_quiet(status);
	item->body = json_text(&item->memory, pod_status_patch(&item->memory, w->spec, w->state, status));
	if (old)
		return;
	if (r->last)
		r->last->next = item;
	else
		r->first = item;
	r->last = item;
}

// Once the pod is gone nobody waits for it.
static void retry_later(struct pod_worker *w)
{
	int64_t wait = RETRY_FIRST_MS;
	for (int i = 0; i < w->report.failures && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	w->report.failures++;
	if (!w->state->deleted)
		timer_start(w->host->loop, &w->report.timer, wait * TIME_MS);
}

// The end of the pod is known to all: where it is being deleted, the object may go.
static void on_deleted(void *arg, const struct client_response *response)
{
	struct pod_worker *w = arg;
	bool failed = response->e && response->code != 404;
	if (!worker_leave(w) || !failed)
		return;
	w->report.deleting = false;
	retry_later(w);
}

static struct str pod_path(struct arena *a, const struct pod_spec *s, const char *subresource)
{
	return client_path(a, STR("v1"), s->namespace, STR("pods"), s->name, str_of(subresource));
}

static void delete_object(struct pod_worker *w)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *options = json_object(&a);
	json_put_str(&a, options, "apiVersion", STR("v1"));
	json_put_str(&a, options, "kind", STR("DeleteOptions"));
	json_put_int(&a, options, "gracePeriodSeconds", 0);
	json_put_str(&a, json_need_object(&a, options, "preconditions"), "uid", w->spec->uid);
	w->report.deleting = true;
	worker_enter(w);
	client_delete(w->host->transport, pod_path(&a, w->spec, ""), options, on_deleted, w);
}

static void take_first(struct report *r)
{
	struct report_item *item = r->first;
	r->first = item->next;
	if (!r->first)
		r->last = NULL;
	item_free(item);
}

// Not so what passes: a race that was lost to another writer, access that is not there for a moment.
static bool is_final(int code)
{
	return code == 400 || code == 404 || code == 413 || code == 415 || code == 422;
}

static void on_sent(void *arg, const struct client_response *response)
{
	struct pod_worker *w = arg;
	struct report *r = &w->report;
	r->open = false;
	bool lost = is_final(response->code), again = response->e && !lost;
	if (!worker_leave(w))
		return;
	if (lost && response->code != 404)
		log_warn("pod %.*s/%.*s: status refused: %s", STR_FMT(w->spec->namespace), STR_FMT(w->spec->name),
			 err_text(response->e));
	if (again) {
		retry_later(w);
		return;
	}
	r->failures = 0;
	if (r->first)
		take_first(r);
	send_next(w);
}

static void send_next(struct pod_worker *w)
{
	struct report *r = &w->report;
	if (r->open || r->held || timer_running(&r->timer))
		return;
	if (!r->first) {
		if (r->settle && w->spec->deleted && !r->deleting && !w->state->deleted)
			delete_object(w);
		return;
	}
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct client_request request = {
		.method = "PATCH",
		.path = pod_path(&a, w->spec, "status"),
		.content_type = "application/strategic-merge-patch+json",
		.body = r->first->body,
	};
	r->open = true;
	worker_enter(w);
	client_send(w->host->transport, &request, on_sent, w);
}

// Keeps the new status; false when it says what the last one said.
static bool remember(struct report *r, const struct json *status)
{
	struct arena fresh;
	arena_init(&fresh);
	struct str text = json_text(&fresh, status);
	if (str_eq(text, r->text)) {
		arena_finish(&fresh);
		return false;
	}
	r->status = json_clone(&fresh, status);
	r->text = text;
	arena_finish(&r->shown);
	r->shown = fresh;
	return true;
}

void report_push(struct pod_worker *w, struct json *status)
{
	struct report *r = &w->report;
	if (w->state->deleted || r->deleting || !remember(r, status))
		return;
	bool first = !r->first;
	enqueue(w, status);
	bool quiet = r->first->quiet && r->first == r->last;
	if (quiet && first) { // most likely it will be running before anyone could have looked
		r->held = true;
		timer_start(w->host->loop, &r->timer, QUIET_MS * TIME_MS);
		return;
	}
	if (!quiet && r->held) {
		r->held = false;
		timer_stop(&r->timer);
	}
	send_next(w);
}

void report_settle(struct pod_worker *w)
{
	w->report.settle = true;
	if (w->report.held) {
		w->report.held = false;
		timer_stop(&w->report.timer);
	}
	send_next(w);
}
