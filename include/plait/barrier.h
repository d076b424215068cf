/* Barriers: nobody goes on before all have come. */
#ifndef PLAIT_BARRIER_H
#define PLAIT_BARRIER_H

#include <plait/base.h>
#include <plait/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A place where `parties` strands meet, again and again, for any mix of strands of this process:
 * `static plait_barrier barrier = {.parties = 4};`. Not copied or moved once used; its memory may go when no strand is in
 * a call on it. Its bytes mean nothing in another process.
 *
 * A barrier breaks when a wait on it is cut short or its action fails, and by plait_barrier_abort(): whoever is waited for
 * might not come. Then all who wait, and all who come later, get -EPIPE, until plait_barrier_reset(). (So it is with
 * Python's threads. In its asyncio a cancelled waiter is merely one fewer, and the others wait on.) */
typedef struct plait_barrier {
        unsigned parties PLAIT__ZERO;           /* how many meet; 0: abort */

        /* Run once for each meeting, by the last that comes, before any goes on; NULL: none. It may wait. A negative
         * result is a failure. */
        plait_fn *action PLAIT__ZERO;
        void *action_arg PLAIT__ZERO;

        uint64_t private_[6] PLAIT__ZERO;
} plait_barrier;

/* Waits until `parties` strands have come. Returns the place in which this strand came, 0 to parties - 1, each once a
 * meeting; the last runs the action. Or -EPIPE: the barrier is broken; the action's own failure, for the one that ran it;
 * -ETIMEDOUT or -ECANCELED, on entry too: that broke the barrier, unless the meeting was complete; -ENOMEM (for this
 * thread's loop) or -EINVAL (a null pointer). A meeting is complete when the action has returned. Strands beyond `parties`
 * that come while it runs wait for it, and belong to the next meeting. Aborts when `parties` is 0, and when called from the
 * action. */
PLAIT_WAITS int plait_barrier_wait(plait_barrier *barrier);

/* Breaks the barrier: all who wait, and all who come, get -EPIPE until it is reset; a running action goes on, and the one
 * that runs it gets -EPIPE after it, or the action's failure. Does not park. */
PLAIT_API void plait_barrier_abort(plait_barrier *barrier);

/* As good as new: all who wait get -EPIPE, one that runs the action after it, and whoever comes next is the first. Does
 * not park. */
PLAIT_API void plait_barrier_reset(plait_barrier *barrier);

/* Whether it is broken now. */
PLAIT_API bool plait_barrier_is_broken(const plait_barrier *barrier);

/* How many have come and wait for the others now, the one that runs the action included. */
PLAIT_API unsigned plait_barrier_waiting(const plait_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
