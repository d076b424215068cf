/* What the files of a worker share. */
#ifndef PLAIT__WORKER_INSIDE_H
#define PLAIT__WORKER_INSIDE_H

#include "base/atomic.h"
#include "core/loop.h"
#include "core/poller.h"
#include "process/shared.h"

struct plait__me {
        struct plait__source source;
        struct plait__watch bell_watch;         /* of own_fd, once the loop has a poller */
        bool watched;
        struct plait__region_head *head;
        struct plait__board *board;
        struct plait__slot *slot;
        unsigned number, owner;                 /* the slot's; + 1 */
        int monitor_fd, own_fd;
        uint32_t pid;
        struct plait__loop *loop;
        struct plait_task *task;                /* that runs; NULL: it waits for work */
        plait_fn *fn;                           /* the user's */
        bool begun;                             /* the task's function was called */
        int result;                             /* that it returned */
        struct plait__job *job;                 /* the task that runs */
        unsigned tasks;                         /* that it has run */
        int failed;                             /* the initializer's result */
        uint8_t hot, cold;                      /* credit for spinning; waits that earn none */
        unsigned map_index;                     /* the job of the map in which it is */
};

extern struct plait__me plait__me;              /* this process */

/* Opens the group around one task, in the region. */
void plait__worker_group(plait_group *group, plait_time deadline, const char *name, struct plait_task *task);

/* Runs the task, whose record is gone afterwards. */
void plait__worker_run_task(struct plait_task *task);

/* What has been printed is out before the end of what printed it is known. */
void plait__worker_flush(void);

/* The parent has decided to kill this process, and says of what it runs that it was killed: so be it. */
_Noreturn void plait__worker_be_killed(void);

static inline void plait__worker_tell(unsigned job)
{
        plait__port_tell(plait__me.head, plait__me.monitor_fd, job);
}

/* Whether it has run as many tasks as it may. */
static inline bool plait__worker_retires(void)
{
        return plait__me.board->tasks_max && plait__me.tasks >= plait__me.board->tasks_max;
}

static inline bool plait__worker_tasks_wait(void)
{
        return plait__load(&plait__me.board->head) != plait__load(&plait__me.board->tail);
}

/* Takes part in a map, if there is one with items left; whether there is. */
bool plait__worker_take_map(void);
bool plait__worker_maps_wait(void);

#endif
