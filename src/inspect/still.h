/* Whether anything can still happen in this process. */
#ifndef PLAIT__STILL_H
#define PLAIT__STILL_H

#include "inspect/seen.h"

/* Without stopping anybody: true if all threads of ours sleep, and no timer, descriptor or process job could wake one; then
 * *ret_when changes as soon as one has moved meanwhile. */
bool plait__all_still(uint64_t *ret_when);

/* With the world stopped and all strands seen: true if none of them can ever run again, and one does not just sleep on purpose.
 * `watcher`: the calling thread, which is no reason to hope. */
bool plait__all_stuck(const struct plait__all_seen *all, pid_t watcher);

/* Whether it waits for another strand to do something. */
bool plait__waits_for_others(const struct plait__seen *seen);

#endif
