// SPDX-License-Identifier: Apache-2.0
#include "server/proxy/links.h"

#include <stdio.h>

#include "wire/http.h"

bool links_can_move(const struct link_view *v)
{
	for (size_t i = 0; i < v->prefix.n; i++) {
		char c = v->prefix.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!plain && !memchr("/:%.-_~", c, 7))
			return false;
	}
	return true;
}

// ---- one link

static bool is_far(const struct link_view *v, struct str host)
{
	if (!str_starts(host, v->far_host))
		return false;
	struct str rest = str_from(host, v->far_host.n);
	return str_empty(rest) || (rest.p[0] == ':' && str_eq(str_from(rest, 1), v->far_port));
}

static bool has_prefix(const struct link_view *v, struct str path)
{
	return str_starts(path, v->prefix) && (path.n == v->prefix.n || memchr("/?#", path.p[v->prefix.n], 3));
}

struct str link_move(struct arena *a, const struct link_view *v, struct str link)
{
	size_t n = http_origin_length(link);
	struct str origin = str_sub(link, 0, n), path = str_from(link, n);
	struct str host = str_from(origin, (size_t)(str_find_last(origin, '/') + 1));
	bool to_us = n && str_eq(host, v->near_host);
	if ((n && !to_us && !is_far(v, host)) || str_empty(path) || path.p[0] != '/')
		return link;
	struct str prefix = has_prefix(v, path) ? STR("") : v->prefix;
	if (!to_us)
		origin = STR("");
	return arena_fmt(a, "%.*s%.*s%.*s", STR_FMT(origin), STR_FMT(prefix), STR_FMT(path));
}

// ---- one tag

static const struct {
	const char *attribute, *elements; // which hold an address in it
} addresses[] = {
	{"href", " a area base link "},
	{"src", " audio embed frame iframe img input script source track video "},
	{"action", " form "},
	{"formaction", " button input "},
	{"data", " object "},
	{"poster", " video "},
	{"cite", " blockquote del ins q "},
	{"longdesc", " frame iframe img "},
	{"usemap", " img input object "},
	{"codebase", " applet object "},
	{"classid", " object "},
	{"background", " body "},
	{"profile", " head "},
	{"manifest", " html "},
	{"icon", " command "},
};

static bool is_space(char c)
{
	return memchr(" \t\r\n\f", c, 5) != NULL;
}

static bool lists_element(const char *elements, struct str name)
{
	struct str rest = str_of(elements), one;
	while (str_next(&rest, ' ', &one))
		if (!str_empty(one) && str_eq_nocase(one, name))
			return true;
	return false;
}

static bool holds_address(struct str element, struct str attribute)
{
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
		if (str_eq_nocase(attribute, str_of(addresses[i].attribute)))
			return lists_element(addresses[i].elements, element);
	return false;
}

static struct str word(struct str tag, size_t *at, const char *ends)
{
	size_t from = *at;
	while (*at < tag.n && !is_space(tag.p[*at]) && !strchr(ends, tag.p[*at]))
		++*at;
	return str_sub(tag, from, *at - from);
}

static void skip_spaces(struct str tag, size_t *at)
{
	while (*at < tag.n && is_space(tag.p[*at]))
		++*at;
}

// The next attribute from *at on; false at the end of the tag.
static bool next_attribute(struct str tag, size_t *at, struct str *name, struct str *value)
{
	while (*at < tag.n && (is_space(tag.p[*at]) || tag.p[*at] == '/'))
		++*at;
	if (*at >= tag.n || tag.p[*at] == '>')
		return false;
	size_t from = (*at)++; // a name may begin with '='
	word(tag, at, "=/>");
	*name = str_sub(tag, from, *at - from);
	*value = STR("");
	skip_spaces(tag, at);
	if (*at >= tag.n || tag.p[*at] != '=')
		return true;
	++*at;
	skip_spaces(tag, at);
	if (*at < tag.n && (tag.p[*at] == '"' || tag.p[*at] == '\'')) {
		ptrdiff_t n = str_find(str_from(tag, *at + 1), tag.p[*at]);
		size_t length = n < 0 ? tag.n - *at - 1 : (size_t)n;
		*value = str_sub(tag, *at + 1, length);
		*at += length + 2;
	} else {
		*value = word(tag, at, ">");
	}
	return true;
}

static struct str element_of(struct str tag) // "<a ...>"
{
	size_t at = 1;
	return word(tag, &at, "/>");
}

