// SPDX-License-Identifier: Apache-2.0
// /livez: the process answers. /readyz: it has its store, is bootstrapped and listens. Each check can be asked by
// itself
// (/readyz/store), be left out (?exclude=store), or all be told (?verbose).
#include "server/plain.h"
#include "server/respond.h"
#include "server/state.h"

static bool check_ping(struct server *s)
{
	return true;
}

static bool check_store(struct server *s)
{
	struct store_snapshot *snapshot = store_snapshot(s->store);
	bool ok = snapshot != NULL;
	store_snapshot_release(snapshot);
	return ok;
}

static bool check_bootstrap(struct server *s)
{
	return atomic_load(&s->ready);
}

static const struct {
	const char *name;
	bool (*ok)(struct server *s);
	bool only_ready;
} checks[] = {
	{"ping", check_ping, false},
	{"log", check_ping, false},
	{"store", check_store, false},
	{"bootstrap", check_bootstrap, true},
};

static bool is_excluded(const struct query *q, const char *name)
{
	for (size_t i = 0; i < q->count; i++)
		if (str_is(q->pairs[i].name, "exclude") && str_is(q->pairs[i].value, name))
			return true;
	return false;
}

static void answer(struct call *c, bool ok, struct str text)
{
	respond_text(c, ok ? 200 : 500, "text/plain; charset=utf-8", text);
}

static void one_check(struct call *c, struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (str_is(name, checks[i].name)) {
			bool ok = checks[i].ok(c->server);
			answer(c, ok, ok ? STR("ok") : STR("failed\n"));
			return;
		}
	respond_not_found_path(c);
}

void health_path(struct call *c)
{
	struct str rest = str_from(c->path, 1), kind, name;
	str_cut(rest, '/', &kind, &name);
	if (!str_empty(name)) {
		one_check(c, name);
		return;
	}
	bool ready = str_is(kind, "readyz"), all = true;
	struct buf out CLEAN_BUF;
	buf_init(&out);
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (checks[i].only_ready && !ready)
			continue;
		bool excluded = is_excluded(&c->query, checks[i].name);
		bool ok = excluded || checks[i].ok(c->server);
		all = all && ok;
		buf_fmt(&out, "[%c]%s %s\n", ok ? '+' : '-', checks[i].name,
			excluded ? "excluded: ok"
			: ok	 ? "ok"
				 : "failed");
	}
	buf_fmt(&out, "%.*s check %s\n", STR_FMT(kind), all ? "passed" : "failed");
	answer(c, all, all && !query_has(&c->query, "verbose") ? STR("ok") : buf_str(&out));
}
