// SPDX-License-Identifier: Apache-2.0
// 53 small clusters and 3,140 verdicts recorded from a real scheduler: every one must come out the same, with the same
// reasons on the same number of nodes.
#include <dirent.h>
#include <stdlib.h>

#include "scheduler/filter.h"
#include "scheduler/plan.h"
#include "unit.h"

#define CLUSTERS SOURCE_ROOT "/../shared/reference/kubernetes-1.36/scheduling"

static struct json *read_json(struct arena *a, const char *path)
{
	FILE *f = fopen(path, "r");
	REQUIRE(f != NULL);
	struct buf text CLEAN_BUF;
	buf_init(&text);
	size_t got;
	do {
		buf_reserve(&text, 65536);
		got = fread(text.p + text.n, 1, 65536, f);
		text.n += got;
	} while (got > 0);
	fclose(f);
	struct json *value = NULL;
	REQUIRE(json_parse(a, arena_str(a, buf_str(&text)), NULL, &value, NULL) == 0);
	return value;
}

static void load(struct snapshot *s, struct arena *a, const struct json *cluster)
{
	struct json *team = json_object(a);
	json_put_str(a, team, "team", STR("a"));
	snapshot_set_namespace(s, STR("one"), team);
	json_put_str(a, team, "team", STR("b"));
	snapshot_set_namespace(s, STR("two"), team);
	json_each(node, json_get(cluster, STR("nodes")))
		snapshot_set_node(s, node);
	json_each(pod, json_get(cluster, STR("pods"))) {
		struct str key = arena_fmt(a, "%.*s/%.*s", STR_FMT(json_str(pod, "metadata.namespace")),
					   STR_FMT(json_str(pod, "metadata.name")));
		struct shape *shape = snapshot_shape(s, pod);
		snapshot_set_pod(s, key, json_str(pod, "spec.nodeName"), shape, false);
		snapshot_shape_unref(s, shape);
	}
}

// Our text for what the recording calls it.
static struct str text_of(struct arena *a, struct str word)
{
	static const struct {
		const char *word;
		enum reason reason;
	} words[] = {
		{"node affinity", REASON_NODE_AFFINITY},
		{"taint", REASON_TAINT},
		{"unschedulable", REASON_UNSCHEDULABLE},
		{"fit cpu", REASON_CPU},
		{"fit memory", REASON_MEMORY},
		{"fit pods", REASON_PODS},
		{"port", REASON_PORT},
		{"spread", REASON_SPREAD},
		{"spread, label missing", REASON_SPREAD_LABEL},
		{"pod affinity", REASON_POD_AFFINITY},
		{"pod anti-affinity", REASON_POD_ANTI_AFFINITY},
		{"anti-affinity of a pod there", REASON_EXISTING_ANTI_AFFINITY},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_is(word, words[i].word))
			return filter_reason_text(a, NULL, words[i].reason);
	}
	return arena_fmt(a, "Insufficient %.*s", STR_FMT(str_from(word, sizeof "fit " - 1)));
}

static bool same_reasons(struct arena *a, const struct schedule_verdict *v, const struct json *why)
{
	if (v->reason_count != why->count)
		return false;
	json_each(count, why) {
		struct str text = text_of(a, count->key);
		size_t i = 0;
		while (i < v->reason_count && !str_eq(v->reasons[i].text, text))
			i++;
		if (i == v->reason_count || (int64_t)v->reasons[i].nodes != count->integer)
			return false;
	}
	return true;
}

static bool agrees(struct snapshot *s, struct arena *a, const struct json *one)
{
	struct shape *shape = snapshot_shape(s, json_get(one, STR("pod")));
	struct schedule_verdict v;
	schedule_plan(a, s, shape, 0, &v);
	const struct json *node = json_get(one, STR("node"));
	bool same;
	if (node && node->type == JSON_STRING) { // where several fit, any is right: theirs must be one of ours
		struct filter f;
		struct reasons reasons = {{0}, 1};
		filter_init(&f, a, s, shape);
		if (v.node)
			filter_node(&f, snapshot_node(s, node->text), &reasons);
		filter_finish(&f);
		same = reasons.n == 0;
	} else {
		same = !v.node && same_reasons(a, &v, json_get(one, STR("why")));
	}
	if (!same && getenv("VERBOSE"))
		printf("%.*s\n  says %.*s\n", STR_FMT(json_text(a, one)),
		       STR_FMT(v.node ? v.node->name : schedule_message(a, s, &v)));
	snapshot_shape_unref(s, shape);
	return same;
}

TEST(verdicts_agree_with_the_recorded_ones)
{
	DIR *dir = opendir(CLUSTERS);
	if (!dir)
		unit_skip("the recorded clusters are not here");
	int cases = 0, agreed = 0;
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (!str_ends(str_of(entry->d_name), STR(".json")))
			continue;
		struct arena a CLEAN_ARENA;
		arena_init(&a);
		struct snapshot s;
		snapshot_init(&s);
		struct json *cluster = read_json(&a, arena_fmt(&a, "%s/%s", CLUSTERS, entry->d_name).p);
		load(&s, &a, cluster);
		json_each(one, json_get(cluster, STR("cases"))) {
			cases++;
			agreed += agrees(&s, &a, one);
		}
		snapshot_finish(&s);
	}
	closedir(dir);
	printf("     %d of %d verdicts agree\n", agreed, cases);
	CHECK_INT(agreed, cases);
}
