// SPDX-License-Identifier: Apache-2.0
// What the server publishes about itself, made from the schema's tables: OpenAPI v2 and v3, discovery (legacy and
// aggregated). Everything is a pure function of the tables: make it once and keep the bytes.
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "api/schema.h"

void api_openapi_v2(struct buf *out);	       // /openapi/v2 as JSON
void api_openapi_v2_protobuf(struct buf *out); // the same as gnostic's openapi.v2.Document
// One group version ("api/v1", "apis/apps/v1") as OpenAPI v3; false where there is none.
bool api_openapi_v3(struct buf *out, struct str path);
// Calls for each group version: path "api/v1", which lives as long as the program.
void api_openapi_v3_paths(void (*each)(void *arg, struct str path), void *arg);

void api_discovery_legacy_versions(struct buf *out, struct str server_address); // GET /api: APIVersions
void api_discovery_groups(struct buf *out);					// GET /apis: APIGroupList
bool api_discovery_group(struct buf *out, struct str group);			// GET /apis/G: APIGroup
bool api_discovery_resources(struct buf *out, struct str group, struct str version); // APIResourceList
void api_discovery_aggregated(struct buf *out, bool core); // APIGroupDiscoveryList v2 of /api (core) or /apis

#endif
