/* Events: something has happened, and stays so. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

static plait_event event;

TEST(an_event_is_not_set_until_it_is)
{
        plait_event fresh = {{0}};

        CHECK(!plait_event_is_set(&fresh));
        plait_event_set(&fresh);
        plait_event_set(&fresh);
        CHECK(plait_event_is_set(&fresh));
        CHECK_EQUAL(plait_event_wait(&fresh), 0);
        plait_event_clear(&fresh);
        CHECK(!plait_event_is_set(&fresh));
}

TEST_ON_EXECUTORS(setting_wakes_everyone_even_if_it_is_cleared_at_once)
{
        plait_event_clear(&event);
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 10; i++)
                plait_group_start(&group, task_wait_event, &event, 0);
        test_until_parked(&group);
        plait_event_set(&event);
        plait_event_clear(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(a_wait_is_cut_short)
{
        plait_event_clear(&event);
        PLAIT_GROUP(group, .executor = test_executor());
        plait_task *one = plait_group_start(&group, task_wait_event, &event, 0);
        plait_task *two = plait_group_start(&group, task_wait_event, &event, 0);
        int rc;

        test_until_parked(&group);
        plait_task_cancel(one);
        CHECK_EQUAL(plait_task_wait(one, &rc), 0);
        CHECK_EQUAL(rc, -ECANCELED);
        plait_event_set(&event);
        CHECK_EQUAL(plait_task_wait(two, &rc), 0);
        CHECK_EQUAL(rc, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

struct handed { int value; plait_event ready; };

static int read_value(void *arg)
{
        struct handed *handed = arg;

        CHECK_EQUAL(plait_event_wait(&handed->ready), 0);
        return handed->value;
}

TEST_ON_EXECUTORS(what_was_written_before_is_seen_after)
{
        for (int round = 1; round < 200; round++) {
                struct handed handed = {0};
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, read_value, &handed, sizeof handed);
                int rc;

                handed.value = round;
                plait_event_set(&handed.ready);
                CHECK_EQUAL(plait_task_wait(task, &rc), 0);
                CHECK_EQUAL(rc, round);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
}

/* A waiter that comes after the event was cleared needs another set. */
static plait_event ping, pong;
static _Atomic int sets, waits;

static int set_and_wait(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++) {
                sets++;
                plait_event_set(&ping);
                CHECK_EQUAL(plait_event_wait(&pong), 0);
                plait_event_clear(&pong);
        }
        return 0;
}

static int wait_and_set(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++) {
                CHECK_EQUAL(plait_event_wait(&ping), 0);
                plait_event_clear(&ping);
                waits++;
                CHECK_EQUAL(sets, waits);       /* no wait without its set */
                plait_event_set(&pong);
        }
        return 0;
}

TEST_ON_EXECUTORS(no_set_wakes_a_wait_that_came_after)
{
        int rounds = 5000 / (int)test_slower();

        sets = waits = 0;
        plait_event_clear(&ping);
        plait_event_clear(&pong);
        PLAIT_GROUP(group, .executor = test_executor());
        plait_group_start(&group, wait_and_set, &rounds, 0);
        plait_group_start(&group, set_and_wait, &rounds, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(an_ended_scope_fails_the_wait_for_a_set_event)
{
        plait_event_set(&event);
        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_event_wait(&event), -ETIMEDOUT);
}

TEST_ON_EXECUTORS(a_set_event_does_not_undo_a_cancel)
{
        plait_event mine = {0};
        plait_task *first, *second;
        int rc = 0;
        PLAIT_GROUP(group, .executor = test_executor());

        first = plait_group_start(&group, task_wait_event, &mine, sizeof mine);
        second = plait_group_start(&group, task_wait_event, &mine, sizeof mine);
        test_until_parked(&group);
        plait_task_cancel(first);
        plait_event_set(&mine);
        CHECK_EQUAL(plait_task_wait(first, &rc), 0);
        CHECK_EQUAL(rc, -ECANCELED);
        CHECK_EQUAL(plait_task_wait(second, &rc), 0);
        CHECK_EQUAL(rc, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}
