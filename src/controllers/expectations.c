// SPDX-License-Identifier: Apache-2.0
#include "controllers/expectations.h"

#include "base/map.h"
#include "base/times.h"

static const int64_t patience_ns = 30 * TIME_S, doubt_ns = 5 * TIME_S;

struct ledger {		   // of one owner; the values are deadlines on the heap
	struct map unseen; // keys of pods
	struct map doomed; // uids of pods
};

struct expectations {
	struct map ledgers; // owner's uid -> struct ledger
};

struct expectations *expectations_create(void)
{
	struct expectations *x = MEM_NEW(struct expectations);
	map_init(&x->ledgers);
	return x;
}

static void finish_deadlines(struct map *m)
{
	map_each(slot, m)
		free(slot->value);
	map_finish(m);
}

static void ledger_destroy(struct ledger *l)
{
	if (!l)
		return;
	finish_deadlines(&l->unseen);
	finish_deadlines(&l->doomed);
	free(l);
}

void expectations_destroy(struct expectations *x)
{
	if (!x)
		return;
	map_each(slot, &x->ledgers)
		ledger_destroy(slot->value);
	map_finish(&x->ledgers);
	free(x);
}

void expectations_forget(struct expectations *x, struct str owner_uid)
{
	ledger_destroy(map_remove(&x->ledgers, owner_uid));
}

static struct ledger *need_ledger(struct expectations *x, struct str owner_uid)
{
	struct ledger *l = map_get(&x->ledgers, owner_uid);
	if (l)
		return l;
	l = MEM_NEW(struct ledger);
	map_init(&l->unseen);
	map_init(&l->doomed);
	map_set(&x->ledgers, owner_uid, l);
	return l;
}

static void enter(struct map *m, struct str key, int64_t now_ns)
{
	int64_t *deadline = MEM_NEW(int64_t);
	*deadline = now_ns + patience_ns;
	free(map_set(m, key, deadline));
}

static void leave(struct expectations *x, struct str owner_uid, struct str key, bool unseen)
{
	struct ledger *l = map_get(&x->ledgers, owner_uid);
	if (!l)
		return;
	free(map_remove(unseen ? &l->unseen : &l->doomed, key));
	if (l->unseen.count == 0 && l->doomed.count == 0)
		expectations_forget(x, owner_uid);
}

void expectations_creating(struct expectations *x, struct str owner_uid, struct str pod_key, int64_t now_ns)
{
	enter(&need_ledger(x, owner_uid)->unseen, pod_key, now_ns);
}

void expectations_doubt(struct expectations *x, struct str owner_uid, struct str pod_key, int64_t now_ns)
{
	struct ledger *l = map_get(&x->ledgers, owner_uid);
	int64_t *deadline = l ? map_get(&l->unseen, pod_key) : NULL;
	if (deadline)
		*deadline = now_ns + doubt_ns;
}

void expectations_not_created(struct expectations *x, struct str owner_uid, struct str pod_key)
{
	leave(x, owner_uid, pod_key, true);
}

void expectations_deleting(struct expectations *x, struct str owner_uid, struct str pod_uid, int64_t now_ns)
{
	enter(&need_ledger(x, owner_uid)->doomed, pod_uid, now_ns);
}

void expectations_not_deleted(struct expectations *x, struct str owner_uid, struct str pod_uid)
{
	leave(x, owner_uid, pod_uid, false);
}

void expectations_observe(struct expectations *x, const struct pod *before, const struct pod *now)
{
	const struct pod *p = now ? now : before;
	if (str_empty(p->owner_uid))
		return;
	leave(x, p->owner_uid, p->key, true);
	if (!now || now->deleting)
		leave(x, p->owner_uid, p->uid, false);
}

size_t expectations_unseen(struct expectations *x, struct str owner_uid, int64_t now_ns, int64_t *again_ns)
{
	struct ledger *l = map_get(&x->ledgers, owner_uid);
	*again_ns = 0;
	if (!l)
		return 0;
	for (size_t i = l->unseen.count; i-- > 0;) {
		int64_t *deadline = l->unseen.entries[i].value;
		if (*deadline > now_ns) {
			if (*again_ns == 0 || *deadline - now_ns < *again_ns)
				*again_ns = *deadline - now_ns;
			continue;
		}
		map_remove(&l->unseen, l->unseen.entries[i].key);
		free(deadline);
	}
	return l->unseen.count;
}

bool expectations_is_doomed(struct expectations *x, struct str owner_uid, struct str pod_uid, int64_t now_ns)
{
	struct ledger *l = map_get(&x->ledgers, owner_uid);
	int64_t *deadline = l ? map_get(&l->doomed, pod_uid) : NULL;
	return deadline && *deadline > now_ns;
}
