/* Strand-local data from the inside, for who starts tasks. */
#ifndef PLAIT__LOCAL_H
#define PLAIT__LOCAL_H

#include "base/atomic.h"
#include "core/record.h"

int plait__local_inherit_slow(struct plait__locals *locals, struct plait_task *to);

/* A task that has not begun gets the inherited values of the strand that starts it. Returns 0 or -ENOMEM. */
static inline int plait__local_inherit(const struct plait__strand *from, struct plait_task *to)
{
        const struct plait__extra *extra = plait__task_of(from)->extra;

        return plait__likely(!extra || !extra->locals) ? 0 : plait__local_inherit_slow(extra->locals, to);
}

#endif
