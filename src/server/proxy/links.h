// SPDX-License-Identifier: Apache-2.0
// A page behind a proxy path names other pages by paths of its own root: "/login". The client must ask for
// "/api/v1/namespaces/NS/pods/NAME/proxy/login". Links are moved in Location headers and in the attributes of HTML that
// hold addresses (HTML, "Attributes"), as upstream's proxy does. Pure: bytes in, bytes out.
#ifndef SERVER_PROXY_LINKS_H
#define SERVER_PROXY_LINKS_H

#include "base/arena.h"
#include "base/buf.h"

struct link_view {
	struct str prefix;		// the path of the root as the client sees it, without a slash at its end
	struct str far_host, far_port;	// how the page is reached from here
	struct str near_host;		// how the client reaches us: its Host header
};

// Whether the prefix may stand in HTML and headers as it is; otherwise nothing is to be moved.
bool links_can_move(const struct link_view *v);

// The link as the client must follow it. Links to other hosts, and relative ones, stay (the same bytes are returned).
struct str link_move(struct arena *a, const struct link_view *v, struct str link);

// A page as it comes, in pieces. Tags of more than LINKS_TAG_MAX bytes pass as they are.
enum { LINKS_TAG_MAX = 16 * 1024 };

enum links_state { LINKS_TEXT, LINKS_TAG, LINKS_COMMENT, LINKS_RAW };

struct links {
	const struct link_view *view; // borrowed
	// private
	enum links_state state;
	struct buf held;    // what can't be told apart yet
	size_t scanned;	    // of a tag in `held`
	char quote, before; // in the tag: the quote that is open, or 0; the last byte that is no space
	char raw[16];	    // the element whose text holds no tags: "script"
};

void links_init(struct links *l, const struct link_view *v);
void links_finish(struct links *l);
void links_feed(struct links *l, struct str piece, struct buf *out); // appends to out what is sure
void links_end(struct links *l, struct buf *out);		      // the page is whole: the rest

#endif
