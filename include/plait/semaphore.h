/* Semaphores: so many at a time. */
#ifndef PLAIT_SEMAPHORE_H
#define PLAIT_SEMAPHORE_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A number of places, for any mix of strands of this process: `static plait_semaphore doors = {.value = 3};`. An acquire
 * takes one and a release gives some back; who does so need not be the one that took them. Strands get places in the
 * order they asked, and a newcomer does not overtake those who wait. Not copied or moved once used; its memory may go when
 * no strand is in a call on it. Its bytes mean nothing in another process. */
typedef struct plait_semaphore {
        unsigned value PLAIT__ZERO;             /* places at first, below 2^31; from the first call on not for reading */
        unsigned bound PLAIT__ZERO;             /* there are never more; 0: no bound but 2^31 - 1 */
        uint64_t private_[4] PLAIT__ZERO;
} plait_semaphore;

/* Takes a place, waiting for one. Returns 0: taken; -ETIMEDOUT, -ECANCELED, -ENOMEM (for this thread's loop) or -EINVAL (a
 * null pointer): not taken. */
PLAIT_WAITS int plait_semaphore_acquire(plait_semaphore *semaphore);

/* Takes a place if there is one, which is only when nobody waits; never parks. True: taken. */
PLAIT_API bool plait_semaphore_try(plait_semaphore *semaphore);

/* Gives `count` places: first to those who wait, in their order, each of which then has it; what is left is there for
 * others. 0: nothing. Does not park. Aborts when there would be more free places than the bound, those for waiters counted. */
PLAIT_API void plait_semaphore_release(plait_semaphore *semaphore, unsigned count);

#ifdef __cplusplus
}
#endif
#endif
