/* A group's whole life, on each executor. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tasks.h"

/* ---- beginning */

struct place { int number; int *next; int got; };

static int take_number(void *arg)
{
        struct place *place = arg;

        place->got = (*place->next)++;
        return 0;
}

TEST(coroutines_begin_in_the_order_they_were_started)
{
        struct place places[100];
        int next = 0;
        PLAIT_GROUP(group, .name = "line");

        for (int i = 0; i < 100; i++) {
                places[i] = (struct place){i, &next, -1};
                plait_group_start(&group, take_number, &places[i], sizeof places[i]);
        }
        CHECK_EQUAL(next, 0);                   /* after the starter parks, not before */
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 100; i++)
                CHECK_EQUAL(places[i].got, i);
}

static int square(void *arg)
{
        *(int *)arg *= *(int *)arg;
        return 0;
}

TEST_ON_EXECUTORS(structs_are_used_in_place)
{
        int numbers[20];
        PLAIT_GROUP(group, .executor = test_executor(), .name = "squares");

        for (int i = 0; i < 20; i++) {
                numbers[i] = i;
                CHECK(plait_group_start(&group, square, &numbers[i], sizeof numbers[i]));
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 20; i++)
                CHECK_EQUAL(numbers[i], i * i);
}

static int check_null(void *arg)
{
        CHECK(arg == NULL);
        return 0;
}

TEST_ON_EXECUTORS(a_task_may_have_no_struct_or_a_plain_pointer)
{
        int number = 7;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, check_null, NULL, 0);
        plait_group_start(&group, square, &number, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(number, 49);
}

TEST(without_an_executor_a_groups_tasks_are_coroutines)
{
        plait_group group = {0};
        pthread_t self = pthread_self();

        plait_group_open(&group);
        plait_group_start(&group, task_return, &self, 0);
        CHECK(group.executor == plait_coroutines());
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_group_done(&group);
}

TEST_ON_EXECUTORS(an_empty_group_ends_at_once)
{
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
}

/* ---- failure */

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

static int fail_when_cancelled(void *arg)
{
        plait_ignore(plait_sleep(PLAIT_FOREVER));
        return *(int *)arg;
}

/* What a failure brings about comes after it. */
TEST_ON_EXECUTORS(the_first_failure_in_time_is_the_result)
{
        for (int round = 0; round < 200; round++) {
                int first = -EXDEV, later = -EDOM;
                plait_failure failures[9];
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 8; i++)
                        plait_group_start(&group, fail_when_cancelled, &later, sizeof later);
                plait_group_start(&group, task_return, &first, sizeof first);
                CHECK_EQUAL(plait_group_wait(&group), -EXDEV);
                CHECK(plait_group_failures(&group, failures, 9) >= 1);
                CHECK_EQUAL(failures[0].result, -EXDEV);
        }
}

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

        plait_group_start(&group, fail_when_cancelled, &result, sizeof result);
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
        plait_task *two = plait_group_start(&group, fail_when_cancelled, &odd, sizeof odd);
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

/* ---- limit and room */

struct crowd { _Atomic int now, most, all; };

static int join_crowd(void *arg)
{
        struct crowd *crowd = arg;
        int now = ++crowd->now, most = crowd->most;

        while (now > most && !__atomic_compare_exchange_n((int *)&crowd->most, &most, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                ;
        for (int i = 0; i < 3; i++)
                plait_ignore(plait_yield());
        crowd->now--;
        crowd->all++;
        return 0;
}

TEST_ON_EXECUTORS(a_limit_bounds_what_has_begun)
{
        struct crowd crowd = {0};
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 3);

        for (int i = 0; i < 50; i++)
                plait_group_start(&group, join_crowd, &crowd, sizeof crowd);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(crowd.all, 50);
        CHECK(crowd.most <= 3);
}

TEST_ON_EXECUTORS(room_waits_until_a_start_would_begin)
{
        plait_event event = {{0}}, second = {{0}};
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 2);

        for (int i = 0; i < 2; i++) {
                CHECK_EQUAL(plait_group_room(&group), 0);
                plait_group_start(&group, task_wait_event, i ? &second : &event, 0);
        }
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_group_room(&group), -ETIMEDOUT);
        }
        test_until_parked(&group);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_room(&group), 0);
        plait_event_set(&second);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(the_groups_own_end_reaches_room)
{
        int failure = -EDOM;
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 2);

        plait_group_start(&group, task_wait_and_succeed, NULL, 0);
        plait_group_start(&group, task_return, &failure, sizeof failure);
        test_until_parked(&group);
        CHECK_EQUAL(plait_group_room(&group), -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
}

/* ---- next */

TEST_ON_EXECUTORS(next_hands_out_each_task_once_as_they_end)
{
        plait_event events[4] = {{{0}}};
        static const int order[] = {2, 0, 3, 1};
        plait_task *tasks[4], *next = NULL;
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 4; i++)
                tasks[i] = plait_group_start(&group, task_wait_event, &events[i], 0);
        test_until_parked(&group);
        for (int i = 0; i < 4; i++) {
                plait_event_set(&events[order[i]]);
                CHECK_EQUAL(plait_group_next(&group, &next), 0);
                CHECK(next == tasks[order[i]]);
                CHECK_EQUAL(plait_task_result(next), 0);
        }
        CHECK_EQUAL(plait_group_next(&group, &next), -ENOENT);
        plait_event_set(&events[0]);
        tasks[0] = plait_group_start(&group, task_wait_event, &events[0], 0);
        CHECK_EQUAL(plait_group_next(&group, &next), 0);
        CHECK(next == tasks[0]);
        CHECK_EQUAL(plait_group_next(&group, &next), -ENOENT);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(next_looks_past_its_own_group)
{
        int failure = -EDOM, results[2];
        plait_task *task;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        plait_group_start(&group, task_return, &failure, sizeof failure);
        for (int i = 0; i < 2; i++) {
                CHECK_EQUAL(plait_group_next(&group, &task), 0);
                results[i] = plait_task_result(task);
        }
        CHECK(results[0] == -EDOM && results[1] == -ECANCELED);
        CHECK_EQUAL(plait_group_next(&group, &task), -ENOENT);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
}

