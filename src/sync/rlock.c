/* A recursive lock is a lock, and a count that belongs to its holder. */
#include "plait/rlock.h"

#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/lock.h"

struct rlock {
        plait_lock lock;
        uint64_t depth;                         /* the holder's alone; 0: unheld */
} __attribute__((may_alias));

_Static_assert(sizeof(struct rlock) <= sizeof(plait_rlock), "the public type has room for the real one");

static struct rlock *inner_of(plait_rlock *rlock)
{
        return (struct rlock *)(void *)rlock->private_;
}

/* One more for who holds it already. */
static bool deepen(struct rlock *rlock, const struct plait__strand *strand)
{
        if (!strand || !plait__lock_is_held(&rlock->lock, strand))
                return false;
        rlock->depth++;
        return true;
}

void plait_rlock_acquire(plait_rlock *rlock)
{
        struct rlock *inner = inner_of(rlock);

        if (deepen(inner, plait__strand_here(__func__)))
                return;
        plait_lock_acquire(&inner->lock);
        inner->depth = 1;
}

bool plait_rlock_try(plait_rlock *rlock)
{
        struct rlock *inner = inner_of(rlock);

        if (deepen(inner, plait__strand_here(__func__)))
                return true;
        if (!plait_lock_try(&inner->lock))
                return false;
        inner->depth = 1;
        return true;
}

int plait_rlock_acquire_or_cancel(plait_rlock *rlock)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        struct rlock *inner;
        int rc;

        if (!rlock)
                return -EINVAL;
        inner = inner_of(rlock);
        if (strand && plait__lock_is_held(&inner->lock, strand)) {
                rc = plait__enter(strand);
                if (rc == 0)
                        inner->depth++;
                return rc;
        }
        rc = plait_lock_acquire_or_cancel(&inner->lock);
        if (rc == 0)
                inner->depth = 1;
        return rc;
}

void plait_rlock_release(plait_rlock *rlock)
{
        struct rlock *inner = inner_of(rlock);
        struct plait__strand *strand = plait__strand_here(__func__);

        if (!strand || !plait__lock_is_held(&inner->lock, strand))
                plait__panic(__func__, "this strand does not hold the lock");
        if (--inner->depth == 0)
                plait_lock_release(&inner->lock);
}
