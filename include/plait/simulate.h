/* Simulation: a program, or a part of it, run on one thread with a clock of its own, in an order that a seed decides.
 *
 * Whatever uses plait can be run: plait_simulate() calls a function inside a simulated world, in which
 *
 *   - every strand, on whatever executor, is run by the calling thread, and who goes on is drawn from the seed at each
 *     scheduling point: each call that may wait and, for tasks on threads and in processes, each call that touches what
 *     strands share;
 *   - plait_now() is a clock that stands still while anybody can run and jumps to the next timer when nobody can, so that an
 *     hour's sleep takes no time. Who yields instead of waiting makes it move a little;
 *   - tasks for processes run on a copy of their bytes, which is copied back. They do see the program's globals, unlike in a
 *     process;
 *   - pipes and sockets between the program's own strands work, with delays, short reads and short writes;
 *   - calls fail at random if a fault rate is given: no memory, no descriptor, no thread or process, a connection that is
 *     reset, a worker that dies.
 *
 * The same seed does the same again, as long as the function itself does: it must not read the real clock, call rand(),
 * order by addresses, or talk to what is outside. It must begin from the same state each time. What would block the thread
 * for real is an error: calls of plait that would do so abort, naming themselves.
 *
 * Sockets of the Unix family and pipes are as exact as the rest. A TCP connection to this machine works, but when the kernel
 * delivers is not the simulation's to decide.
 *
 *         static int transfer(void *arg) { ... starts tasks, waits for them, returns -EIO if the sum is wrong ... }
 *
 *         plait_counterexample found;
 *
 *         if (plait_simulate_many(NULL, 1000, transfer, NULL, &found) < 0)
 *                 fprintf(stderr, "result %d; again with %s\n", found.result, found.replay);
 */
#ifndef PLAIT_SIMULATE_H
#define PLAIT_SIMULATE_H

#include <stdio.h>

#include <plait/base.h>
#include <plait/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the next strand is chosen. */
typedef enum {
        PLAIT_BY_SEED,                  /* one of the two below, as the seed says */
        PLAIT_UNIFORM,                  /* each that is ready is as likely as the others */

        /* Each strand has a random priority, and at `depth` - 1 random steps the one that runs falls behind all
         * others: finds what needs few, well-placed changes (Burckhardt and others, "A randomized scheduler with
         * probabilistic guarantees of finding bugs", 2010). */
        PLAIT_BY_PRIORITY
} plait_policy;

/* What is simulated. Zero in a field means its default. */
typedef struct plait_simulation {
        uint64_t seed PLAIT__ZERO;
        double fault_rate PLAIT__ZERO;          /* how likely each call that can fail does, 0 to 1 */
        unsigned max_steps PLAIT__ZERO;         /* scheduling points; 0: 1,000,000 */
        FILE *trace PLAIT__ZERO;                /* a line for each step that changes something; NULL: none */
        plait_policy policy PLAIT__ZERO;
        unsigned depth PLAIT__ZERO;             /* of PLAIT_BY_PRIORITY, at most 16; 0: 3 */
        plait_time delay PLAIT__ZERO;           /* how late a descriptor is told ready, at most; 0: 1 ms; negative: not */

        /* From this step on nothing fails, and from this step on strands take turns in the order they became ready.
         * Counted from 1; 0: never. */
        uint64_t faults_until PLAIT__ZERO, choices_until PLAIT__ZERO;

        uint64_t *ret_hash PLAIT__ZERO;         /* of the course of events, by any compiler the same; NULL: not wanted */
        uint64_t *ret_steps PLAIT__ZERO;        /* likewise how many */
} plait_simulation;

/* Runs fn(arg) in a world of its own, as its first strand; NULL: a simulation of zeros. Returns what fn returned, once it has
 * and what it left behind was cancelled and has ended; strands that cannot be ended are given up, like threads by exit().
 * The coroutines that the calling thread has outside stand still meanwhile; other threads are not concerned.
 *
 * Also returns
 *
 *   -EDEADLK   nothing could ever run again. The trace has a line for each strand that waits, and says for what. Then fn's
 *              scope was cancelled, so that what could return did.
 *   -ELOOP     `max_steps` were made and fn had not returned; then likewise
 *   -EBUSY     called inside a simulation
 *   -EINVAL    a null function, a fault_rate outside 0 to 1, an unknown policy, a depth above 16
 *   -ENOMEM    and nothing ran
 *
 * Whoever is given up keeps what it had: memory that it allocated is lost. */
PLAIT_API int plait_simulate(const plait_simulation *simulation, plait_fn *fn, void *arg);

/* What plait_simulate_many() found. */
typedef struct plait_counterexample {
        plait_simulation simulation;            /* made smaller: give it to plait_simulate() */
        int result;                             /* of the seed that failed */
        uint64_t tried;                         /* seeds, that one included */
        uint64_t steps;                         /* of the smaller one */
        uint64_t hash;                          /* likewise */
        char replay[96];                        /* what to put before the command: "PLAIT_SEED=7:0:31:1:0" */
} plait_counterexample;

/* Simulates `count` seeds from simulation->seed on (NULL: from 0), until one returns a negative result. That one is
 * then made smaller, by simulating it again some dozens of times: without faults or with fewer, with fewer changes
 * of priority, and with random choices only up to the last that is needed, while the result remains. Returns 0, or
 * that result with *ret filled in (NULL: not wanted, and nothing is made smaller).
 *
 * With PLAIT_SEED in the environment only that seed is simulated, exactly once, with its trace on standard error or
 * in the file that PLAIT_TRACE names; *ret then tells of it, whatever its result. PLAIT_SEED is a seed, or what
 * `replay` says; -EINVAL if it is neither. Otherwise as plait_simulate(). */
PLAIT_API int plait_simulate_many(const plait_simulation *simulation, uint64_t count, plait_fn *fn, void *arg,
                                  plait_counterexample *ret);

/* Whether the caller runs in a simulation; *ret_seed (NULL: not wanted) is its seed. For the words of an assertion,
 * and for what is to be left out when time is not real. */
PLAIT_API bool plait_simulated(uint64_t *ret_seed);

#ifdef __cplusplus
}
#endif
#endif
