// SPDX-License-Identifier: Apache-2.0
#include "store/tree.h"

#include "base/mem.h"

enum { NODE_MAX = 32, NODE_MIN = NODE_MAX / 4 };

// A leaf has records; an inner node has children, and of each the record with its smallest key, which the child
// keeps alive.
struct tree_node {
	atomic_uint refs;
	uint16_t count;
	bool leaf;
	size_t size; // records in and under it
	struct record *records[NODE_MAX];
	struct tree_node *children[]; // of an inner node
};

// ---- nodes

static struct tree_node *create(bool leaf)
{
	struct tree_node *n = mem_alloc(sizeof *n + (leaf ? 0 : NODE_MAX * sizeof(struct tree_node *)));
	atomic_init(&n->refs, 1);
	n->count = 0;
	n->leaf = leaf;
	n->size = 0;
	return n;
}

static struct tree_node *ref(struct tree_node *n)
{
	if (n)
		atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

static void unref(struct tree_node *n)
{
	if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < n->count; i++)
		if (n->leaf)
			record_unref(n->records[i]);
		else
			unref(n->children[i]);
	free(n);
}

// Makes *at a node that may be changed. The way to it from the root must be such already.
static struct tree_node *own(struct tree_node **at)
{
	struct tree_node *shared = *at;
	if (atomic_load_explicit(&shared->refs, memory_order_acquire) == 1)
		return shared;
	struct tree_node *n = create(shared->leaf);
	n->count = shared->count;
	n->size = shared->size;
	for (unsigned i = 0; i < n->count; i++) {
		n->records[i] = shared->records[i];
		if (n->leaf)
			record_ref(n->records[i]);
		else
			n->children[i] = ref(shared->children[i]);
	}
	unref(shared);
	return *at = n;
}

// Moves entries [from, count) of one node behind those of another.
static void move_tail(struct tree_node *to, struct tree_node *from, unsigned first)
{
	unsigned n = from->count - first;
	memcpy(to->records + to->count, from->records + first, n * sizeof *to->records);
	if (!to->leaf)
		memcpy(to->children + to->count, from->children + first, n * sizeof *to->children);
	to->count = (uint16_t)(to->count + n);
	from->count = (uint16_t)first;
}

static void count_size(struct tree_node *n)
{
	n->size = n->leaf ? n->count : 0;
	for (unsigned i = 0; !n->leaf && i < n->count; i++)
		n->size += n->children[i]->size;
}

static void insert_at(struct tree_node *n, unsigned i, struct record *r, struct tree_node *child)
{
	memmove(n->records + i + 1, n->records + i, (n->count - i) * sizeof *n->records);
	n->records[i] = r;
	if (child) {
		memmove(n->children + i + 1, n->children + i, (n->count - i) * sizeof *n->children);
		n->children[i] = child;
	}
	n->count++;
}

static void remove_at(struct tree_node *n, unsigned i)
{
	n->count--;
	memmove(n->records + i, n->records + i + 1, (n->count - i) * sizeof *n->records);
	if (!n->leaf)
		memmove(n->children + i, n->children + i + 1, (n->count - i) * sizeof *n->children);
}

// ---- finding

// A point between keys: those before it are the keys that `before` says so of.
struct bound {
	enum { BELOW, UP_TO, THROUGH_PREFIX } kind; // keys < s; keys <= s; keys <= all that start with s
	struct str s;
};

static bool before(const struct record *r, const struct bound *b)
{
	struct str key = record_key(r);
	if (b->kind == THROUGH_PREFIX && str_starts(key, b->s))
		return true;
	int order = str_cmp(key, b->s);
	return b->kind == UP_TO ? order <= 0 : order < 0;
}

