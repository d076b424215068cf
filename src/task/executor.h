/* What an executor provides. Nothing above src/task knows which one it has. */
#ifndef PLAIT__EXECUTOR_H
#define PLAIT__EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "plait/executor.h"
#include "plait/group.h"
#include "plait/map.h"
#include "plait/task.h"

struct plait__executor_class {
        bool fresh;                             /* each task has a thread or process of its own */
        bool local;                             /* tasks run on the loop of the thread that opened the group */

        /* Tasks begun and not ended that make sense at once; 0: no bound. */
        size_t (*width)(struct plait_executor *self);

        /* Whether such a task can travel: 0, -EFAULT, -ENOEXEC, ... NULL: any can. */
        int (*accept)(struct plait_executor *self, plait_fn *fn, const void *arg, size_t size);

        /* The task begins when there is a place. From here on the executor calls plait__task_body() or
         * plait__task_finish() for it, once. A negative errno: it was not taken. Called with no lock held. */
        int (*start)(struct plait_executor *self, struct plait_task *task);

        /* The task's cancel or deadline has come: what runs is told. Called with its group locked; the task has not ended. */
        void (*cancel)(struct plait_executor *self, struct plait_task *task);

        /* The task is killed where that can be: 0 or -ENOTSUP. NULL: it cannot. */
        int (*kill)(struct plait_executor *self, struct plait_task *task);

        /* A task of the group that has not begun and will not soon: taken back, or NULL. For a group that was cancelled, and
         * (`full`) for a waiter when no thread can be had. NULL: never. */
        struct plait_task *(*take_back)(struct plait_executor *self, plait_group *group, bool full);

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

/* In a worker process: the map's `common`, which its parent sent; NULL elsewhere. */
extern const void *plait__common_here;

/* Filled in by src/process: the task layer does not know it. */
extern int (*plait__processes_open)(plait_executor **ret, const plait_executor_options *options);

#endif
