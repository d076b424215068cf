/* The explorer: runs the library's own code under all orders of its atomic steps, up to a number of pre-emptions
 * (Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded programs", 2007), with
 * stale reads of a simulated memory (Norris and Demsky, "CDSChecker", 2013) and a watch for data races (Flanagan and
 * Freund, "FastTrack", 2009). The library's sources are compiled a second time as for gcc's thread sanitizer, which
 * makes every access to memory a call; but the calls are answered here. So what is explored is the source as it
 * stands, and no atomic step of it can be forgotten. (Dropped: hooks in base/atomic.h. They see no plain access, and
 * so no order that is missing.)
 *
 * Two or three simulated threads take turns on one real thread. Before each atomic operation on a location that two
 * of them use and one writes, before each futex call, and before each use of a poller's bell, the search says who
 * goes on. A switch away from a thread that could go on costs a pre-emption; one from a thread that sleeps, spins or
 * has ended is free. A load may return any store that the C11 rules allow it to see; one that is not the newest costs
 * as much. A run in which nobody can go on has lost a wake-up.
 *
 * Modelled: relaxed, acquire and release, release sequences through read-modify-writes, coherence, weak exchanges
 * that fail for no reason, deadlines that come at any moment.
 *
 * Not modelled: fences (one ends the run; none stands where this looks), the single order of seq_cst (taken as
 * acquire and release, and its loads as seeing the newest), an order of the stores to one location other than the one
 * they were made in, loads that see stores yet to be made, a loop that spins before it sleeps, a futex that returns
 * for no reason. Plain memory has no stale values: an access that would see one is a race, and reported as that. A
 * sleep that another thread ends is taken to order nothing, though the kernel's does. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"

enum { THREADS = 3 };

#define OWN __attribute__((section("explorer_own"))) /* on the explorer's variables: they outlive a run (image.c) */

struct scenario {
        const char *name;
        void (*setup)(void); /* before the threads; once */
        void (*threads[THREADS])(void);
        bool pollers;          /* loops sleep in a poller */
        void (*verdict)(void); /* after them, or NULL */
};

extern const struct scenario *const scenarios[]; /* ends with NULL */

/* For scenarios. */
#define CHECK(expression) ((expression) ? (void)0 : fail("%s:%d: CHECK(%s)", __FILE__, __LINE__, #expression))

struct plait__loop *loop_of(unsigned thread);

/* ---- search.c */

struct bounds {
        unsigned preemptions, stale;
};

extern struct bounds left; /* what this run may still spend */

/* One of `count` ways to go on; 0 is the plain one. */
unsigned choose(unsigned count);

/* Runs a scenario in all ways; returns how many, or ends the process. Or in one way, telling each step. */
uint64_t search_all(const struct scenario *scenario, struct bounds bounds);
void search_one(const struct scenario *scenario, const char *schedule);

/* What was found so far does not hold: a location was taken for one thread's own. */
void search_again(void);

/* Tells what is wrong and how to see it again, and ends the process. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A step, for who follows a schedule. */
void trace(const char *what, const void *address, uint64_t value, const void *pc);

/* ---- context.c */

extern int running; /* the simulated thread, or -1: the explorer itself */

void contexts_make(const struct scenario *scenario);
void contexts_run(void);

/* Ends the run, from within it. */
_Noreturn void contexts_leave(void);

/* Others may go on here. */
void step(void);

/* The running thread sleeps on a word, at most to a moment; false: the moment came. */
bool sleep_on(const void *word, plait_time until);
void wake_sleepers(const void *word, unsigned count);

/* It reads in vain, until somebody writes there. */
void spin_on(const void *address);
void written(const void *address);

/* ---- memory.c */

enum access { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE, ACCESSES };

void memory_reset(void);

/* Places that mean the same in another process: a schedule names the locations that are shared. */
void memory_region(char letter, void *start, size_t size);
void memory_tell_shared(void);
bool memory_share(const char *place); /* as told; false: no such place */
void memory_plain(const void *address, size_t size, enum access access, const void *pc);
uint64_t memory_load(const void *address, unsigned size, int order, const void *pc);
void memory_store(void *address, unsigned size, uint64_t value, int order, const void *pc);

/* A read-modify-write; returns the value before. `change` makes the new value from the old one. */
uint64_t memory_change(void *address, unsigned size, uint64_t (*change)(uint64_t old, uint64_t operand),
                       uint64_t operand, int order, const void *pc);
bool memory_compare_swap(void *address, unsigned size, uint64_t *expected, uint64_t value, int order, int failure,
                         bool weak, const void *pc);

/* ---- kernel.c, poller.c */

void kernel_prepare(void);
void kernel_reset(void);
extern plait_time clock_moment;
void poller_open(struct plait__loop *loop);

/* ---- image.c: the memory that each run begins with */

void *image_map(size_t size); /* zeroed; outside the image */
void image_begin(void);
void image_add(void *start, size_t size);
void image_skip(void *start, size_t size);
void image_take(void);
void image_restore(void);
void *image_alloc(size_t size); /* zeroed; what a run allocates goes when it ends */

#endif
