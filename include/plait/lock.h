/* Locks: one strand at a time. */
#ifndef PLAIT_LOCK_H
#define PLAIT_LOCK_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A lock, for any mix of strands of this process: coroutines of one or several threads, and threads. All zeros is an
 * unheld lock, so `static plait_lock lock;` needs no call, and an unheld one nobody waits for needs none to go. Strands
 * get it in the order they asked for it, and a newcomer does not overtake those who wait. It may be held across waiting
 * calls. It does not count: who holds it must not acquire it again. A task that ends keeps what it holds. Not copied
 * or moved once used; its bytes mean nothing in another process. */
typedef struct plait_lock {
        uint64_t private_[4];
} plait_lock;

/* Waits until this strand holds the lock. It may park; it cannot fail and is not cancelled, so it is right where data
 * must be put in order. Aborts if this strand holds the lock already. */
PLAIT_API void plait_lock_acquire(plait_lock *lock);

/* Takes the lock if it is free and nobody waits for it; never parks. True: this strand holds it. */
PLAIT_API bool plait_lock_try(plait_lock *lock);

/* As plait_lock_acquire(), but a checkpoint. Returns 0: held; -ETIMEDOUT or -ECANCELED: not held. */
PLAIT_WAITS int plait_lock_acquire_or_cancel(plait_lock *lock);

/* Gives the lock to the strand that has waited longest, or to nobody. Does not park: the other runs when its turn
 * comes. Aborts if this strand does not hold the lock. */
PLAIT_API void plait_lock_release(plait_lock *lock);

#ifdef __cplusplus
}
#endif
#endif
