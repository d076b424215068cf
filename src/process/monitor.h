/* The monitor: the one thread of the parent that has to do with worker processes, their births, deaths and killings. */
#ifndef PLAIT__MONITOR_H
#define PLAIT__MONITOR_H

#include "process/pool.h"

int plait__monitor_start(void);

/* With the region locked: it takes care of the pool from here on, until that is gone. */
void plait__monitor_add(struct plait__pool *pool);

/* With the region locked: something was posted. */
void plait__monitor_posted(void);

/* It looks again at everything. */
void plait__monitor_kick(void);

#endif
