/* Locks from the inside, for what is built on them. */
#ifndef PLAIT__LOCK_H
#define PLAIT__LOCK_H

#include "core/strand.h"
#include "plait/lock.h"

/* Whether the strand, which is the one that asks, holds the lock. */
bool plait__lock_is_held(const plait_lock *lock, const struct plait__strand *strand);

/* Who holds the lock just now; NULL: nobody. */
struct plait__strand *plait__lock_holder(const plait_lock *lock);

/* A strand that is parked joins those who wait for the lock; false: the lock was free, and is the strand's now: it is to be
 * granted. From any strand. */
bool plait__lock_join(plait_lock *lock, struct plait__strand *strand);

#endif
