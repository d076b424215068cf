#include "base/clock.h"

#include <time.h>

plait_time plait__clock_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);           /* through the vdso: no system call, and it cannot fail */
        return now.tv_sec * PLAIT_S + now.tv_nsec;
}
