/*
 * Ctrl-C.  The first one makes a file descriptor readable, so that work in
 * hand can end in order; a second one ends the program at once, exit code 130.
 * In both cases a hidden cursor comes back.
 */
#ifndef MILL_CMD_INTERRUPT_H
#define MILL_CMD_INTERRUPT_H

#include "base/base.h"

/* Installs the handlers of SIGINT, SIGTERM and SIGHUP on the first call.  The fd belongs to this module. */
int mill_interrupt_fd(struct mill_error *err);
bool mill_interrupted(void);
/* On standard error's terminal; the handler shows it again before the program ends. */
void mill_interrupt_hide_cursor(void);
void mill_interrupt_show_cursor(void);

#endif
