/* Scopes and shields: what ends them, and what that reaches. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "tasks.h"

TEST(a_deadline_ends_a_wait)
{
        plait_time end;

        test_clock_automatic();
        end = plait_now() + PLAIT_S;
        PLAIT_WITHIN(PLAIT_S);
        CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ETIMEDOUT);
        CHECK_EQUAL(plait_now(), end);
}

/* Level-triggered: there is nothing to clear and nothing to miss. */
TEST(an_ended_scope_fails_every_call_inside_until_it_is_left)
{
        plait_event event = {{0}};
        char byte;
        int fds[2];

        test_clock_automatic();
        CHECK_EQUAL(pipe(fds), 0);
        plait_event_set(&event);
        {
                PLAIT_WITHIN(0);
                for (int i = 0; i < 3; i++) {
                        CHECK_EQUAL(plait_yield(), -ETIMEDOUT);
                        CHECK_EQUAL(plait_sleep(1), -ETIMEDOUT);
                        CHECK_EQUAL(plait_event_wait(&event), -ETIMEDOUT);
                        CHECK_EQUAL(plait_write(fds[1], "x", 1), -ETIMEDOUT);
                        CHECK_EQUAL(plait_cancelled(), -ETIMEDOUT);
                }
        }
        CHECK_EQUAL(plait_cancelled(), 0);
        CHECK_EQUAL(plait_event_wait(&event), 0);
        CHECK_EQUAL(write(fds[1], "y", 1), 1);
        CHECK_EQUAL(plait_read(fds[0], &byte, 1), 1);
        CHECK_EQUAL(byte, 'y');
        plait_close(fds[0]);
        plait_close(fds[1]);
}

TEST(a_span_of_nothing_or_less_is_over_at_once)
{
        plait_scope scope;

        for (plait_time span = 0; span >= -PLAIT_FOREVER; span = span * 2 - 1) {
                plait_scope_enter(&scope, span);
                CHECK_EQUAL(plait_yield(), -ETIMEDOUT);
                CHECK_EQUAL(plait_scope_leave(&scope), -ETIMEDOUT);
                plait_scope_enter_shield(&scope, span);
                CHECK_EQUAL(plait_yield(), -ETIMEDOUT);
                CHECK_EQUAL(plait_scope_leave(&scope), -ETIMEDOUT);
                if (span < -PLAIT_FOREVER / 2)
                        break;
        }
}

TEST(a_span_of_forever_is_never_over)
{
        plait_scope scope;

        test_clock_automatic();
        plait_scope_enter(&scope, PLAIT_FOREVER);
        CHECK_EQUAL(plait_sleep(86400 * PLAIT_S), 0);
        CHECK_EQUAL(plait_scope_leave(&scope), 0);
}

static int leave_early(bool early)
{
        PLAIT_WITHIN(0);
        if (early)
                return plait_yield();
        PLAIT_WITHIN(PLAIT_FOREVER);
        return plait_yield();
}

TEST(a_scope_ends_with_its_block_on_any_path)
{
        CHECK_EQUAL(leave_early(true), -ETIMEDOUT);
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(leave_early(false), -ETIMEDOUT);
        CHECK_EQUAL(plait_yield(), 0);
        for (int i = 0; i < 2; i++) {
                PLAIT_WITHIN(0);
                if (i == 0)
                        continue;
                break;
        }
        CHECK_EQUAL(plait_yield(), 0);
}

#if defined(__GNUC__) && !defined(__clang__)
TEST(a_goto_over_the_declaration_is_harmless)
{
        volatile bool skip = true;
        {
                if (skip)
                        goto over;
                PLAIT_WITHIN(0);
                CHECK(!"reached");
over:
                CHECK_EQUAL(plait_yield(), 0);
        }
        CHECK_EQUAL(plait_yield(), 0);
}
#endif

TEST(the_nearer_deadline_holds)
{
        plait_time start;

        test_clock_automatic();
        start = plait_now();
        PLAIT_WITHIN(10 * PLAIT_S);
        {
                PLAIT_WITHIN(3600 * PLAIT_S);
                PLAIT_WITHIN(PLAIT_S);
                CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ETIMEDOUT);
                CHECK_EQUAL(plait_now() - start, PLAIT_S);
        }
        {
                PLAIT_WITHIN(3600 * PLAIT_S);
                CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ETIMEDOUT);
                CHECK_EQUAL(plait_now() - start, 10 * PLAIT_S);
        }
}

