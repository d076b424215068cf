/* A global interpreter lock as CPython has it (since 3.2, by Antoine Pitrou): when somebody has waited for an interval in which it
 * did not change hands, the holder hands it over at its next checkpoint, and at each wait at once. Here it goes to who has waited
 * longest, so the holder cannot get it back before the other had it; and it is the holder who looks at the clock, since who waits may
 * be a coroutine of the holder's own thread, whose timer cannot fire. */
#include "plait/gil.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/panic.h"
#include "core/strand.h"

#define INTERVAL (5 * PLAIT_MS)

struct gil {
        plait__spin guard;                      /* of all but the next two, which the holder reads without it: relaxed */
        _Atomic uint32_t wanted;                /* somebody waits, */
        _Atomic plait_time due;                 /* and from this moment on shall have it */
        struct plait__strand *holder;
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct gil) <= sizeof(((plait_gil *)0)->private_), "the public type has room for the real one");

static struct gil *inner_of(plait_gil *gil)
{
        return (struct gil *)(void *)gil->private_;
}

/* Who waits for the gil may at the same time stand in the list of what it parks for: it gave the gil up for that. So the gil has
 * waiters of its own, on their stacks. */
struct waiter {
        struct plait__link link;
        struct plait__strand *strand;
        _Atomic uint8_t granted;                /* enum plait__grant_state */
};

/* As plait__grant(). */
static void grant(struct waiter *waiter)
{
        struct plait__strand *strand = waiter->strand;

        plait__store_release(&waiter->granted, PLAIT__GRANTING);        /* both pair with granted() */
        plait__unpark(strand);
        plait__store_release(&waiter->granted, PLAIT__GRANTED);
}

static bool granted(struct waiter *waiter)
{
        unsigned tries = 0;

        if (plait__load_acquire(&waiter->granted) == PLAIT__NOT_GRANTED)
                return false;
        while (plait__load_acquire(&waiter->granted) != PLAIT__GRANTED)
                if (++tries > 100)
                        plait__spin_yield();
        return true;
}

/* With the guard held: somebody waits, for an interval from now on. */
static void want(plait_gil *gil, struct plait__loop *loop)
{
        struct gil *inner = inner_of(gil);

        plait__store(&inner->due, plait__clock_after(plait__loop_now(loop), gil->interval > 0 ? gil->interval : INTERVAL));
        plait__store(&inner->wanted, 1);
}

/* With the guard held: is one of those who wait. */
static void join(plait_gil *gil, struct waiter *waiter)
{
        struct gil *inner = inner_of(gil);

        if (plait__list_empty(&inner->waiters))
                want(gil, waiter->strand->loop);
        plait__list_append(&inner->waiters, &waiter->link);
}

static void wait(struct waiter *waiter)
{
        while (!granted(waiter))
                plait__park(waiter->strand, PLAIT__ON_GIL, PLAIT_FOREVER);
}

static void acquire(struct plait__strand *strand, plait_gil *gil)
{
        struct gil *inner = inner_of(gil);
        struct waiter waiter = {.strand = strand};

        plait__spin_acquire(&inner->guard);
        if (!inner->holder) {
                inner->holder = strand;
                plait__spin_release(&inner->guard);
        } else {
                join(gil, &waiter);
                plait__spin_release(&inner->guard);
                wait(&waiter);
        }
        strand->gil = gil;
}

/* With the guard held; who has it next, to be granted, or NULL. */
static struct waiter *pass_on(plait_gil *gil, struct plait__loop *loop)
{
        struct gil *inner = inner_of(gil);
        struct plait__link *link = plait__list_first(&inner->waiters);
        struct waiter *next = link ? plait__container(link, struct waiter, link) : NULL;

        if (next)
                plait__list_remove(link);
        inner->holder = next ? next->strand : NULL;
        if (plait__list_empty(&inner->waiters))
                plait__store(&inner->wanted, 0);
        else
                want(gil, loop);
        return next;
}

static void release(struct plait__strand *strand, plait_gil *gil)
{
        struct gil *inner = inner_of(gil);
        struct waiter *next;

        strand->gil = NULL;
        plait__spin_acquire(&inner->guard);
        next = pass_on(gil, strand->loop);
        plait__spin_release(&inner->guard);
        if (next)
                grant(next);
}

__attribute__((constructor)) static void join_core(void)
{
        plait__gil_leave = release;
        plait__gil_return = acquire;
}

void plait_gil_acquire(plait_gil *gil)
{
        struct plait__strand *strand = plait__strand_or_wait(__func__);

        plait__point(strand->loop, true);
        if (strand->gil)
                plait__panic(__func__, "this strand holds %s already", strand->gil == gil ? "the gil" : "another gil");
        acquire(strand, gil);
}

void plait_gil_release(plait_gil *gil)
{
        struct plait__strand *strand = plait__strand_or_wait(__func__);

        if (strand->gil != gil)
                plait__panic(__func__, "this strand does not hold the gil");
        release(strand, gil);
        plait__point(strand->loop, false);
}

bool plait_gil_checkpoint(plait_gil *gil)
{
        struct plait__strand *strand = plait__strand_or_wait(__func__);
        struct waiter waiter = {.strand = strand}, *next;
        struct gil *inner;

        plait__point(strand->loop, true);
        if (!gil)
                gil = strand->flags & PLAIT__TAKEN ? strand->gil : strand->loop->gil;
        if (!gil)
                return false;
        if (strand->gil != gil)
                plait__panic(__func__, "this strand does not hold the gil");
        inner = inner_of(gil);
        if (plait__likely(!plait__load(&inner->wanted)) || plait__loop_now(strand->loop) < plait__load(&inner->due))
                return false;
        plait__spin_acquire(&inner->guard);
        next = pass_on(gil, strand->loop);
        if (!next) {                            /* who waited has gone */
                inner->holder = strand;
                plait__spin_release(&inner->guard);
                return false;
        }
        strand->gil = NULL;
        join(gil, &waiter);
        plait__spin_release(&inner->guard);
        grant(next);
        wait(&waiter);
        strand->gil = gil;
        return true;
}
