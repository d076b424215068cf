/* A lock is one word for those who find it free, and a list under a guard for the others. It is handed from its holder to the
 * first that waits, so it is fair, and a newcomer finds it held. Orders: acquire when it is taken from the word, release when
 * it is put back; a hand-over is ordered by plait__grant(). */
#include "plait/lock.h"

#include "base/panic.h"
#include "core/strand.h"
#include "sync/lock.h"
#include "sync/waiters.h"

enum { FREE, HELD, AWAITED };                   /* awaited: held, and its release looks at the list */

struct lock {
        _Atomic uint32_t word;
        plait__spin guard;                      /* of waiters, and of the steps to and from AWAITED */
        _Atomic(struct plait__strand *) holder;         /* written by the holder, or for it by who hands over; relaxed */
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct lock) <= sizeof(plait_lock), "the public type has room for the real one");

static struct lock *inner_of(plait_lock *lock)
{
        return (struct lock *)(void *)lock->private_;
}

static inline __attribute__((always_inline)) bool take(struct lock *lock, struct plait__strand *strand)
{
        uint32_t word = FREE;

        if (plait__alone()) {
                if (plait__load(&lock->word) != FREE)
                        return false;
                plait__store(&lock->word, HELD);
        } else if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, HELD, memory_order_acquire, memory_order_relaxed)) {
                return false;
        }
        plait__store(&lock->holder, strand);
        return true;
}

/* Joins those who wait; false: the lock was free after all, and is held now. */
static bool join(struct lock *lock, struct plait__strand *strand)
{
        uint32_t word;

        plait__spin_acquire(&lock->guard);
        word = atomic_exchange_explicit(&lock->word, AWAITED, memory_order_acquire);
        if (word == FREE) {
                plait__store(&lock->word, plait__list_empty(&lock->waiters) ? HELD : AWAITED);
                plait__store(&lock->holder, strand);
        } else {
                strand->object = lock;
                plait__waiters_add(&lock->waiters, strand);
        }
        plait__spin_release(&lock->guard);
        return word != FREE;
}

bool plait__lock_join(plait_lock *lock, struct plait__strand *strand)
{
        return join(inner_of(lock), strand);
}

bool plait__lock_is_held(const plait_lock *lock, const struct plait__strand *strand)
{
        return plait__load(&((const struct lock *)(const void *)lock->private_)->holder) == strand;
}

static void check_self(const char *call, struct lock *lock, struct plait__strand *strand)
{
        if (plait__load(&lock->holder) == strand)
                plait__panic(call, "this strand holds the lock already");
}

static __attribute__((noinline)) void acquire_slow(struct lock *lock)
{
        struct plait__strand *strand = plait__strand_or_wait("plait_lock_acquire");

        plait__point(strand->loop, true);
        if (take(lock, strand))
                return;                         /* this thread had no loop yet, or it is simulated */
        check_self("plait_lock_acquire", lock, strand);
        strand->insists = true;
        if (join(lock, strand))
                plait__wait_uncancelled(strand, PLAIT__ON_LOCK);
        strand->insists = false;
}

void plait_lock_acquire(plait_lock *lock)
{
        struct plait__loop *loop = plait__loop_here;

        if (plait__unlikely(!loop || loop->simulated || !take(inner_of(lock), loop->current)))
                acquire_slow(inner_of(lock));   /* apart, so that this one needs no registers of its caller's */
}

bool plait_lock_try(plait_lock *lock)
{
        struct plait__strand *strand = plait__strand_or_wait(__func__);

        plait__point(strand->loop, false);
        return take(inner_of(lock), strand);
}

int plait_lock_acquire_or_cancel(plait_lock *lock)
{
        struct plait__strand *strand = plait__strand_or_wait(__func__);
        struct lock *inner = inner_of(lock);
        int rc = plait__enter(strand);

        if (rc < 0 || plait__likely(take(inner, strand)))
                return rc;
        check_self(__func__, inner, strand);
        if (!join(inner, strand))
                return 0;
        rc = plait__wait_granted(strand, PLAIT__ON_LOCK, PLAIT_FOREVER);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&inner->guard);
        if (!plait__waiters_leave(strand))
                rc = 0;
        plait__spin_release(&inner->guard);
        if (rc == 0)
                plait__wait_uncancelled(strand, PLAIT__ON_LOCK);        /* the hand-over that was under way */
        return rc;
}

static __attribute__((noinline)) void release_awaited(struct lock *lock)
{
        struct plait__strand *next;

        plait__spin_acquire(&lock->guard);
        next = plait__waiters_pop(&lock->waiters);
        plait__store(&lock->holder, next);
        if (!next)
                plait__store_release(&lock->word, FREE);        /* pairs with take() */
        else if (plait__list_empty(&lock->waiters))
                plait__store(&lock->word, HELD);
        plait__spin_release(&lock->guard);
        if (next)
                plait__grant(next);
}

static inline __attribute__((always_inline)) void release(struct lock *lock)
{
        uint32_t word = HELD;

        plait__store(&lock->holder, NULL);
        if (plait__alone() && plait__load(&lock->word) == HELD)
                plait__store(&lock->word, FREE);
        else if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, FREE, memory_order_release, memory_order_relaxed))
                release_awaited(lock);
}

/* The point comes after: from here on others can have the lock. */
static __attribute__((noinline)) void release_simulated(struct lock *lock, struct plait__loop *loop)
{
        release(lock);
        plait__point(loop, false);
}

void plait_lock_release(plait_lock *lock)
{
        struct lock *inner = inner_of(lock);
        struct plait__loop *loop = plait__loop_here;

        if (plait__unlikely(!loop || plait__load(&inner->holder) != loop->current)) {
                plait__not_forked(__func__);
                plait__panic(__func__, "this strand does not hold the lock");
        }
        if (plait__unlikely(loop->simulated))
                release_simulated(inner, loop);
        else
                release(inner);
}

struct plait__strand *plait__lock_holder(const plait_lock *lock)
{
        return plait__load(&inner_of((plait_lock *)(uintptr_t)lock)->holder);
}
