// SPDX-License-Identifier: Apache-2.0
#include "network/ledger.h"
#include "unit.h"

static struct plan_element element(unsigned char key, unsigned char data)
{
	return (struct plan_element){.set = PLAN_ENDPOINTS, .key_len = 16, .key = {key}, .data_len = 8, .data = {data}};
}

struct lists {
	struct plan_element *from, *to;
	size_t from_count, to_count;
};

static struct lists changes(struct ledger *l, struct arena *a)
{
	struct lists x;
	ledger_changes(l, a, &x.from, &x.from_count, &x.to, &x.to_count);
	return x;
}

TEST(ledger_counts_who_wants_an_element)
{
	struct arena a CLEAN_ARENA;
	struct ledger l;
	arena_init(&a);
	ledger_init(&l);
	struct plan_element shared = element(1, 7);
	ledger_want(&l, &shared, 1);
	ledger_want(&l, &shared, 1);
	CHECK_INT(changes(&l, &a).to_count, 1);
	ledger_settle(&l);
	ledger_unwant(&l, &shared, 1);
	struct lists x = changes(&l, &a);
	CHECK(x.from_count == 1 && x.to_count == 1 && plan_element_same(x.from, x.to)); // one still wants it
	ledger_settle(&l);
	ledger_unwant(&l, &shared, 1);
	x = changes(&l, &a);
	CHECK(x.from_count == 1 && x.to_count == 0);
	ledger_settle(&l);
	CHECK_INT(l.entries.count, 0);
	ledger_finish(&l);
}

TEST(ledger_takes_over_what_the_kernel_has)
{
	struct arena a CLEAN_ARENA;
	struct ledger l;
	arena_init(&a);
	ledger_init(&l);
	struct plan_element found[] = {element(1, 7), element(2, 7), element(3, 7)};
	struct plan_element wanted[] = {element(1, 7), element(2, 9), element(4, 7)};
	ledger_found(&l, found, 3);
	ledger_want(&l, wanted, 3);
	struct lists x = changes(&l, &a);
	CHECK(x.from_count == 3 && x.to_count == 3); // sorted by key: 1 stays, 2 changes, 3 goes, 4 comes
	CHECK(plan_element_same(&x.from[0], &x.to[0]) && !plan_element_same(&x.from[1], &x.to[1]));
	CHECK(x.from[2].key[0] == 3 && x.to[2].key[0] == 4);
	ledger_settle(&l);
	x = changes(&l, &a);
	CHECK(x.from_count == 0 && x.to_count == 0);
	ledger_finish(&l);
}

TEST(ledger_forgets_what_the_kernel_has_lost)
{
	struct arena a CLEAN_ARENA;
	struct ledger l;
	arena_init(&a);
	ledger_init(&l);
	struct plan_element wanted[] = {element(1, 7), element(2, 7)};
	ledger_want(&l, wanted, 2);
	ledger_settle(&l);
	ledger_found(&l, wanted, 1);
	struct lists x = changes(&l, &a);
	CHECK(x.from_count == 1 && x.to_count == 2);
	CHECK(x.from[0].key[0] == 1 && x.to[1].key[0] == 2);
	ledger_finish(&l);
}

// Two Services may claim one external address: when the one that spoke last goes, the other's word counts again.
TEST(ledger_goes_back_to_what_is_still_wanted)
{
	struct arena a CLEAN_ARENA;
	struct ledger l;
	arena_init(&a);
	ledger_init(&l);
	struct plan_element first = element(1, 7), last = element(1, 9);
	ledger_want(&l, &first, 1);
	ledger_want(&l, &last, 1);
	CHECK_INT(changes(&l, &a).to[0].data[0], 9);
	ledger_settle(&l);
	ledger_unwant(&l, &last, 1);
	struct lists x = changes(&l, &a);
	CHECK(x.from[0].data[0] == 9 && x.to_count == 1 && x.to[0].data[0] == 7);
	ledger_settle(&l);
	ledger_unwant(&l, &first, 1);
	CHECK_INT(changes(&l, &a).to_count, 0);
	ledger_settle(&l);
	CHECK_INT(l.entries.count, 0);
	ledger_finish(&l);
}
