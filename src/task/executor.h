/* What an executor provides. Nothing above src/task knows which one it has. */
#ifndef PLAIT__EXECUTOR_H
#define PLAIT__EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/loop.h"
#include "plait/executor.h"
#include "plait/group.h"
#include "plait/map.h"
#include "plait/task.h"

/* What strands that wait on a group of an executor want to be woken for. */
enum plait__watch_for {
        PLAIT__WATCH_STUCK,                     /* no thread is going to begin a task soon */
        PLAIT__WATCH_ROOM,                      /* a task that is started would begin at once */
        PLAIT__WATCHES
};

struct plait__strand;

struct plait__executor_class {
        bool fresh;                             /* each task has a thread or process of its own */
        bool local;                             /* tasks run on the loop of the thread that opened the group */
        bool coroutines;                        /* tasks are coroutines: any number at once, whatever the threads */

        /* Tasks begun and not ended that make sense at once; 0: no bound. */
        size_t (*width)(struct plait_executor *self);

        /* Whether such a task can travel: 0, -EFAULT, ... NULL: any can. `posted`: what would else be found out when it is
         * handed over is found out here, since a post tells at once. */
        int (*accept)(struct plait_executor *self, plait_fn *fn, const void *arg, size_t size, bool posted);

        /* The task begins when there is a place. From here on the executor calls plait__task_body() or
         * plait__task_finish() for it, once. A negative errno: it was not taken. Called with no lock held. */
        int (*start)(struct plait_executor *self, struct plait_task *task);

        /* A task is started in a group of an executor that may be closed, or has ended: then that may be gone as soon as it
         * knows. Called with no lock held. Both NULL: it knows by itself. */
        void (*task_starts)(struct plait_executor *self);
        void (*task_ends)(struct plait_executor *self);

        /* The task's cancel or deadline has come: what runs is told. Called with its group locked; the task has not ended. */
        void (*cancel)(struct plait_executor *self, struct plait_task *task);

        /* The task is killed where that can be: 0 or -ENOTSUP. NULL: it cannot. */
        int (*kill)(struct plait_executor *self, struct plait_task *task);

        /* The process that runs a task which is AWAY; 0: it has not begun. NULL: it is this one. */
        pid_t (*pid)(struct plait_executor *self, const struct plait_task *task);

        /* A task of the group that has not begun and will not soon: taken back, or NULL. For a group that was cancelled, and
         * (`full`) for a waiter when no thread can be had. NULL: never. */
        struct plait_task *(*take_back)(struct plait_executor *self, plait_group *group, bool full);

        /* The strand is woken for that, whenever it comes about, by strand.slot in a list of the executor's. NULL: never. */
        void (*watch)(struct plait_executor *self, struct plait__strand *strand, enum plait__watch_for what);
        void (*unwatch)(struct plait_executor *self, struct plait__strand *strand, enum plait__watch_for what);

        /* Whether a task would begin at once. NULL: yes. With its group locked. */
        bool (*has_room)(struct plait_executor *self);

        /* What a fresh worker does first: the executor's initializer, or NULL. */
        int (*initialize)(struct plait_executor *self);

        /* A whole map at once, better than task by task; NULL: the general one serves. */
        int (*map)(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size);

        /* Ends it: waits for its tasks; `kill`: as quickly as can be. The memory is gone afterwards. */
        int (*close)(struct plait_executor *self);
};

struct plait_executor {
        const struct plait__executor_class *class;
        const char *name;
        size_t stack_bytes;
        unsigned workers;
        struct plait_gil *gil;                  /* held by its tasks, or NULL */
        bool constant;                          /* one of the five: never closed */
};

/* What stands in for executors on a simulated loop (src/sim). */
struct plait__simulator {
        const struct plait__executor_class *(*class_of)(const struct plait_executor *executor);

        /* Of the shared pools, and of those that are opened with as many as there are processors. */
        unsigned (*workers)(void);

        /* What a task's function returns, called in its place: on a copy of the struct if the executor's tasks travel. */
        int (*run)(struct plait_task *task);

        /* Likewise, for an item of a map; *ret_status is the wait status of a worker that died in it. */
        int (*run_item)(struct plait_executor *executor, plait_fn *fn, void *item, size_t size, unsigned retries, int *ret_status);

        /* What stands for plait_background(). */
        plait_group *(*background)(void);

        /* Runs fn(arg) as the main line of a thread that belongs to nobody. */
        int (*detach)(plait_fn *fn, void *arg);
};

extern struct plait__simulator plait__simulator;

/* The general way to map, by tasks that take items; and the function of those tasks. */
int plait__map_by_runners(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size);
extern plait_fn *const plait__map_runner;

static inline bool plait__is_simulated(void)
{
        return plait__unlikely(plait__loop_here && plait__loop_here->simulated);
}

static inline const struct plait__executor_class *plait__class_of(const struct plait_executor *executor)
{
        return plait__is_simulated() ? plait__simulator.class_of(executor) : executor->class;
}

static inline unsigned plait__workers_of(const struct plait_executor *executor)
{
        return plait__is_simulated() && executor->constant && executor->workers ? plait__simulator.workers() : executor->workers;
}

/* How to make an executor of one kind. */
int plait__coroutines_open(plait_executor **ret, const plait_executor_options *options);
int plait__threads_open(plait_executor **ret, const plait_executor_options *options);

/* Coroutines run on the loops of those who open groups, so an executor of them that may be closed is told of its groups. Once it is
 * closed, none of its groups is LISTED. */
void plait__coroutines_group_opens(plait_executor *executor, plait_group *group);
void plait__coroutines_group_ends(plait_group *group);

/* In a worker process: the task that runs items of its parent's map, and that map's `common`. Written and, if it is the one
 * that asks, followed by that task alone; any thread of the worker may ask, so the first is atomic. */
extern const struct plait_task *_Atomic plait__common_task;
extern const void *plait__common_here;

/* Filled in by src/process: the task layer does not know it. */
extern int (*plait__processes_open)(plait_executor **ret, const plait_executor_options *options);

#endif
