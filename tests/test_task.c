/* Asking about one task. */
#include <errno.h>
#include <string.h>

#include "tasks.h"

TEST_ON_EXECUTORS(a_task_tells_its_result_struct_and_name)
{
        int value = 3;
        plait_event event = {{0}};
        plait_task_options options = {.name = "named"};
        PLAIT_GROUP(group, .executor = test_executor(), .name = "group");
        plait_task *named = plait_group_start_with(&group, &options, task_return, &value, sizeof value);
        plait_task *plain = plait_group_start(&group, task_wait_event, &event, 0);

        CHECK(!strcmp(plait_task_name(named), "named"));
        CHECK(!strcmp(plait_task_name(plain), "group"));
        CHECK(plait_task_arg(named) == &value && plait_task_arg(plain) == &event);
        CHECK_EQUAL(plait_task_result(plain), -EINPROGRESS);
        CHECK_EQUAL(plait_task_pid(plain), 0);
        CHECK_EQUAL(plait_task_status(plain), 0);
        CHECK_EQUAL(plait_task_wait(named, NULL), 0);
        CHECK_EQUAL(plait_task_result(named), 3);
        CHECK_EQUAL(plait_task_status(named), 0);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_task_without_any_name_has_an_empty_one)
{
        PLAIT_GROUP(group, .keep_going = true);
        plait_task *task = plait_group_start(&group, task_return, NULL, 0);

        CHECK(!strcmp(plait_task_name(task), ""));
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(every_call_takes_the_task_of_a_start_that_failed)
{
        int result = 1;

        CHECK_EQUAL(plait_task_result(NULL), -ENOMEM);
        CHECK(plait_task_arg(NULL) == NULL);
        CHECK(!strcmp(plait_task_name(NULL), ""));
        CHECK_EQUAL(plait_task_pid(NULL), 0);
        CHECK_EQUAL(plait_task_status(NULL), 0);
        plait_task_cancel(NULL);
        CHECK_EQUAL(plait_task_kill(NULL), 0);
        CHECK_EQUAL(plait_task_wait(NULL, NULL), 0);
        CHECK_EQUAL(plait_task_wait(NULL, &result), 0);
        CHECK_EQUAL(result, -ENOMEM);
}

/* ---- strands outside the group */

static int wait_event_and_return(void *arg)
{
        int rc = plait_event_wait(arg);

        return rc < 0 ? rc : 7;
}

struct outsider { plait_task *task; int result; };

static int wait_outside(void *arg)
{
        struct outsider *outsider = arg;

        return plait_task_wait(outsider->task, &outsider->result);
}

/* The group's memory is something else by the time that the outsider runs. */
TEST_ON_EXECUTORS(a_wait_from_outside_outlasts_the_group)
{
        plait_group group = {.executor = test_executor()};
        bool detached[] = {false, true};

        for (int i = 0; i < 2; i++) {
                plait_event event = {{0}};
                struct outsider outsiders[3] = {{NULL, 0}};
                PLAIT_GROUP(others, .keep_going = true);

                group = (plait_group){.executor = test_executor(), .detached = detached[i]};
                plait_group_open(&group);
                outsiders[0].task = outsiders[1].task = outsiders[2].task = plait_group_start(&group, wait_event_and_return, &event, 0);
                for (int k = 0; k < 3; k++)
                        plait_group_start(&others, wait_outside, &outsiders[k], sizeof outsiders[k]);
                test_until_parked(&others);
                plait_event_set(&event);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                plait_group_done(&group);
                memset(&group, 0x55, sizeof group);
                CHECK_EQUAL(plait_group_wait(&others), 0);
                for (int k = 0; k < 3; k++)
                        CHECK_EQUAL(outsiders[k].result, 7);
        }
}

static int wait_outside_a_little(void *arg)
{
        struct outsider *outsider = arg;
        PLAIT_WITHIN(PLAIT_MS);

        CHECK_EQUAL(plait_task_wait(outsider->task, &outsider->result), -ETIMEDOUT);
        return 0;
}

TEST_ON_EXECUTORS(a_wait_from_outside_can_be_cut_short)
{
        plait_event event = {{0}};
        struct outsider outsider = {NULL, 5};
        PLAIT_GROUP(group, .executor = test_executor());

        outsider.task = plait_group_start(&group, wait_event_and_return, &event, 0);
        {
                PLAIT_GROUP(others, .keep_going = true);

                plait_group_start(&others, wait_outside_a_little, &outsider, sizeof outsider);
                CHECK_EQUAL(plait_group_wait(&others), 0);
        }
        CHECK_EQUAL(outsider.result, 5);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* On threads of their own, while the group ends as soon as it can. */
TEST_ON_EXECUTORS(waits_from_other_threads_meet_the_end_of_the_group)
{
        for (int i = 0; i < (test_slower() > 1 ? 50 : 300); i++) {
                plait_event event = {{0}};
                struct outsider outsiders[2] = {{NULL, 0}};
                plait_task *waits[2];
                PLAIT_GROUP(others, .executor = plait_own_thread(), .keep_going = true);

                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        outsiders[0].task = outsiders[1].task = plait_group_start(&group, wait_event_and_return, &event, 0);
                        for (int k = 0; k < 2; k++)
                                waits[k] = plait_group_start(&others, wait_outside, &outsiders[k], sizeof outsiders[k]);
                        for (int k = 0; k < 2; k++)
                                test_until_task_parked(waits[k]);
                        plait_event_set(&event);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK_EQUAL(plait_group_wait(&others), 0);
                for (int k = 0; k < 2; k++)
                        CHECK_EQUAL(outsiders[k].result, 7);
        }
}

TEST_ABORTS(waiting_for_a_task_whose_group_has_ended, "plait_task_wait: the task is gone: its group has ended")
{
        plait_task *task;
        PLAIT_GROUP(group, .executor = plait_threads());

        task = plait_group_start(&group, task_return, NULL, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_ignore(plait_task_wait(task, NULL));
}

/* ---- cancel and kill */

TEST_ON_EXECUTORS(a_coroutine_or_thread_cannot_be_killed)
{
        plait_event event = {{0}};
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task = plait_group_start(&group, task_wait_event, &event, 0);

        test_until_parked(&group);
        CHECK_EQUAL(plait_task_kill(task), -ENOTSUP);
        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);     /* nor was it cancelled */
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(a_wait_for_a_task_can_be_cut_short_and_the_task_goes_on)
{
        plait_event event = {{0}};
        int result = 5;
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task = plait_group_start(&group, task_wait_event, &event, 0);

        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_task_wait(task, &result), -ETIMEDOUT);
        }
        CHECK_EQUAL(result, 5);
        CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
        plait_event_set(&event);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, 0);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);         /* and again */
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static int fail_soon(void *arg)
{
        plait_ignore(plait_event_wait(arg));
        return -EDOM;
}

