/* A reader-writer lock is one word for those who need not wait: how many read, whether one writes, whether somebody waits. With
 * AWAITED set, all change it with the guard held; set without the guard held it never is. So a newcomer finds either a word that
 * lets it in, or waiters to join. Those in the list whose wait has been cut short do not count: they are about to leave.
 *
 * Each release of the word is an atomic step on it, or a store-release with the guard held, and pairs with the acquire of
 * those who take the lock later; a hand-over is ordered by plait__grant(). */
#include "plait/rwlock.h"

#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"
#include "sync/wakes.h"

#define WRITTEN (UINT32_C(1) << 31)
#define AWAITED (UINT32_C(1) << 30)             /* the rest: how many read */

enum kind { READ, WRITE };                      /* of a waiter: in its slot */

struct rwlock {
        _Atomic uint32_t word;
        plait__spin guard;                      /* of waiters, and of word while it is AWAITED */
        _Atomic(struct plait__strand *) writer; /* written by the writer, or for it by who hands over; relaxed */
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct rwlock) <= sizeof(plait_rwlock), "the public type has room for the real one");

static struct rwlock *inner_of(plait_rwlock *rwlock)
{
        return (struct rwlock *)(void *)rwlock->private_;
}

static uint32_t taken_by(enum kind kind, uint32_t word)
{
        return kind == READ ? word + 1 : word | WRITTEN;
}

/* `word` without AWAITED. */
static bool lets_in(enum kind kind, uint32_t word)
{
        return kind == READ ? !(word & WRITTEN) : word == 0;
}

/* One step from a word that nobody waits for. */
static inline __attribute__((always_inline)) bool change(struct rwlock *rwlock, uint32_t from, uint32_t to, memory_order order)
{
        if (plait__alone()) {
                if (plait__load(&rwlock->word) != from)
                        return false;
                plait__store(&rwlock->word, to);
                return true;
        }
        return atomic_compare_exchange_strong_explicit(&rwlock->word, &from, to, order, memory_order_relaxed);
}

static inline __attribute__((always_inline)) bool take(struct rwlock *rwlock, struct plait__strand *strand, enum kind kind)
{
        uint32_t word;

        do {
                word = plait__load(&rwlock->word);
                if (word & AWAITED || !lets_in(kind, word))
                        return false;
        } while (!change(rwlock, word, taken_by(kind, word), memory_order_acquire));
        if (kind == WRITE)
                plait__store(&rwlock->writer, strand);
        return true;
}

/* With the guard held and AWAITED set: who is let in next, or NULL. */
static struct plait__strand *admit(struct rwlock *rwlock)
{
        struct plait__strand *strand = plait__waiters_first(&rwlock->waiters);
        uint32_t word = plait__load(&rwlock->word) & ~AWAITED;
        enum kind kind;

        if (strand) {
                kind = strand->slot ? WRITE : READ;
                if (!lets_in(kind, word))
                        return NULL;
                word = taken_by(kind, word);
                if (kind == WRITE)
                        plait__store(&rwlock->writer, strand);
                plait__list_remove(&strand->wait);
        }
        if (plait__waiters_first(&rwlock->waiters))
                word |= AWAITED;
        plait__store_release(&rwlock->word, word);
        return strand;
}

/* With the guard held, and let go of: lets in all whose turn has come. */
static void admit_all(struct rwlock *rwlock)
{
        struct plait__wakes wakes = {NULL, NULL};
        struct plait__strand *strand;

        do {
                strand = admit(rwlock);
                if (strand)
                        plait__wakes_add(&wakes, strand);
        } while (strand && plait__load(&rwlock->word) & AWAITED);       /* else others change the word from here on */
        plait__spin_release(&rwlock->guard);
        plait__wakes_grant(&wakes);
}

/* Joins those who wait; false: the lock could be had after all, and is held now. */
static bool join(struct rwlock *rwlock, struct plait__strand *strand, enum kind kind)
{
        uint32_t word;
        bool waits;

        plait__spin_acquire(&rwlock->guard);
        /* acquire: what the holders before did, if it is ours now */
        word = atomic_fetch_or_explicit(&rwlock->word, AWAITED, memory_order_acquire) & ~AWAITED;
        waits = plait__waiters_first(&rwlock->waiters) || !lets_in(kind, word);
        if (waits) {
                strand->slot = kind == WRITE ? strand : NULL;
                strand->object = rwlock;
                plait__waiters_add(&rwlock->waiters, strand);
        } else {
                if (kind == WRITE)
                        plait__store(&rwlock->writer, strand);
                plait__store_release(&rwlock->word, taken_by(kind, word));
        }
        plait__spin_release(&rwlock->guard);
        return waits;
}

