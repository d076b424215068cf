/* Recursive locks: one strand at a time, which may acquire again what it holds. */
#ifndef PLAIT_RLOCK_H
#define PLAIT_RLOCK_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A lock that counts: the strand that holds it may acquire it again, and others get it after as many releases. Otherwise
 * as plait_lock (plait/lock.h), which is what to take where no call needs to be entered twice: for any mix of strands of
 * this process, all zeros is an unheld one, first come first served. The owner is a strand: two coroutines of one thread
 * exclude each other. Not copied or moved once used; its bytes mean nothing in another process. */
typedef struct plait_rlock {
        uint64_t private_[6];
} plait_rlock;

/* Waits until this strand holds the lock; at once if it does already. It may park; it cannot fail and is not cancelled. */
PLAIT_API void plait_rlock_acquire(plait_rlock *rlock);

/* Takes the lock if this strand holds it already, or if it is free and nobody waits for it; never parks. True: to be
 * released once more. */
PLAIT_API bool plait_rlock_try(plait_rlock *rlock);

/* As plait_rlock_acquire(), but a checkpoint. Returns 0: to be released once more; -ETIMEDOUT, -ECANCELED or -EINVAL (a
 * null pointer): as before the call, so perhaps still held from earlier. */
PLAIT_WAITS int plait_rlock_acquire_or_cancel(plait_rlock *rlock);

/* Takes one acquire back; with the last of them gives the lock to the strand that has waited longest, or to nobody. Does
 * not park. Aborts if this strand does not hold the lock. */
PLAIT_API void plait_rlock_release(plait_rlock *rlock);

#ifdef __cplusplus
}
#endif
#endif
