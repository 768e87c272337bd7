/*
 * Functions that no file of ours may call: each has no bound, hides an error,
 * or puts a shell between us and a program.  Included by base/base.h, so that
 * a use is a compile error.  (The idea is git's banned.h.)
 */
#ifndef MILL_BASE_BANNED_H
#define MILL_BASE_BANNED_H

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison strtok atoi atol atoll system popen mktemp tmpnam

#endif
