/* Time as tasks see it: the loop's clock, sleeping, and giving way. */
#include <errno.h>

#include "base/clock.h"
#include "core/strand.h"
#include "plait/base.h"

plait_time plait_now(void)
{
        struct plait__loop *loop = plait__loop_here;

        plait__not_forked(__func__);
        return loop ? plait__loop_now(loop) : plait__clock_now();
}

static int sleep_until(struct plait__strand *strand, plait_time moment)
{
        int rc;

        do {
                plait__park(strand, PLAIT__ON_SLEEP, moment < strand->deadline ? moment : strand->deadline);
                if (moment <= strand->deadline && plait__loop_now(strand->loop) >= moment)
                        return 0;
                rc = plait__check(strand);
        } while (rc == 0);
        return rc;
}

int plait_sleep_until(plait_time moment)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        if (moment <= plait__loop_now(strand->loop)) {
                plait__yield(strand);
                return 0;
        }
        return sleep_until(strand, moment);
}

int plait_sleep(plait_time span)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        if (span <= 0) {
                plait__yield(strand);
                return 0;
        }
        return sleep_until(strand, plait__clock_after(plait__loop_now(strand->loop), span));
}

int plait_yield(void)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__check(strand);
        plait__yield(strand);
        return rc;
}

int plait_cancelled(void)
{
        struct plait__loop *loop = plait__loop_here;

        plait__not_forked(__func__);
        plait__point_here();
        return loop ? plait__check(loop->current) : 0;
}

void plait_ignore(int rc)
{
        (void)rc;
}