static void check_self(const char *call, struct rwlock *rwlock, const struct plait__strand *strand)
{
        if (plait__load(&rwlock->writer) == strand)
                plait__panic(call, "this strand holds the lock for writing already");
}

static void acquire(const char *call, plait_rwlock *rwlock, enum kind kind)
{
        struct plait__strand *strand = plait__strand_or_wait(call);
        struct rwlock *inner = inner_of(rwlock);

        plait__point(strand->loop, true);
        if (plait__likely(take(inner, strand, kind)))
                return;
        check_self(call, inner, strand);
        strand->insists = true;
        if (join(inner, strand, kind))
                plait__wait_uncancelled(strand, PLAIT__ON_RWLOCK);
        strand->insists = false;
}

static int acquire_or_cancel(const char *call, plait_rwlock *rwlock, enum kind kind)
{
        struct plait__strand *strand = plait__strand_or_wait(call);
        struct rwlock *inner;
        bool left;
        int rc;

        if (!rwlock)
                return -EINVAL;
        inner = inner_of(rwlock);
        rc = plait__enter(strand);
        if (rc < 0 || plait__likely(take(inner, strand, kind)))
                return rc;
        check_self(call, inner, strand);
        if (!join(inner, strand, kind))
                return 0;
        rc = plait__wait_granted(strand, PLAIT__ON_RWLOCK, PLAIT_FOREVER);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&inner->guard);
        left = plait__waiters_leave(strand);
        if (left && plait__load(&inner->word) & AWAITED)
                admit_all(inner);               /* a writer that goes no longer stops the readers behind it */
        else
                plait__spin_release(&inner->guard);
        if (left)
                return rc;
        plait__wait_uncancelled(strand, PLAIT__ON_RWLOCK);        /* the hand-over that was under way */
        return 0;
}

void plait_rwlock_acquire_read(plait_rwlock *rwlock)
{
        acquire(__func__, rwlock, READ);
}

void plait_rwlock_acquire_write(plait_rwlock *rwlock)
{
        acquire(__func__, rwlock, WRITE);
}

bool plait_rwlock_try_read(plait_rwlock *rwlock)
{
        plait__point_here();
        return take(inner_of(rwlock), plait__strand_or_wait(__func__), READ);
}

bool plait_rwlock_try_write(plait_rwlock *rwlock)
{
        plait__point_here();
        return take(inner_of(rwlock), plait__strand_or_wait(__func__), WRITE);
}

int plait_rwlock_acquire_read_or_cancel(plait_rwlock *rwlock)
{
        return acquire_or_cancel(__func__, rwlock, READ);
}

int plait_rwlock_acquire_write_or_cancel(plait_rwlock *rwlock)
{
        return acquire_or_cancel(__func__, rwlock, WRITE);
}

static __attribute__((noinline)) void release_awaited(struct rwlock *rwlock, bool writes)
{
        uint32_t word;

        plait__spin_acquire(&rwlock->guard);
        if (writes)
                /* acq_rel: the next holder comes after all who held it before */
                word = atomic_fetch_and_explicit(&rwlock->word, ~WRITTEN, memory_order_acq_rel);
        else
                word = atomic_fetch_sub_explicit(&rwlock->word, 1, memory_order_acq_rel);
        if (word & AWAITED)
                admit_all(rwlock);
        else
                plait__spin_release(&rwlock->guard);
}

void plait_rwlock_release(plait_rwlock *rwlock)
{
        struct rwlock *inner = inner_of(rwlock);
        struct plait__strand *strand = plait__strand_or_wait(__func__);
        uint32_t word = plait__load(&inner->word);
        bool writes = word & WRITTEN;           /* who holds the lock sees that bit stand still */

        if (plait__unlikely(writes ? plait__load(&inner->writer) != strand : !(word & ~AWAITED)))
                plait__panic(__func__, writes ? "another strand holds the lock, for writing" : "nobody holds the lock");
        if (writes)
                plait__store(&inner->writer, NULL);
        do {
                word = plait__load(&inner->word);
                if (plait__unlikely(word & AWAITED)) {
                        release_awaited(inner, writes);
                        break;
                }
        } while (!change(inner, word, writes ? 0 : word - 1, memory_order_release));
        plait__point(strand->loop, false);      /* from here on others can have it */
}
