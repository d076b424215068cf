#ifndef PLAIT__CLOCK_H
#define PLAIT__CLOCK_H

#include "plait/base.h"

/* The monotonic clock of the machine, in nanoseconds. Only a loop's default seam and measurements read it directly. */
plait_time plait__clock_now(void);

/* moment + span without overflow: PLAIT_FOREVER swallows every span. */
static inline plait_time plait__clock_after(plait_time moment, plait_time span)
{
        if (span >= PLAIT_FOREVER - moment)
                return PLAIT_FOREVER;
        return moment + span;
}

#endif
