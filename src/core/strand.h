/* Parking and waking: the one blocking primitive under everything. */
#ifndef PLAIT__STRAND_H
#define PLAIT__STRAND_H

#include "base/atomic.h"
#include "core/loop.h"
#include "core/record.h"

/* The strand that is running; its thread's loop is made if need be. NULL: no memory for one. */
static inline struct plait__strand *plait__strand_here(const char *call)
{
        struct plait__loop *loop = plait__loop_get(call);

        return loop ? loop->current : NULL;
}

/* Likewise, for calls that cannot fail: without memory the one aborts, the other waits for it. */
_Noreturn void plait__strand_abort(const char *call);
struct plait__strand *plait__strand_wait(const char *call);

static inline struct plait__strand *plait__strand_or_abort(const char *call)
{
        struct plait__strand *strand = plait__strand_here(call);

        if (plait__unlikely(!strand))
                plait__strand_abort(call);
        return strand;
}

static inline struct plait__strand *plait__strand_or_wait(const char *call)
{
        struct plait__strand *strand = plait__strand_here(call);

        return plait__likely(strand != NULL) ? strand : plait__strand_wait(call);
}

/* Suspends the running strand until it is woken, or the moment has come. May return early for no reason: every caller
 * loops on its own condition. A wake-up that came before is not lost: it makes this return at once. */
PLAIT_API void plait__park(struct plait__strand *strand, enum plait__reason reason, plait_time until);

/* Wakes a strand of any thread; nothing if it is not parked, but for the wake-up being kept. */
PLAIT_API void plait__unpark(struct plait__strand *strand);

/* Behind all that are ready now, then on. */
void plait__yield(struct plait__strand *strand);

/* What every waiting call asks on entry, before any effect: 0, -ETIMEDOUT or -ECANCELED. */
PLAIT_API int plait__check_slow(struct plait__strand *strand);

static inline int plait__check(struct plait__strand *strand)
{
        if (plait__likely(!plait__load(&plait__cancels)) &&
            (strand->deadline == PLAIT_FOREVER || plait__loop_now(strand->loop) < strand->deadline))
                return 0;
        return plait__check_slow(strand);
}

PLAIT_API int plait__enter_slow(struct plait__strand *strand);

/* No deadline holds, and nothing is cancelled anywhere: plait__enter() would return 0. */
static inline bool plait__is_free(const struct plait__strand *strand)
{
        return plait__likely(!plait__load(&plait__cancels) && strand->deadline == PLAIT_FOREVER);
}

/* As plait__check(), and if it fails lets the others run once, so that a loop which retries cannot freeze them. */
static inline int plait__enter(struct plait__strand *strand)
{
        return plait__is_free(strand) ? 0 : plait__enter_slow(strand);  /* a call costs more than the rest of a short wait */
}

/* What a begun strand calls on its own stack, and what is called (with -ENOMEM) when no stack could be had: set by src/task.
 * Returns when the task has ended; the record may be gone by then. */
extern void (*plait__strand_body)(struct plait_task *task, int failed);

/* A cancel reached this strand from another thread: its home thread wakes the tasks of the groups it has open. Set by
 * src/task. */
extern void (*plait__spread)(struct plait__strand *strand);

/* Set by sync/gil.c: what a strand that holds a gil does around parking. */
extern void (*plait__gil_leave)(struct plait__strand *strand, struct plait_gil *gil);
extern void (*plait__gil_return)(struct plait__strand *strand, struct plait_gil *gil);

/* A strand of the library's own, of no group: it runs fn(arg) until its loop ends. NULL: no memory. */
PLAIT_API struct plait__strand *plait__service_start(struct plait__loop *loop, int (*fn)(void *), void *arg, size_t stack_bytes);

/* They end with their loop. */
void plait__services_end(struct plait__loop *loop);

/* Waits for `granted`, which another strand sets when it hands over, until the strand's deadline or cancel. Returns 0 once
 * granted, else what ended. The caller unlinks itself if not granted. `until` bounds the wait beside the deadline (then 0 is
 * returned ungranted). */
PLAIT_API int plait__wait_granted(struct plait__strand *strand, enum plait__reason reason, plait_time until);

/* The other side: hands over, then wakes. When the waiter sees GRANTED, nobody touches its strand any more on account of
 * this; GRANTING says that the hand-over is under way, on another thread. */
enum plait__grant_state { PLAIT__NOT_GRANTED, PLAIT__GRANTING, PLAIT__GRANTED };

PLAIT_API void plait__grant(struct plait__strand *strand);

/* True once granted; waits the few instructions that a hand-over in progress takes. */
bool plait__granted_slow(struct plait__strand *strand);

static inline bool plait__granted(struct plait__strand *strand)
{
        uint8_t state = plait__load_acquire(&strand->granted);  /* pairs with plait__grant() */

        return state == PLAIT__NOT_GRANTED ? false : state == PLAIT__GRANTED || plait__granted_slow(strand);
}

#endif
