// SPDX-License-Identifier: Apache-2.0
// Inside the api room: how the cells of a table's row are made. A kind's function adds its cells in the order of the
// resource's columns.
#ifndef API_TABLE_CELLS_H
#define API_TABLE_CELLS_H

#include "api/schema.h"

struct row {
	struct arena *arena;
	const struct json *object;
	int64_t now_ns;
	struct json *cells;
};

void cell_text(struct row *r, struct str text);
void cell_int(struct row *r, int64_t value);
void cell_fmt(struct row *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The string at a path of the object, or `otherwise`.
void cell_at(struct row *r, const char *path, const char *otherwise);
void cell_name(struct row *r);
void cell_age(struct row *r); // of the object

// How long ago the time in this field was; "<unknown>" where it is absent.
struct str row_age(const struct row *r, const struct json *time);
// "a,b + 3 more...": up to three names of a list, for lists that can be long.
struct names {
	struct buf text;
	size_t shown, count;
};
void names_add(struct names *n, struct str name);
void cell_names(struct row *r, struct names *n, const char *otherwise); // and frees them

// The strings at `path` of each element of a list, joined by commas.
struct str row_joined(const struct row *r, const struct json *list, const char *path);
// A LabelSelector as query text, "<none>" when it is empty.
struct str row_selector(const struct row *r, const struct json *label_selector);
// A map of labels as "a=b,c=d", "<none>" when it is empty.
struct str row_labels(const struct row *r, const struct json *labels);

void table_pod(struct row *r);
void table_node(struct row *r);
void table_service(struct row *r);
void table_endpoints(struct row *r);
void table_endpoint_slice(struct row *r);
void table_event(struct row *r);

#endif
