/* Signals as something to wait for, and Ctrl-C as a cancel.
 *
 *         static int serve(void)
 *         {
 *                 PLAIT_GROUP(group, .executor = plait_coroutines(), .name = "server");
 *
 *                 if (plait_signal_cancels(&group) < 0)           // Ctrl-C: a quiet end; twice: at once
 *                         return -1;
 *                 plait_group_start(&group, accept_all, NULL, 0);
 *                 return plait_group_wait(&group);                // 0 also after a Ctrl-C: see plait_signal_last()
 *         }
 *
 * The library installs no handler before one of these calls is made, and then only for the signals named. Its own threads
 * block all signals, and worker processes ignore SIGINT: signals are the business of the program's own threads. */
#ifndef PLAIT_SIGNAL_H
#define PLAIT_SIGNAL_H

#include <plait/base.h>
#include <plait/group.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From here on the `count` signals are caught, for good, and kept for plait_signal_wait(): how often each came is counted, as
 * far as the kernel tells. A handler that the program had is replaced. Aborts for a number that is no signal, or one that
 * cannot be caught. */
PLAIT_API void plait_signal_catch(const int *signals, size_t count);

/* Waits until one of the `count` signals has come, or one that was kept since they were first caught, and returns its number:
 * of several the first in the caller's order. Each arrival is returned once, to one of those who wait. Signals that are not
 * caught yet are from here on. Other results: -ETIMEDOUT or -ECANCELED, and no arrival was taken; -EINVAL (no signals, or one
 * that cannot be caught), -ENOMEM, or -EMFILE, -ENFILE (no more descriptors). */
PLAIT_WAITS int plait_signal_wait(const int *signals, size_t count);

/* Until the group ends, SIGINT or SIGTERM cancels it, as plait_group_cancel() does: a quiet end, after which what cleans up has its
 * time. The second such signal ends the process at once, of that signal. When the group has ended, both have the disposition
 * again that they had before. The cancel is made on the calling thread, when one of its strands waits. Does not park. Returns 0,
 * -EBUSY (another group of the process has this already), -ENOMEM, or -EMFILE, -ENFILE (no more descriptors). Aborts if the
 * group is not open. */
PLAIT_API int plait_signal_cancels(plait_group *group);

/* The signal that last cancelled a group so, or 0: for the exit status, 128 more than it. */
PLAIT_API int plait_signal_last(void);

#ifdef __cplusplus
}
#endif
#endif
