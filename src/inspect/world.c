/* A loop is asked by a word (loop.outside.asked), and woken if it sleeps; it answers at its next look outside, which is between
 * two strands, and then waits on that word. Only who asked writes NOT_ASKED there, but for a loop that is asked no more.
 *
 *      NOT_ASKED -> ASKED          who asks
 *      ASKED -> COMING -> HERE     the loop's own thread; it reads nothing more until the word changes
 *      HERE -> NOT_ASKED           who asked: go on
 *      ASKED -> NOT_ASKED          who asked: it did not come in time
 *
 * Nothing that a stopped thread might hold is taken meanwhile: no memory is allocated, nothing is printed. */
#define _GNU_SOURCE
#include "inspect/world.h"

#include <errno.h>
#include <execinfo.h>
#include <linux/futex.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"

enum { NOT_ASKED, ASKED, COMING, HERE };

static _Atomic uint32_t gate;                   /* 1: a thread has the world stopped, or is about to */
static _Atomic uint32_t arrivals;

static void wait_while(_Atomic uint32_t *word, uint32_t value, plait_time until)
{
        struct plait__kernel_timespec moment = {until / PLAIT_S, until % PLAIT_S};

        plait__sys.futex(word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, until == PLAIT_FOREVER ? NULL : &moment,
                         FUTEX_BITSET_MATCH_ANY);
}

static void change(_Atomic uint32_t *word, uint32_t value)
{
        plait__store_release(word, value);
        plait__sys.futex(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX, NULL, 0);
}

int plait__frames_here(void *frames[PLAIT__FRAMES])
{
        int saved_errno = errno, count = backtrace(frames, PLAIT__FRAMES);

        errno = saved_errno;
        return count;
}

/* A strand that has just ended lends its stack to the search for the next: then whoever is current is put away. */
static bool on_stack_of(const struct plait__strand *strand)
{
        bool guard;

        return plait__stack_find(__builtin_frame_address(0), &guard) == strand->stack;
}

void plait__loop_attend(struct plait__loop *loop)
{
        struct plait__outside *outside = &loop->outside;
        struct plait__visit visit;
        uint32_t asked = ASKED;

        if (!atomic_compare_exchange_strong_explicit(&outside->asked, &asked, COMING, memory_order_acquire,
                                                     memory_order_relaxed))
                return;
        visit.count = on_stack_of(loop->current) ? plait__frames_here(visit.frames) : 0;
        outside->visit = &visit;
        outside->looks--;                       /* a visit is not what a look was to find: to the watchdog nothing has moved */
        plait__store_release(&outside->asked, HERE);    /* all that this thread wrote, for who asked */
        atomic_fetch_add_explicit(&arrivals, 1, memory_order_relaxed);
        plait__sys.futex(&arrivals, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, 0);
        while (plait__load_acquire(&outside->asked) == HERE)
                wait_while(&outside->asked, HERE, PLAIT_FOREVER);
}

/* Who waits for its turn may be asked itself. */
static void enter(struct plait__loop *here)
{
        while (atomic_exchange_explicit(&gate, 1, memory_order_acquire)) {
                if (here)
                        plait__loop_attend(here);
                wait_while(&gate, 1, plait__clock_now() + PLAIT_MS);
        }
}

static bool is_wanted(const struct plait__loop *loop)
{
        return loop != plait__loop_here && plait__load_acquire(&loop->outside.alive) &&
               !plait__load(&loop->outside.helper);
}

static bool all_came(void)
{
        const struct plait__loop *loop;

        for (loop = plait__loop_all(); loop; loop = loop->next)
                if (is_wanted(loop) && plait__load(&loop->outside.asked) != HERE)
                        return false;
        return true;
}

/* False: it is on its way, and then there. */
static bool withdraw(struct plait__loop *loop)
{
        uint32_t asked = ASKED;

        if (atomic_compare_exchange_strong_explicit(&loop->outside.asked, &asked, NOT_ASKED, memory_order_relaxed,
                                                    memory_order_relaxed))
                return true;
        while (asked != NOT_ASKED && plait__load_acquire(&loop->outside.asked) != HERE)
                plait__spin_yield();
        return false;
}

bool plait__world_stop(plait_time patience)
{
        plait_time end = plait__clock_now() + patience, now;
        struct plait__loop *loop;
        uint32_t seen;
        bool all = true;

        enter(plait__loop_here);
        for (loop = plait__loop_all(); loop; loop = loop->next) {
                if (!is_wanted(loop))
                        continue;
                atomic_store_explicit(&loop->outside.asked, ASKED, memory_order_seq_cst);       /* see plait__loop_ring() */
                plait__loop_ring(loop);
        }
        for (;;) {
                seen = plait__load(&arrivals);
                now = plait__clock_now();
                if (all_came() || now >= end)
                        break;
                wait_while(&arrivals, seen,
                           now + 5 * PLAIT_MS < end ? now + 5 * PLAIT_MS : end); /* a thread may end instead */
        }
        for (loop = plait__loop_all(); loop; loop = loop->next)
                if (plait__load(&loop->outside.asked) != NOT_ASKED && withdraw(loop) && is_wanted(loop))
                        all = false;
        return all;
}

void plait__world_go_on(void)
{
        struct plait__loop *loop;

        for (loop = plait__loop_all(); loop; loop = loop->next)
                if (plait__load(&loop->outside.asked) == HERE)
                        change(&loop->outside.asked, NOT_ASKED);
        plait__store_release(&gate, 0);
}

bool plait__world_has(const struct plait__loop *loop)
{
        return loop == plait__loop_here ||
               plait__load_acquire(&loop->outside.asked) == HERE; /* pairs with plait__loop_attend() */
}
