/* A group's limit, room below it, and its tasks handed out as they end. */
#include <errno.h>

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