TEST(leaving_tells_how_the_scope_itself_stood)
{
        plait_scope outer, inner;

        test_clock_automatic();
        plait_scope_enter(&outer, PLAIT_S);
        plait_scope_enter(&inner, 3600 * PLAIT_S);
        CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ETIMEDOUT);
        CHECK_EQUAL(plait_scope_leave(&inner), 0);
        CHECK_EQUAL(plait_scope_leave(&outer), -ETIMEDOUT);
        plait_scope_enter(&inner, PLAIT_S);
        plait_scope_cancel(&inner);
        CHECK_EQUAL(plait_scope_leave(&inner), -ECANCELED);
        plait_scope_enter(&inner, PLAIT_S);     /* again, once it was left */
        CHECK_EQUAL(plait_scope_leave(&inner), 0);
        plait_scope_enter(&inner, 0);           /* nobody inside looked */
        CHECK_EQUAL(plait_scope_leave(&inner), -ETIMEDOUT);
}

TEST(of_a_cancel_and_a_deadline_what_came_first_is_told)
{
        plait_scope scope;

        test_clock_manual();
        plait_scope_enter(&scope, PLAIT_S);
        plait_scope_cancel(&scope);
        plait_scope_cancel(&scope);
        test_clock_advance(PLAIT_S);
        CHECK_EQUAL(plait_yield(), -ECANCELED);
        CHECK_EQUAL(plait_scope_leave(&scope), -ECANCELED);
        plait_scope_enter(&scope, PLAIT_S);
        test_clock_advance(PLAIT_S);
        plait_scope_cancel(&scope);
        CHECK_EQUAL(plait_yield(), -ETIMEDOUT);
        CHECK_EQUAL(plait_scope_leave(&scope), -ETIMEDOUT);
}

TEST(the_outermost_ended_scope_decides_the_error)
{
        plait_scope outer, middle, inner;

        plait_scope_enter(&outer, PLAIT_FOREVER);
        plait_scope_enter(&middle, 0);
        plait_scope_enter(&inner, PLAIT_FOREVER);
        plait_scope_cancel(&inner);
        CHECK_EQUAL(plait_yield(), -ETIMEDOUT);
        plait_scope_cancel(&outer);
        CHECK_EQUAL(plait_yield(), -ECANCELED);
        CHECK_EQUAL(plait_scope_leave(&inner), -ECANCELED);
        CHECK_EQUAL(plait_scope_leave(&middle), -ETIMEDOUT);
        CHECK_EQUAL(plait_scope_leave(&outer), -ECANCELED);
}

/* ---- shields */

TEST(nothing_outside_reaches_into_a_shield)
{
        plait_scope outer;

        test_clock_automatic();
        plait_scope_enter(&outer, PLAIT_FOREVER);
        plait_scope_cancel(&outer);
        {
                PLAIT_WITHIN(0);
                PLAIT_SHIELD(PLAIT_S);
                CHECK_EQUAL(plait_cancelled(), 0);
                CHECK_EQUAL(plait_sleep(PLAIT_MS), 0);
        }
        CHECK_EQUAL(plait_cancelled(), -ECANCELED);
        plait_scope_leave(&outer);
}

TEST(a_shield_lasts_as_long_as_it_says)
{
        test_clock_automatic();
        PLAIT_SHIELD(PLAIT_S);
        CHECK_EQUAL(plait_sleep(PLAIT_S), 0);
        CHECK_EQUAL(plait_sleep(1), -ETIMEDOUT);
}

TEST(after_a_shield_what_happened_outside_decides)
{
        plait_scope outer;

        test_clock_automatic();
        plait_scope_enter(&outer, PLAIT_FOREVER);
        plait_scope_cancel(&outer);
        {
                PLAIT_SHIELD(PLAIT_S);
                CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ECANCELED);
        }
        plait_scope_leave(&outer);
}

