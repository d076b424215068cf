/* A loop of the parent is told through its port of jobs that have ended. */
#ifndef PLAIT__PORT_H
#define PLAIT__PORT_H

#include "core/loop.h"
#include "process/region.h"

/* The port at which this thread is to hear of the job: its own loop's, or the monitor's if the loop that waits is another one,
 * or if there are no more ports. With the region unlocked. */
unsigned plait__port_for(const plait_group *group);

/* With the region locked: one job more, or less, will be told there. */
void plait__port_count(unsigned port, int jobs);

/* The monitor's: takes what has come to its port and to those whose loop has ended; wakes the loops that sleep in their
 * poller and have been told. plait__ports_arm() returns false if something has come since. */
void plait__ports_look(struct plait__loop *loop);
bool plait__ports_arm(void);

/* Whether a port has been told and nobody has looked since the last time this was asked; those are then looked at: their
 * loop's thread computes, and others may wait behind its tasks. True: some port had been told. */
bool plait__ports_sweep(struct plait__loop *loop);

/* Whether a job is away, on whatever loop's account. */
bool plait__ports_away(void);

#endif
