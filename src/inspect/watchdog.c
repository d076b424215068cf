/* The watchdog sleeps in `bell`. What it remembers of a loop stands in the loop, and is its own. */
#define _GNU_SOURCE
#include "inspect/watchdog.h"

#include <linux/futex.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"
#include "inspect/dump.h"
#include "inspect/interrupt.h"
#include "inspect/still.h"

#define EVERY (50 * PLAIT_MS)
#define PATIENCE (100 * PLAIT_MS)

static plait__spin guard;                       /* of the start */
static bool started;
static _Atomic uint32_t bell;                   /* 1: somebody has rung */
static _Atomic bool dump_wanted;
static _Atomic plait_time slow;                 /* 0: it does not look by itself; relaxed */

/* ---- coroutines that hold their loop */

/* The strand that runs, if it is a coroutine. (A main line may compute as long as it likes: it waits where it wants others to
 * run.) Who looks for the next strand, or sleeps, is parked. */
static PLAIT__LOOKS_ON struct plait__strand *holder_of(const struct plait__loop *loop)
{
        struct plait__strand *strand = loop->current;

        return strand->stack && !strand->parked && plait__load(&loop->inbox) != PLAIT__SLEEPS ? strand : NULL;
}

/* Whether the loop has come to another strand, or to the same once more, since it was looked at last. */
static PLAIT__LOOKS_ON bool has_switched(struct plait__loop *loop, struct plait__strand *strand)
{
        struct plait__outside *outside = &loop->outside;
        bool switched = strand != outside->holder || loop->budget != outside->holder_budget ||
                        outside->looks != outside->holder_looks;

        outside->holder = strand;
        outside->holder_budget = loop->budget;
        outside->holder_looks = outside->looks;
        return switched;
}

static PLAIT__LOOKS_ON uint64_t id_of(const struct plait__strand *strand)
{
        return plait__task_of(strand)->id;
}

static void tell_holder(struct plait__loop *loop, uint64_t id, plait_time held)
{
        struct plait__out out = {.file = NULL};
        struct plait__symbols symbols;
        struct plait__sample sample;
        bool answered = plait__interrupt(loop, &sample);

        if (answered && sample.who.id != id)
                return;                         /* it has just let go */
        if (!answered) {
                sample.count = 0;
                sample.who = (struct plait__who){.id = id};
        }
        plait__out(&out, "plait: the coroutine ");
        plait__out_who(&out, &sample.who);
        plait__out(&out, " has kept thread %d from running others for ", (int)loop->outside.tid);
        plait__out_span(&out, held);
        plait__out(&out, "%s\n", answered ? "" : " (no stack: the thread does not answer)");
        plait__symbols_open(&symbols);
        plait__out_stack(&out, &symbols, sample.frames, sample.count, true);
        plait__symbols_close(&symbols);
        plait__out_flush(&out);
}

static void look_at_holder(struct plait__loop *loop, plait_time now)
{
        struct plait__outside *outside = &loop->outside;
        struct plait__strand *strand = holder_of(loop);

        if (!strand) {
                outside->holder = NULL;
        } else if (has_switched(loop, strand)) {
                outside->holder_since = now;
                outside->holder_told = false;
        } else if (!outside->holder_told && now - outside->holder_since >= plait__load(&slow)) {
                outside->holder_told = true;
                tell_holder(loop, id_of(strand), now - outside->holder_since);
        }
}

static void look_at_holders(void)
{
        plait_time now = plait__clock_now();
        struct plait__loop *loop;

        for (loop = plait__loop_all(); loop; loop = loop->next)
                if (plait__load_acquire(&loop->outside.alive) && !plait__load(&loop->outside.helper))
                        look_at_holder(loop, now);
}

/* ---- deadlock */

static void tell_deadlock(const struct plait__all_seen *all)
{
        struct plait__out out = {.file = NULL};
        struct plait__symbols symbols;
        size_t i;

        plait__symbols_open(&symbols);
        plait__out(&out, "plait: deadlock: no strand of process %d can ever run again\n", (int)plait__sys.getpid());
        for (i = 0; i < all->count; i++)
                if (plait__waits_for_others(&all->strands[i]))
                        plait__out_strand(&out, &symbols, &all->strands[i]);
        plait__out_flush(&out);
        plait__symbols_close(&symbols);
}

/* True: it was one, and was told. */
static bool examine(void)
{
        struct plait__all_seen all;
        bool stuck;

        stuck = plait__world_stop(PATIENCE);
        plait__see_all(&all);
        stuck = stuck && plait__all_stuck(&all, (pid_t)plait__sys.gettid());
        plait__world_go_on();
        if (stuck)
                tell_deadlock(&all);
        plait__see_no_more(&all);
        return stuck;
}

/* Twice the same, with nothing that moved between. Told once: it stays as it is. */
static void look_for_deadlock(void)
{
        static uint64_t before, told;
        static bool was_still, was_told;
        uint64_t when = 0;
        bool still = plait__all_still(&when);

        if (still && was_still && when == before && !(was_told && told == when) && examine()) {
                was_told = true;
                told = when;
        }
        was_still = still;
        before = when;
}

/* ---- the thread */

static void sleep_for(plait_time span)
{
        plait_time until = plait__clock_after(plait__clock_now(), span);
        struct plait__kernel_timespec moment = {until / PLAIT_S, until % PLAIT_S};

        plait__sys.futex(&bell, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, until == PLAIT_FOREVER ? NULL : &moment,
                         FUTEX_BITSET_MATCH_ANY);
        atomic_exchange_explicit(&bell, 0, memory_order_acquire);       /* pairs with ring() */
}

static void *watchdog_main(void *arg)
{
        struct plait__out out = {.file = NULL};
        plait_time span;

        (void)arg;
        for (;;) {
                span = plait__load(&slow);
                sleep_for(!span ? PLAIT_FOREVER : span / 2 < EVERY ? span / 2 : EVERY);
                if (atomic_exchange_explicit(&dump_wanted, false, memory_order_acquire))
                        plait__dump(&out);
                if (plait__load(&slow)) {
                        look_at_holders();
                        look_for_deadlock();
                }
        }
        return NULL;
}

static void ring(void)
{
        plait__store_release(&bell, 1);
        plait__sys.futex(&bell, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, 0);
}

int plait__watchdog_start(void)
{
        int rc = 0;

        plait__spin_acquire(&guard);
        if (!started)
                rc = plait__sys.thread_start(watchdog_main, NULL, 0);
        started |= rc == 0;
        plait__spin_release(&guard);
        return rc;
}

void plait__watchdog_watch(plait_time span)
{
        plait__store(&slow, span);
        ring();
}

void plait__watchdog_dump(void)
{
        plait__store_release(&dump_wanted, true);
        ring();
}