static void write_tag(const struct link_view *v, struct str tag, struct buf *out)
{
	struct str name, value, element = element_of(tag);
	size_t at = 1 + element.n;
	const char *written = tag.p;
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	while (next_attribute(tag, &at, &name, &value)) {
		if (!holds_address(element, name))
			continue;
		struct str moved = link_move(&a, v, value);
		if (moved.p == value.p)
			continue;
		buf_add(out, (struct str){written, (size_t)(value.p - written)});
		buf_add(out, moved);
		written = value.p + value.n;
	}
	buf_add(out, (struct str){written, (size_t)(tag.p + tag.n - written)});
}

// ---- the page

void links_init(struct links *l, const struct link_view *v)
{
	*l = (struct links){.view = v};
	buf_init(&l->held);
}

void links_finish(struct links *l)
{
	buf_finish(&l->held);
}

static void begin(struct links *l, enum links_state state)
{
	l->state = state;
	l->scanned = 0;
	l->quote = l->before = '\0';
}

// What follows a tag: elements of mere text hold no tags but their own end.
static void after_tag(struct links *l, struct str tag)
{
	static const char *const raw[] = {"script", "style", "textarea", "title", "xmp", "noembed", "noframes"};
	struct str element = element_of(tag);
	begin(l, LINKS_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(raw); i++)
		if (str_eq_nocase(element, str_of(raw[i]))) {
			str_to_c(str_of(raw[i]), l->raw, sizeof l->raw);
			begin(l, LINKS_RAW);
		}
}

// Each of these takes from the front of *in what it can tell apart; false: more is needed for that.

static bool take_text(struct links *l, struct str *in, struct buf *out)
{
	ptrdiff_t at = str_find(*in, '<');
	size_t n = at < 0 ? in->n : (size_t)at;
	buf_add(out, str_sub(*in, 0, n));
	*in = str_from(*in, n);
	if (in->n < 2)
		return false;
	char c = in->p[1] | 0x20;
	if (c >= 'a' && c <= 'z') {
		begin(l, LINKS_TAG);
		return true;
	}
	struct str opening = STR("<!--");
	if (in->n < opening.n && str_starts(opening, *in))
		return false;
	bool comment = str_starts(*in, opening);
	n = comment ? opening.n : 1;
	buf_add(out, str_sub(*in, 0, n));
	*in = str_from(*in, n);
	if (comment)
		begin(l, LINKS_COMMENT);
	return true;
}

static bool take_tag(struct links *l, struct str *in, struct buf *out)
{
	for (; l->scanned < in->n; l->scanned++) {
		char c = in->p[l->scanned];
		if (l->quote) {
			if (c == l->quote)
				l->quote = '\0';
		} else if ((c == '"' || c == '\'') && l->before == '=') {
			l->quote = c;
		} else if (c == '>') {
			struct str tag = str_sub(*in, 0, l->scanned + 1);
			*in = str_from(*in, tag.n);
			write_tag(l->view, tag, out);
			after_tag(l, tag);
			return true;
		}
		if (!is_space(c))
			l->before = c;
	}
	if (in->n <= LINKS_TAG_MAX)
		return false;
	buf_add(out, *in);
	*in = STR("");
	begin(l, LINKS_TEXT);
	return true;
}

// Writes up to and with `end`; without it all but what may be its beginning.
static bool take_until(struct str *in, struct str end, struct buf *out)
{
	for (size_t i = 0; i < in->n; i++) {
		struct str here = str_sub(*in, i, end.n);
		if (!str_eq_nocase(here, str_sub(end, 0, here.n)))
			continue;
		bool whole = here.n == end.n;
		buf_add(out, str_sub(*in, 0, whole ? i + end.n : i));
		*in = str_from(*in, whole ? i + end.n : i);
		return whole;
	}
	buf_add(out, *in);
	*in = STR("");
	return false;
}

static bool take(struct links *l, struct str *in, struct buf *out)
{
	char end[sizeof l->raw + 2];
	switch (l->state) {
	case LINKS_TEXT:
		return take_text(l, in, out);
	case LINKS_TAG:
		return take_tag(l, in, out);
	default:
		snprintf(end, sizeof end, l->state == LINKS_RAW ? "</%s" : "-->", l->raw);
		if (!take_until(in, str_of(end), out))
			return false;
		begin(l, LINKS_TEXT);
		return true;
	}
}

void links_feed(struct links *l, struct str piece, struct buf *out)
{
	buf_add(&l->held, piece);
	struct str in = buf_str(&l->held);
	while (!str_empty(in) && take(l, &in, out))
		;
	buf_drop(&l->held, l->held.n - in.n);
}

void links_end(struct links *l, struct buf *out)
{
	buf_add(out, buf_str(&l->held));
	buf_clear(&l->held);
}