TEST_ON_EXECUTORS(a_next_that_is_cut_short_cancels_nothing)
{
        plait_event event = {{0}};
        plait_task *task = NULL, *started;
        PLAIT_GROUP(group, .executor = test_executor());

        started = plait_group_start(&group, task_wait_event, &event, 0);
        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_group_next(&group, &task), -ETIMEDOUT);
        }
        CHECK(task == NULL);
        CHECK_EQUAL(plait_task_result(started), -EINPROGRESS);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_next(&group, &task), 0);
        CHECK(task == started);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* ---- post */

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

/* ---- tasks of the group start more */

struct tree { plait_group *group; _Atomic int *count; int depth; struct tree *below; };

static int grow_tree(void *arg)
{
        struct tree *tree = arg;

        ++*tree->count;
        for (int i = 0; i < 2 && tree->depth; i++) {
                tree->below[i] = (struct tree){tree->group, tree->count, tree->depth - 1, tree->below + (i ? 2 + ((1 << tree->depth) - 2) : 2)};
                CHECK(plait_group_start(tree->group, grow_tree, &tree->below[i], sizeof *tree));
        }
        return 0;
}

TEST_ON_EXECUTORS(tasks_add_tasks_while_the_owner_waits)
{
        static struct tree room[256];
        _Atomic int count = 0;
        PLAIT_GROUP(group, .executor = test_executor());
        struct tree root = {&group, &count, 5, room};

        plait_group_start(&group, grow_tree, &root, sizeof root);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(count, 63);
}

/* ---- the end */

TEST_ON_EXECUTORS(done_without_wait_cancels_and_waits)
{
        int ended = 0;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, task_wait, NULL, 0);
                test_until_parked(&group);
                plait_group_start(&group, task_count, &ended, sizeof ended);
                test_until_parked(&group);
        }
        CHECK_EQUAL(ended, 1);
        CHECK_EQUAL(plait_yield(), 0);
}

static int leave_by(int way)
{
        for (int i = 0; i < 3; i++) {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, task_wait, NULL, 0);
                if (way == 0)
                        return -EDOM;
                if (way == 1)
                        break;
                if (way == 2)
                        continue;
                if (way == 3)
                        goto out;
        }
out:
        return way;
}

TEST_ON_EXECUTORS(a_block_is_left_on_any_path)
{
        CHECK_EQUAL(leave_by(0), -EDOM);
        for (int way = 1; way < 5; way++)
                CHECK_EQUAL(leave_by(way), way);
        CHECK_EQUAL(plait_cancelled(), 0);
}

#if defined(__GNUC__) && !defined(__clang__)
TEST_ON_EXECUTORS(a_goto_over_the_declaration_is_harmless)
{
        volatile bool skip = true;
        int failure = -EDOM;

        for (int i = 0; i < 3; i++) {
                {
                        if (skip)
                                goto over;
                        PLAIT_GROUP(group, .executor = test_executor());
                        plait_group_start(&group, task_return, &failure, sizeof failure);
                        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
over:
                        CHECK_EQUAL(plait_yield(), 0);
                }
                skip = i != 0;
        }
}
#endif

TEST_ON_EXECUTORS(a_group_is_opened_again_after_its_wait)
{
        int failure = -EDOM;
        plait_group group = {.executor = test_executor(), .name = "again"};

        for (int i = 0; i < 4; i++) {
                plait_group_open(&group);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
                plait_group_start(&group, task_return, i % 2 ? NULL : &failure, i % 2 ? 0 : sizeof failure);
                CHECK_EQUAL(plait_group_wait(&group), i % 2 ? 0 : -EDOM);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), !(i % 2));
        }
        plait_group_done(&group);
        plait_group_done(&group);
}

TEST(done_of_a_zeroed_group_does_nothing)
{
        plait_group group = {0};

        plait_group_done(&group);
}

/* Two in one block, the first waited for first. */
TEST_ON_EXECUTORS(groups_of_one_strand_may_end_in_any_order)
{
        for (int round = 0; round < 100; round++) {
                int number = 5, failure = -EDOM;
                PLAIT_GROUP(producers, .executor = test_executor());
                PLAIT_GROUP(consumers, .executor = test_executor());

                for (int i = 0; i < 3; i++)
                        plait_group_start(&consumers, task_wait, NULL, 0);
                plait_group_start(&producers, square, &number, sizeof number);
                CHECK_EQUAL(plait_group_wait(&producers), 0);
                CHECK_EQUAL(plait_yield(), 0);
                plait_group_start(&consumers, task_return, &failure, sizeof failure);
                CHECK_EQUAL(plait_group_wait(&consumers), -EDOM);
        }
}

/* ---- detached */

static void *start_from_outside(void *arg)
{
        plait_group *group = arg;
        static int numbers[200];

        for (int i = 0; i < 100; i++) {
                CHECK(plait_group_start(group, square, &numbers[i], sizeof numbers[i]));
                CHECK_EQUAL(plait_group_post(group, square, &numbers[100 + i], sizeof numbers[0]), 0);
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
