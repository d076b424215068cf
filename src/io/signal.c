/* A handler only counts, and writes an eventfd: an edge for every loop where a strand waits on it, so it is never read. Who is woken
 * looks at the counts, and takes one by compare-and-swap.
 *
 * For plait_signal_cancels() a strand of the library's own waits in the same way, on the loop of the caller. One group in the
 * process has this at a time. */
#include "plait/signal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/poller.h"
#include "core/strand.h"
#include "task/group.h"

enum { SIGNALS = 65, LOCAL = 1 };               /* the kernel's 64; our slot of a loop's locals */

static _Atomic unsigned arrived[SIGNALS];       /* and not yet taken; no data hangs on it */
static _Atomic bool caught[SIGNALS];
static _Atomic int bell = -1;                   /* the eventfd, once there is one; written once */
static plait__spin guard;                       /* of caught, bell's making, and all of `cancels` but what the handler reads */

static struct {
        plait_group *group;                     /* NULL: none */
        _Atomic bool on;                        /* there is one: for the handler */
        _Atomic unsigned count;                 /* SIGINT and SIGTERM since */
        _Atomic int last;
        struct sigaction before[2];
} cancels;

static const int ending[2] = {SIGINT, SIGTERM};

static bool is_ending(int signal)
{
        return signal == SIGINT || signal == SIGTERM;
}

static void ring(void)
{
        uint64_t one = 1;
        int fd = plait__load_acquire(&bell);    /* pairs with bell_need() */

        if (fd >= 0)
                plait__sys.write(fd, &one, sizeof one);
}

static void handler(int signal)
{
        if (is_ending(signal) && plait__load(&cancels.on) &&
            atomic_fetch_add_explicit(&cancels.count, 1, memory_order_relaxed) == 1) {
                struct sigaction standard;

                memset(&standard, 0, sizeof standard);
                standard.sa_handler = SIG_DFL;
                sigaction(signal, &standard, NULL);
                raise(signal);                  /* blocked until this handler returns, and then the process ends */
                return;
        }
        atomic_fetch_add_explicit(&arrived[signal], 1, memory_order_release);   /* pairs with take() */
        ring();
}

static void install(int signal, struct sigaction *ret_before)
{
        struct sigaction ours;

        memset(&ours, 0, sizeof ours);
        ours.sa_handler = handler;
        ours.sa_flags = SA_RESTART | SA_ONSTACK;
        sigfillset(&ours.sa_mask);
        sigaction(signal, &ours, ret_before);
}

static bool can_be_caught(int signal)
{
        struct sigaction now;

        return signal > 0 && signal < SIGNALS && signal != SIGKILL && signal != SIGSTOP && sigaction(signal, NULL, &now) == 0;
}

/* For good: also when the group that had it for a while has ended. */
static void catch(int signal)
{
        plait__spin_acquire(&guard);
        if (!plait__load(&caught[signal])) {
                plait__store(&caught[signal], true);
                install(signal, NULL);
        }
        plait__spin_release(&guard);
}

/* The eventfd, made if need be; or why not. */
static int bell_need(void)
{
        int fd = plait__load_acquire(&bell);

        if (fd >= 0)
                return fd;
        plait__spin_acquire(&guard);
        fd = plait__load(&bell);
        if (fd < 0) {
                fd = (int)plait__sys.eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK);
                if (fd >= 0) {
                        plait__fd_is_new(fd, true);     /* registered once, not for each wait: only edges count */
                        plait__store_release(&bell, fd);
                }
        }
        plait__spin_release(&guard);
        return fd;
}

/* One that has come of these, taken; 0: none has. */
static int take(const int *signals, size_t count)
{
        unsigned so_far;
        size_t i;

        for (i = 0; i < count; i++) {
                so_far = plait__load(&arrived[signals[i]]);
                while (so_far)
                        if (atomic_compare_exchange_weak_explicit(&arrived[signals[i]], &so_far, so_far - 1, memory_order_acquire, memory_order_relaxed))
                                return signals[i];
        }
        return 0;
}

