/* A semaphore is one word, its public `value`: the places that are free, or AWAITED, and then none is. With AWAITED set it changes
 * with the guard held only, and it is set with the guard held only; so a place that is given while somebody waits goes to that
 * one, and nobody barges. Orders: release when places are given, acquire when one is taken; a hand-over is ordered by
 * plait__grant(). */
#include "plait/semaphore.h"

#include <errno.h>
#include <limits.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"
#include "sync/wakes.h"

#define AWAITED ((unsigned)INT_MAX + 1)

struct semaphore {
        plait__spin guard;                      /* of waiters, and of the word while it is AWAITED */
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct semaphore) <= sizeof(((plait_semaphore *)0)->private_), "the public type has room for the real one");

static struct semaphore *inner_of(plait_semaphore *semaphore)
{
        return (struct semaphore *)(void *)semaphore->private_;
}

static unsigned places(const plait_semaphore *semaphore)
{
        return __atomic_load_n(&semaphore->value, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) bool change(plait_semaphore *semaphore, unsigned from, unsigned to, int order)
{
        if (plait__alone()) {
                __atomic_store_n(&semaphore->value, to, __ATOMIC_RELAXED);
                return true;
        }
        return __atomic_compare_exchange_n(&semaphore->value, &from, to, false, order, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) bool take(plait_semaphore *semaphore)
{
        unsigned free;

        do {
                free = places(semaphore);
                if (free == 0 || free & AWAITED)
                        return false;
        } while (!change(semaphore, free, free - 1, __ATOMIC_ACQUIRE));
        return true;
}

/* Joins those who wait; false: there was a place after all, and it is taken. */
static bool join(plait_semaphore *semaphore, struct plait__strand *strand)
{
        struct semaphore *inner = inner_of(semaphore);
        unsigned none;
        bool waits;

        plait__spin_acquire(&inner->guard);
        do {
                none = 0;
                waits = __atomic_compare_exchange_n(&semaphore->value, &none, AWAITED, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
                        none & AWAITED;
        } while (!waits && !take(semaphore));
        if (waits) {
                strand->object = semaphore;
                plait__waiters_add(&inner->waiters, strand);
        }
        plait__spin_release(&inner->guard);
        return waits;
}

/* A waiter that was cut short takes itself off; false: it has been given a place. */
static bool leave(plait_semaphore *semaphore, struct plait__strand *strand)
{
        struct semaphore *inner = inner_of(semaphore);
        bool left;

        plait__spin_acquire(&inner->guard);
        left = plait__waiters_leave(strand);
        if (left && plait__list_empty(&inner->waiters) && places(semaphore) & AWAITED)
                __atomic_store_n(&semaphore->value, 0, __ATOMIC_RELAXED);
        plait__spin_release(&inner->guard);
        return left;
}

/* With a failure or a wait to be expected. */
static __attribute__((noinline)) int acquire_slow(plait_semaphore *semaphore)
{
        struct plait__strand *strand = plait__strand_here("plait_semaphore_acquire");
        int rc;

        if (!strand || !semaphore)
                return strand ? -EINVAL : -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0 || take(semaphore) || !join(semaphore, strand))
                return rc;
        rc = plait__wait_granted(strand, PLAIT__ON_SEMAPHORE, PLAIT_FOREVER);
        if (rc == 0 || leave(semaphore, strand))
                return rc;
        plait__wait_uncancelled(strand, PLAIT__ON_SEMAPHORE);           /* the hand-over that was under way */
        return 0;
}

int plait_semaphore_acquire(plait_semaphore *semaphore)
{
        const struct plait__loop *loop = plait__loop_here;

        if (plait__likely(loop && semaphore && plait__is_free(loop->current) && take(semaphore)))
                return 0;
        return acquire_slow(semaphore);
}

bool plait_semaphore_try(plait_semaphore *semaphore)
{
        plait__not_forked(__func__);
        plait__point_here();
        return take(semaphore);
}

static void check_bound(const plait_semaphore *semaphore, unsigned free, unsigned count)
{
        unsigned bound = semaphore->bound ? semaphore->bound : INT_MAX;

        if (plait__unlikely(free > bound || count > bound - free))
                plait__panic("plait_semaphore_release", "there would be more than %u places", bound);
}

/* Those who wait come first, but for those who were cut short. False: nobody does any more. */
static __attribute__((noinline)) bool release_awaited(plait_semaphore *semaphore, unsigned count)
{
        struct semaphore *inner = inner_of(semaphore);
        struct plait__wakes wakes = {NULL, NULL};
        struct plait__strand *strand;

        plait__spin_acquire(&inner->guard);
        if (!(places(semaphore) & AWAITED)) {
                plait__spin_release(&inner->guard);
                return false;
        }
        while (count && (strand = plait__waiters_pop(&inner->waiters))) {
                plait__wakes_add(&wakes, strand);
                count--;
        }
        if (count || plait__list_empty(&inner->waiters))
                __atomic_store_n(&semaphore->value, count, __ATOMIC_RELEASE);
        plait__spin_release(&inner->guard);
        plait__wakes_grant(&wakes);
        return true;
}

void plait_semaphore_release(plait_semaphore *semaphore, unsigned count)
{
        unsigned free;

        plait__not_forked(__func__);
        plait__point_here();
        if (count == 0)
                return;
        for (;;) {
                free = places(semaphore);
                check_bound(semaphore, free & AWAITED ? 0 : free, count);
                if (plait__unlikely(free & AWAITED)) {
                        if (release_awaited(semaphore, count))
                                return;
                } else if (change(semaphore, free, free + count, __ATOMIC_RELEASE)) {
                        return;
                }
        }
}
