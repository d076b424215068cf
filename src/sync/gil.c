/* A global interpreter lock as CPython has it (since 3.2, by Antoine Pitrou): who waits asks for it after an interval in which
 * it did not change hands, and the holder hands it over at its next checkpoint or wait. Here it goes to who has waited longest,
 * so the holder cannot get it back before the other had it. */
#include "plait/gil.h"

#include "base/clock.h"
#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"

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

/* With the guard held, in the list: waits, and asks after each interval without a change. */
static void wait(plait_gil *gil, struct plait__strand *strand)
{
        struct gil *inner = inner_of(gil);
        plait_time interval = gil->interval > 0 ? gil->interval : INTERVAL, end;
        uint64_t seen = inner->changes;

        plait__spin_release(&inner->guard);
        end = plait__clock_after(plait__loop_now(strand->loop), interval);
        while (!plait__granted(strand)) {
                plait__park(strand, PLAIT__ON_GIL, end);
                if (plait__loop_now(strand->loop) < end)
                        continue;
                plait__spin_acquire(&inner->guard);
                if (inner->changes == seen)
                        plait__store(&inner->request, 1);
                seen = inner->changes;
                plait__spin_release(&inner->guard);
                end = plait__clock_after(plait__loop_now(strand->loop), interval);
        }
}

static void acquire(struct plait__strand *strand, plait_gil *gil)
{
        struct gil *inner = inner_of(gil);

        plait__spin_acquire(&inner->guard);
        if (!inner->holder) {
                inner->holder = strand;
                plait__spin_release(&inner->guard);
        } else {
                plait__waiters_add(&inner->waiters, strand);
                wait(gil, strand);
        }
        strand->gil = gil;
}

/* With the guard held; who has it next, to be granted, or NULL. */
static struct plait__strand *pass_on(struct gil *gil)
{
        struct plait__strand *next = plait__waiters_pop(&gil->waiters);

        gil->holder = next;
        gil->changes += next != NULL;
        plait__store(&gil->request, 0);
        return next;
}

static void release(struct plait__strand *strand, plait_gil *gil)
{
        struct gil *inner = inner_of(gil);
        struct plait__strand *next;

        strand->gil = NULL;
        plait__spin_acquire(&inner->guard);
        next = pass_on(inner);
        plait__spin_release(&inner->guard);
        if (next)
                plait__grant(next);
}

__attribute__((constructor)) static void join_core(void)
{
        plait__gil_leave = release;
        plait__gil_return = acquire;
}

void plait_gil_acquire(plait_gil *gil)
{
        struct plait__strand *strand = self(__func__);

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
}

bool plait_gil_checkpoint(plait_gil *gil)
{
        struct plait__strand *strand = self(__func__), *next;
        struct gil *inner;

        if (!gil)
                gil = strand->loop->gil;
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
        plait__waiters_add(&inner->waiters, strand);
        plait__spin_release(&inner->guard);
        plait__grant(next);
        plait__spin_acquire(&inner->guard);
        wait(gil, strand);
        strand->gil = gil;
        return true;
}
