// SPDX-License-Identifier: Apache-2.0
// Rotation of logs over an imitated runtime of one container, whose monitor begins a new log when told to.
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/times.h"
#include "node/stream/stream_server.h"
#include "sys/sim.h"
#include "tar_maker.h"
#include "unit.h"

struct setting {
	struct runtime runtime;
	struct arena a;
	struct sim *sim;
	char *dir;
	const char *log;
	struct log_rotation *rotation;
	enum runtime_phase phase;
	int reopened;
};

static size_t list(struct runtime *r, struct arena *a, struct runtime_state **out)
{
	struct setting *s = CONTAINER_OF(r, struct setting, runtime);
	*out = ARENA_NEW(a, struct runtime_state);
	(*out)->id = STR("c1");
	(*out)->log_path = str_of(s->log);
	(*out)->phase = s->phase;
	return 1;
}

static void reopen(struct runtime *r, struct str id, runtime_done *done, void *arg)
{
	struct setting *s = CONTAINER_OF(r, struct setting, runtime);
	s->reopened++;
	write_file(s->log, STR("of the new file\n"));
	done(arg, NULL);
}

static const struct runtime_ops ops = {.list = list, .reopen_log = reopen};

static const char *file(struct setting *s, const char *suffix)
{
	return arena_fmt(&s->a, "%s%s", s->log, suffix).p;
}

static struct str text_of(struct setting *s, const char *suffix)
{
	char text[64] = "(absent)";
	FILE *f = fopen(file(s, suffix), "re");
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		fclose(f);
	}
	return arena_str(&s->a, str_of(text));
}

static void set_up(struct setting *s)
{
	*s = (struct setting){.phase = RUNTIME_RUNNING};
	arena_init(&s->a);
	s->sim = sim_create(1);
	s->runtime = (struct runtime){&ops, sim_loop(s->sim, "node")};
	s->dir = test_dir("rotation");
	s->log = arena_fmt(&s->a, "%s/log", s->dir).p;
	s->rotation = log_rotation_create(&s->runtime, 18, 3, 10 * TIME_S);
}

static void tear_down(struct setting *s)
{
	log_rotation_destroy(s->rotation);
	sim_destroy(s->sim);
	test_dir_remove(s->dir);
	arena_finish(&s->a);
}
#define CLEAN_SETTING __attribute__((cleanup(tear_down)))

static void one_look(struct setting *s)
{
	sim_run(s->sim, 10 * TIME_S);
}

TEST(a_large_log_is_rotated)
{
	struct setting s CLEAN_SETTING;
	set_up(&s);
	write_file(s.log, STR("short\n"));
	one_look(&s);
	CHECK_INT(s.reopened, 0);
	static const char *const texts[] = {"the first long one\n", "the second long one\n", "the third long one\n"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		write_file(s.log, str_of(texts[i]));
		one_look(&s);
	}
	CHECK_STR(text_of(&s, ".2"), texts[1]);
	CHECK_STR(text_of(&s, ".1"), texts[2]);
	CHECK_STR(text_of(&s, ""), "of the new file\n");
	CHECK(access(file(&s, ".3"), F_OK) < 0);
	s.phase = RUNTIME_EXITED;
	one_look(&s);
	CHECK_INT(s.reopened, 3);
}

// The monitor puts its new file in the place of whatever has the name.
TEST(a_log_that_cannot_be_renamed_stays)
{
	struct setting s CLEAN_SETTING;
	set_up(&s);
	write_file(s.log, STR("a log that is long\n"));
	REQUIRE(mkdir(file(&s, ".1"), 0755) == 0 && mkdir(file(&s, ".2"), 0755) == 0 && mkdir(file(&s, ".2/x"), 0755) == 0);
	one_look(&s);
	CHECK_STR(text_of(&s, ""), "a log that is long\n");
	CHECK_INT(s.reopened, 0);
}

// An agent that was killed between the renaming and the word to the monitor has left no log of that name: the monitor
// would write to the renamed one for ever.
TEST(a_rotation_that_was_cut_off_is_finished)
{
	struct setting s CLEAN_SETTING;
	set_up(&s);
	one_look(&s);
	CHECK_INT(s.reopened, 0); // there was never a log
	write_file(file(&s, ".1"), STR("a log that is long\n"));
	one_look(&s);
	CHECK_INT(s.reopened, 1);
	CHECK_STR(text_of(&s, ".1"), "a log that is long\n");
	one_look(&s);
	CHECK_INT(s.reopened, 1);
}
