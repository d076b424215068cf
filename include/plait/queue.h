/* Queues: items handed from strand to strand.
 *
 *         while ((rc = plait_queue_get(work, &job)) == 0)
 *                 handle(&job);
 *         return rc == -EPIPE ? 0 : rc;           // shut down is how work ends, not a failure
 */
#ifndef PLAIT_QUEUE_H
#define PLAIT_QUEUE_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which item is got first. */
typedef enum {
        PLAIT_FIFO,             /* the oldest */
        PLAIT_LIFO,             /* the newest */
        PLAIT_PRIORITY          /* the smallest: items begin with an int, their priority; of equals, the oldest */
} plait_order;

/* A bounded queue of items of one size. Any number of strands of this process put and get, coroutines and threads
 * alike; those who wait are served in the order they came, and newcomers do not overtake them. Items are copied in and
 * out. A queue made here is of no use in another process. */
typedef struct plait_queue plait_queue;

/* Makes a queue of `capacity` items of `item_size` bytes each; SIZE_MAX as capacity: unbounded. plait_queue_free()
 * gives *ret back. Returns 0, -EINVAL (a size or capacity of 0; an unknown order; PLAIT_PRIORITY with items smaller
 * than an int) or -ENOMEM. */
PLAIT_API int plait_queue_new(plait_queue **ret, size_t item_size, size_t capacity, plait_order order);

/* Frees the queue and drops the items in it. Takes NULL. Aborts if a strand waits on it. */
PLAIT_API void plait_queue_free(plait_queue *queue);

/* Copies *item in, waiting for room. Returns 0, -EPIPE (shut down, also while it waited), -ENOMEM (unbounded queues
 * only), -ETIMEDOUT or -ECANCELED; on failure nothing was put. */
PLAIT_WAITS int plait_queue_put(plait_queue *queue, const void *item);

/* Waits for an item and copies it to *item. Returns 0, -EPIPE (shut down and drained), -ETIMEDOUT or -ECANCELED; on
 * failure nothing was taken. */
PLAIT_WAITS int plait_queue_get(plait_queue *queue, void *item);

/* As plait_queue_put(), without waiting: -EAGAIN when full, or when others wait to put. Never parks; no checkpoint. */
PLAIT_API int plait_queue_try_put(plait_queue *queue, const void *item);

/* As plait_queue_get(), without waiting: -EAGAIN when empty, or when others wait to get. Never parks; no checkpoint. */
PLAIT_API int plait_queue_try_get(plait_queue *queue, void *item);

/* How many items are in it now; with other strands at work, an estimate. */
PLAIT_API size_t plait_queue_size(const plait_queue *queue);

/* Says that an item that was got has been dealt with: one call for each get, if plait_queue_join() is used. Wakes those
 * who join when it was the last. Aborts when called more often than items were put. */
PLAIT_API void plait_queue_task_done(plait_queue *queue);

/* Waits until every item that was put has been dealt with: as many plait_queue_task_done() as puts, items dropped by a
 * shutdown not counted. Shutting down does not end the wait by itself. Returns 0, -ETIMEDOUT or -ECANCELED. */
PLAIT_WAITS int plait_queue_join(plait_queue *queue);

/* Shuts the queue down, for good: every put fails with -EPIPE from now on, and gets do once the items in it are
 * drained; strands that wait are woken. With `immediate`, the items in it are dropped. Twice is once. Does not park. */
PLAIT_API void plait_queue_shutdown(plait_queue *queue, bool immediate);

#ifdef __cplusplus
}
#endif
#endif
