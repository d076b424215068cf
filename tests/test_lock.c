/* Locks: one strand at a time, in the order they asked. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tasks.h"

static plait_lock lock;
static long counter;

static int count_under_lock(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++) {
                plait_lock_acquire(&lock);
                counter++;
                if (i % 16 == 0)
                        plait_ignore(plait_yield());    /* held across a wait */
                plait_lock_release(&lock);
        }
        return 0;
}

TEST_ON_EXECUTORS(a_lock_excludes)
{
        int rounds = 500;
        PLAIT_GROUP(group, .executor = test_executor());

        counter = 0;
        for (int i = 0; i < 8; i++)
                plait_group_start(&group, count_under_lock, &rounds, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(counter, 8 * 500);
}

static int order[16];
static int order_length;

static int queue_up(void *arg)
{
        plait_lock_acquire(&lock);
        order[order_length++] = *(int *)arg;
        plait_lock_release(&lock);
        return 0;
}

TEST_ON_EXECUTORS(strands_get_it_in_the_order_they_asked)
{
        int numbers[8];

        plait_lock_acquire(&lock);
        order_length = 0;
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 8; i++) {
                        numbers[i] = i;
                        plait_group_start(&group, queue_up, &numbers[i], sizeof numbers[i]);
                        test_until_parked(&group);
                }
                plait_lock_release(&lock);
                CHECK(!plait_lock_try(&lock));  /* handed over: a newcomer does not overtake */
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 8; i++)
                CHECK_EQUAL(order[i], i);
        CHECK(plait_lock_try(&lock));
        plait_lock_release(&lock);
}

TEST(try_never_waits)
{
        CHECK(plait_lock_try(&lock));
        CHECK(!plait_lock_try(&lock));
        plait_lock_release(&lock);
}

static int acquire_or_cancel(void *arg)
{
        int rc = plait_lock_acquire_or_cancel(&lock);

        *(int *)arg = rc;
        if (rc == 0)
                plait_lock_release(&lock);
        return 0;
}

TEST_ON_EXECUTORS(a_cancelled_waiter_passes_its_turn_on)
{
        int results[3] = {1, 1, 1};
        plait_task *tasks[3];

        plait_lock_acquire(&lock);
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 3; i++) {
                        tasks[i] = plait_group_start(&group, acquire_or_cancel, &results[i], sizeof results[i]);
                        test_until_parked(&group);
                }
                plait_task_cancel(tasks[0]);
                CHECK_EQUAL(plait_task_wait(tasks[0], NULL), 0);
                plait_lock_release(&lock);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(results[0] == -ECANCELED && results[1] == 0 && results[2] == 0);
}

TEST_ON_EXECUTORS(a_lock_handed_over_at_the_same_time_as_a_cancel_is_not_lost)
{
        for (int round = 0; round < 200; round++) {
                int result = 1;
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task;

                plait_lock_acquire(&lock);
                task = plait_group_start(&group, acquire_or_cancel, &result, sizeof result);
                test_until_parked(&group);
                plait_lock_release(&lock);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK(plait_lock_try(&lock));
                plait_lock_release(&lock);
        }
}

static int acquire_though_cancelled(void *arg)
{
        plait_lock_acquire(&lock);
        *(int *)arg = plait_cancelled();
        plait_lock_release(&lock);
        return 0;
}

TEST_ON_EXECUTORS(an_acquire_is_not_cancelled)
{
        int state = 0;

        plait_lock_acquire(&lock);
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, acquire_though_cancelled, &state, sizeof state);

                test_until_parked(&group);
                plait_task_cancel(task);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
                plait_lock_release(&lock);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(state, -ECANCELED);
}

TEST(acquire_or_cancel_is_a_checkpoint_even_when_the_lock_is_free)
{
        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_lock_acquire_or_cancel(&lock), -ETIMEDOUT);
        CHECK(plait_lock_try(&lock));
        plait_lock_release(&lock);
}

/* ---- mixed strands: coroutines of two threads, and two plain threads, on one lock and one queue */

enum { ROUNDS = 2000 };
static plait_queue *queue;
static long put, got, sum_put, sum_got;

static int put_and_get(void *arg)
{
        for (int i = 0; i < ROUNDS / (int)test_slower(); i++) {
                int item = i * 2 + 1;

                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                plait_lock_acquire(&lock);
                put++;
                sum_put += item;
                plait_lock_release(&lock);
                CHECK_EQUAL(plait_queue_get(queue, &item), 0);
                plait_lock_acquire(&lock);
                got++;
                sum_got += item;
                plait_lock_release(&lock);
        }
        return arg ? 0 : 0;
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, put_and_get, arg, 0);
        plait_group_start(&group, put_and_get, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        put_and_get(arg);
        return NULL;
}

TEST(mixed_strands_share_one_lock_and_one_queue, .seconds = 40)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        pthread_t threads[4];
        int strands = 6 * (ROUNDS / (int)test_slower());

        put = got = sum_put = sum_got = 0;
        CHECK_EQUAL(plait_queue_new(&queue, sizeof(int), 3, PLAIT_FIFO), 0);
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], NULL), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(put, strands);
        CHECK_EQUAL(got, strands);
        CHECK_EQUAL(sum_got, sum_put);
        CHECK_EQUAL(plait_queue_size(queue), 0);
        plait_queue_free(queue);
}

struct taker { plait_lock *lock; int rc; bool insists; };

static int take_it(void *arg)
{
        struct taker *taker = arg;

        if (taker->insists)
                plait_lock_acquire(taker->lock);
        else
                taker->rc = plait_lock_acquire_or_cancel(taker->lock);
        if (taker->rc == 0)
                plait_lock_release(taker->lock);
        return taker->rc;
}

/* Of two that were cancelled while they waited, the one that may fail is passed over; the other gets it all the same. */
TEST_ON_EXECUTORS(a_release_passes_over_who_was_cancelled)
{
        plait_lock mine = {0};
        struct taker takers[2] = {{&mine, 0, false}, {&mine, 0, true}};
        plait_task *tasks[2];
        PLAIT_GROUP(group, .executor = test_executor());

        plait_lock_acquire(&mine);
        for (int i = 0; i < 2; i++) {
                tasks[i] = plait_group_start(&group, take_it, &takers[i], sizeof takers[i]);
                test_until_task_parked(tasks[i]);
        }
        plait_task_cancel(tasks[0]);
        plait_task_cancel(tasks[1]);
        plait_lock_release(&mine);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(takers[0].rc, -ECANCELED);
        CHECK_EQUAL(takers[1].rc, 0);
        CHECK(plait_lock_try(&mine));
        plait_lock_release(&mine);
}
