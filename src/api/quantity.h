// SPDX-License-Identifier: Apache-2.0
// Amounts of resources as Kubernetes writes them: "100m", "1.5Gi", "2e3". Exact to a billionth, bounded by 2^63-1,
// without floating point. Finer fractions are rounded away from zero, greater amounts become the greatest.
// Also IntOrString, the other number that may be text ("25%").
#ifndef API_QUANTITY_H
#define API_QUANTITY_H

#include "base/json.h"

enum quantity_form {
	QUANTITY_DECIMAL,  // n u m k M G T P E
	QUANTITY_EXPONENT, // e3
	QUANTITY_BINARY,   // Ki Mi Gi Ti Pi Ei
};

struct quantity {
	__int128 nano; // billionths
	enum quantity_form form;
};

// 0, or -1 when the text is no quantity (out untouched).
int quantity_parse(struct str text, struct quantity *out);
// From a JSON string or number; -1 for other values, NULL too.
int quantity_of(const struct json *value, struct quantity *out);
struct quantity quantity_of_int(int64_t value);
struct quantity quantity_of_milli(int64_t milli);

// The one text of this amount: no fraction, the greatest suffix that leaves none. "0.5" gives "500m", "1024Ki" "1Mi".
struct str quantity_text(struct arena *a, struct quantity q);
// Whether Kubernetes v1.36 takes the text of a quantity for that one and leaves it as it is. It does not look closely:
// "1.125" and "+5" stay too.
bool quantity_stays(struct str text);
struct quantity quantity_whole_milli(struct quantity q); // rounded to thousandths, away from zero

int quantity_cmp(struct quantity a, struct quantity b); // <0, 0, >0
int64_t quantity_value(struct quantity q);		// whole units, rounded up
int64_t quantity_milli(struct quantity q);		// thousandths, rounded up
// The form is that of `a`, or of `b` where `a` is zero. Bounded.
struct quantity quantity_add(struct quantity a, struct quantity b);

// An IntOrString as a share of `total`: "25%" is a quarter of it, rounded up or down; a number is itself.
// 0, or -1 when the value is neither a number nor a percentage.
int int_or_percent(const struct json *value, int64_t total, bool round_up, int64_t *out);

#endif
