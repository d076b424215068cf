/* One thread at a time is interrupted, and answers into one place.
 *
 *      NOBODY -> ASKED             who asks, with the guard
 *      ASKED -> TELLING -> TOLD    the handler
 *      TOLD or ASKED -> NOBODY     who asked
 *
 * The handler allocates nothing and takes no lock: backtrace() has been called before, and then only reads. */
#define _GNU_SOURCE
#include "inspect/interrupt.h"

#include <errno.h>
#include <execinfo.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"

enum { NOBODY, ASKED, TELLING, TOLD };

#define PATIENCE (50 * PLAIT_MS)

static plait__spin guard;
static _Atomic uint32_t state;
static struct plait__loop *_Atomic asked;       /* whose thread; written before state */
static struct plait__sample sample;
static bool prepared;

void plait__frames_prepare(void)
{
        void *frames[2];
        int saved_errno = errno;

        plait_ignore(backtrace(frames, 2));
        errno = saved_errno;
}

/* The frames of the handler itself, and of the kernel's way into it, are left out. */
static void keep_from(const void *address)
{
        int skip = 0;

        while (skip < sample.count && sample.frames[skip] != address)
                skip++;
        if (skip == sample.count)
                return;
        sample.count -= skip;
        memmove(sample.frames, sample.frames + skip, (size_t)sample.count * sizeof sample.frames[0]);
}

/* The task is this thread's own and runs, so its name and its group are there. */
static void tell_who(const struct plait__loop *loop)
{
        const struct plait__strand *strand = loop->current;
        int now = plait__load(&strand->state);

        memset(&sample.who, 0, sizeof sample.who);
        if (!strand->parked && (now == PLAIT__RUNNING || now == PLAIT__MAIN))
                plait__see_who(&sample.who, plait__task_of(strand), true);
}

static void handler(int signal_number, siginfo_t *info, void *context)
{
        struct plait__loop *loop = plait__loop_here;
        uint32_t expected = ASKED;
        int saved_errno = errno;

        (void)signal_number;
        (void)info;
        if (!loop || plait__load(&asked) != loop ||
            !atomic_compare_exchange_strong_explicit(&state, &expected, TELLING, memory_order_acquire,
                                                     memory_order_relaxed))
                return;
        tell_who(loop);
        sample.count = backtrace(sample.frames, PLAIT__FRAMES);
        keep_from(plait__tools_interrupted_at(context));
        plait__store_release(&state, TOLD);
        plait__sys.futex(&state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, 0);
        errno = saved_errno;
}

void plait__interrupt_prepare(void)
{
        struct sigaction now, ours;

        plait__frames_prepare();
        if (sigaction(SIGURG, NULL, &now) < 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL)
                return;
        memset(&ours, 0, sizeof ours);
        ours.sa_sigaction = handler;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        sigemptyset(&ours.sa_mask);
        if (sigaction(SIGURG, &ours, NULL) < 0)
                return;
        plait__unblocked_signal = SIGURG;
        prepared = true;
}

static void await_answer(void)
{
        plait_time end = plait__clock_now() + PATIENCE;
        struct plait__kernel_timespec moment = {end / PLAIT_S, end % PLAIT_S};
        uint32_t now;

        while ((now = plait__load(&state)) != TOLD && plait__clock_now() < end)
                plait__sys.futex(&state, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, now, &moment, FUTEX_BITSET_MATCH_ANY);
}

/* The program may have taken the signal for itself since. */
static bool still_ours(void)
{
        struct sigaction now;

        return prepared && sigaction(SIGURG, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
               now.sa_sigaction == handler;
}

bool plait__interrupt(struct plait__loop *loop, struct plait__sample *ret)
{
        uint32_t expected = ASKED;
        bool told;

        if (!still_ours())
                return false;
        plait__spin_acquire(&guard);
        plait__store(&asked, loop);
        plait__store_release(&state, ASKED);
        if (plait__sys.tgkill((pid_t)plait__sys.getpid(), loop->outside.tid, SIGURG) == 0)
                await_answer();
        told = !atomic_compare_exchange_strong_explicit(&state, &expected, NOBODY, memory_order_relaxed,
                                                        memory_order_relaxed);
        while (told && plait__load_acquire(&state) != TOLD)     /* it has begun to tell */
                plait__spin_yield();
        if (told) {
                *ret = sample;
                plait__store(&state, NOBODY);
        }
        plait__spin_release(&guard);
        return told;
}
