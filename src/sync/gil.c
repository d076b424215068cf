/* A global interpreter lock as CPython has it (since 3.2, by Antoine Pitrou): who waits asks for it after an interval in which
 * it did not change hands, and the holder hands it over at its next checkpoint or wait. Here it goes to who has waited longest,
 * so the holder cannot get it back before the other had it. */
#include "plait/gil.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/panic.h"
#include "core/strand.h"

#define INTERVAL (5 * PLAIT_MS)

struct gil {
        plait__spin guard;                      /* of all but the request */
        _Atomic uint32_t request;               /* somebody has waited for an interval */
        uint64_t changes;                       /* how often it changed hands */
        struct plait__strand *holder;
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct gil) <= sizeof(((plait_gil *)0)->private_), "the public type has room for the real one");

static struct gil *inner_of(plait_gil *gil)
{
        return (struct gil *)(void *)gil->private_;
}

static struct plait__strand *self(const char *call)
{
        struct plait__strand *strand;

        while (!(strand = plait__strand_here(call)))
                plait__spin_yield();            /* no memory for this thread's loop yet; an acquire cannot fail */
        return strand;
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

/* With the guard held, in the list: waits, and asks after each interval without a change. */
static void wait(plait_gil *gil, struct waiter *waiter)
{
        struct gil *inner = inner_of(gil);
        struct plait__loop *loop = waiter->strand->loop;
        plait_time interval = gil->interval > 0 ? gil->interval : INTERVAL, end;
        uint64_t seen = inner->changes;

        plait__spin_release(&inner->guard);
        end = plait__clock_after(plait__loop_now(loop), interval);
        while (!granted(waiter)) {
                plait__park(waiter->strand, PLAIT__ON_GIL, end);
                if (plait__loop_now(loop) < end)
                        continue;
                plait__spin_acquire(&inner->guard);
                if (inner->changes == seen)
                        plait__store(&inner->request, 1);
                seen = inner->changes;
                plait__spin_release(&inner->guard);
                end = plait__clock_after(plait__loop_now(loop), interval);
        }
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
                plait__list_append(&inner->waiters, &waiter.link);
                wait(gil, &waiter);
        }
        strand->gil = gil;
}

/* With the guard held; who has it next, to be granted, or NULL. */
static struct waiter *pass_on(struct gil *gil)
{
        struct plait__link *link = plait__list_first(&gil->waiters);
        struct waiter *next = link ? plait__container(link, struct waiter, link) : NULL;

        if (next) {
                plait__list_remove(link);
                gil->changes++;
        }
        gil->holder = next ? next->strand : NULL;
        plait__store(&gil->request, 0);
        return next;
}

static void release(struct plait__strand *strand, plait_gil *gil)
{
        struct gil *inner = inner_of(gil);
        struct waiter *next;

        strand->gil = NULL;
        plait__spin_acquire(&inner->guard);
        next = pass_on(inner);
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
        struct plait__strand *strand = self(__func__);

        plait__point(strand->loop, true);
        if (strand->gil)
                plait__panic(__func__, "this strand holds %s already", strand->gil == gil ? "the gil" : "another gil");
        acquire(strand, gil);
}

void plait_gil_release(plait_gil *gil)
{
        struct plait__strand *strand = self(__func__);

        if (strand->gil != gil)
                plait__panic(__func__, "this strand does not hold the gil");
        release(strand, gil);
        plait__point(strand->loop, false);
}

bool plait_gil_checkpoint(plait_gil *gil)
{
        struct plait__strand *strand = self(__func__);
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
        if (plait__likely(!plait__load(&inner->request)))
                return false;
        plait__spin_acquire(&inner->guard);
        next = pass_on(inner);
        if (!next) {                            /* who asked has gone */
                inner->holder = strand;
                plait__spin_release(&inner->guard);
                return false;
        }
        strand->gil = NULL;
        plait__list_append(&inner->waiters, &waiter.link);
        plait__spin_release(&inner->guard);
        grant(next);
        plait__spin_acquire(&inner->guard);
        wait(gil, &waiter);
        strand->gil = gil;
        return true;
}
