/* Select among others that wait: its turn, exactly one case, deadline and cancel. */
#include <errno.h>

#include "select.h"

/* ---- exactly one */

TEST_ON_EXECUTORS(what_comes_after_the_first_goes_by)
{
        struct pair pair = {make(2), make(2), -1, -1, -1, 1};
        int item = 8;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &pair, sizeof pair);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(pair.b, &item), 0);
                CHECK_EQUAL(plait_queue_put(pair.a, &item), 0);         /* it may not have gone on yet */
                CHECK_EQUAL(plait_queue_put(pair.b, &item), 0);
                CHECK_EQUAL(plait_queue_size(pair.a), 1);
                CHECK_EQUAL(plait_queue_size(pair.b), 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(pair.taken == 1 && pair.result == 0 && pair.item_a == -1 && pair.item_b == 8);
        plait_queue_free(pair.a);
        plait_queue_free(pair.b);
}

/* The select is first of all in one queue and has been served by the other: the next of the first is not kept
 * waiting. */
TEST_ON_EXECUTORS(a_select_that_was_served_elsewhere_is_passed_over)
{
        struct pair pair = {make(2), make(2), -1, -1, -1, 1}, plain = {pair.a, NULL, -1, -1, -1, 1};
        int item = 8;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &pair, sizeof pair);
                test_until_parked(&group);
                plait_group_start(&group, get_one, &plain, sizeof plain);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_try_put(pair.b, &item), 0);
                item = 9;
                CHECK_EQUAL(plait_queue_try_put(pair.a, &item), 0);
                CHECK_EQUAL(plait_queue_size(pair.a), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(pair.taken == 1 && pair.item_b == 8 && plain.result == 0 && plain.item_a == 9);
        plait_queue_free(pair.a);
        plait_queue_free(pair.b);
}

TEST_ON_EXECUTORS(selects_and_others_are_served_in_the_order_they_came)
{
        plait_queue *queue = make(1), *idle = make(1);
        struct pair pairs[6];

        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 6; i++) {
                        pairs[i] = (struct pair){queue, idle, -1, -1, -1, 1};
                        plait_group_start(&group, i % 2 ? get_one : get_either, &pairs[i], sizeof pairs[i]);
                        test_until_parked(&group);
                }
                for (int i = 0; i < 6; i++) {
                        CHECK_EQUAL(plait_queue_try_put(queue, &i), 0);
                        CHECK_EQUAL(plait_queue_size(queue), 0);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 6; i++)
                CHECK(pairs[i].item_a == i && pairs[i].result == 0);
        plait_queue_free(queue);
        plait_queue_free(idle);
}

TEST_ON_EXECUTORS(selects_that_put_are_served_in_the_order_they_came)
{
        plait_queue *queue = make_full(0), *full = make_full(99);
        struct pair pairs[4];
        int item;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 4; i++) {
                        pairs[i] = (struct pair){queue, full, i + 1, 100 + i, -1, 1};
                        plait_group_start(&group, put_either, &pairs[i], sizeof pairs[i]);
                        test_until_parked(&group);
                }
                for (int i = 0; i < 5; i++) {
                        CHECK_EQUAL(plait_queue_try_get(queue, &item), 0);
                        CHECK_EQUAL(item, i);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(plait_queue_size(queue) == 0 && plait_queue_size(full) == 1);
        for (int i = 0; i < 4; i++)
                CHECK(pairs[i].taken == 0 && pairs[i].result == 0);
        plait_queue_free(queue);
        plait_queue_free(full);
}

/* A getter and a putter of the same queue in one: whichever can be done, and it is not its own partner. */
TEST(both_ends_of_one_queue_in_one_select)
{
        plait_queue *queue = make(1);
        int in = 3, out = -1;
        plait_case cases[] = {PLAIT_GET(queue, &out), PLAIT_PUT(queue, &in), PLAIT_GET(queue, &out)};

        for (int i = 0; i < 100; i++) {
                CHECK_EQUAL(plait_select(cases, 3), 1);
                CHECK(cases[1].result == 0 && out == -1 && plait_queue_size(queue) == 1);
                CHECK(plait_select(cases, 3) != 1);
                CHECK(out == 3 && plait_queue_size(queue) == 0);
                out = -1;
        }
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(the_same_queue_twice_is_one_item)
{
        struct pair pair = {make(2), NULL, -1, -1, -1, 1};
        int item = 6;

        pair.b = pair.a;
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &pair, sizeof pair);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(pair.a, &item), 0);
                CHECK_EQUAL(plait_queue_put(pair.a, &item), 0);
                CHECK_EQUAL(plait_queue_size(pair.a), 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(pair.result == 0 && pair.item_a + pair.item_b == 6 - 1);
        plait_queue_free(pair.a);
}

/* ---- deadline and cancel */

