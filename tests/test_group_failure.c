/* Failures of tasks: what they do to the siblings and the owner, and what is told of them. */
#include <errno.h>
#include <string.h>

#include "tasks.h"

TEST_ON_EXECUTORS(the_first_failure_cancels_the_siblings)
{
        int failure = -EXDEV;
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *sibling = plait_group_start(&group, task_wait, NULL, 0);

        test_until_parked(&group);
        plait_group_start(&group, task_return, &failure, sizeof failure);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(sibling), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), -EXDEV);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 1);
}

TEST_ON_EXECUTORS(the_owners_own_calls_see_a_failure)
{
        int failure = -EXDEV;
        plait_event never = {{0}};
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, task_return, &failure, sizeof failure);
        CHECK_EQUAL(plait_event_wait(&never), -ECANCELED);
        CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ECANCELED);
        CHECK_EQUAL(plait_cancelled(), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), -EXDEV);
        CHECK_EQUAL(plait_cancelled(), 0);
}

TEST_ON_EXECUTORS(keep_going_cancels_nobody)
{
        int results[] = {-EXDEV, 0, -E2BIG, 5};
        plait_event event = {{0}};
        PLAIT_GROUP(group, .executor = test_executor(), .keep_going = true);
        plait_task *waits = plait_group_start(&group, task_wait_event, &event, 0);

        for (int i = 0; i < 4; i++) {
                plait_group_start(&group, task_return, &results[i], sizeof results[i]);
                test_until_parked(&group);
        }
        CHECK_EQUAL(plait_cancelled(), 0);
        CHECK_EQUAL(plait_task_result(waits), -EINPROGRESS);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), -EXDEV);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 2);
}

TEST_ON_EXECUTORS(a_positive_result_is_a_success)
{
        int result = 12;
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task = plait_group_start(&group, task_return, &result, sizeof result);
        int got = 0;

        CHECK_EQUAL(plait_task_wait(task, &got), 0);
        CHECK_EQUAL(got, 12);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(failures_tell_which_and_what_in_order)
{
        static const char long_name[] = "a name of more than thirty-one bytes";
        int results[] = {-EXDEV, -E2BIG, -EDOM};
        plait_task_options options[] = {{.name = "first"}, {.name = long_name}, {0}};
        plait_failure failures[4];
        PLAIT_GROUP(group, .executor = test_executor(), .keep_going = true, .name = "all");

        for (int i = 0; i < 3; i++) {
                plait_group_start_with(&group, &options[i], task_return, &results[i], sizeof results[i]);
                test_until_parked(&group);
        }
        memset(failures, 0x55, sizeof failures);
        CHECK_EQUAL(plait_group_failures(&group, failures, 4), 3);      /* while it is open */
        CHECK_EQUAL(plait_group_wait(&group), -EXDEV);
        memset(failures, 0x55, sizeof failures);
        CHECK_EQUAL(plait_group_failures(&group, failures, 2), 3);
        CHECK_EQUAL(failures[2].result, 0x55555555);
        CHECK_EQUAL(plait_group_failures(&group, failures, 4), 3);      /* and again */
        for (int i = 0; i < 3; i++) {
                CHECK_EQUAL(failures[i].result, results[i]);
                CHECK(failures[i].arg == &results[i]);
                CHECK(failures[i].pid == 0 && failures[i].status == 0);
        }
        CHECK(!strcmp(failures[0].name, "first"));
        CHECK(strlen(failures[1].name) == 31 && !strncmp(failures[1].name, long_name, 31));
        CHECK(!strcmp(failures[2].name, "all"));
        plait_group_done(&group);
        CHECK_EQUAL(plait_group_failures(&group, failures, 4), 0);
}

TEST_ON_EXECUTORS(a_start_that_cannot_be_made_is_the_groups_failure)
{
        plait_task *task;
        PLAIT_GROUP(group, .executor = test_executor());

        task = plait_group_start(&group, NULL, NULL, 0);
        CHECK(task == NULL);
        CHECK_EQUAL(plait_task_result(task), -ENOMEM);
        CHECK_EQUAL(plait_yield(), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), -EINVAL);
}

TEST_ON_EXECUTORS(starts_that_cannot_be_made_are_told_among_the_failures)
{
        int result = -EDOM, arg;
        plait_task_options huge = {.name = "huge", .stack_bytes = SIZE_MAX};
        plait_failure failures[3];
        PLAIT_GROUP(group, .executor = test_executor(), .keep_going = true, .name = "starts");

        CHECK(!plait_group_start(&group, NULL, &arg, sizeof arg));
        plait_group_start(&group, task_return, &result, sizeof result);
        test_until_parked(&group);
        CHECK(!plait_group_start_with(&group, &huge, task_return, &result, sizeof result));
        CHECK_EQUAL(plait_group_wait(&group), -EINVAL);
        memset(failures, 0x55, sizeof failures);
        CHECK_EQUAL(plait_group_failures(&group, failures, 3), 3);
        CHECK(failures[0].result == -EINVAL && failures[0].arg == &arg && !strcmp(failures[0].name, "starts"));
        CHECK(failures[1].result == -EDOM && failures[1].arg == &result);
        CHECK(failures[2].result == -EINVAL && failures[2].arg == &result && !strcmp(failures[2].name, "huge"));
}

/* What a failure brings about comes after it. */
TEST_ON_EXECUTORS(the_first_failure_in_time_is_the_result)
{
        for (int round = 0; round < 200; round++) {
                int first = -EXDEV, later = -EDOM;
                plait_failure failures[9];
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 8; i++)
                        plait_group_start(&group, task_wait_and_return, &later, sizeof later);
                plait_group_start(&group, task_return, &first, sizeof first);
                CHECK_EQUAL(plait_group_wait(&group), -EXDEV);
                CHECK(plait_group_failures(&group, failures, 9) >= 1);
                CHECK_EQUAL(failures[0].result, -EXDEV);
        }
}

TEST_ON_EXECUTORS(next_failed_passes_over_what_succeeded)
{
        int results[] = {0, -EPERM, 1, -EDOM, 0};
        plait_task *task;
        int seen = 0;
        PLAIT_GROUP(group, .executor = test_executor(), .keep_going = true);

        for (int i = 0; i < 5; i++)
                plait_group_start(&group, task_return, &results[i], sizeof results[i]);
        while (plait_group_next_failed(&group, &task) == 0)
                seen += plait_task_result(task);
        CHECK_EQUAL(seen, -EPERM - EDOM);
        CHECK_EQUAL(plait_group_next_failed(&group, &task), -ENOENT);
        CHECK(plait_group_wait(&group) < 0);
}
