/* Cancels and deadlines of groups, and how far they reach. */
#include <errno.h>

#include "tasks.h"

/* ---- cancel */

TEST_ON_EXECUTORS(a_group_cancel_is_the_quiet_end)
{
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *tasks[3];

        for (int i = 0; i < 3; i++)
                tasks[i] = plait_group_start(&group, i ? task_wait : task_wait_and_succeed, NULL, 0);
        test_until_parked(&group);
        plait_group_cancel(&group);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_yield(), -ECANCELED);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(tasks[0]), 0);
        CHECK_EQUAL(plait_task_result(tasks[1]), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
}

TEST_ON_EXECUTORS(a_failure_shows_in_spite_of_a_quiet_end)
{
        int result = -EDOM;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, task_wait_and_return, &result, sizeof result);
        test_until_parked(&group);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
}

TEST_ON_EXECUTORS(a_task_cancelled_before_its_first_step_never_runs)
{
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 1);
        plait_task *first = plait_group_start(&group, task_wait, NULL, 0);
        plait_task *second = plait_group_start(&group, task_never, NULL, 0);
        int result = 1;

        plait_task_cancel(second);
        test_until_parked(&group);
        plait_task_cancel(first);
        CHECK_EQUAL(plait_task_wait(second, &result), 0);
        CHECK_EQUAL(result, -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(a_start_in_a_cancelled_group_never_runs)
{
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task;

        plait_group_cancel(&group);
        task = plait_group_start(&group, task_never, NULL, 0);
        CHECK(task);
        CHECK_EQUAL(plait_group_post(&group, task_never, NULL, 0), -ECANCELED);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(a_start_in_a_group_out_of_time_ends_with_that)
{
        PLAIT_GROUP(group, .executor = test_executor(), .within = -1);
        plait_task *task = plait_group_start(&group, task_never, NULL, 0);

        CHECK_EQUAL(plait_group_post(&group, task_never, NULL, 0), -ETIMEDOUT);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -ETIMEDOUT);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
}

TEST_ON_EXECUTORS(a_task_cancelled_alone_does_not_show)
{
        plait_event event = {{0}};
        int odd = -EDOM;
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *one = plait_group_start(&group, task_wait, NULL, 0);
        plait_task *two = plait_group_start(&group, task_wait_and_return, &odd, sizeof odd);
        plait_task *other = plait_group_start(&group, task_wait_event, &event, 0);
        int result;

        test_until_parked(&group);
        plait_task_cancel(one);
        plait_task_cancel(two);
        CHECK_EQUAL(plait_task_wait(one, &result), 0);
        CHECK_EQUAL(result, -ECANCELED);
        CHECK_EQUAL(plait_task_wait(two, &result), 0);
        CHECK_EQUAL(result, -EDOM);
        plait_task_cancel(one);                 /* has ended: nothing */
        CHECK_EQUAL(plait_task_result(other), -EINPROGRESS);
        CHECK_EQUAL(plait_yield(), 0);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
}

TEST_ON_EXECUTORS(a_cancelled_error_of_a_task_that_was_not_cancelled_is_a_failure)
{
        int result = -ECANCELED;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, task_return, &result, sizeof result);
        CHECK_EQUAL(plait_group_wait(&group), -ECANCELED);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 1);
}

TEST(cancelling_a_group_that_is_not_open_does_nothing)
{
        plait_group group = {0};

        plait_group_cancel(&group);
        plait_group_open(&group);
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_group_cancel(&group);
        plait_group_done(&group);
}

/* ---- deadline */

TEST_ON_EXECUTORS(the_groups_deadline_reaches_tasks_and_owner)
{
        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor(), .within = PLAIT_S);
                plait_task *task = plait_group_start(&group, task_wait, NULL, 0);

                test_until_parked(&group);
                test_clock_advance(PLAIT_S);
                CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ETIMEDOUT);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(task), -ETIMEDOUT);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        }
}

/* Real time: a deadline wakes the threads of tasks by the machine's clock. */
TEST_ON_EXECUTORS(a_deadline_comes_in_real_time)
{
        plait_time start = plait_now();
        PLAIT_GROUP(group, .executor = test_executor(), .within = 5 * PLAIT_MS);

        for (int i = 0; i < 3; i++)
                plait_group_start(&group, task_wait, NULL, 0);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        CHECK(plait_now() - start >= 5 * PLAIT_MS);
}

TEST_ON_EXECUTORS(a_scope_before_the_wait_is_the_drain_deadline)
{
        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_scope drain;

                plait_group_start(&group, task_wait, NULL, 0);
                test_until_parked(&group);
                plait_scope_enter(&drain, PLAIT_S);
                test_clock_advance(PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
                CHECK_EQUAL(plait_scope_leave(&drain), -ETIMEDOUT);
        }
}

TEST_ON_EXECUTORS(a_waiter_that_is_cancelled_cancels_the_group_and_goes_on_waiting)
{
        plait_scope scope;

        plait_scope_enter(&scope, PLAIT_FOREVER);
        plait_scope_cancel(&scope);
        {
                PLAIT_SHIELD(PLAIT_FOREVER);
                PLAIT_GROUP(group, .executor = test_executor());
                plait_scope inside;
                int cleaned = 0;

                plait_group_start(&group, task_wait_and_succeed, NULL, 0);
                plait_group_start(&group, task_wait, NULL, 0);
                plait_group_start(&group, task_count, &cleaned, sizeof cleaned);
                test_until_parked(&group);
                plait_scope_enter(&inside, PLAIT_FOREVER);
                plait_scope_cancel(&inside);
                CHECK_EQUAL(plait_group_wait(&group), -ECANCELED);
                CHECK_EQUAL(cleaned, 1);
                plait_scope_leave(&inside);
        }
        plait_scope_leave(&scope);
}

TEST_ON_EXECUTORS(a_task_that_succeeds_in_spite_of_a_deadline_has_succeeded)
{
        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor(), .within = PLAIT_S);

                plait_group_start(&group, task_wait_and_succeed, NULL, 0);
                test_until_parked(&group);
                test_clock_advance(PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
}

TEST_ON_EXECUTORS(a_tasks_own_deadline_counts_from_its_beginning)
{
        test_clock_manual();
        {
                plait_task_options options = {.within = PLAIT_S};
                plait_event event = {{0}};
                PLAIT_GROUP(group, .executor = test_executor(), .limit = 1);
                plait_task *first = plait_group_start(&group, task_wait_event, &event, 0);
                plait_task *second = plait_group_start_with(&group, &options, task_wait, NULL, 0);

                test_until_parked(&group);
                test_clock_advance(10 * PLAIT_S);
                plait_event_set(&event);
                CHECK_EQUAL(plait_task_wait(first, NULL), 0);
                test_until_parked(&group);
                test_clock_advance(PLAIT_S - 1);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(second), -EINPROGRESS);
                test_clock_advance(1);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(second), -ETIMEDOUT);
                CHECK_EQUAL(plait_yield(), 0);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
        }
}

/* What ended first decides: time, and not the cancel that came after it. */
TEST_ON_EXECUTORS(a_cancel_after_the_deadline_changes_nothing)
{
        PLAIT_GROUP(group, .executor = test_executor(), .within = 10 * PLAIT_MS);

        plait_group_start(&group, task_wait, NULL, 0);
        while (plait_cancelled() == 0)
                ;
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_cancelled(), -ETIMEDOUT);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
}
