// SPDX-License-Identifier: Apache-2.0
// The query of a request, decoded once, and the options that it (or a DeleteOptions body) carries, with upstream's
// rules for them. Broken options are ERR_INVALID with causes, as those of the kind that options_kind names.
#ifndef SERVER_QUERY_H
#define SERVER_QUERY_H

#include "api/object.h"

struct query_pair {
	struct str name, value;
};

struct query {
	const struct query_pair *pairs;
	size_t count;
};

enum { QUERY_PAIRS_MAX = 200 };

int query_parse(struct arena *a, struct str text, struct query *out, struct err *e); // ERR_BAD_REQUEST
struct str query_get(const struct query *q, const char *name); // STR_NONE when absent; of several the first
bool query_has(const struct query *q, const char *name);
bool query_is_true(const struct query *q, const char *name); // "true", "1", and a bare name

// ---- create, update, patch

struct write_options {
	bool dry_run;
	enum api_strictness strictness; // Warn where nothing is said
	struct str field_manager;
};
int write_options_of(const struct query *q, struct write_options *out, struct err *e);
// The same for patches, which other than apply patches (there are none here) can't be forced.
int patch_options_of(const struct query *q, struct write_options *out, struct err *e);

// ---- delete

enum propagation { PROPAGATE_UNSAID, PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN };

struct delete_options {
	bool dry_run;
	bool has_grace;
	int64_t grace_s;
	enum propagation propagation;
	struct str uid, resource_version; // preconditions; n == 0: none
};
// `body` is a parsed DeleteOptions or NULL; what it says stands before the query.
int delete_options_of(const struct query *q, const struct json *body, struct delete_options *out, struct err *e);

// ---- list and watch

enum revision_match { MATCH_UNSAID, MATCH_EXACT, MATCH_NOT_OLDER };

struct list_options {
	bool watch;
	int64_t limit;	 // 0: none
	struct str next; // the continue token; n == 0: none
	bool has_revision;
	int64_t revision;
	enum revision_match match;
	bool bookmarks;
	bool has_initial_events, initial_events;
	int64_t timeout_s; // 0: none
	struct str label_selector, field_selector;
};
int list_options_of(const struct query *q, bool watch, struct list_options *out, struct err *e);

#endif
