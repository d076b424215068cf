/* One function on an executor: plait_call() and plait_call_or_leave(). */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

struct sum { int a, b, sum; plait_event *go, *end; };

static int add(void *arg)
{
        struct sum *sum = arg;

        sum->sum = sum->a + sum->b;
        return sum->sum;
}

TEST_ON_ALL_EXECUTORS(a_call_returns_the_functions_result)
{
        struct sum sum = {.a = 3, .b = 4};
        int failure = -EDOM;

        CHECK_EQUAL(plait_call(test_executor(), add, &sum, sizeof sum), 7);
        CHECK_EQUAL(sum.sum, 7);
        CHECK_EQUAL(plait_call(test_executor(), task_return, &failure, sizeof failure), -EDOM);
        CHECK_EQUAL(plait_call(test_executor(), task_return, NULL, 0), 0);
        CHECK_EQUAL(plait_call(test_executor(), NULL, NULL, 0), -EINVAL);
        CHECK_EQUAL(plait_yield(), 0);
}

TEST_ON_EXECUTORS(a_call_that_is_cut_short_waits_for_its_function)
{
        PLAIT_WITHIN(PLAIT_MS);
        CHECK_EQUAL(plait_call(test_executor(), task_wait, NULL, 0), -ETIMEDOUT);
}

static plait_event begun;

static int begin_and_wait(void *arg)
{
        plait_event_set(&begun);
        return task_wait_and_succeed(arg);
}

static int call_for_long(void *arg)
{
        return plait_call(test_executor(), begin_and_wait, arg, 0);
}

TEST_ON_EXECUTORS(a_call_returns_what_its_function_did_in_spite_of_a_cancel)
{
        int rc = 1;
        PLAIT_GROUP(group, .name = "around");
        plait_task *task = plait_group_start(&group, call_for_long, &group, 0);

        CHECK_EQUAL(plait_event_wait(&begun), 0);
        plait_event_clear(&begun);
        plait_task_cancel(task);
        CHECK_EQUAL(plait_task_wait(task, &rc), 0);
        CHECK_EQUAL(rc, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_ALL_EXECUTORS(a_call_in_an_ended_scope_runs_nothing)
{
        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_call(test_executor(), task_never, NULL, 0), -ETIMEDOUT);
}

/* ---- or leave */

TEST(only_an_own_thread_can_be_left)
{
        struct sum sum = {.a = 3, .b = 4};

        CHECK_EQUAL(plait_call_or_leave(plait_own_thread(), add, &sum, sizeof sum), 7);
        CHECK_EQUAL(sum.sum, 7);
        CHECK_EQUAL(plait_call_or_leave(plait_own_thread(), add, &sum, 0), 7);
        CHECK_EQUAL(plait_call_or_leave(plait_threads(), add, &sum, sizeof sum), -EINVAL);
        CHECK_EQUAL(plait_call_or_leave(plait_coroutines(), add, &sum, sizeof sum), -EINVAL);
        CHECK_EQUAL(plait_call_or_leave(NULL, add, &sum, sizeof sum), -EINVAL);
        CHECK_EQUAL(plait_call_or_leave(plait_own_thread(), NULL, &sum, sizeof sum), -EINVAL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool let_go, gone;

/* Notices nothing. */
static int get_stuck(void *arg)
{
        struct sum *sum = arg;

        sum->sum = -1;
        pthread_mutex_lock(&mutex);
        while (!let_go)
                pthread_cond_wait(&changed, &mutex);
        sum->sum = -2;
        gone = true;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
        return 0;
}

static void release_the_stuck(void)
{
        pthread_mutex_lock(&mutex);
        let_go = true;
        pthread_cond_broadcast(&changed);
        while (!gone)
                pthread_cond_wait(&changed, &mutex);
        let_go = gone = false;
        pthread_mutex_unlock(&mutex);
}

TEST(a_stuck_function_is_left_at_the_deadline)
{
        struct sum sum = {.a = 3, .sum = 5};
        plait_time end;

        end = plait_now() + 2 * PLAIT_MS;
        {
                PLAIT_WITHIN(2 * PLAIT_MS);
                CHECK_EQUAL(plait_call_or_leave(plait_own_thread(), get_stuck, &sum, sizeof sum), -ETIMEDOUT);
        }
        CHECK(plait_now() >= end);
        CHECK_EQUAL(sum.sum, 5);                /* unchanged, and stays so */
        release_the_stuck();
        CHECK_EQUAL(sum.sum, 5);
}

static int call_the_stuck(void *arg)
{
        return plait_call_or_leave(plait_own_thread(), get_stuck, arg, sizeof(struct sum));
}

TEST_ON_EXECUTORS(a_stuck_function_is_left_at_a_cancel)
{
        struct sum sum = {.sum = 5};
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, call_the_stuck, &sum, sizeof sum);
        test_until_parked(&group);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(sum.sum, 5);
        release_the_stuck();
}

static int say_whether_cut(void *arg)
{
        struct sum *sum = arg;

        plait_event_set(sum->go);
        plait_ignore(plait_sleep(PLAIT_FOREVER));
        plait_event_set(sum->end);
        return plait_cancelled();
}

static int call_and_leave(void *arg)
{
        return plait_call_or_leave(plait_own_thread(), say_whether_cut, arg, sizeof(struct sum));
}

/* What is left behind is told: its own waiting calls are cut short too. */
TEST_ON_EXECUTORS(a_function_that_is_left_sees_the_cancel)
{
        static plait_event go, end;
        struct sum sum = {.go = &go, .end = &end};
        int rc;

        plait_event_clear(&go);
        plait_event_clear(&end);
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, call_and_leave, &sum, sizeof sum);

                CHECK_EQUAL(plait_event_wait(&go), 0);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_task_wait(task, &rc), 0);
                CHECK_EQUAL(rc, -ECANCELED);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_event_wait(&end), 0);
}

TEST(a_call_or_leave_in_an_ended_scope_runs_nothing)
{
        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_call_or_leave(plait_own_thread(), task_never, NULL, 0), -ETIMEDOUT);
}
