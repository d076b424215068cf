/* Small tasks that many tests start. */
#ifndef PLAIT_TEST_TASKS_H
#define PLAIT_TEST_TASKS_H

#include <plait.h>

#include "clock.h"
#include "test.h"

/* Returns the int at arg; with no arg 0. */
static inline int task_return(void *arg)
{
        return arg ? *(int *)arg : 0;
}

/* Until it is cut short: returns what cut it. */
static inline int task_wait(void *arg)
{
        (void)arg;
        return plait_sleep(PLAIT_FOREVER);
}

/* Likewise, and then says that it succeeded. */
static inline int task_wait_and_succeed(void *arg)
{
        (void)arg;
        plait_ignore(plait_sleep(PLAIT_FOREVER));
        return 0;
}

/* Likewise, and then returns the int at arg. */
static inline int task_wait_and_return(void *arg)
{
        plait_ignore(plait_sleep(PLAIT_FOREVER));
        return *(int *)arg;
}

static inline int task_never(void *arg)
{
        (void)arg;
        CHECK(!"this task was not to run");
        return 0;
}

/* Squares the int at arg. */
static inline int task_square(void *arg)
{
        *(int *)arg *= *(int *)arg;
        return 0;
}

/* Adds one to the _Atomic int at arg. */
static inline int task_count(void *arg)
{
        __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
        return 0;
}

/* Waits for the event at arg. */
static inline int task_wait_event(void *arg)
{
        return plait_event_wait(arg);
}

static inline bool test_on_coroutines(void)
{
        return test_executor() == plait_coroutines();
}

#endif
