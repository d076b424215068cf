/* A barrier is a list of those who have come. The last that comes takes all of them off together and wakes them; with an action,
 * it first runs that, and for so long newcomers stand in a second list, from which they come anew.
 *
 * What a waiter gets is in its `slot`: its place, from the beginning, or -EPIPE. Who is off the list has it for good. */
#include "plait/barrier.h"

#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"
#include "sync/wakes.h"

enum {
        BROKEN = 1,
        ABANDONED = 2,                          /* the meeting whose action runs was broken or reset */
        BREAKS = 4                              /* after the action: a newcomer was cut short */
};

struct barrier {
        plait__spin guard;                      /* of all below; `came` and `flags` are also read without it */
        _Atomic uint32_t came;
        _Atomic uint32_t flags;
        uint32_t actor;                         /* who runs the action: its record's number + 1; 0: nobody */
        struct plait__link waiters;
        struct plait__link newcomers;           /* while the action runs */
} __attribute__((may_alias));

_Static_assert(sizeof(struct barrier) <= sizeof(((plait_barrier *)0)->private_), "the public type has room for the real one");

static struct barrier *inner_of(const plait_barrier *barrier)
{
        return (struct barrier *)(uintptr_t)barrier->private_;
}

static uint32_t number_of(const struct plait__strand *strand)
{
        return (uint32_t)(plait__task_of(strand) - plait__records.records) + 1;
}

static bool has(const struct barrier *barrier, uint32_t flag)
{
        return plait__load(&barrier->flags) & flag;
}

static void set(struct barrier *barrier, uint32_t flag)
{
        plait__store(&barrier->flags, plait__load(&barrier->flags) | flag);
}

static void clear(struct barrier *barrier, uint32_t flag)
{
        plait__store(&barrier->flags, plait__load(&barrier->flags) & ~flag);
}

/* ---- with the guard held */

static void tell_all(struct plait__link *waiters, struct plait__wakes *wakes, int rc)
{
        struct plait__strand *strand;

        while ((strand = plait__waiters_pop_any(waiters))) {    /* a meeting takes place with all, or not at all */
                if (rc < 0)
                        strand->slot = (void *)(intptr_t)rc;
                plait__wakes_add(wakes, strand);
        }
}

/* All have come, and nothing is left to do: they go on, each with its place. */
static void complete(struct barrier *barrier, struct plait__wakes *wakes)
{
        tell_all(&barrier->waiters, wakes, 0);
        plait__store(&barrier->came, 0);
}

/* This meeting comes to nothing. */
static void give_up(struct barrier *barrier, struct plait__wakes *wakes)
{
        tell_all(&barrier->waiters, wakes, -EPIPE);
        tell_all(&barrier->newcomers, wakes, -EPIPE);
        plait__store(&barrier->came, 0);
        if (barrier->actor)
                set(barrier, ABANDONED);
}

static void break_it(struct barrier *barrier, struct plait__wakes *wakes)
{
        set(barrier, BROKEN);
        give_up(barrier, wakes);
}

/* ---- waiting */

/* Parks in the list, with the guard held, which is left. Returns what the slot tells, or what cut the wait short: then the guard
 * is held, and the strand off the list. */
static int wait_in(struct barrier *barrier, struct plait__link *waiters, struct plait__strand *strand, intptr_t slot)
{
        int rc;

        strand->object = barrier;
        strand->slot = (void *)slot;
        plait__waiters_add(waiters, strand);
        plait__spin_release(&barrier->guard);
        rc = plait__wait_granted(strand, PLAIT__ON_BARRIER, PLAIT_FOREVER);
        if (rc < 0) {
                plait__spin_acquire(&barrier->guard);
                if (plait__waiters_leave(strand))
                        return rc;
                plait__spin_release(&barrier->guard);
                plait__wait_uncancelled(strand, PLAIT__ON_BARRIER);     /* it is on its way: told already */
        }
        return 0;
}

/* With the guard held, which is left: a wait was cut short by `rc`. */
static int cut(struct barrier *barrier, bool newcomer, int rc)
{
        struct plait__wakes wakes = {NULL, NULL};

        if (newcomer && barrier->actor && !has(barrier, ABANDONED))
                set(barrier, BREAKS);           /* not those whose meeting is nearly complete */
        else
                break_it(barrier, &wakes);
        plait__spin_release(&barrier->guard);
        plait__wakes_grant(&wakes);
        return rc;
}

