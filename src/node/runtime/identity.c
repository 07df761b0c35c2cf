// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/identity.h"

#include <errno.h>
#include <fcntl.h>

#include "node/images/store.h"
#include "node/images/tree.h"

enum { DATABASE_MAX = 1 << 20, GROUPS_MAX = 1024 };

static const int64_t id_bound = INT64_C(1) << 31; // beyond it the kernel's and others' idea of a user may differ

struct lookup {
	struct arena *arena;
	struct str passwd, group; // the files' texts, read when first needed
	int root;
	bool read;
};

static struct str read_database(struct lookup *l, const char *path)
{
	struct stat st;
	int fd CLEAN_FD = tree_open_in_root(l->root, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return STR_NONE;
	char *text = arena_alloc(l->arena, DATABASE_MAX);
	ssize_t n = read(fd, text, DATABASE_MAX);
	return (struct str){text, n > 0 ? (size_t)n : 0};
}

static void read_databases(struct lookup *l)
{
	if (l->read)
		return;
	l->read = true;
	l->passwd = read_database(l, "etc/passwd");
	l->group = read_database(l, "etc/group");
}

// The fields of "a:b:c:..." into out; false with fewer than `want`.
static bool split(struct str line, struct str *out, size_t want)
{
	for (size_t i = 0; i < want; i++)
		if (!str_next(&line, ':', &out[i]))
			return false;
	return true;
}

struct user {
	struct str name;
	int64_t uid, gid;
};

// By name, or by number where name is empty.
static bool find_user(struct lookup *l, struct str name, int64_t uid, struct user *out)
{
	read_databases(l);
	struct str rest = l->passwd, line, field[4];
	while (str_next(&rest, '\n', &line)) {
		struct user u;
		if (!split(line, field, 4) || str_to_i64(field[2], &u.uid) < 0 || str_to_i64(field[3], &u.gid) < 0)
			continue;
		u.name = field[0];
		if (str_empty(name) ? u.uid == uid : str_eq(u.name, name)) {
			*out = u;
			return true;
		}
	}
	return false;
}

static bool find_group(struct lookup *l, struct str name, int64_t *gid)
{
	read_databases(l);
	struct str rest = l->group, line, field[3];
	while (str_next(&rest, '\n', &line))
		if (split(line, field, 3) && str_eq(field[0], name))
			return str_to_i64(field[2], gid) == 0;
	return false;
}

static int check_id(const char *what, int64_t id, struct err *e)
{
	if (id >= 0 && id < id_bound)
		return 0;
	return err_set(e, ERR_INVALID, "%s %lld is out of range: 0 to 2147483647", what, (long long)id);
}

static void add_group(struct identity *who, int64_t gid)
{
	for (size_t i = 0; i < who->group_count; i++)
		if (who->groups[i] == gid)
			return;
	if (who->group_count < GROUPS_MAX)
		who->groups[who->group_count++] = gid;
}

// The groups that list the user as a member, of those with a number that is one.
static void add_memberships(struct lookup *l, struct str user, struct identity *who)
{
	read_databases(l);
	struct str rest = l->group, line, field[4], member;
	while (str_next(&rest, '\n', &line)) {
		int64_t gid;
		if (!split(line, field, 4) || str_to_i64(field[2], &gid) < 0 || check_id("group", gid, NULL) < 0)
			continue;
		while (str_next(&field[3], ',', &member))
			if (str_eq(member, user))
				add_group(who, gid);
	}
}

// The image's "user[:group]", where the pod says nothing else.
static int from_image(struct lookup *l, struct str text, struct user *u, struct err *e)
{
	struct str name, group;
	bool has_group = str_cut(text, ':', &name, &group);
	int64_t number;
	*u = (struct user){STR_NONE, 0, 0};
	if (str_empty(name)) {
		find_user(l, STR_NONE, 0, u);
	} else if (str_to_i64(name, &number) == 0) {
		if (!find_user(l, STR_NONE, number, u))
			*u = (struct user){STR_NONE, number, 0};
	} else if (!find_user(l, name, 0, u)) {
		return err_set(e, ERR_INVALID, "the image's user \"%.*s\" is not in its /etc/passwd", STR_FMT(name));
	}
	if (has_group && !str_empty(group) && str_to_i64(group, &u->gid) < 0 && !find_group(l, group, &u->gid))
		return err_set(e, ERR_INVALID, "the image's group \"%.*s\" is not in its /etc/group", STR_FMT(group));
	return 0;
}

int identity_find(struct arena *a, int root, const struct runtime_container_spec *spec, struct identity *out,
		  struct err *e)
{
	struct lookup l = {.arena = a, .root = root};
	struct user u;
	if (spec->has_uid) {
		if (!find_user(&l, STR_NONE, spec->uid, &u))
			u = (struct user){STR_NONE, spec->uid, 0};
	} else if (from_image(&l, spec->user, &u, e) < 0) {
		return -1;
	}
	if (spec->has_gid)
		u.gid = spec->gid;
	if (check_id("user", u.uid, e) < 0 || check_id("group", u.gid, e) < 0)
		return -1;
	*out = (struct identity){.uid = u.uid, .gid = u.gid, .groups = ARENA_ARRAY(a, int64_t, GROUPS_MAX)};
	for (size_t i = 0; i < spec->group_count; i++) {
		if (check_id("group", spec->groups[i], e) < 0)
			return -1;
		add_group(out, spec->groups[i]);
	}
	add_group(out, u.gid); // it counts among the supplementary ones: whoever gives it up has no more than others
	if (!str_empty(u.name) && !spec->strict_groups)
		add_memberships(&l, u.name, out);
	return 0;
}
