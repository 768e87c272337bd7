/* Names that exist on this machine: flavours, components, targets, platforms, services. */
#ifndef MILL_CMD_WORDS_H
#define MILL_CMD_WORDS_H

#include "cmd/cmd.h"

/* Appends the sorted names of that kind; nothing for kinds that are no list or when none can be read. */
void mill_words_list(enum mill_word word, struct mill_strv *ret);

#endif
