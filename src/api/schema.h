// SPDX-License-Identifier: Apache-2.0
// The resource schema as tables. schema/*.schema says each type and resource as text; tools/schema_gen.py makes C of it
// at build time. Decoding, defaults, validation, patches, tables, OpenAPI and discovery all read these tables;
// adding a kind is adding text (and, where a rule spans several fields, a function in api/rules/).
// Source of names, numbers and keys: Kubernetes v1.36.
#ifndef API_SCHEMA_H
#define API_SCHEMA_H

#include "base/json.h"

enum api_value {
	API_STRING,
	API_BOOL,
	API_INT32,
	API_INT64,
	API_DOUBLE,
	API_BYTES,	   // base64 in JSON
	API_QUANTITY,	   // string or number in, canonical string out
	API_INT_OR_STRING,
	API_TIME,	   // RFC 3339, seconds
	API_MICRO_TIME,
	API_DURATION,	   // Go's "1m30s"
	API_ANY,	   // any JSON (RawExtension, managed fields)
	API_OBJECT,	   // of api_field.type
};

// One value, a list of them, a map from strings to them, a map from strings to lists of them.
enum api_shape { API_ONE, API_LIST, API_MAP, API_MAP_OF_LISTS };

enum api_list_type { API_LIST_NONE, API_LIST_ATOMIC, API_LIST_SET, API_LIST_MAP };

struct api_type;

struct api_field {
	struct str name;
	enum api_value value;
	enum api_shape shape;
	const struct api_type *type; // of API_OBJECT
	uint32_t number;	     // protobuf; 0: not in the message (apiVersion and kind travel beside it)
	uint32_t within;	     // protobuf: number of the embedded message that holds this field; 0: none
	bool required;		     // as OpenAPI says it
	bool omit_empty;	     // an empty value is left out when encoding (Go's omitempty); else it is written
				     // even where it is absent: "", 0, null
	bool pointer;		     // null and absent differ from zero: false, 0, "" and {} are kept when given.
				     // Without it an object is always there, at least as {}
	bool off;		     // of a feature that is switched off: api_default drops it
	bool kept;		     // an empty list or map is kept for the rules, which tell it from absence; it is
				     // never stored
	enum api_list_type list_type; // API_LIST_ATOMIC also on maps
	const struct str *list_keys; // of API_LIST_MAP, ends with an empty str
	struct str merge_key;	     // strategic merge; empty: replace the list
	bool patch_merge;	     // strategic strategy has "merge"
	bool patch_retain_keys;
	const struct str *enums;     // allowed values as OpenAPI tells them, ends with an empty str; NULL: any
	struct str standard;	     // default as JSON text; empty: none
	struct str doc;
};

struct api_type {
	struct str name;	// "v1.PodSpec", "v1.ObjectMeta"; of other groups "apps/v1.DeploymentSpec"
	struct str definition;	// OpenAPI: "io.k8s.api.core.v1.PodSpec"
	struct str group, version; // group is "" for core and for shared types
	struct str kind;	// of a type with apiVersion and kind of its own, else empty
	struct str doc;
	const struct api_field *fields;
	size_t field_count;
	bool atomic_map;	// x-kubernetes-map-type: atomic
	const uint8_t *slots;	// perfect hash of the names: index + 1 into fields, 0 for none
	uint32_t slot_mask, seed;
	const uint8_t *filled;	// index + 1 of the fields that defaults fill in, ends with 0
	void (*defaults)(struct arena *a, struct json *object); // what defaults need more than that, or NULL
};

enum api_verb { // bits
	API_GET = 1, API_LIST_VERB = 2, API_WATCH = 4, API_CREATE = 8, API_UPDATE = 16, API_PATCH = 32, API_DELETE = 64,
	API_DELETE_COLLECTION = 128,
};

struct api_subresource {
	struct str name;	     // "status", "scale", "log", "exec"...
	const struct api_type *type; // body; NULL: no object (log, exec)
	struct str kind;	     // of the body; of a connection its options ("PodExecOptions")
	struct str group, version;   // of the body where they differ from the resource's, else empty
	unsigned verbs;
};

struct api_column {
	struct str name, type, format, doc;
	int priority;
};

struct api_resource {
	struct str group, version, kind; // group "" is core
	struct str plural, singular;
	struct str path; // "api/v1", "apis/apps/v1": where its group version begins in URLs, without the first '/'
	const struct str *short_names, *categories; // end with an empty str; NULL: none
	bool namespaced;
	unsigned verbs;
	const struct api_type *type;
	const struct api_type *list_type; // "v1.PodList"; NULL where it cannot be listed
	const struct api_subresource *subresources;
	size_t subresource_count;
	const struct str *selectable; // field selector paths beyond metadata.name and metadata.namespace
	const struct api_column *columns;
	size_t column_count;
	struct str store_prefix; // the key's first part: "pods", "apps/deployments"; shared where two API groups
				 // show one thing (events of core and events.k8s.io)
	bool ephemeral;		 // reviews: answered, never stored (create only)
	struct str storage_hash; // says for discovery in which form it rests; empty: it does not
	struct str deprecated;	 // since when, and what to use instead; empty: it is not
};

extern const struct api_resource api_resources[];
extern const size_t api_resource_count;
extern const struct api_type *const api_types[]; // every type, for OpenAPI
extern const size_t api_type_count;

// NULL: no such resource. Names as in URLs.
const struct api_resource *api_resource_find(struct str group, struct str version, struct str plural);
const struct api_resource *api_resource_by_kind(struct str group, struct str version, struct str kind);
const struct api_subresource *api_subresource_find(const struct api_resource *r, struct str name);
const struct api_field *api_field_find(const struct api_type *t, struct str name);
// By its number in protobuf: of the message itself (`within` 0), or in the embedded message number `within`.
const struct api_field *api_field_within(const struct api_type *t, uint32_t within, uint32_t number);
const struct api_type *api_type_find(struct str name); // "v1.PodSpec"
// "v1", "apps/v1"
struct str api_version_text(struct arena *a, const struct api_resource *r);

#endif
