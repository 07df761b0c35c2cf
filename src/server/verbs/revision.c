// SPDX-License-Identifier: Apache-2.0
#include "server/verbs/revision.h"

#include <stdio.h>

#include "base/encode.h"

int revision_reached(struct store_snapshot *s, int64_t wanted, struct err *e)
{
	int64_t now = store_snapshot_revision(s);
	if (wanted <= now)
		return 0;
	err_cause(e, STR(""), "ResourceVersionTooLarge", "Too large resource version");
	e->reason = ERR_TIMEOUT;
	free(e->text);
	e->text = mem_strdup("");
	e->retry_after_s = 1;
	return err_wrap(e, "Too large resource version: %lld, current: %lld", (long long)wanted, (long long)now);
}

struct str page_write(struct arena *a, const struct page *p, uint64_t query_hash)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	encode_base64_url(&out, arena_fmt(a, "1.%lld.%016llx.%.*s", (long long)p->revision,
					  (unsigned long long)query_hash, STR_FMT(p->after)));
	return arena_str(a, buf_str(&out));
}

static int page_fields(struct str text, uint64_t query_hash, struct page *out, bool *other_query)
{
	struct str version, revision, hash;
	char expected[20];
	snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)query_hash);
	if (!str_cut(text, '.', &version, &text) || !str_is(version, "1") || !str_cut(text, '.', &revision, &text) ||
	    !str_cut(text, '.', &hash, &out->after) || str_to_i64(revision, &out->revision) < 0)
		return -1;
	*other_query = !str_is(hash, expected);
	return 0;
}

int page_read(struct arena *a, struct str token, uint64_t query_hash, struct page *out, struct err *e)
{
	struct str text;
	bool other_query = false;
	if (decode_base64_url(a, token, &text) < 0 || page_fields(text, query_hash, out, &other_query) < 0)
		return err_set(e, ERR_BAD_REQUEST, "invalid continue token");
	if (other_query)
		return err_set(e, ERR_BAD_REQUEST, "invalid continue token: it belongs to another query");
	return 0;
}

int revision_snapshot(struct store *s, const struct list_options *o, const struct page *p, struct store_snapshot **out,
		      struct err *e)
{
	bool at = p ? p->revision >= 0
		    : o->has_revision && o->revision > 0 &&
				  (o->match == MATCH_EXACT || (o->match == MATCH_UNSAID && o->limit > 0));
	if (at) {
		int64_t revision = p ? p->revision : o->revision;
		struct store_snapshot *newest = store_snapshot(s);
		int ok = revision_reached(newest, revision, e);
		store_snapshot_release(newest);
		if (ok < 0)
			return -1;
		return store_snapshot_at(s, revision, out, e);
	}
	struct store_snapshot *newest = store_snapshot(s);
	if (!p && revision_reached(newest, o->revision, e) < 0) {
		store_snapshot_release(newest);
		return -1;
	}
	*out = newest;
	return 0;
}
