/* Futures: a result that is set once, and may be waited for before.
 *
 * A task has a result of its own (plait_task_wait()); a future is for one that comes from elsewhere: a callback of some
 * library, a reply that a reader matches to its question. */
#ifndef PLAIT_FUTURE_H
#define PLAIT_FUTURE_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A future, for any mix of strands of this process. All zeros is one that is not set. It is settled by the first set or
 * cancel, and stays so. Not copied or moved once used. Its memory may go when no strand is in a call on it; that which
 * settled it does not count, once a wait has returned: so a future may stand on the stack of the one strand that waits. With
 * callbacks it counts until the last of them has begun. Its bytes mean nothing in another process. */
typedef struct plait_future {
        uint64_t private_[8];
} plait_future;

/* Settles the future with a result, by custom 0 or a negative errno, and a value, whose owner these two agree on; wakes all
 * who wait, then calls the callbacks. From any strand, and any thread. Does not park, unless a callback does. Returns 0,
 * -EALREADY (it was set or cancelled before; nothing changes) or -EINVAL (a null pointer). */
PLAIT_API int plait_future_set(plait_future *future, int result, void *value);

/* Settles the future as cancelled: its result is -ECANCELED, its value NULL; wakes and calls as plait_future_set() does. It
 * cancels no strand: whoever is to set it finds out by -EALREADY. Returns true if it is cancelled, by this call or an
 * earlier one; false: it was set before. */
PLAIT_API bool plait_future_cancel(plait_future *future);

/* Whether it is settled, set or cancelled, so that plait_future_wait() would not park. */
PLAIT_API bool plait_future_is_set(const plait_future *future);

/* Waits until the future is settled. Returns 0, having written its result and value (either pointer may be NULL);
 * -ETIMEDOUT or -ECANCELED: this wait was cut short, and the future is as it was; a cancelled future is 0 with -ECANCELED
 * in *ret_result; -ENOMEM (for this thread's loop) or -EINVAL (a null future). Any number may wait. */
PLAIT_WAITS int plait_future_wait(plait_future *future, int *ret_result, void **ret_value);

/* As plait_future_wait(), without waiting: -EINPROGRESS when it is not settled. No checkpoint. */
PLAIT_API int plait_future_result(const plait_future *future, int *ret_result, void **ret_value);

/* Something to call when a future is settled, in the caller's memory, which stays where it is until then. Zeroed but for the
 * two fields. */
typedef struct plait_future_callback plait_future_callback;
struct plait_future_callback {
        void (*fn)(plait_future *future, void *arg) PLAIT__ZERO;
        void *arg PLAIT__ZERO;
        uint64_t private_[2] PLAIT__ZERO;
};

/* Has callback->fn(future, callback->arg) called once, on the strand that settles the future, from inside that call, with no
 * lock of the library's held; several in the order they were added. If it is settled already: here and now, perhaps while
 * earlier ones still run elsewhere. When fn is called the callback's own memory is not used any more, and with the last of
 * them the future's is not. Cannot fail. Aborts if the callback is added already and has not been called. */
PLAIT_API void plait_future_add_callback(plait_future *future, plait_future_callback *callback);

/* Takes a callback back. True: it will not be called. False: it was called, or its call has begun on another strand, or it
 * was never added. The callback's memory is free to go either way. */
PLAIT_API bool plait_future_remove_callback(plait_future *future, plait_future_callback *callback);

#ifdef __cplusplus
}
#endif
#endif
