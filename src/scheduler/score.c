// SPDX-License-Identifier: Apache-2.0
#include "scheduler/score.h"

enum { POINTS = 100, WEIGHT_TAINT = 3, WEIGHT_AFFINITY = 2 };
// Images below the first size say nothing, above the second (for each container) no more than that.
static const int64_t image_small = 23 << 20, image_large = 1000 << 20;

static int64_t least(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

// ---- resources

static int64_t room_left(int64_t used, int64_t has)
{
	return has <= 0 || used > has ? 0 : (has - used) * POINTS / has;
}

static int64_t score_room(const struct shape *shape, const struct node *node)
{
	return (room_left(node->usual_cpu + shape->usual_cpu_milli, node->cpu_milli) +
		room_left(node->usual_memory + shape->usual_memory, node->memory_bytes)) /
	       2;
}

static double share(int64_t used, int64_t has)
{
	double s = has > 0 ? (double)used / (double)has : 1;
	return s > 1 ? 1 : s;
}

// The nearer the shares of cpu and memory in use are to each other, the better: half their distance is the deviation.
static int64_t score_balance(const struct shape *shape, const struct node *node)
{
	if (shape->requests.cpu_milli == 0 && shape->requests.memory == 0)
		return 0;
	double cpu = share(node->cpu_used + shape->requests.cpu_milli, node->cpu_milli);
	double memory = share(node->memory_used + shape->requests.memory, node->memory_bytes);
	double distance = cpu > memory ? cpu - memory : memory - cpu;
	return (int64_t)((1 - distance / 2) * POINTS);
}

// ---- images

static struct str with_tag(struct arena *a, struct str image)
{
	if (str_find_last(image, ':') <= str_find_last(image, '/'))
		return arena_fmt(a, "%.*s:latest", STR_FMT(image));
	return image;
}

// An image counts by its size and by how many nodes have it, so that one node does not draw everything.
static int64_t score_images(const struct snapshot *s, const struct str *images, size_t count, const struct node *node)
{
	int64_t sum = 0, most = image_large * (int64_t)(count ? count : 1);
	for (size_t i = 0; i < count; i++) {
		for (size_t n = 0; n < node->image_count; n++) {
			if (str_eq(node->images[n].name, images[i]))
				sum += node->images[n].size * (int64_t)snapshot_image_nodes(s, images[i]) /
				       (int64_t)s->present_count;
		}
	}
	if (sum < image_small)
		return 0;
	return (least(sum, most) - image_small) * POINTS / (most - image_small);
}

// ---- taints and node affinity

static int64_t intolerable_preferences(const struct shape *shape, const struct node *node)
{
	int64_t count = 0;
	for (size_t i = 0; i < node->taint_count; i++) {
		const struct taint *t = &node->taints[i];
		count += str_is(t->effect, "PreferNoSchedule") && !shape_tolerates(shape, t->key, t->value, t->effect);
	}
	return count;
}

static int64_t preferred_weight(const struct shape *shape, const struct node *node)
{
	int64_t sum = 0;
	for (size_t i = 0; i < shape->node_preferred.n; i++) {
		const struct node_term *t = &shape->node_preferred.p[i];
		if (node_term_matches(t, node->labels, node->name))
			sum += t->weight;
	}
	return sum;
}

// Stretches values to 0..100 by the greatest of them and adds them with a weight.
static void add_normalized(const int64_t *values, size_t n, bool reverse, int64_t weight, int64_t *points)
{
	int64_t most = 0;
	for (size_t i = 0; i < n; i++)
		most = values[i] > most ? values[i] : most;
	for (size_t i = 0; i < n; i++) {
		int64_t value = most ? values[i] * POINTS / most : 0;
		points[i] += weight * (reverse ? POINTS - value : value);
	}
}

// ---- all of it

static bool is_better(const struct node *x, int64_t x_points, const struct node *y, int64_t y_points)
{
	if (x_points != y_points)
		return x_points > y_points;
	if (x->pod_count != y->pod_count)
		return x->pod_count < y->pod_count;
	return str_cmp(x->name, y->name) < 0;
}

struct node *score_best(struct arena *a, const struct snapshot *s, const struct shape *shape, struct node *const *nodes,
			size_t n)
{
	int64_t *points = ARENA_ARRAY(a, int64_t, n), *taints = ARENA_ARRAY(a, int64_t, n);
	int64_t *preferred = ARENA_ARRAY(a, int64_t, n);
	struct str *images = ARENA_ARRAY(a, struct str, shape->image_count);
	for (size_t i = 0; i < shape->image_count; i++)
		images[i] = with_tag(a, shape->images[i]);
	for (size_t i = 0; i < n; i++) {
		points[i] = score_room(shape, nodes[i]) + score_balance(shape, nodes[i]) +
			    score_images(s, images, shape->image_count, nodes[i]);
		taints[i] = intolerable_preferences(shape, nodes[i]);
		preferred[i] = preferred_weight(shape, nodes[i]);
	}
	add_normalized(taints, n, true, WEIGHT_TAINT, points);
	if (shape->node_preferred.n)
		add_normalized(preferred, n, false, WEIGHT_AFFINITY, points);
	score_pods(a, s, shape, nodes, n, points);
	score_spread(a, s, shape, nodes, n, points);
	size_t best = 0;
	for (size_t i = 1; i < n; i++) {
		if (is_better(nodes[i], points[i], nodes[best], points[best]))
			best = i;
	}
	return nodes[best];
}
