// SPDX-License-Identifier: Apache-2.0
#include "scheduler/plan.h"

#include "scheduler/filter.h"
#include "scheduler/score.h"

enum { SEARCH_ALL = 100 }; // up to so many nodes that fit, all are compared

// Of a large cluster a part is enough: half of a hundred nodes, less the larger it is, down to a twentieth.
static size_t enough_nodes(size_t nodes)
{
	if (nodes <= SEARCH_ALL)
		return nodes;
	size_t percent = nodes / 125 < 45 ? 50 - nodes / 125 : 5;
	size_t enough = nodes * percent / 100;
	return enough < SEARCH_ALL ? SEARCH_ALL : enough;
}

struct tally {
	struct arena *arena;
	const struct snapshot *snapshot;
	size_t *counts; // by reason
	size_t kinds;
};

static void tally_add(struct tally *t, const struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->n; i++)
		t->counts[reasons->p[i]]++;
}

static int compare_reasons(const void *left, const void *right)
{
	return str_cmp(((const struct schedule_reason *)left)->text, ((const struct schedule_reason *)right)->text);
}

static void tell_reasons(struct tally *t, struct schedule_verdict *out)
{
	out->reasons = ARENA_ARRAY(t->arena, struct schedule_reason, t->kinds);
	for (size_t i = 0; i < t->kinds; i++) {
		if (t->counts[i] > 0)
			out->reasons[out->reason_count++] = (struct schedule_reason){
				filter_reason_text(t->arena, t->snapshot, (unsigned)i), t->counts[i]};
	}
	qsort(out->reasons, out->reason_count, sizeof *out->reasons, compare_reasons);
}

void schedule_plan(struct arena *a, const struct snapshot *s, const struct shape *shape, size_t start,
		   struct schedule_verdict *out)
{
	*out = (struct schedule_verdict){0};
	struct filter filter;
	filter_init(&filter, a, s, shape);
	struct tally tally = {a, s, NULL, REASON_OTHERS + s->resource_count};
	tally.counts = ARENA_ARRAY(a, size_t, tally.kinds);
	struct node **fitting = ARENA_ARRAY(a, struct node *, s->node_count + 1);
	size_t count = 0, enough = enough_nodes(s->present_count);
	for (size_t i = 0; i < s->node_count && count < enough; i++) {
		struct node *node = s->nodes[(start + i) % s->node_count];
		struct reasons reasons;
		out->looked_at++;
		if (!node->present)
			continue;
		filter_node(&filter, node, &reasons);
		if (reasons.n == 0)
			fitting[count++] = node;
		else
			tally_add(&tally, &reasons);
	}
	filter_finish(&filter);
	if (count > 1)
		out->node = score_best(a, s, shape, fitting, count);
	else if (count == 1)
		out->node = fitting[0];
	else
		tell_reasons(&tally, out);
}

struct str schedule_message(struct arena *a, const struct snapshot *s, const struct schedule_verdict *v)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	if (s->present_count == 0)
		return STR("no nodes available to schedule pods");
	buf_fmt(&text, "0/%zu nodes are available: ", s->present_count);
	for (size_t i = 0; i < v->reason_count; i++)
		buf_fmt(&text, "%s%zu %.*s", i ? ", " : "", v->reasons[i].nodes, STR_FMT(v->reasons[i].text));
	buf_add_byte(&text, '.');
	return arena_str(a, buf_str(&text));
}
