// SPDX-License-Identifier: Apache-2.0
// Event, by the names of both its API groups. An event without eventTime is of the old kind and has few rules; the
// group events.k8s.io takes only the new kind. Causes name fields as the group "" does.
#include "api/rules/rules.h"

enum { TEXT_MAX = 128, NOTE_MAX = 1024 };

static bool is_new_group(const struct check *c)
{
	return str_is(c->resource->group, "events.k8s.io");
}

static void check_text(struct check *c, const struct path *p, struct str text)
{
	if (!text.n)
		fail_required(c, p, "an event with `eventTime` has it");
	else if (text.n > TEXT_MAX)
		fail_text(c, p, text, "must be no more than %d bytes", TEXT_MAX);
}

static void check_namespaces(struct check *c, const struct json *about)
{
	struct str here = json_str(c->object, "metadata.namespace"), there = text_of(about, "namespace");
	const struct path *p = AT(AT(NULL, "involvedObject"), "namespace");
	bool is_new = is_set(c->object, "eventTime");
	bool anywhere = str_is(here, "default") ||
			(is_new && str_is(here, "kube-system")); // for things in no namespace
	if (there.n ? !is_new && !str_eq(here, there) : !anywhere)
		fail_text(c, p, there, "must be the event's own namespace");
}

static void check_reporter(struct check *c)
{
	bool is_new = is_new_group(c);
	struct str reporter = text_of(c->object, is_new ? "reportingController" : "reportingComponent");
	const struct path *p = is_new ? AT(NULL, "reportingController") : AT(NULL, "reportingComponent");
	if (!reporter.n)
		fail_required(c, p, "an event with `eventTime` names who reports it");
	check_format(c, p, reporter, format_qualified_name);
	check_text(c, AT(NULL, "reportingInstance"), text_of(c->object, "reportingInstance"));
}

static void check_old_rules(struct check *c)
{
	bool is_new = is_new_group(c);
	check_namespaces(c, field(c->object, is_new ? "regarding" : "involvedObject"));
	if (!is_set(c->object, "eventTime"))
		return;
	check_reporter(c);
	check_text(c, AT(NULL, "action"), text_of(c->object, "action"));
	check_text(c, AT(NULL, "reason"), text_of(c->object, "reason"));
	struct str note = text_of(c->object, is_new ? "note" : "message");
	if (note.n > NOTE_MAX)
		fail_text(c, AT(NULL, "message"), note, "must be no more than %d bytes", NOTE_MAX);
}

static void check_series(struct check *c)
{
	const struct path *p = AT(NULL, "series");
	const struct json *series = field(c->object, "series");
	if (!series)
		return;
	if (json_i64(series, "count", 0) < 2)
		fail_invalid(c, AT(p, "count"), field(series, "count"), "must be at least 2");
	if (!is_set(series, "lastObservedTime"))
		fail_required(c, AT(p, "lastObservedTime"), "a series was last seen at some time");
}

void rules_event_create(struct check *c)
{
	static const struct {
		const char *field, *path;
	} unwanted[] = {{"deprecatedFirstTimestamp", "firstTimestamp"},
			{"deprecatedLastTimestamp", "lastTimestamp"},
			{"deprecatedCount", "count"},
			{"deprecatedSource", "source"}};
	check_old_rules(c);
	if (!is_new_group(c))
		return;
	check_series(c);
	if (!is_set(c->object, "eventTime"))
		fail_required(c, AT(NULL, "eventTime"), "an event happened at some time");
	if (!IS_ONE_OF(text_of(c->object, "type"), "Normal", "Warning"))
		fail_text(c, AT(NULL, "type"), text_of(c->object, "type"), "must be Normal or Warning");
	for (size_t i = 0; i < ARRAY_LEN(unwanted); i++)
		if (is_set(c->object, unwanted[i].field))
			fail_invalid(c, AT_STR(NULL, str_of(unwanted[i].path)), field(c->object, unwanted[i].field),
				     "must not be set");
}

void rules_event_update(struct check *c)
{
	static const struct { // Kubernetes names the reason twice
		const char *field, *path;
	} fixed[] = {{"regarding", "involvedObject"},
		     {"reason", "reason"},
		     {"reportingController", "reportingController"},
		     {"reportingInstance", "reportingInstance"},
		     {"action", "action"},
		     {"reason", "reason"},
		     {"related", "related"},
		     {"note", "message"},
		     {"type", "type"},
		     {"eventTime", "eventTime"},
		     {"deprecatedFirstTimestamp", "firstTimestamp"},
		     {"deprecatedLastTimestamp", "lastTimestamp"},
		     {"deprecatedCount", "count"},
		     {"deprecatedSource", "source"}};
	check_old_rules(c);
	if (!is_new_group(c))
		return;
	if (!same_field(c->object, c->old, "series"))
		check_series(c);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		check_immutable(c, AT_STR(NULL, str_of(fixed[i].path)), field(c->object, fixed[i].field),
				field(c->old, fixed[i].field));
}
