// SPDX-License-Identifier: Apache-2.0
// Links of pages that are shown below the path of a proxy.
#include "server/proxy/links.h"
#include "unit.h"

static const struct link_view view = {.prefix = STR_INIT("/api/v1/namespaces/ns/pods/p/proxy"),
				      .far_host = STR_INIT("10.0.0.1"),
				      .far_port = STR_INIT("8080"),
				      .near_host = STR_INIT("cloud:6443")};

#define ROOT "/api/v1/namespaces/ns/pods/p/proxy"

static void check_link(const char *from, const char *to)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	CHECK_STR(link_move(&a, &view, str_of(from)), to);
}

TEST(links_to_the_own_root_are_moved)
{
	check_link("/", ROOT "/");
	check_link("/login?to=/x#y", ROOT "/login?to=/x#y");
	check_link("http://10.0.0.1:8080/a", ROOT "/a");
	check_link("HTTPS://10.0.0.1/a", ROOT "/a");
	check_link("//10.0.0.1:8080/a", ROOT "/a");
	check_link("https://cloud:6443/a", "https://cloud:6443" ROOT "/a");
}

TEST(other_links_stay)
{
	check_link("", "");
	check_link("x/y", "x/y");
	check_link("#top", "#top");
	check_link("mailto:a@b", "mailto:a@b");
	check_link("http://elsewhere/a", "http://elsewhere/a");
	check_link("//10.0.0.11/a", "//10.0.0.11/a");
	check_link("http://10.0.0.1:81/a", "http://10.0.0.1:81/a");
	check_link(ROOT "/a", ROOT "/a");
	check_link(ROOT, ROOT);
	check_link(ROOT "x", ROOT ROOT "x");
}

// However the page is cut, the same comes out.
static void check_page(const char *from, const char *to)
{
	struct str page = str_of(from);
	for (size_t piece = 1; piece <= page.n; piece++) {
		struct buf out CLEAN_BUF;
		struct links l;
		buf_init(&out);
		links_init(&l, &view);
		for (size_t at = 0; at < page.n; at += piece)
			links_feed(&l, str_sub(page, at, piece), &out);
		links_end(&l, &out);
		CHECK_STR(buf_str(&out), to);
		links_finish(&l);
	}
}

TEST(attributes_that_hold_addresses_are_moved)
{
	check_page("<a href=\"/x\">y</a>", "<a href=\"" ROOT "/x\">y</a>");
	check_page("<A class='c' HREF = '/x' id=d>", "<A class='c' HREF = '" ROOT "/x' id=d>");
	check_page("<img src=/x.png alt=/y><script src=\"/s.js\"></script>",
		   "<img src=" ROOT "/x.png alt=/y><script src=\"" ROOT "/s.js\"></script>");
	check_page("<form action='/go' method=post><input name=\"/n\" src=\"a>b\" value='/v'/>",
		   "<form action='" ROOT "/go' method=post><input name=\"/n\" src=\"a>b\" value='/v'/>");
	check_page("<object data=/o></object><p data=/o href=/x>", "<object data=" ROOT "/o></object><p data=/o href=/x>");
}

TEST(what_is_no_tag_stays)
{
	static const char *const same[] = {
		"plain text, a < b, a<b, 1 <2",
		"<!-- <a href=\"/x\"> --><!doctype html>",
		"<script>if (a<b) x = '<a href=\"/x\">';</script>",
		"<title><a href='/x'></title>",
		"<a href=\"/x", // never closed
		"<",
		"<!-",
		"<a =/x a= b>",
		"</a href=\"/x\">",
	};
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		check_page(same[i], same[i]);
	check_page("<script></SCRIPT ><a href=/x>", "<script></SCRIPT ><a href=" ROOT "/x>");
	check_page("<!----><a href=/x>", "<!----><a href=" ROOT "/x>");
}

TEST(a_tag_without_end_is_not_kept)
{
	struct buf out CLEAN_BUF;
	struct links l;
	buf_init(&out);
	links_init(&l, &view);
	links_feed(&l, STR("<a "), &out);
	for (int i = 0; i < 4 * LINKS_TAG_MAX; i++)
		links_feed(&l, STR("x"), &out);
	CHECK(l.held.n <= LINKS_TAG_MAX && out.n > 3 * LINKS_TAG_MAX);
	links_finish(&l);
}

TEST(only_plain_prefixes_are_written)
{
	struct link_view odd = view;
	CHECK(links_can_move(&view));
	odd.prefix = STR("/api/v1/\"><script>");
	CHECK(!links_can_move(&odd));
}
