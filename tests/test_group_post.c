/* Tasks that are posted: on a copy, without a handle, for ever. */
#include <errno.h>
#include <string.h>

#include "tasks.h"

struct posted { _Atomic int *sum; int value; };

static int add_posted(void *arg)
{
        struct posted *posted = arg;

        *posted->sum += posted->value;
        return 0;
}

TEST_ON_EXECUTORS(post_copies_and_is_never_handed_out)
{
        _Atomic int sum = 0;
        struct posted posted = {&sum, 1};
        plait_task *task;
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 100; i++) {
                posted.value = i;
                CHECK_EQUAL(plait_group_post(&group, add_posted, &posted, sizeof posted), 0);
                posted.value = -1000000;        /* the caller's again at once */
        }
        CHECK_EQUAL(plait_group_next(&group, &task), -ENOENT);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(sum, 4950);
}

TEST_ON_EXECUTORS(what_was_posted_runs_even_if_cancelled_by_then)
{
        int counted = 0;
        int *pointer = &counted;
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 1);

        CHECK_EQUAL(plait_group_post(&group, task_wait_and_succeed, NULL, 0), 0);
        for (int i = 0; i < 5; i++)
                CHECK_EQUAL(plait_group_post(&group, task_count, pointer, 0), 0);
        test_until_parked(&group);
        CHECK_EQUAL(counted, 0);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(counted, 5);
}

TEST_ON_EXECUTORS(a_post_of_nothing_fails_nothing_but_itself)
{
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK_EQUAL(plait_group_post(&group, NULL, NULL, 0), -EINVAL);
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
}

TEST_ON_EXECUTORS(a_posted_tasks_failure_is_the_groups)
{
        int result = -EDOM;
        plait_failure failure;
        PLAIT_GROUP(group, .executor = test_executor(), .name = "mail");

        CHECK_EQUAL(plait_group_post(&group, task_return, &result, sizeof result), 0);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
        CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
        CHECK(failure.result == -EDOM && failure.arg == NULL && !strcmp(failure.name, "mail"));
}

TEST_ON_EXECUTORS(a_group_may_post_for_ever)
{
        int result = -EDOM, count = 0;
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 8, .keep_going = true);

        for (int i = 0; i < (test_slower() > 1 ? 500 : 3000); i++, count++) {
                CHECK_EQUAL(plait_group_room(&group), 0);
                CHECK_EQUAL(plait_group_post(&group, task_return, &result, sizeof result), 0);
        }
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), count);
}

static int fail_by_number(void *arg)
{
        return -1000 - *(int *)arg % 1000;
}

/* Of more failures than are kept, the first are told in full, and all are counted. */
TEST_ON_EXECUTORS(the_first_failures_of_posted_tasks_are_kept)
{
        enum { KEPT = 4096, COUNT = KEPT + 100 };
        static plait_failure failures[COUNT + 2];
        int number = 7, i;
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 1, .keep_going = true);

        for (i = 0; i < COUNT; i++)
                CHECK_EQUAL(plait_group_post(&group, fail_by_number, &i, sizeof i), 0);
        plait_group_start(&group, fail_by_number, &number, sizeof number);
        CHECK_EQUAL(plait_group_wait(&group), -1000);
        CHECK_EQUAL(plait_group_failures(&group, failures, COUNT + 2), COUNT + 1);
        for (i = 0; i < KEPT; i++)
                CHECK_EQUAL(failures[i].result, -1000 - i % 1000);
        CHECK(failures[i].result == -1007 && failures[i].arg == &number);       /* the started one is among all that are kept */
        for (i++; i < COUNT + 1; i++)
                CHECK_EQUAL(failures[i].result, 0);
}
