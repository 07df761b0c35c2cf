// SPDX-License-Identifier: Apache-2.0
// Termination messages: what a container left in its terminationMessagePath file, or the end of its log.
#ifndef NODE_VOLUME_LAST_WORDS_H
#define NODE_VOLUME_LAST_WORDS_H

#include "base/arena.h"

struct str last_words_of_file(struct arena *a, const char *path); // at most 4096 bytes; empty when it cannot be read
// The texts of a log's last lines ("TIME STREAM TAG TEXT" each): at most 2048 bytes and 80 lines.
struct str last_words_of_log(struct arena *a, const char *path);

#endif