/* Returns 0 with the guard held, when no action runs; else a failure, without it. */
static int come_in(struct barrier *barrier, struct plait__strand *strand)
{
        int rc = plait__enter(strand);

        plait__spin_acquire(&barrier->guard);
        if (rc < 0)
                return cut(barrier, true, rc);
        while (barrier->actor && !has(barrier, BROKEN)) {
                if (barrier->actor == number_of(strand))
                        plait__panic("plait_barrier_wait", "called from the barrier's own action");
                rc = wait_in(barrier, &barrier->newcomers, strand, 0);
                if (rc < 0)
                        return cut(barrier, true, rc);
                if (strand->slot)
                        return (int)(intptr_t)strand->slot;
                plait__spin_acquire(&barrier->guard);
        }
        if (!has(barrier, BROKEN))
                return 0;
        plait__spin_release(&barrier->guard);
        return -EPIPE;
}

/* The last that has come, with the guard held, which is left. */
static int act(plait_barrier *barrier, struct plait__strand *strand, int place)
{
        struct barrier *inner = inner_of(barrier);
        struct plait__wakes wakes = {NULL, NULL};
        int rc;

        inner->actor = number_of(strand);
        plait__spin_release(&inner->guard);
        rc = barrier->action(barrier->action_arg);
        plait__spin_acquire(&inner->guard);
        if (has(inner, ABANDONED))              /* the others know */
                rc = rc < 0 ? rc : -EPIPE;
        else if (rc < 0)
                break_it(inner, &wakes);
        else
                complete(inner, &wakes);
        if (has(inner, BREAKS))
                set(inner, BROKEN);
        clear(inner, ABANDONED | BREAKS);
        inner->actor = 0;
        tell_all(&inner->newcomers, &wakes, 0); /* they look for themselves */
        plait__spin_release(&inner->guard);
        plait__wakes_grant(&wakes);
        return rc < 0 ? rc : place;
}

int plait_barrier_wait(plait_barrier *barrier)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        struct plait__wakes wakes = {NULL, NULL};
        struct barrier *inner;
        uint32_t place;
        int rc;

        if (!strand || !barrier)
                return strand ? -EINVAL : -ENOMEM;
        if (barrier->parties == 0)
                plait__panic(__func__, "the barrier has no parties");
        inner = inner_of(barrier);
        rc = come_in(inner, strand);
        if (rc < 0)
                return rc;
        place = plait__load(&inner->came);
        plait__store(&inner->came, place + 1);
        if (place + 1 < barrier->parties) {
                rc = wait_in(inner, &inner->waiters, strand, (intptr_t)place);
                return rc < 0 ? cut(inner, false, rc) : (int)(intptr_t)strand->slot;
        }
        if (barrier->action)
                return act(barrier, strand, (int)place);
        complete(inner, &wakes);
        plait__spin_release(&inner->guard);
        plait__wakes_grant(&wakes);
        return (int)place;
}

/* ---- from outside */

void plait_barrier_abort(plait_barrier *barrier)
{
        struct barrier *inner = inner_of(barrier);
        struct plait__wakes wakes = {NULL, NULL};

        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&inner->guard);
        break_it(inner, &wakes);
        plait__spin_release(&inner->guard);
        plait__wakes_grant(&wakes);
}

void plait_barrier_reset(plait_barrier *barrier)
{
        struct barrier *inner = inner_of(barrier);
        struct plait__wakes wakes = {NULL, NULL};

        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&inner->guard);
        give_up(inner, &wakes);
        clear(inner, BROKEN | BREAKS);
        plait__spin_release(&inner->guard);
        plait__wakes_grant(&wakes);
}

bool plait_barrier_is_broken(const plait_barrier *barrier)
{
        plait__not_forked(__func__);
        return plait__load_acquire(&inner_of(barrier)->flags) & BROKEN;
}

unsigned plait_barrier_waiting(const plait_barrier *barrier)
{
        plait__not_forked(__func__);
        return plait__load(&inner_of(barrier)->came);
}
