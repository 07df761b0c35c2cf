// SPDX-License-Identifier: Apache-2.0
// The selection that a list, watch or deletecollection asks for: labels, fields, or the one name that the path says.
#ifndef SERVER_SELECT_H
#define SERVER_SELECT_H

#include "api/selector.h"
#include "server/query.h"
#include "store/store.h"

struct selection {
	struct api_selector *labels;	   // NULL: all
	struct api_field_selector *fields; // NULL: all
	struct str name;		   // the only name that can match; n == 0: any
};

// `name`: of the path (a watch of one object), or empty.
int selection_of(struct arena *a, const struct api_resource *r, const struct list_options *o, struct str name,
		 struct selection *out, struct err *e);
bool selection_is_everything(const struct selection *s);
// What of it the store can look at by itself: scope->facet and wanted, where many watch and each wants little.
void selection_narrow(const struct selection *s, const struct api_resource *r, struct store_scope *scope);
bool selection_matches(const struct selection *s, const struct json *object);
// The same for text; parses what it must into `scratch`, which it resets.
bool selection_matches_text(const struct selection *s, struct arena *scratch, struct str object);

#endif
