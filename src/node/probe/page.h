// SPDX-License-Identifier: Apache-2.0
// GETs one page of a pod as probes and hooks do: over HTTPS whoever answers, following redirects that stay on the host.
// A redirect that leads elsewhere is itself the answer.
#ifndef NODE_PROBE_PAGE_H
#define NODE_PROBE_PAGE_H

#include "base/err.h"
#include "base/json.h"
#include "sys/sys.h"

enum { PAGE_REDIRECTS_MAX = 10 };

struct page_request { // strings are borrowed during page_get
	bool https, hook; // hook: a lifecycle's, not a probe's (User-Agent)
	struct str host; // a name or an address
	int port;
	struct str path;
	const struct json *headers; // array of {name, value}, or NULL
};

struct page;

// e: there is no answer; otherwise its code. body: at most its first 10 KiB. Called once, never from inside page_get.
typedef void page_done(void *arg, const struct err *e, int code, struct str body);

struct page *page_get(struct loop *l, const struct page_request *r, page_done *done, void *arg);
void page_cancel(struct page *p); // no `done` after this; NULL is fine

#endif
