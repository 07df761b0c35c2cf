// SPDX-License-Identifier: Apache-2.0
// The command line as tables: a command declares its options, one parser reads them all and prints the help.
// "--name VALUE", "--name=VALUE", "--flag"; "--" ends the options. An unknown one is an error that names the nearest.
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,   // bool
	OPTION_TEXT,   // const char *
	OPTION_NUMBER, // int64_t, zero or more
};

struct option_spec {
	const char *name;     // without dashes
	enum option_kind kind;
	const char *argument; // what the help calls the value: "DIR"
	const char *help;     // one sentence
	void *target;	      // holds the default before parsing
};

struct command {
	const char *name;      // "image import"
	const char *operands;  // "FILE"; "" for none
	const char *summary;   // one sentence, also shown in the list of commands
	const char *details;   // further paragraphs of the help, or NULL
	const struct option_spec *const *options; // lists, each ended by an empty name; NULL ends the list of lists
	int (*run)(int operand_count, char **operands); // the exit status
};

enum { EXIT_USAGE = 2 };

// Parses argv (without the program's and the command's name); 0: go on, with the operands moved to the front of argv
// and counted; 1: help was asked for and printed; -1: an error was printed.
int options_parse(const struct command *c, int argc, char **argv, int *operand_count);
void options_help(const struct command *c, FILE *to);
// The candidate that `word` was probably meant to be; NULL: none is near.
const char *options_nearest(const char *word, const char *const *candidates, size_t count);

#endif
