/* Map: one function over an array, on any executor. */
#ifndef PLAIT_MAP_H
#define PLAIT_MAP_H

#include <plait/base.h>
#include <plait/executor.h>
#include <plait/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How to map. Zero in a field means its default. What the pointers name is the caller's and stays until the map
 * returns. */
typedef struct plait_map_options {
        plait_executor *executor PLAIT__ZERO;   /* NULL: plait_coroutines() */

        /* Items that one worker takes at a time. 0: chosen as the map goes, from how long items take. Coroutines take
         * one at a time, whatever this says. */
        size_t chunk PLAIT__ZERO;

        size_t limit PLAIT__ZERO;       /* items begun and not ended; 0: 256 for coroutines, else as in a group */
        plait_time within PLAIT__ZERO;          /* the whole map's, from the call; 0: none; negative: over at once */
        plait_time kill_after PLAIT__ZERO;      /* processes: as in a group; 0: never */
        bool keep_going PLAIT__ZERO;            /* a failure does not cancel the other items */

        int *results PLAIT__ZERO;               /* `count` of them: each item's result, or -ECANCELED if it never ran */
        int *statuses PLAIT__ZERO;              /* `count` of them: the wait status of a worker that died in it, or 0 */

        /* The first failure; `arg` is the item. `arg` NULL: no item failed, but the map could not run or go on, for want of
         * memory or of a thread or process, say. `result` 0: no failure; the map returned 0 or was cut short. */
        plait_failure *failure PLAIT__ZERO;


        /* Called on the calling strand, with no lock held, as items end: `ended` of `count`, rising, and once with both
         * equal when all were run. It may wait; the map goes on meanwhile. */
        void (*progress)(void *progress_arg, size_t ended, size_t count) PLAIT__ZERO;
        void *progress_arg PLAIT__ZERO;

        unsigned retries PLAIT__ZERO;           /* an item whose worker died is run again so many times; others never */

        /* Read-only, for all items: plait_task_common() inside. To processes its bytes are sent once per worker, so
         * they hold no pointers; elsewhere it is used in place. Size 0 with a pointer: the pointer itself; to processes
         * -EFAULT. */
        const void *common PLAIT__ZERO;
        size_t common_size PLAIT__ZERO;
} plait_map_options;

/* Runs fn(item) for each of the `count` items of `size` bytes at `items`, and waits for all of them. Items are used in
 * place; to a process their bytes travel, and travel back. The first failure cancels the others: those that have not
 * begun never run, and the call returns when those begun have ended; so too when this strand is cancelled or out of
 * time. The array is the caller's again on every return.
 *
 * Returns 0, also for a count of 0, and when all items were run and succeeded although the time was over by then; or
 * the first failure in time, never a count; -ETIMEDOUT or -ECANCELED when no item failed but one was cut short, or
 * never ran for that reason; -EINVAL (a size of 0, a null function, null items with a count) or -ENOMEM, and nothing
 * ran. Failures of processes: -EOWNERDEAD for the one item in which a worker died, -ENOEXEC for a function that another
 * process cannot find; an item that was running when its worker died is unchanged. */
PLAIT_WAITS int plait_map(plait_executor *executor, plait_fn *fn, void *items, size_t count, size_t size);

/* Likewise, with options; NULL: none. `results`, `statuses` and `failure` are written on every return but -EINVAL.
 * Also returns -EFAULT: a `common` of size 0 to processes. */
PLAIT_WAITS int plait_map_with(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size);

/* Where the items of a stream come from, and where they go. Both are called by the strand that maps, with no lock held, and may
 * wait; the items that have begun go on meanwhile. */
typedef struct plait_map_source {
        int (*pull)(void *arg, void *item) PLAIT__ZERO; /* writes the next item and returns 1; 0: there are no more; a negative
                                                         * errno ends the map */
        int (*push)(void *arg, void *item, int result) PLAIT__ZERO;     /* an item that has ended, in the order of the pulls, and what
                                                                         * its function returned; a negative errno ends the map.
                                                                         * NULL: nobody wants them */
        void *arg PLAIT__ZERO;                  /* for both */
} plait_map_source;

/* Maps over items that come one by one, and any number of them: pulls an item of `size` bytes when there is room in the window,
 * runs fn(item) as a task, and pushes what has ended in the order of the pulls. So at most a window of items is there at a time,
 * and a slow push holds the pull back. The window is `limit` items; 0: 256 for coroutines, fresh threads and fresh processes, four for
 * each worker of a pool. Of the options, `executor`, `limit`, `within`, `kill_after`, `keep_going`, `retries` and `failure` hold (`arg`
 * in that is NULL); the others are not looked at, but a `common` is -EINVAL.
 *
 * The first failure in the order of the pulls ends the map when its turn to be pushed comes, and is not pushed; those before it were.
 * With `keep_going` it is pushed like the others. When the map ends early, what has begun is cancelled and waited for.
 *
 * Returns 0; the first failure, as told above; what pull or push returned; -ETIMEDOUT or -ECANCELED when this strand was cut short, or
 * the time of the map was over; -EINVAL (a size of 0, a null function, source or pull) or -ENOMEM, and nothing was pulled. */
PLAIT_WAITS int plait_map_stream(const plait_map_options *options, plait_fn *fn, size_t size, const plait_map_source *source);

/* Inside an item's function: the `common` of the map whose item this strand runs, good until that function returns. NULL
 * if there is none, outside of a map, and in the tasks of a group that an item's function opened: they are not items. */
PLAIT_API const void *plait_task_common(void);

#ifdef __cplusplus
}
#endif
#endif