TEST(an_ended_scope_fails_a_select_that_need_not_wait)
{
        plait_queue *queue = make_full(1);
        int item = -1;
        plait_case cases[] = {PLAIT_GET(queue, &item), PLAIT_AFTER(0)};

        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_select(cases, 2), -ETIMEDOUT);
                CHECK_EQUAL(plait_select_in_order(cases, 2), -ETIMEDOUT);
        }
        CHECK(item == -1 && plait_queue_size(queue) == 1);
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(a_cancelled_select_takes_nothing)
{
        struct pair gets = {make(1), make(1), -1, -1, 99, 1}, puts = {make_full(1), make_full(2), 3, 4, 99, 1};
        int item = 5;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *tasks[] = {plait_group_start(&group, get_either, &gets, sizeof gets),
                                       plait_group_start(&group, put_either, &puts, sizeof puts)};

                test_until_parked(&group);
                for (int i = 0; i < 2; i++) {
                        plait_task_cancel(tasks[i]);
                        CHECK_EQUAL(plait_task_wait(tasks[i], NULL), 0);
                }
                CHECK_EQUAL(plait_queue_put(gets.a, &item), 0);
                CHECK_EQUAL(plait_queue_put(gets.b, &item), 0);
                CHECK_EQUAL(plait_queue_get(puts.a, &item), 0);
                CHECK_EQUAL(plait_queue_get(puts.b, &item), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(gets.taken == -ECANCELED && plait_queue_size(gets.a) == 1 && plait_queue_size(gets.b) == 1);
        CHECK(puts.taken == -ECANCELED && plait_queue_size(puts.a) == 0 && plait_queue_size(puts.b) == 0);
        plait_queue_free(gets.a);
        plait_queue_free(gets.b);
        plait_queue_free(puts.a);
        plait_queue_free(puts.b);
}

TEST_ON_EXECUTORS(a_select_that_was_served_returns_that_in_spite_of_a_cancel)
{
        struct pair gets = {make(1), make(1), -1, -1, 99, 1};
        int item = 5;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, get_either, &gets, sizeof gets);

                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(gets.b, &item), 0);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(gets.taken == 1 && gets.item_b == 5);
        plait_queue_free(gets.a);
        plait_queue_free(gets.b);
}

/* What comes after the cancel goes to the next. The coroutine's thread has not run it since. */
TEST_ON_EXECUTORS(an_item_is_not_handed_to_a_select_that_was_cancelled)
{
        struct pair first = {make(1), make(1), -1, -1, 99, 1}, second = {first.a, first.b, -1, -1, 99, 1};
        int item = 5;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, get_either, &first, sizeof first);

                test_until_parked(&group);
                plait_group_start(&group, get_either, &second, sizeof second);
                test_until_parked(&group);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_queue_put(first.b, &item), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(first.taken == -ECANCELED && second.taken == 1 && second.item_b == 5);
        plait_queue_free(first.a);
        plait_queue_free(first.b);
}

static int select_within(plait_time within, plait_time after)
{
        plait_event never = {{0}};
        plait_case cases[] = {PLAIT_EVENT(&never), PLAIT_AFTER(after)};
        PLAIT_WITHIN(within);

        return plait_select(cases, 2);
}

TEST(a_moment_and_a_deadline_whichever_is_first)
{
        plait_time start;

        test_clock_automatic();
        start = plait_now();
        CHECK_EQUAL(select_within(PLAIT_S, 2 * PLAIT_S), -ETIMEDOUT);
        CHECK_EQUAL(plait_now() - start, PLAIT_S);
        CHECK_EQUAL(select_within(2 * PLAIT_S, PLAIT_S), 1);
        CHECK_EQUAL(plait_now() - start, 2 * PLAIT_S);
        CHECK_EQUAL(select_within(PLAIT_S, PLAIT_S), 1);
        CHECK_EQUAL(select_within(PLAIT_FOREVER, PLAIT_S), 1);
        CHECK_EQUAL(select_within(PLAIT_S, PLAIT_FOREVER), -ETIMEDOUT);
        CHECK_EQUAL(plait_now() - start, 5 * PLAIT_S);
}

/* The thread comes to look when both are over: the deadline was first. */
static int select_late(void *arg)
{
        *(int *)arg = select_within(PLAIT_S, 2 * PLAIT_S);
        return 0;
}

TEST_ON_EXECUTORS(a_moment_behind_the_deadline_is_too_late)
{
        int rc = 99;

        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, select_late, &rc, sizeof rc);
                test_until_parked(&group);
                test_clock_advance(3 * PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(rc, -ETIMEDOUT);
}

/* A span counts from each call. */
TEST(cases_are_used_again)
{
        plait_queue *queue = make(1);
        int item = 4, got = -1;
        plait_case cases[] = {PLAIT_GET(queue, &got), PLAIT_AFTER(PLAIT_S)};
        plait_time start;

        test_clock_automatic();
        start = plait_now();
        for (int i = 1; i <= 5; i++) {
                CHECK_EQUAL(plait_select(cases, 2), 1);
                CHECK_EQUAL(plait_now() - start, i * PLAIT_S);
        }
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        CHECK_EQUAL(plait_select(cases, 2), 0);
        CHECK(cases[0].result == 0 && got == 4);
        plait_queue_free(queue);
}