TEST(a_scope_inside_a_shield_works_as_ever)
{
        plait_scope shield;

        test_clock_automatic();
        plait_scope_enter_shield(&shield, 10 * PLAIT_S);
        {
                PLAIT_WITHIN(PLAIT_S);
                CHECK_EQUAL(plait_sleep(PLAIT_FOREVER), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_yield(), 0);
        plait_scope_cancel(&shield);
        CHECK_EQUAL(plait_yield(), -ECANCELED);
        CHECK_EQUAL(plait_scope_leave(&shield), -ECANCELED);
}

static int clean_up_shielded(void *arg)
{
        int rc = plait_sleep(PLAIT_FOREVER);

        {
                PLAIT_SHIELD(PLAIT_S);
                CHECK_EQUAL(plait_cancelled(), 0);
                CHECK_EQUAL(plait_yield(), 0);
                PLAIT_GROUP(inner, .executor = test_executor());
                plait_group_start(&inner, task_return, NULL, 0);
                CHECK_EQUAL(plait_group_wait(&inner), 0);
                *(int *)arg = 1;
        }
        CHECK(plait_yield() < 0);
        return rc;
}

TEST_ON_EXECUTORS(a_cancelled_task_cleans_up_under_a_shield)
{
        int cleaned = 0;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, clean_up_shielded, &cleaned, sizeof cleaned);
        test_until_parked(&group);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(cleaned, 1);
}

/* ---- from elsewhere */

struct entered { plait_scope scope; plait_event in; int rc, left; };

static int enter_and_wait(void *arg)
{
        struct entered *entered = arg;

        plait_scope_enter(&entered->scope, PLAIT_FOREVER);
        plait_event_set(&entered->in);
        entered->rc = plait_sleep(PLAIT_FOREVER);
        entered->left = plait_scope_leave(&entered->scope);
        return 0;
}

TEST_ON_EXECUTORS(a_scope_is_cancelled_from_any_strand)
{
        struct entered entered = {.rc = 1};
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, enter_and_wait, &entered, sizeof entered);
        CHECK_EQUAL(plait_event_wait(&entered.in), 0);
        plait_scope_cancel(&entered.scope);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(entered.rc, -ECANCELED);
        CHECK_EQUAL(entered.left, -ECANCELED);
}

static int wait_below(void *arg)
{
        PLAIT_GROUP(inner, .executor = plait_own_thread());

        plait_group_start(&inner, task_wait, arg, 0);
        CHECK_EQUAL(plait_group_wait(&inner), -ECANCELED);
        return -ECANCELED;
}

static void *cancel_scope(void *arg)
{
        plait_scope_cancel(arg);
        return NULL;
}

TEST_ON_EXECUTORS(a_cancel_reaches_the_groups_opened_inside)
{
        plait_scope scope;
        pthread_t thread;

        plait_scope_enter(&scope, PLAIT_FOREVER);
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 4; i++)
                        plait_group_start(&group, wait_below, NULL, 0);
                test_until_parked(&group);
                CHECK_EQUAL(pthread_create(&thread, NULL, cancel_scope, &scope), 0);
                CHECK_EQUAL(plait_group_wait(&group), -ECANCELED);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
                pthread_join(thread, NULL);
        }
        CHECK_EQUAL(plait_scope_leave(&scope), -ECANCELED);
}

static int swallow(void *arg)
{
        int *turns = arg;

        while (plait_sleep(PLAIT_FOREVER) < 0 && ++*turns < 1000)
                ;
        return 0;
}

/* A call that fails for a cancel lets the others run. */
TEST(a_loop_that_retries_after_a_cancel_freezes_nobody)
{
        int turns = 0, counted = 0;
        PLAIT_GROUP(group, .name = "stubborn");
        plait_task *task = plait_group_start(&group, swallow, &turns, sizeof turns);

        test_until_parked(&group);
        plait_task_cancel(task);
        plait_group_start(&group, task_count, &counted, sizeof counted);
        while (!counted)
                CHECK_EQUAL(plait_yield(), 0);
        CHECK(turns < 1000);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(cancelled_asks_without_parking)
{
        int counted = 0;
        PLAIT_GROUP(group, .name = "asked");

        plait_group_start(&group, task_count, &counted, sizeof counted);
        for (int i = 0; i < 1000; i++)
                CHECK_EQUAL(plait_cancelled(), 0);
        CHECK_EQUAL(counted, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}
