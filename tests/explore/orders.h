/* The orders of the explored sources' atomic steps: which there are, and what happens without one of them. */
#ifndef ORDERS_H
#define ORDERS_H

#include "explore.h"

enum atomic_step { STEP_LOAD, STEP_STORE, STEP_CHANGE, STEP_SWAP };

/* The order of this step, with what is taken away from it just now. */
int order_of(const void *pc, enum atomic_step step, int order);

/* Each acquire, release and single order is taken away in turn, in all places into which the compiler has put the step:
 * some scenario must notice, unless orders.c says why none can. `only`: those of functions whose names contain it, or
 * NULL. As TAP; returns whether all is so. A tool and no test: what nobody notices is a scenario that is missing, or an
 * order that is not needed. */
bool orders_explore(const char *only, struct bounds bounds);

#endif
