/* A simulation with what plait's own tests want beyond the public call: to count the waits and cancel at one of
 * them. */
#ifndef PLAIT__SIM_H
#define PLAIT__SIM_H

#include <stdint.h>

#include "plait/simulate.h"

struct plait__experiment {
        plait_simulation simulation; /* `faults_until` heals, `max_steps` bounds what comes after */
        uint64_t cancel_at;          /* the wait at which everything is cancelled from outside, from 1; 0: never */

        /* results */
        uint64_t waits;                         /* entries of calls that may wait, and parks, by all strands */
        uint64_t steps;
        uint64_t hash;
        uint64_t faults;                        /* that were injected */
        uint64_t abandoned;                     /* strands that could not be ended */
};

/* For who changes the table of system calls: takes the simulation's hooks off it, and puts them on top of what
 * stands there then. No other thread may be there yet. */
PLAIT_API void plait__sim_hooks_take(void);
PLAIT_API void plait__sim_hooks_put(void);

/* As plait_simulate(). */
PLAIT_API int plait__simulate(struct plait__experiment *experiment, plait_fn *fn, void *arg);

#endif
