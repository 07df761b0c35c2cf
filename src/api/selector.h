// SPDX-License-Identifier: Apache-2.0
// Label selectors (query text and LabelSelector objects) and field selectors.
#ifndef API_SELECTOR_H
#define API_SELECTOR_H

#include "api/schema.h"

struct api_selector; // in the arena it was parsed into; immutable

// "a=b,c!=d,e in (x,y),!f,g>1". Empty text selects everything. ERR_BAD_REQUEST with the reason.
int api_selector_parse(struct arena *a, struct str text, struct api_selector **out, struct err *e);
// metav1.LabelSelector ({matchLabels, matchExpressions}); NULL selects nothing, {} everything.
int api_selector_of(struct arena *a, const struct json *label_selector, struct api_selector **out, struct err *e);
// A plain map of labels (a Service's selector); NULL or empty selects everything.
struct api_selector *api_selector_of_map(struct arena *a, const struct json *labels);
bool api_selector_matches(const struct api_selector *s, const struct json *labels);
bool api_selector_everything(const struct api_selector *s);

struct api_field_selector;
// Only metadata.name, metadata.namespace and the resource's selectable fields; ERR_BAD_REQUEST otherwise.
int api_field_selector_parse(struct arena *a, const struct api_resource *r, struct str text,
			     struct api_field_selector **out, struct err *e);
bool api_field_selector_matches(const struct api_field_selector *s, const struct json *object);
bool api_field_selector_everything(const struct api_field_selector *s);
// The value that the selector demands of `path` by "=", or STR_NONE: lets a list by metadata.name be a get.
struct str api_field_selector_value(const struct api_field_selector *s, const char *path);

#endif
