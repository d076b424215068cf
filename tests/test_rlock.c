/* Recursive locks: one strand at a time, which may acquire again what it holds. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

static plait_rlock rlock;
static long counter;

static void add_nested(int depth)
{
        plait_rlock_acquire(&rlock);
        if (depth > 0)
                add_nested(depth - 1);
        else
                counter++;
        if (depth == 1)
                plait_ignore(plait_yield());    /* held across a wait, half way up */
        plait_rlock_release(&rlock);
}

static int count_nested(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++)
                add_nested(i % 4);
        return 0;
}

TEST_ON_EXECUTORS(a_recursive_lock_excludes_at_every_depth)
{
        int rounds = 400;
        PLAIT_GROUP(group, .executor = test_executor());

        counter = 0;
        for (int i = 0; i < 8; i++)
                plait_group_start(&group, count_nested, &rounds, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(counter, 8 * 400);
}

static int try_it(void *arg)
{
        bool got = plait_rlock_try(&rlock);

        *(bool *)arg = got;
        if (got)
                plait_rlock_release(&rlock);
        return 0;
}

static bool others_can_have_it(void)
{
        bool got = false;

        CHECK_EQUAL(plait_call(test_executor(), try_it, &got, sizeof got), 0);
        return got;
}

TEST_ON_EXECUTORS(others_get_it_after_as_many_releases_as_acquires)
{
        plait_rlock_acquire(&rlock);
        CHECK(plait_rlock_try(&rlock));
        CHECK_EQUAL(plait_rlock_acquire_or_cancel(&rlock), 0);
        for (int i = 0; i < 3; i++) {
                CHECK(!others_can_have_it());
                plait_rlock_release(&rlock);
        }
        CHECK(others_can_have_it());
}

static int order[8];
static int order_length;

static int queue_up(void *arg)
{
        plait_rlock_acquire(&rlock);
        plait_rlock_acquire(&rlock);
        order[order_length++] = *(int *)arg;
        plait_rlock_release(&rlock);
        plait_rlock_release(&rlock);
        return 0;
}

TEST_ON_EXECUTORS(strands_get_it_in_the_order_they_asked)
{
        int numbers[8];

        order_length = 0;
        plait_rlock_acquire(&rlock);
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 8; i++) {
                        numbers[i] = i;
                        plait_group_start(&group, queue_up, &numbers[i], sizeof numbers[i]);
                        test_until_parked(&group);
                }
                CHECK(plait_rlock_try(&rlock)); /* its holder does not wait behind them */
                plait_rlock_release(&rlock);
                plait_rlock_release(&rlock);
                CHECK(!plait_rlock_try(&rlock));
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 8; i++)
                CHECK_EQUAL(order[i], i);
}

static int acquire_or_cancel(void *arg)
{
        int rc = plait_rlock_acquire_or_cancel(&rlock);

        *(int *)arg = rc;
        if (rc == 0)
                plait_rlock_release(&rlock);
        return 0;
}

TEST_ON_EXECUTORS(a_cancelled_waiter_passes_its_turn_on)
{
        int results[2] = {1, 1};

        plait_rlock_acquire(&rlock);
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *first = plait_group_start(&group, acquire_or_cancel, &results[0], sizeof results[0]);

                test_until_parked(&group);
                plait_group_start(&group, acquire_or_cancel, &results[1], sizeof results[1]);
                test_until_parked(&group);
                plait_task_cancel(first);
                CHECK_EQUAL(plait_task_wait(first, NULL), 0);
                plait_rlock_release(&rlock);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(results[0] == -ECANCELED && results[1] == 0);
}

TEST(an_ended_scope_fails_an_acquire_that_would_only_count)
{
        plait_rlock_acquire(&rlock);
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_rlock_acquire_or_cancel(&rlock), -ETIMEDOUT);
        }
        plait_rlock_release(&rlock);
        CHECK(plait_rlock_try(&rlock));
        plait_rlock_release(&rlock);
        CHECK_EQUAL(plait_rlock_acquire_or_cancel(NULL), -EINVAL);
}

/* ---- mixed strands: coroutines of two threads, and two plain threads */

enum { ROUNDS = 2000 };

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, count_nested, arg, 0);
        plait_group_start(&group, count_nested, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        count_nested(arg);
        return NULL;
}

TEST(mixed_strands_share_one, .seconds = 40)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        int rounds = ROUNDS / (int)test_slower();
        pthread_t threads[4];

        counter = 0;
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], &rounds), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(counter, 6L * rounds);
}

/* ---- misuse */

TEST_ABORTS(releasing_one_that_is_not_held, "plait_rlock_release: this strand does not hold the lock")
{
        plait_rlock_release(&rlock);
}

TEST_ABORTS(releasing_it_once_too_often, "plait_rlock_release: ")
{
        plait_rlock_acquire(&rlock);
        plait_rlock_acquire(&rlock);
        for (int i = 0; i < 3; i++)
                plait_rlock_release(&rlock);
}

static int release_it(void *arg)
{
        (void)arg;
        plait_rlock_release(&rlock);
        return 0;
}

TEST_ABORTS(releasing_anothers, "plait_rlock_release: this strand does not hold the lock")
{
        plait_rlock_acquire(&rlock);
        plait_ignore(plait_call(NULL, release_it, NULL, 0));
}
