/* The tests' clock, put in place of the loops' own (struct plait__seams). It begins at the machine's and from then on moves
 * only as told, so that no test sleeps, and a deadline of an hour takes none. Loops made before keep the machine's clock,
 * but for that of the calling thread. */
#ifndef PLAIT_TEST_CLOCK_H
#define PLAIT_TEST_CLOCK_H

#include <plait.h>

/* Time stands still until test_clock_advance(), for the loops of all threads. */
void test_clock_manual(void);

/* Moves the time on, and has every loop look at it. What becomes due has run when test_until_parked() returns. */
void test_clock_advance(plait_time span);

/* For tests in which one thread uses plait: whenever all its strands are parked, it is the moment of the next timer. */
void test_clock_automatic(void);

/* Returns when every task of the group has ended, is parked, or waits behind the group's limit. Read off the records. Called
 * by the group's owner; it lets the other coroutines of this thread run. */
void test_until_parked(plait_group *group);

/* Likewise, of one task, by any strand, as long as it has not been waited for. */
void test_until_task_parked(plait_task *task);

#endif
