// SPDX-License-Identifier: Apache-2.0
#include "client/status.h"

#include "base/json.h"

enum { TEXT_MAX = 300, STATUS_MAX = 1024 * 1024 };

static void take_causes(const struct json *status, struct err *out)
{
	enum err_reason reason = out->reason; // err_cause makes it ERR_INVALID
	json_each(cause, json_at(status, "details.causes")) {
		char name[64];
		str_to_c(json_str(cause, "reason"), name, sizeof name);
		err_cause(out, json_str(cause, "field"), name, "%.*s", STR_FMT(json_str(cause, "message")));
	}
	out->reason = reason;
}

static void take_status(const struct json *status, int code, struct err *out)
{
	err_set(out, err_reason_of(json_str(status, "reason"), code), "%.*s", STR_FMT(json_str(status, "message")));
	take_causes(status, out);
	out->retry_after_s = (int)json_i64(status, "details.retryAfterSeconds", 0);
}

void status_to_err(struct str body, int code, struct str retry_after, struct err *out)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *status = NULL;
	struct json_options options = {.depth_max = 20};
	bool parsed = body.n <= STATUS_MAX && json_parse(&a, body, &options, &status, NULL) == 0;
	struct str text = str_trim(str_sub(body, 0, TEXT_MAX));
	if (parsed && json_str_is(status, "kind", "Status"))
		take_status(status, code, out);
	else
		err_set(out, err_reason_of(STR_NONE, code), "HTTP %d: %.*s", code, STR_FMT(text));
	int64_t seconds;
	if (out->retry_after_s == 0 && str_to_i64(retry_after, &seconds) == 0 && seconds > 0 && seconds < 3600)
		out->retry_after_s = (int)seconds;
}
