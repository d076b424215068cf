/* The clock, sleeping, and giving way. */
#include <errno.h>
#include <time.h>

#include "core/loop.h"
#include "tasks.h"

TEST(now_is_the_monotonic_clock)
{
        struct timespec before, after;
        plait_time now;

        clock_gettime(CLOCK_MONOTONIC, &before);
        now = plait_now();
        clock_gettime(CLOCK_MONOTONIC, &after);
        CHECK(before.tv_sec * PLAIT_S + before.tv_nsec <= now && now <= after.tv_sec * PLAIT_S + after.tv_nsec);
}

TEST(units_multiply)
{
        CHECK(PLAIT_US == 1000 && PLAIT_MS == 1000000 && PLAIT_S == 1000000000);
}

struct nap { plait_time span; plait_time from; plait_time to; int order; };
static int woken;

static int nap(void *arg)
{
        struct nap *nap = arg;
        int rc;

        nap->from = plait_now();
        rc = plait_sleep(nap->span);
        nap->to = plait_now();
        nap->order = __atomic_fetch_add(&woken, 1, __ATOMIC_RELAXED);
        return rc;
}

/* Real time: that the machine's own clock is used, and nobody wakes early by it. */
TEST_ON_ALL_EXECUTORS(a_sleep_in_real_time_is_never_short)
{
        struct nap naps[] = {{.span = 1}, {.span = 100 * PLAIT_US}, {.span = 3 * PLAIT_MS}, {.span = 1500 * PLAIT_US}};
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 4; i++)
                plait_group_start(&group, nap, &naps[i], sizeof naps[i]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 4; i++)
                CHECK(naps[i].to - naps[i].from >= naps[i].span);
}

TEST(sleepers_wake_in_the_order_of_their_moments)
{
        static const plait_time spans[] = {3600 * PLAIT_S, 5, PLAIT_S, 5, 2 * PLAIT_MS, PLAIT_S, 86400 * 60 * PLAIT_S};
        static const int orders[] = {5, 0, 3, 1, 2, 4, 6};      /* of equals, who slept first */
        struct nap naps[7] = {{0}};

        test_clock_automatic();
        woken = 0;
        {
                PLAIT_GROUP(group, .name = "naps");

                for (int i = 0; i < 7; i++) {
                        naps[i].span = spans[i];
                        plait_group_start(&group, nap, &naps[i], sizeof naps[i]);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 7; i++) {
                CHECK_EQUAL(naps[i].order, orders[i]);
                CHECK_EQUAL(naps[i].to - naps[i].from, naps[i].span);
        }
}

TEST_ON_EXECUTORS(a_sleeper_wakes_when_the_clock_gets_there)
{
        struct nap late = {.span = 3600 * PLAIT_S};

        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, nap, &late, sizeof late);

                test_until_parked(&group);
                test_clock_advance(late.span - 1);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
                test_clock_advance(1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(late.to - late.from, late.span);
        }
}

TEST(a_sleep_until_a_moment_ends_then)
{
        plait_time moment;

        test_clock_automatic();
        moment = plait_now() + 10 * PLAIT_S;
        CHECK_EQUAL(plait_sleep_until(moment), 0);
        CHECK_EQUAL(plait_now(), moment);
}

static int note_turn(void *arg)
{
        *(int *)arg = 1;
        return 0;
}

/* Each of them lets the others run once, and does not wait. */
TEST(a_sleep_of_nothing_is_a_yield)
{
        for (int way = 0; way < 4; way++) {
                int turn = 0;
                PLAIT_GROUP(group, .name = "turn");

                plait_group_start(&group, note_turn, &turn, sizeof turn);
                CHECK_EQUAL(turn, 0);
                CHECK_EQUAL(way == 0   ? plait_sleep(0)
                            : way == 1 ? plait_sleep(-PLAIT_S)
                            : way == 2 ? plait_sleep_until(plait_now())
                                       : plait_yield(), 0);
                CHECK_EQUAL(turn, 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
}

static char said[64];
static size_t said_length;

static int say_three_times(void *arg)
{
        for (int i = 0; i < 3; i++) {
                said[said_length++] = *(char *)arg;
                plait_ignore(plait_yield());
        }
        return 0;
}

TEST(yield_gives_everybody_a_turn)
{
        char letters[] = "abc";
        PLAIT_GROUP(group, .name = "choir");

        said_length = 0;
        for (int i = 0; i < 3; i++)
                plait_group_start(&group, say_three_times, &letters[i], 1);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(said_length == 9 && !__builtin_memcmp(said, "abcabcabc", 9));
}

TEST(a_yield_alone_returns)
{
        CHECK_EQUAL(plait_yield(), 0);
}

TEST_ON_EXECUTORS(a_sleep_for_ever_ends_by_cancel_or_deadline_only)
{
        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor(), .keep_going = true);
                plait_task_options options = {.within = PLAIT_S};
                plait_task *alone = plait_group_start(&group, task_wait, NULL, 0);
                plait_task *timed = plait_group_start_with(&group, &options, task_wait, NULL, 0);

                test_until_parked(&group);
                test_clock_advance((plait_time)86400 * 3650 * PLAIT_S);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(alone), -EINPROGRESS);
                CHECK_EQUAL(plait_task_result(timed), -ETIMEDOUT);
                plait_task_cancel(alone);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        }
}

/* Two sleeps of which one has the deadline for its moment: what completed is a success. */
TEST(a_sleep_that_ends_at_its_deadline_has_slept)
{
        test_clock_automatic();
        PLAIT_WITHIN(PLAIT_S);
        CHECK_EQUAL(plait_sleep(PLAIT_S), 0);
        CHECK_EQUAL(plait_sleep(1), -ETIMEDOUT);
}

TEST(time_is_asked_of_this_loops_clock)
{
        plait_time before;

        test_clock_manual();
        before = plait_now();
        test_clock_advance(77);
        CHECK_EQUAL(plait_now() - before, 77);
}

TEST(random_numbers_do_not_touch_the_timers)
{
        struct plait__loop *loop = plait__loop_get(__func__);
        struct nap one = {.span = 20 * PLAIT_S};

        test_clock_automatic();
        PLAIT_GROUP(group, .name = "random");
        plait_group_start(&group, nap, &one, sizeof one);
        test_until_parked(&group);
        CHECK(loop->seams.random(loop) != loop->seams.random(loop));
        CHECK_EQUAL(loop->timers.count, 1);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}
