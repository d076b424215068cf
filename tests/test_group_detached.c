/* Groups that belong to an object and not to a block. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

static void *start_from_outside(void *arg)
{
        plait_group *group = arg;
        static int numbers[200];

        for (int i = 0; i < 100; i++) {
                CHECK(plait_group_start(group, task_square, &numbers[i], sizeof numbers[i]));
                CHECK_EQUAL(plait_group_post(group, task_square, &numbers[100 + i], sizeof numbers[0]), 0);
        }
        return NULL;
}

TEST_ON_EXECUTORS(any_strand_starts_in_a_detached_group)
{
        plait_group group = {.executor = test_executor(), .detached = true};
        pthread_t threads[2];

        plait_group_open(&group);
        CHECK_EQUAL(plait_cancelled(), 0);
        for (int i = 0; i < 1; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, start_from_outside, &group), 0);
        for (int i = 0; i < 1; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_group_done(&group);
}

TEST_ON_EXECUTORS(a_detached_group_inherits_nothing_and_is_nobodys_scope)
{
        plait_group group = {.executor = test_executor(), .detached = true};
        plait_task *task;
        int failure = -EDOM;

        {
                PLAIT_WITHIN(0);
                plait_group_open(&group);
                task = plait_group_start(&group, task_wait, NULL, 0);
                CHECK_EQUAL(plait_yield(), -ETIMEDOUT);
        }
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
        plait_group_start(&group, task_return, &failure, sizeof failure);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -ECANCELED);
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
        plait_group_done(&group);
}

TEST_ON_EXECUTORS(a_detached_groups_own_deadline_holds)
{
        plait_group group = {.executor = test_executor(), .detached = true, .within = PLAIT_S};
        plait_task *task;

        test_clock_manual();
        plait_group_open(&group);
        task = plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        test_clock_advance(PLAIT_S);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -ETIMEDOUT);
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        plait_group_done(&group);
}

TEST_ON_EXECUTORS(the_waiters_cancel_ends_a_detached_group_too)
{
        plait_group group = {.executor = test_executor(), .detached = true};

        plait_group_open(&group);
        plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        }
        plait_group_done(&group);
}

static void *done_elsewhere(void *arg)
{
        plait_group_done(arg);
        return NULL;
}

TEST(another_thread_ends_a_detached_group)
{
        plait_group group = {.executor = plait_threads(), .detached = true};
        pthread_t thread;

        plait_group_open(&group);
        for (int i = 0; i < 5; i++)
                plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        CHECK_EQUAL(pthread_create(&thread, NULL, done_elsewhere, &group), 0);
        pthread_join(thread, NULL);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
}

static _Atomic int background_runs;

static int run_in_background(void *arg)
{
        background_runs += *(int *)arg;
        return 0;
}

/* What belongs to nobody has a group too; the program ends it, and may begin anew. */
TEST(the_background_group_is_ended_by_the_program)
{
        int one = 1;

        background_runs = 0;
        for (int round = 0; round < 2; round++) {
                for (int i = 0; i < 10; i++)
                        CHECK_EQUAL(plait_group_post(plait_background(), run_in_background, &one, sizeof one), 0);
                CHECK_EQUAL(plait_group_wait(plait_background()), 0);
                plait_group_done(plait_background());
        }
        CHECK_EQUAL(background_runs, 20);
}
