// SPDX-License-Identifier: Apache-2.0
#include "controllers/owner.h"

#include "client/scan.h"

struct owner owner_of(struct str object_text)
{
	struct str references = scan_get(scan_get(object_text, "metadata"), "ownerReferences"), reference;
	while (scan_element(&references, &reference)) {
		if (str_is(scan_get(reference, "controller"), "true"))
			return (struct owner){scan_get_str(reference, "uid"), scan_get_str(reference, "kind"),
					      scan_get_str(reference, "name")};
	}
	return (struct owner){STR_NONE, STR_NONE, STR_NONE};
}

struct json *owner_reference(struct arena *a, const char *version, const char *kind, const struct json *owner)
{
	struct json *reference = json_object(a);
	json_put_str(a, reference, "apiVersion", str_of(version));
	json_put_str(a, reference, "kind", str_of(kind));
	json_put_str(a, reference, "name", json_str(owner, "metadata.name"));
	json_put_str(a, reference, "uid", json_str(owner, "metadata.uid"));
	json_put_bool(a, reference, "controller", true);
	json_put_bool(a, reference, "blockOwnerDeletion", true);
	return reference;
}