TEST_ON_EXECUTORS(the_groups_end_reaches_the_owners_wait_for_a_task)
{
        plait_event event = {{0}};
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *stubborn;
        plait_event other = {{0}};

        stubborn = plait_group_start(&group, fail_soon, &other, 0);
        plait_group_start(&group, fail_soon, &event, 0);
        {
                PLAIT_SHIELD(PLAIT_FOREVER);    /* keeps nothing: the group was opened around it */
                test_until_parked(&group);
        }
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_task_wait(stubborn, NULL), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
}

struct both { plait_task *task; int result; };

static int wait_for_sibling(void *arg)
{
        struct both *both = arg;

        return plait_task_wait(both->task, &both->result);
}

TEST_ON_EXECUTORS(tasks_wait_for_their_siblings)
{
        int seven = 7;
        plait_event event = {{0}};
        struct both both[2];
        PLAIT_GROUP(group, .executor = test_executor());

        both[0].task = plait_group_start(&group, task_wait_event, &event, 0);
        both[1].task = plait_group_start(&group, task_return, &seven, sizeof seven);
        for (int i = 0; i < 2; i++)
                plait_group_start(&group, wait_for_sibling, &both[i], sizeof both[i]);
        test_until_parked(&group);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(both[0].result == 0 && both[1].result == 7);
}

TEST_ON_EXECUTORS(options_are_read_before_the_start_returns)
{
        plait_task_options options = {.name = "copied", .within = 3600 * PLAIT_S, .stack_bytes = 100000};
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task = plait_group_start_with(&group, &options, task_return, NULL, 0);

        memset(&options, 0x55, sizeof options);
        CHECK(!strcmp(plait_task_name(task), "copied"));
        CHECK(plait_group_start_with(&group, NULL, task_return, NULL, 0));
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(a_task_whose_time_is_negative_is_over_at_once)
{
        plait_task_options options = {.within = -1};
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task = plait_group_start_with(&group, &options, task_never, NULL, 0);

        test_until_parked(&group);
        CHECK_EQUAL(plait_task_result(task), -ETIMEDOUT);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
}

static int tell_time(void *arg)
{
        *(plait_time *)arg = plait_now();
        return 0;
}

/* A timer is a task that begins later. */
TEST_ON_ALL_EXECUTORS(a_task_may_begin_later)
{
        plait_time at = 0, start = plait_now();
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start_with(&group, &(plait_task_options){.after = 20 * PLAIT_MS}, tell_time, &at, sizeof at);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(at >= start + 20 * PLAIT_MS);
}

TEST_ON_ALL_EXECUTORS(a_task_that_is_cancelled_before_its_time_never_runs)
{
        plait_time at = 0;
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *task = plait_group_start_with(&group, &(plait_task_options){.after = 3600 * PLAIT_S}, task_never, &at, sizeof at);
        int result;

        plait_task_cancel(task);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static int next_in_order(void *arg)
{
        static int count;
        int *mine = arg;

        if (*mine == 0)
                count = 0;
        return *mine == count++ ? 0 : -EPROTO;
}

/* As sched's: by moment, and of equals the first that was started; the clock moves when all are parked. */
TEST(tasks_that_begin_later_keep_their_order)
{
        int numbers[10];
        PLAIT_GROUP(group, .name = "agenda");

        test_clock_automatic();
        for (int i = 0; i < 10; i++) {
                numbers[i] = i;
                plait_group_start_with(&group, &(plait_task_options){.after = (i / 3 + 1) * 3600 * PLAIT_S}, next_in_order, &numbers[i],
                                       sizeof numbers[i]);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
}
