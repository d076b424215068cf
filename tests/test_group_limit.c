/* A group's limit, room below it, and its tasks handed out as they end. */
#include <errno.h>
#include <sched.h>

#include "tasks.h"

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

/* The group's end reaches who waits for room, also when that end is what makes room. */
TEST_ON_ALL_EXECUTORS(who_waits_for_room_is_told_of_the_end)
{
        PLAIT_GROUP(group, .executor = test_executor(), .limit = 1, .within = 20 * PLAIT_MS);

        plait_group_start(&group, task_wait, NULL, 0);
        CHECK_EQUAL(plait_group_room(&group), -ETIMEDOUT);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
}

static int compute_until(void *arg)
{
        while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE))
                sched_yield();
        return 0;
}

static int stop_it(void *arg)
{
        __atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
        return 0;
}

static int wait_for_room(void *arg)
{
        return plait_group_room(arg);
}

/* Room is a place in the pool as well: its one thread computes. */
TEST(there_is_room_when_a_thread_has_a_place)
{
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 1};
        plait_executor *pool;
        plait_group computing = {.detached = true};
        int stop = 0;
        plait_task *waiter;

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        computing.executor = pool;
        plait_group_open(&computing);
        CHECK_EQUAL(plait_group_room(&computing), 0);
        {
                PLAIT_GROUP(group, .name = "waiter");

                plait_group_start(&computing, compute_until, &stop, sizeof stop);
                waiter = plait_group_start(&group, wait_for_room, &computing, 0);
                test_until_task_parked(waiter);
                CHECK_EQUAL(plait_task_result(waiter), -EINPROGRESS);
                stop_it(&stop);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_group_wait(&computing), 0);
        plait_group_done(&computing);
        CHECK_EQUAL(plait_executor_close(pool), 0);
}
