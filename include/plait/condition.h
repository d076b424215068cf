/* Conditions: waiting, under a lock, until what it guards has changed.
 *
 *         plait_lock_acquire(&lock);
 *         while (!ready && (rc = plait_condition_wait(&changed, &lock)) == 0)
 *                 ;                                       // another strand may have been quicker: looks again
 *         plait_lock_release(&lock);                      // held, whatever rc is
 */
#ifndef PLAIT_CONDITION_H
#define PLAIT_CONDITION_H

#include <plait/base.h>
#include <plait/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A condition, for any mix of strands of this process, each of which waits with the same plait_lock. All zeros is one
 * nobody waits on. Several conditions may go with one lock. Not copied or moved once used; its memory may go when no
 * strand is in a call on it. Its bytes mean nothing in another process. */
typedef struct plait_condition {
        uint64_t private_[4];
} plait_condition;

/* Releases the lock and waits for a notify, in one step: none that comes after the release is missed. This strand holds
 * the lock again on every return; waiting for that is not cut short. Returns 0: it was notified, or -ETIMEDOUT or
 * -ECANCELED, or -EINVAL (a null pointer). A notify is for one waiter, which returns 0 even if it was cancelled at the same
 * time; a waiter that was cut short has used up none. Aborts if this strand does not hold the lock, or if others wait on
 * the condition with another lock. */
PLAIT_WAITS int plait_condition_wait(plait_condition *condition, plait_lock *lock);

/* Waits until predicate(arg) is true, which is asked with the lock held, on this strand: first before any wait, then after
 * each notify. All of it is one call to the scopes around it: a deadline holds for the whole. Returns 0: it is true; or
 * what cut the wait short, if it was not true even then. A call on entry to which a scope has ended returns that, and does
 * not ask. The lock is held on every return. Otherwise as plait_condition_wait(); a null predicate: -EINVAL. */
PLAIT_WAITS int plait_condition_wait_for(plait_condition *condition, plait_lock *lock, bool (*predicate)(void *arg), void *arg);

/* Wakes the `count` strands that have waited longest, or all if they are fewer; nobody waits: nothing, it is not kept. They
 * get the lock in turn, after this strand has released it. Does not park. Whoever changes what waiters look at does so with
 * the lock held, else they may miss it; the notify itself may come before the release or after. (Python demands the
 * former. Here a strand that does not hold the lock is not told so: while nobody waits, the condition goes with no
 * lock, so it could only be told sometimes.) */
PLAIT_API void plait_condition_notify(plait_condition *condition, size_t count);

/* As plait_condition_notify(), all who wait now. */
PLAIT_API void plait_condition_notify_all(plait_condition *condition);

#ifdef __cplusplus
}
#endif
#endif
