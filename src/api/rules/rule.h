// SPDX-License-Identifier: Apache-2.0
// What the rules of the kinds are written in: the checks that many kinds share, over failures (fail.h), values
// (value.h) and tables of what was met (among.h).
//
// Rules see conformed and defaulted objects (see api/object.h): JSON types are right, zeros that mean absence are
// absent. Lists and maps are never null.
#ifndef API_RULES_RULE_H
#define API_RULES_RULE_H

#include "api/format.h"
#include "api/rules/among.h"
#include "api/rules/fail.h"
#include "api/rules/same.h"
#include "api/rules/value.h"

void check_format(struct check *c, const struct path *p, struct str value, format_check *format);
// The same for forms of lower case letters where upper case ones do too.
void check_lower_format(struct check *c, const struct path *p, struct str value, format_check *format);
// Whether the value is one of them; says so where it is not. A missing value is the empty string.
bool check_one_of(struct check *c, const struct path *p, const struct json *value, const char *const *allowed);
#define ONE_OF(c, p, value, ...) check_one_of((c), (p), (value), (const char *const[]){__VA_ARGS__, NULL})
bool text_is_one_of(struct str text, const char *const *allowed);
#define IS_ONE_OF(text, ...) text_is_one_of((text), (const char *const[]){__VA_ARGS__, NULL})
// A missing number is 0.
void check_not_negative(struct check *c, const struct path *p, const struct json *number);
void check_range(struct check *c, const struct path *p, const struct json *number, int64_t min, int64_t max);
void check_port(struct check *c, const struct path *p, const struct json *number); // 1 to 65535
// A port of a Service or of Endpoints: its name, number, protocols. `needs_name`: it is one of several.
void check_named_port(struct check *c, const struct path *p, const struct json *port, bool needs_name);
void check_immutable(struct check *c, const struct path *p, const struct json *value, const struct json *old);
// Keys and values of a map of labels.
void check_labels(struct check *c, const struct path *p, const struct json *labels);
void check_annotations(struct check *c, const struct path *p, const struct json *annotations);
// An address that others can reach: not unspecified, loopback, link-local or multicast.
void check_not_special_ip(struct check *c, const struct path *p, struct str ip);
// A metav1.LabelSelector.
void check_label_selector(struct check *c, const struct path *p, const struct json *selector);
bool label_selector_is_good(struct check *c, const struct json *selector);

#endif
