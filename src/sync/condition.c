/* A condition is a list of strands. A notify does not wake them: it moves them on to the list of those who wait for the lock,
 * which its holder, most often the one that notifies, will hand to them. So each is woken once, when it can go on.
 *
 * A waiter's `object` is the condition until it is notified: then a cancel or a deadline comes too late. Its `slot` is the lock. */
#include "plait/condition.h"

#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/lock.h"
#include "sync/waiters.h"

struct condition {
        plait__spin guard;                      /* of all below, and of the waiters' `object` */
        const plait_lock *lock;                 /* with which they wait */
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct condition) <= sizeof(plait_condition), "the public type has room for the real one");

static struct condition *inner_of(plait_condition *condition)
{
        return (struct condition *)(void *)condition->private_;
}

static struct plait__strand *check_held(const char *call, const plait_lock *lock)
{
        struct plait__strand *strand = plait__strand_here(call);

        if (!strand || !plait__lock_is_held(lock, strand))
                plait__panic(call, "this strand does not hold the lock");
        return strand;
}

/* As plait__enter(). Those who are let run may want the lock. */
static int enter(struct plait__strand *strand, plait_lock *lock)
{
        int rc = plait__check(strand);

        if (plait__likely(rc == 0))
                return 0;
        plait_lock_release(lock);
        plait__yield(strand);
        plait_lock_acquire(lock);
        return rc;
}

/* True: nobody had notified it. */
static bool leave(struct condition *condition, struct plait__strand *strand)
{
        bool waits;

        plait__spin_acquire(&condition->guard);
        waits = strand->object == condition;
        if (waits)
                plait__list_remove(&strand->wait);
        plait__spin_release(&condition->guard);
        return waits;
}

static int wait(const char *call, struct condition *condition, plait_lock *lock, struct plait__strand *strand)
{
        int rc;

        plait__spin_acquire(&condition->guard);
        if (!plait__list_empty(&condition->waiters) && condition->lock != lock)
                plait__panic(call, "others wait on the condition with another lock");
        condition->lock = lock;
        strand->object = condition;
        strand->slot = lock;
        plait__waiters_add(&condition->waiters, strand);
        plait__spin_release(&condition->guard);
        plait_lock_release(lock);
        rc = plait__wait_granted(strand, PLAIT__ON_CONDITION, PLAIT_FOREVER);
        if (rc < 0 && leave(condition, strand)) {
                plait_lock_acquire(lock);
                return rc;
        }
        if (rc < 0)
                plait__wait_uncancelled(strand, PLAIT__ON_CONDITION);   /* the lock is on its way */
        strand->insists = false;
        return 0;
}

int plait_condition_wait(plait_condition *condition, plait_lock *lock)
{
        struct plait__strand *strand;
        int rc;

        if (!condition || !lock)
                return -EINVAL;
        strand = check_held(__func__, lock);
        rc = enter(strand, lock);
        return rc < 0 ? rc : wait(__func__, inner_of(condition), lock, strand);
}

int plait_condition_wait_for(plait_condition *condition, plait_lock *lock, bool (*predicate)(void *arg), void *arg)
{
        struct plait__strand *strand;
        int rc;

        if (!condition || !lock || !predicate)
                return -EINVAL;
        strand = check_held(__func__, lock);
        rc = enter(strand, lock);
        if (rc < 0)
                return rc;
        while (!predicate(arg)) {
                if (rc < 0)
                        return rc;
                rc = wait(__func__, inner_of(condition), lock, strand);
        }
        return 0;
}

/* The next of a list of waiters, which is notified by that; NULL: none is left. */
static struct plait__strand *take(struct condition *condition, struct plait__link *waiters)
{
        struct plait__strand *strand;

        plait__spin_acquire(&condition->guard);
        strand = plait__waiters_pop(waiters);
        if (strand) {
                strand->object = NULL;
                strand->insists = true;         /* from here on it waits for the lock, whatever happens */
        }
        plait__spin_release(&condition->guard);
        return strand;
}

/* The lock is on its way to a waiter that was notified. */
static void hand_on(struct plait__strand *strand)
{
        if (!plait__lock_join(strand->slot, strand))
                plait__grant(strand);           /* it was free */
}

void plait_condition_notify(plait_condition *condition, size_t count)
{
        struct condition *inner = inner_of(condition);
        struct plait__strand *strand;

        plait__not_forked(__func__);
        plait__point_here();
        while (count-- && (strand = take(inner, &inner->waiters)))
                hand_on(strand);
}

void plait_condition_notify_all(plait_condition *condition)
{
        struct condition *inner = inner_of(condition);
        struct plait__strand *strand;
        struct plait__link waiters;

        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&inner->guard);
        plait__waiters_take(&inner->waiters, &waiters);
        plait__spin_release(&inner->guard);
        while ((strand = take(inner, &waiters)))
                hand_on(strand);
        plait__spin_acquire(&inner->guard);
        plait__waiters_put_back(&inner->waiters, &waiters);
        plait__spin_release(&inner->guard);
}
