// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "node/pod/worker_parts.h"

static const char *list_of(enum container_kind kind)
{
	return kind == CONTAINER_MAIN	     ? "containers"
	       : kind == CONTAINER_EPHEMERAL ? "ephemeralContainers"
					     : "initContainers";
}

void tell(struct pod_worker *w, int container, enum events_type type, const char *reason, const char *format, ...)
{
	if (w->state->deleted)
		return; // nobody is left to read it
	struct arena a CLEAN_ARENA;
	va_list args;
	arena_init(&a);
	struct events_about about = events_about_object("v1", "Pod", w->spec->object);
	if (container >= 0)
		about.field_path = arena_fmt(&a, "spec.%s{%.*s}", list_of(w->spec->containers[container].kind),
					     STR_FMT(w->spec->containers[container].name));
	va_start(args, format);
	struct str text = arena_vfmt(&a, format, args);
	va_end(args);
	events_record(w->host->events, &about, type, reason, "%.*s", STR_FMT(text));
}