void plait_signal_catch(const int *signals, size_t count)
{
        size_t i;

        plait__not_forked(__func__);
        for (i = 0; i < count; i++) {
                if (!can_be_caught(signals[i]))
                        plait__panic(__func__, "%d is not a signal that can be caught", signals[i]);
                catch(signals[i]);
        }
}

int plait_signal_wait(const int *signals, size_t count)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc, fd, signal;
        size_t i;

        if (!strand)
                return -ENOMEM;
        if (!signals || count == 0)
                return -EINVAL;
        for (i = 0; i < count; i++)
                if (!can_be_caught(signals[i]))
                        return -EINVAL;
        rc = plait__enter(strand);
        fd = rc < 0 ? rc : bell_need();
        if (fd < 0)
                return fd;
        for (i = 0; i < count; i++)
                catch(signals[i]);
        while ((signal = take(signals, count)) == 0) {
                rc = plait__fd_wait(strand, fd, POLLIN, PLAIT__ON_SIGNAL);
                if (rc < 0) {                   /* what came at the last moment is not thrown away */
                        signal = take(signals, count);
                        return signal ? signal : rc;
                }
        }
        return signal;
}

/* ---- Ctrl-C */

static void cancel(int signal)
{
        plait__spin_acquire(&guard);
        if (cancels.group) {
                plait__store(&cancels.last, signal);
                plait_group_cancel(cancels.group);
        }
        plait__spin_release(&guard);
}

/* A strand of the library's own. What it waits for may fail for lack of memory: then it looks again a little later. */
static int watch(void *arg)
{
        struct plait__strand *strand = plait__loop_here->current;
        int signal;

        (void)arg;
        for (;;) {
                if (!plait__load(&cancels.on))
                        plait__park(strand, PLAIT__ON_SIGNAL, PLAIT_FOREVER);
                else if ((signal = take(ending, 2)))
                        cancel(signal);
                else if (plait__fd_wait(strand, plait__load(&bell), POLLIN, PLAIT__ON_SIGNAL) < 0)
                        plait__park(strand, PLAIT__ON_SIGNAL, plait__loop_now(strand->loop) + 10 * PLAIT_MS);
        }
        return 0;
}

static int watch_need(struct plait__loop *loop)
{
        void **place = plait__loop_local(loop, LOCAL, NULL);

        if (!*place)
                *place = plait__service_start(loop, watch, NULL, 0);
        if (!*place)
                return -ENOMEM;
        plait__unpark(*place);
        return 0;
}

static void ended(plait_group *group)
{
        int i;

        plait__spin_acquire(&guard);
        if (cancels.group == group) {
                cancels.group = NULL;
                plait__interruptible = NULL;
                plait__store(&cancels.on, false);
                for (i = 0; i < 2; i++)
                        if (!plait__load(&caught[ending[i]]))
                                sigaction(ending[i], &cancels.before[i], NULL);
        }
        plait__spin_release(&guard);
}

__attribute__((constructor)) static void join_task(void)
{
        plait__interruptible_ended = ended;
}

int plait_signal_cancels(plait_group *group)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc, i;

        if (!strand)
                return -ENOMEM;
        if (plait__load(&plait__group_of(group)->scope.group_state) != PLAIT__GROUP_OPEN)
                plait__panic(__func__, "the group '%s' is not open", group->name ? group->name : "unnamed");
        rc = bell_need();
        if (rc < 0)
                return rc;
        plait__spin_acquire(&guard);
        rc = cancels.group && cancels.group != group ? -EBUSY : 0;
        if (rc == 0 && !cancels.group) {
                cancels.group = group;
                plait__interruptible = group;
                plait__store(&cancels.count, 0);
                plait__store(&cancels.last, 0);
                plait__store(&cancels.on, true);
                for (i = 0; i < 2; i++) {
                        plait__store(&arrived[ending[i]], 0);
                        install(ending[i], &cancels.before[i]);
                }
        }
        plait__spin_release(&guard);
        if (rc == 0 && (rc = watch_need(strand->loop)) < 0)
                ended(group);
        return rc;
}

int plait_signal_last(void)
{
        plait__not_forked(__func__);
        return plait__load(&cancels.last);
}
