/* The parent's side of the region: mapping, arena, jobs. One for the whole process, made when first needed, never unmapped. */
#ifndef PLAIT__REGION_H
#define PLAIT__REGION_H

#include "base/atomic.h"
#include "core/record.h"
#include "process/shared.h"

struct plait__pool;

/* What the parent keeps of a job. Guarded by the region's lock. */
struct plait__posted {
        struct plait__pool *pool;               /* NULL: the job is free */
        struct plait_task *task;
        struct plait__running_map *map;         /* when it is one */
        uint64_t block;                         /* its bytes in the arena, or 0 */
        uint16_t next, prev;                    /* in its pool's list of jobs */
        bool lingers;                           /* a map that has ended: freed when no worker reads it any more */
        bool died;                              /* its worker, in it: the bytes are not to be looked at */
        int kill_reason;                        /* -ETIMEDOUT or -ECANCELED */
        plait_time kill_at;                     /* PLAIT_FOREVER: never */
        plait_time own_kill_after;              /* after the task's own time is over; 0: not asked for, or kill_at has it */
};

struct plait__region {
        struct plait__region_head *head;        /* NULL: there is none yet */
        int memfd, monitor_fd;
        plait__spin lock;                       /* of all below, of every pool, and of the jobs' words together with what is kept */
        struct plait__posted posted[PLAIT__JOBS];
        uint16_t free_jobs[PLAIT__JOBS];
        unsigned free_job_count;
        unsigned waiting;                       /* tasks of all pools that have no record yet */
};

extern struct plait__region plait__region;

/* Makes it, unless it is there. 0, -ENOTSUP (the program cannot be started again), -ENOMEM, -EMFILE, ... */
int plait__region_need(void);

static inline void plait__region_lock(void)
{
        plait__spin_acquire(&plait__region.lock);
}

static inline void plait__region_unlock(void)
{
        plait__spin_release(&plait__region.lock);
}

static inline struct plait__posted *plait__posted(unsigned job)
{
        return &plait__region.posted[job];
}

static inline struct plait__job *plait__job(unsigned job)
{
        return &plait__region.head->jobs[job];
}

/* With the region locked: zeroed memory of the arena is not promised; 0: none left. */
uint64_t plait__arena_take(uint64_t size);
void plait__arena_give(uint64_t offset);

/* With the region locked: a job record, or -1. */
int plait__job_take(struct plait__pool *pool);
void plait__job_give(unsigned job);

#endif