// How many of the node's entries begin before the bound.
static unsigned entries_before(const struct tree_node *n, const struct bound *b)
{
	unsigned low = 0, high = n->count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (before(n->records[middle], b))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// The child of an inner node where the key is or would go.
static unsigned child_for(const struct tree_node *n, struct str key)
{
	unsigned i = entries_before(n, &(struct bound){UP_TO, key});
	return i ? i - 1 : 0;
}

static bool holds(const struct tree_node *leaf, unsigned i, struct str key)
{
	return i < leaf->count && str_eq(record_key(leaf->records[i]), key);
}

struct record *tree_get(const struct tree *t, struct str key)
{
	const struct tree_node *n = t->root;
	if (!n)
		return NULL;
	while (!n->leaf)
		n = n->children[child_for(n, key)];
	unsigned i = entries_before(n, &(struct bound){BELOW, key});
	return holds(n, i, key) ? n->records[i] : NULL;
}

static size_t rank(const struct tree_node *n, const struct bound *b)
{
	size_t sum = 0;
	for (;;) {
		unsigned i = entries_before(n, b);
		if (n->leaf)
			return sum + i;
		if (i == 0)
			return sum;
		for (unsigned j = 0; j + 1 < i; j++)
			sum += n->children[j]->size;
		n = n->children[i - 1];
	}
}

static struct bound start_of(struct str prefix, struct str after)
{
	if (after.n && str_cmp(after, prefix) >= 0)
		return (struct bound){UP_TO, after};
	return (struct bound){BELOW, prefix};
}

size_t tree_count(const struct tree *t, struct str prefix, struct str after)
{
	if (!t->root)
		return 0;
	struct bound start = start_of(prefix, after), end = {THROUGH_PREFIX, prefix};
	size_t from = rank(t->root, &start), to = rank(t->root, &end);
	return to > from ? to - from : 0;
}

struct scan {
	struct str prefix;
	bool (*each)(void *arg, struct record *r);
	void *arg;
};

// start NULL: from the node's first entry. False: stopped.
static bool scan(const struct tree_node *n, const struct bound *start, const struct scan *s)
{
	unsigned i = start ? entries_before(n, start) : 0;
	if (n->leaf) {
		for (; i < n->count; i++)
			if (!str_starts(record_key(n->records[i]), s->prefix) || !s->each(s->arg, n->records[i]))
				return false;
		return true;
	}
	if (i > 0 && !scan(n->children[i - 1], start, s))
		return false;
	for (; i < n->count; i++)
		if (!scan(n->children[i], NULL, s))
			return false;
	return true;
}

void tree_scan(const struct tree *t, struct str prefix, struct str after,
	       bool (*each)(void *arg, struct record *r), void *arg)
{
	struct bound start = start_of(prefix, after);
	if (t->root)
		scan(t->root, &start, &(struct scan){prefix, each, arg});
}

// ---- putting

// Cuts a full node in two; i is where an entry is about to be inserted. Growing at the end leaves full nodes behind.
static struct tree_node *split(struct tree_node *n, unsigned i)
{
	struct tree_node *right = create(n->leaf);
	move_tail(right, n, i == n->count ? n->count - 1u : n->count / 2u);
	count_size(n);
	count_size(right);
	return right;
}

// Inserts an entry into a node of one's own; returns a new right neighbour where it was full.
static struct tree_node *insert(struct tree_node *n, unsigned i, struct record *r, struct tree_node *child)
{
	struct tree_node *right = NULL, *to = n;
	if (n->count == NODE_MAX) {
		right = split(n, i);
		if (i > n->count) {
			to = right;
			i -= n->count;
		}
	}
	insert_at(to, i, r, child);
	to->size += child ? child->size : 1;
	return right;
}

// *right gets the new neighbour of *at where that was split, else NULL.
static struct record *put(struct tree_node **at, struct record *r, struct tree_node **right)
{
	struct tree_node *n = own(at);
	*right = NULL;
	if (n->leaf) {
		unsigned i = entries_before(n, &(struct bound){BELOW, record_key(r)});
		struct record *replaced = holds(n, i, record_key(r)) ? n->records[i] : NULL;
		if (replaced)
			n->records[i] = r;
		else
			*right = insert(n, i, r, NULL);
		return replaced;
	}
	unsigned i = child_for(n, record_key(r));
	size_t size = n->children[i]->size;
	struct tree_node *new_child;
	struct record *replaced = put(&n->children[i], r, &new_child);
	n->records[i] = n->children[i]->records[0];
	n->size += n->children[i]->size - size;
	if (new_child)
		*right = insert(n, i + 1, new_child->records[0], new_child);
	return replaced;
}

struct record *tree_put(struct tree *t, struct record *r)
{
	struct tree_node *right;
	if (!t->root)
		t->root = create(true);
	struct record *replaced = put(&t->root, r, &right);
	if (right) {
		struct tree_node *root = create(false);
		insert_at(root, 0, t->root->records[0], t->root);
		insert_at(root, 1, right->records[0], right);
		count_size(root);
		t->root = root;
	}
	return replaced;
}

// ---- removing

// Joins child i with a neighbour where both are small.
static void join(struct tree_node *n, unsigned i)
{
	if (n->children[i]->count >= NODE_MIN || n->count == 1)
		return;
	unsigned left = i > 0 ? i - 1 : 0;
	if (n->children[left]->count + n->children[left + 1]->count > NODE_MAX)
		return;
	struct tree_node *to = own(&n->children[left]), *from = own(&n->children[left + 1]);
	to->size += from->size;
	move_tail(to, from, 0);
	unref(from);
	remove_at(n, left + 1);
}

static struct record *take(struct tree_node **at, struct str key)
{
	struct tree_node *n = own(at);
	struct record *taken;
	if (n->leaf) {
		unsigned i = entries_before(n, &(struct bound){BELOW, key});
		taken = n->records[i];
		remove_at(n, i);
		n->size--;
		return taken;
	}
	unsigned i = child_for(n, key);
	taken = take(&n->children[i], key);
	n->size--;
	if (n->children[i]->count == 0) {
		unref(n->children[i]);
		remove_at(n, i);
	} else {
		n->records[i] = n->children[i]->records[0];
		join(n, i);
	}
	return taken;
}

struct record *tree_remove(struct tree *t, struct str key)
{
	if (!tree_get(t, key))
		return NULL;
	struct record *taken = take(&t->root, key);
	while (!t->root->leaf && t->root->count == 1) {
		struct tree_node *only = ref(t->root->children[0]);
		unref(t->root);
		t->root = only;
	}
	if (t->root->count == 0) {
		unref(t->root);
		t->root = NULL;
	}
	return taken;
}

// ---- sharing

void tree_share(const struct tree *from, struct tree *to)
{
	to->root = ref(from->root);
}

void tree_finish(struct tree *t)
{
	unref(t->root);
	t->root = NULL;
}

static bool sound(const struct tree_node *n)
{
	size_t size = n->leaf ? n->count : 0;
	if (n->count == 0 || n->count > NODE_MAX)
		return false;
	for (unsigned i = 0; i < n->count; i++) {
		if (i && str_cmp(record_key(n->records[i - 1]), record_key(n->records[i])) >= 0)
			return false;
		if (n->leaf)
			continue;
		const struct tree_node *child = n->children[i];
		if (!sound(child) || child->records[0] != n->records[i])
			return false;
		size += child->size;
	}
	return size == n->size;
}

bool tree_sound(const struct tree *t)
{
	return !t->root || sound(t->root);
}
