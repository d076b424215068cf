/* One thread that looks at all the others: under PLAIT_DEBUG every 50 ms, else only when a signal asks for a dump. */
#ifndef PLAIT__WATCHDOG_H
#define PLAIT__WATCHDOG_H

#include <stdbool.h>

#include "plait/base.h"

/* Starts it, unless it is there; 0, -EAGAIN or -ENOMEM. */
int plait__watchdog_start(void);

/* From now on it looks by itself; a coroutine that holds its loop for `slow` is told of. */
void plait__watchdog_watch(plait_time slow);

/* It writes a dump to standard error. Safe in a signal handler. */
void plait__watchdog_dump(void);

#endif
