/* A global interpreter lock: for code that lets one strand compute at a time and all wait at once, as Python does. */
#ifndef PLAIT_GIL_H
#define PLAIT_GIL_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A gil, for any mix of strands of this process. Who holds one gives it up while it is parked in a waiting call, and
 * has it again when that returns. Given to an executor as `.gil`, each of its tasks holds it from its beginning to its
 * end, and the gil stays until the executor is closed; a task may release it around a long call that needs it not, and
 * acquires it again. A strand holds at most one. Not copied or moved once used. Its bytes mean nothing in another
 * process. */
typedef struct plait_gil plait_gil;
struct plait_gil {
        plait_time interval PLAIT__ZERO;        /* a holder that others wait for keeps it this long; 0 or less: 5 ms */
        uint64_t private_[8] PLAIT__ZERO;
};

/* Waits until this strand holds the gil. It may park; it cannot fail and is not cancelled. Aborts if this strand holds
 * it, or another gil, already. */
PLAIT_API void plait_gil_acquire(plait_gil *gil);

/* Gives the gil up. Does not park. Aborts if this strand does not hold it. */
PLAIT_API void plait_gil_release(plait_gil *gil);

/* For a loop that computes: if another strand waits for the gil and the interval is over, gives it up, lets that strand
 * have it, and takes it again. NULL: the gil of the pool this runs in; without one, nothing. Cheap when nobody waits.
 * It may park; it cannot fail and is not cancelled. Returns true if another strand had its turn. Aborts if this strand
 * does not hold the gil. */
PLAIT_API bool plait_gil_checkpoint(plait_gil *gil);

#ifdef __cplusplus
}
#endif
#endif
