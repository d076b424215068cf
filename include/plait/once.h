/* Once: done by the first that comes, and done when any goes on. */
#ifndef PLAIT_ONCE_H
#define PLAIT_ONCE_H

#include <plait/base.h>
#include <plait/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Something that is to be done once, for any mix of strands of this process. All zeros: not done yet. Not copied or moved
 * once used; its memory may go when no strand is in a call on it. Each process does it for itself. */
typedef struct plait_once {
        uint64_t private_[4];
} plait_once;

/* Runs fn(arg) on this strand, unless that has been done; if another strand is at it, waits for that. A run counts if it
 * does not return a negative errno; one that fails leaves everything as it was, and the next caller, or the strand that has
 * waited longest, runs its own fn(arg). What the run that counts wrote is seen by all that return 0. Returns 0: it is done;
 * or fn's failure, to its own caller only; or -ETIMEDOUT, -ECANCELED, -ENOMEM (for this thread's loop) or -EINVAL (a null
 * pointer): not run by this call. Once it is done this is one load and 0 at once, and no checkpoint: what is there can be
 * used while cleaning up, too. Aborts when called from inside its own fn on the same strand. */
PLAIT_WAITS int plait_once_run(plait_once *once, plait_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
