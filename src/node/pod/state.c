// SPDX-License-Identifier: Apache-2.0
#include "node/pod/state.h"

#include <stdio.h>

enum { BACKOFF_FIRST_S = 10, BACKOFF_MAX_S = 300 };

struct pod_state *pod_state_create(const struct pod_spec *s)
{
	struct pod_state *st = MEM_NEW(struct pod_state);
	pod_state_grow(st, s);
	return st;
}

void pod_state_grow(struct pod_state *st, const struct pod_spec *s)
{
	if (s->container_count <= st->count)
		return;
	st->containers = mem_realloc(st->containers, s->container_count * sizeof *st->containers);
	memset(&st->containers[st->count], 0, (s->container_count - st->count) * sizeof *st->containers);
	st->count = s->container_count;
}

void pod_state_destroy(struct pod_state *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->count; i++) {
		container_run_clear(&st->containers[i].run);
		container_run_clear(&st->containers[i].last);
		free(st->containers[i].waiting_message);
	}
	free(st->containers);
	free(st->ip);
	free(st->message);
	free(st->resize.pending_message);
	free(st->resize.error);
	free(st);
}

void container_wait(struct container_state *c, const char *reason, const char *message)
{
	snprintf(c->waiting_reason, sizeof(c->waiting_reason), "%s", reason ? reason : "");
	free(c->waiting_message);
	c->waiting_message = reason && message ? mem_strdup(message) : NULL;
}

void container_run_clear(struct container_run *r)
{
	free(r->image_id);
	free(r->message);
	*r = (struct container_run){0};
}

void container_run_move(struct container_run *to, struct container_run *from)
{
	container_run_clear(to);
	*to = *from;
	*from = (struct container_run){0};
}

bool pod_backoff_is_resting(const struct pod_backoff *b, int64_t ended, int64_t now)
{
	return now < pod_backoff_end(b, ended);
}

// Forgotten when the container ran well for twice the longest rest.
static bool pod_backoff_is_stale(const struct pod_backoff *b, int64_t ended)
{
	return !b->delay || ended - b->updated > 2 * BACKOFF_MAX_S * TIME_S;
}

int64_t pod_backoff_end(const struct pod_backoff *b, int64_t ended)
{
	return pod_backoff_is_stale(b, ended) ? ended : ended + b->delay;
}

void pod_backoff_next(struct pod_backoff *b, int64_t ended, int64_t now)
{
	if (pod_backoff_is_stale(b, ended))
		b->delay = BACKOFF_FIRST_S * TIME_S;
	else if (b->delay * 2 < BACKOFF_MAX_S * TIME_S)
		b->delay *= 2;
	else
		b->delay = BACKOFF_MAX_S * TIME_S;
	b->updated = now;
}
