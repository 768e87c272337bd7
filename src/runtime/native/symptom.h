/*
 * What the output of foreign package clients says about the cause.  Only used
 * to word an error better: a wrong guess costs nothing else.
 */
#ifndef MILL_NATIVE_SYMPTOM_H
#define MILL_NATIVE_SYMPTOM_H

#include "base/base.h"

bool mill_symptom_network(const char *line);   /* could not reach the index */
bool mill_symptom_disk_full(const char *line); /* ENOSPC, EDQUOT */
bool mill_symptom_checksum(const char *text);  /* a hash was not the locked one */
char *mill_symptom_tail(const char *text, size_t lines); /* the last non-empty lines; owned */

#endif
