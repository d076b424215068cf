/* What the environment asks for, and what a signal does. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "core/loop.h"
#include "inspect/interrupt.h"
#include "inspect/out.h"
#include "inspect/watchdog.h"
#include "plait/dump.h"
#include "task/group.h"

#define SLOW (100 * PLAIT_MS)

/* ---- failures that nobody read */

/* On the thread that ends the group. */
static void tell_unread(const plait_group *group)
{
        struct plait__out out = {.file = NULL};
        plait_failure first;
        size_t count;

        memset(&first, 0, sizeof first);
        count = plait_group_failures(group, &first, 1);
        plait__out(&out, "plait: the group '%.60s' ended with %zu failure%s that nobody read; the first: ",
                   group->name ? group->name : "unnamed", count, count == 1 ? "" : "s");
        if (first.name[0])
                plait__out(&out, "'%.60s' ", first.name);
        plait__out(&out, "returned %d (%s)\n", first.result,
                   strerrordesc_np(-first.result) ? strerrordesc_np(-first.result) : "no errno");
        plait__out_flush(&out);
}

/* ---- PLAIT_DEBUG */

static plait_time slow_wanted(void)
{
        const char *text = secure_getenv("PLAIT_DEBUG_SLOW_MS");
        long ms = text ? strtol(text, NULL, 10) : 0;

        return ms > 0 && ms <= 3600 * 1000 ? ms * PLAIT_MS : SLOW;
}

static void begin(void)
{
        const char *wanted = secure_getenv("PLAIT_DEBUG");

        if (!wanted || !*wanted || strcmp(wanted, "0") == 0)
                return;
        plait__interrupt_prepare();
        plait__failures_unread = tell_unread;
        if (plait__watchdog_start() == 0)
                plait__watchdog_watch(slow_wanted());
}

void plait__loop_made(struct plait__loop *loop)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        (void)loop;
        pthread_once(&once, begin);
}

/* ---- the signal */

/* A child of fork() that has not called exec yet has no watchdog: there the signal does what it does by itself. */
static void handler(int signal_number)
{
        if (!plait__load(&plait__loop_forked)) {
                plait__watchdog_dump();
                return;
        }
        signal(signal_number, SIG_DFL);
        raise(signal_number);
}

int plait_dump_on_signal(int signal_number)
{
        struct sigaction ours;
        int saved_errno = errno, rc;

        plait__not_forked(__func__);
        memset(&ours, 0, sizeof ours);
        if (sigaction(signal_number, NULL, &ours) < 0 || signal_number == SIGKILL || signal_number == SIGSTOP) {
                errno = saved_errno;
                return -EINVAL;
        }
        plait__frames_prepare();
        rc = plait__watchdog_start();
        if (rc < 0)
                return rc;
        memset(&ours, 0, sizeof ours);
        ours.sa_handler = handler;
        ours.sa_flags = SA_RESTART | SA_ONSTACK;
        sigemptyset(&ours.sa_mask);
        sigaction(signal_number, &ours, NULL);
        errno = saved_errno;
        return 0;
}
