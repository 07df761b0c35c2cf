// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>

#include "node/runtime/engine.h"

static void run_on_pool(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);
	j->result = j->run ? j->run(j) : -1;
}

static void job_free(struct job *j)
{
	struct arena arena = j->arena; // which holds the job
	err_clear(&j->e);
	arena_finish(&arena);
}

static void finished(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);
	struct engine *g = j->engine;
	struct pod *p = j->pod;
	p->first = j->next;
	if (!p->first)
		p->last = NULL;
	else
		loop_work(g->base.loop, &p->first->work);
	if (j->finish)
		j->finish(j);
	if (j->done && !g->closing)
		j->done(j->arg, j->result < 0 ? &j->e : NULL);
	job_free(j);
	pod_free_if_idle(p);
	engine_release(g);
}

void *job_create(struct engine *g, struct str pod_uid, size_t size, int (*run)(struct job *), runtime_done *done,
		 void *arg)
{
	struct arena arena;
	arena_init(&arena);
	struct job *j = arena_alloc(&arena, size);
	j->engine = g;
	j->run = run;
	j->done = done;
	j->arg = arg;
	j->work = (struct work){.run = run_on_pool, .done = finished};
	j->pod = pod_need(g, pod_uid);
	j->arena = arena;
	return j;
}

void job_submit(struct job *j)
{
	struct pod *p = j->pod;
	j->engine->jobs++;
	if (p->last) {
		p->last->next = j;
		p->last = j;
		return;
	}
	p->first = p->last = j;
	loop_work(j->engine->base.loop, &j->work);
}

void job_refuse(struct job *j, enum err_reason reason, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	err_vset(&j->e, reason, format, args);
	va_end(args);
	j->run = NULL;
	job_submit(j);
}
