/* Tasks that have been started and have not begun, in the order they were started: what a pool's threads, or its loops, take
 * from. Under the lock of the executor whose it is, but for the count. */
#ifndef PLAIT__BACKLOG_H
#define PLAIT__BACKLOG_H

#include "base/atomic.h"
#include "core/record.h"

struct plait__backlog {
        struct plait__link tasks;               /* by strand.wait */
        _Atomic unsigned count;                 /* read without the lock by who looks whether there is any: relaxed */
};

static inline unsigned plait__backlog_count(const struct plait__backlog *backlog)
{
        return plait__load(&backlog->count);
}

static inline void plait__backlog_push(struct plait__backlog *backlog, struct plait_task *task)
{
        task->strand.flags |= PLAIT__QUEUED;
        plait__list_append(&backlog->tasks, &task->strand.wait);
        plait__store(&backlog->count, plait__load(&backlog->count) + 1);
}

/* Takes out one that is in it. */
static inline void plait__backlog_remove(struct plait__backlog *backlog, struct plait_task *task)
{
        plait__list_remove(&task->strand.wait);
        task->strand.flags &= (uint8_t)~PLAIT__QUEUED;
        plait__store(&backlog->count, plait__load(&backlog->count) - 1);
}

/* The oldest, taken out; NULL: there is none. */
struct plait_task *plait__backlog_pop(struct plait__backlog *backlog);

/* The oldest of the group, taken out; NULL: there is none. */
struct plait_task *plait__backlog_pop_of(struct plait__backlog *backlog, const plait_group *group);

#endif
