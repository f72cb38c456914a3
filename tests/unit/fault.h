/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Makes system calls and allocations of the library fail, one in each run.
 *
 * The linker puts these functions in front of those of the C library (--wrap, tests/unit/meson.build), for
 * the test program and the library in it, and for nothing else. While a fault is armed every call is
 * counted, except by threads that play the front end, and the one whose number was given fails.
 */

#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

/** Fail call number @a n, counted from 1, from now on. */
void fault_arm(unsigned int n);

/** Fail nothing more. @return the name of the function that failed, or NULL: there were fewer calls */
const char *fault_disarm(void);

/** The calling thread's calls do not count (@a on), or do again. */
void fault_exempt(bool on);

/** Allocations less frees, of everybody. */
long fault_allocations(void);

#endif /* FAULT_H */
