/* A pool of worker processes, as its parent sees it. All of it is guarded by the region's lock, but for what says otherwise. */
#ifndef PLAIT__POOL_H
#define PLAIT__POOL_H

#include "base/list.h"
#include "base/spawn.h"
#include "process/region.h"
#include "task/executor.h"

enum plait__worker_life { PLAIT__NO_WORKER, PLAIT__ORDERED, PLAIT__ALIVE };

struct plait__worker {                          /* the monitor's own, but for `life` and `to_kill` */
        enum plait__worker_life life;
        bool to_kill;                           /* as soon as its pidfd is there */
        int pidfd, own_fd;
        pid_t pid;
};

struct plait__pool {
        struct plait_executor executor;         /* first */
        struct plait__board *board;             /* NULL until the first task */
        struct plait__worker *workers;          /* by slot */
        unsigned slots;                         /* at most so many workers at once */
        unsigned alive;                         /* ordered or alive */
        uint16_t jobs;                          /* the list of its jobs, by posted.next; NO_JOB: none */
        unsigned job_count;
        struct plait__link waiting;             /* tasks that have no job yet, by strand.wait */
        unsigned waiting_count;
        unsigned posters;                       /* threads that are about to post waiting tasks */
        plait_fn *initializer;
        void *initializer_arg;
        size_t initializer_arg_size;
        unsigned tasks_max;
        bool listed;                            /* the monitor knows it */
        struct plait__pool *next;               /* of all pools */

        /* the monitor's own */
        int socket, server_fd;                  /* -1: there is no fork server */
        struct plait__spawned server;
        unsigned early_deaths;                  /* in a row, before a worker was ready */
        uint32_t readies;                       /* as of the last of them */
        uint32_t server_readies;                /* when the fork server was started */

        /* closing */
        bool closing, killing, gone;
        struct plait__strand *closer;
};

enum { PLAIT__NO_JOB = UINT16_MAX };

static inline struct plait__slot *plait__slot_of(const struct plait__pool *pool, unsigned slot)
{
        return &pool->board->slots[slot];
}

/* The pool's board, made if need be. 0, or why not. */
int plait__pool_need(struct plait__pool *pool);

/* With the region locked. The job is in its pool's list from here on, or no more. */
void plait__pool_list(struct plait__pool *pool, unsigned job);
void plait__pool_unlist(struct plait__pool *pool, unsigned job);

/* With the region locked: work has been posted for up to `wanted` workers: wakes idle ones; true: the monitor is to be kicked,
 * because more may be started. */
bool plait__pool_wake(struct plait__pool *pool, unsigned wanted);

/* With the region locked: tasks posted that no worker has claimed (at most). */
unsigned plait__pool_open_tasks(const struct plait__pool *pool);

/* With the region locked: the task may be claimed (again). */
void plait__pool_offer(struct plait__pool *pool, unsigned job);

/* With the region locked: an open task ends with `result` without having run; false: it is claimed already. */
bool plait__job_revoke(unsigned job, int result, int status);

/* With the region locked: whoever runs the job is killed for `reason`, and does not go on. */
void plait__job_kill(unsigned job, int reason);

/* With the region locked: the slot's worker has died; what it had ends or goes back. */
void plait__pool_recover(struct plait__pool *pool, unsigned slot, int status);

/* With the region locked: nothing that waits can run: it fails with `result`. */
void plait__pool_fail(struct plait__pool *pool, int result, int status);

/* A job's bit was set: a task that has ended is finished on this loop; a map's strand is woken. */
void plait__job_told(unsigned job, struct plait__loop *loop);

/* Tasks that wait for a record or for room get what there is. Without the lock; by the monitor. */
void plait__pool_feed(struct plait__pool *pool);

/* How soon something is to be killed; what is due is killed. With the region locked. */
plait_time plait__pool_kills(struct plait__pool *pool, plait_time now);

/* What map.c does for the above; with the region locked. */
void plait__map_recover(unsigned job, unsigned slot, int status);
void plait__map_fail(unsigned job, int result, int status);
void plait__map_kill(unsigned job, int reason);
void plait__map_told(unsigned job);
void plait__map_reclaim(unsigned job);          /* one that has ended, if no worker reads it any more */
unsigned plait__map_wants(unsigned job);        /* workers that would find something to do */

/* What monitor.c does: wakes or kills one worker. With the region locked. */
void plait__worker_ring(struct plait__pool *pool, unsigned slot);
void plait__worker_kill(struct plait__pool *pool, unsigned slot);

extern const struct plait__executor_class plait__processes_class, plait__own_process_class;

int plait__pool_map(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size);

#endif
