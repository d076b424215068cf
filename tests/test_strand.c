/* Parking and waking, from the inside. */
#include <pthread.h>

#include "core/strand.h"
#include "tasks.h"

struct sleeper { struct plait__strand *strand; _Atomic int wakes; _Atomic int rounds; };

static struct plait__strand *self(void)
{
        return plait__strand_here(__func__);
}

TEST(a_wake_up_that_came_before_makes_park_return)
{
        struct plait__strand *strand = self();

        plait__unpark(strand);
        plait__park(strand, PLAIT__ON_SLEEP, PLAIT_FOREVER);
        CHECK_EQUAL(strand->permit, 0);
}

TEST(two_wake_ups_are_one_permit)
{
        struct plait__strand *strand = self();
        plait_time end;

        plait__unpark(strand);
        plait__unpark(strand);
        plait__park(strand, PLAIT__ON_SLEEP, PLAIT_FOREVER);
        test_clock_automatic();
        end = plait_now() + PLAIT_S;
        plait__park(strand, PLAIT__ON_SLEEP, end);
        CHECK(plait_now() >= end);
}

TEST(a_park_ends_at_its_moment)
{
        plait_time end;

        test_clock_automatic();
        end = plait_now() + 3600 * PLAIT_S;
        plait__park(self(), PLAIT__ON_SLEEP, end);
        CHECK(plait_now() >= end);
}

static int park_once(void *arg)
{
        struct sleeper *sleeper = arg;

        sleeper->strand = self();
        plait__park(sleeper->strand, PLAIT__ON_SLEEP, PLAIT_FOREVER);
        sleeper->wakes++;
        return 0;
}

TEST_ON_EXECUTORS(a_parked_strand_is_woken_from_another)
{
        struct sleeper sleeper = {0};
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, park_once, &sleeper, sizeof sleeper);
        test_until_parked(&group);
        CHECK_EQUAL(sleeper.wakes, 0);
        plait__unpark(sleeper.strand);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(sleeper.wakes, 1);
}

/* A primitive of the tests' own on park: waits until the number has come. */
static int count_to(void *arg)
{
        struct sleeper *sleeper = arg;

        __atomic_store_n(&sleeper->strand, self(), __ATOMIC_RELEASE);
        while (sleeper->rounds < 20000)
                plait__park(self(), PLAIT__ON_SLEEP, PLAIT_FOREVER);
        return 0;
}

static void *wake_many_times(void *arg)
{
        struct sleeper *sleeper = arg;
        struct plait__strand *strand;

        while (!(strand = __atomic_load_n(&sleeper->strand, __ATOMIC_ACQUIRE)))
                plait__spin_yield();
        for (int i = 0; i < 10000; i++) {
                sleeper->rounds++;
                plait__unpark(strand);
        }
        return NULL;
}

TEST_ON_EXECUTORS(no_wake_up_of_two_threads_is_lost)
{
        static struct sleeper sleeper;
        pthread_t threads[2];

        sleeper.strand = NULL;
        sleeper.rounds = 0;
        for (int i = 0; i < 2; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, wake_many_times, &sleeper), 0);
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, count_to, &sleeper, sizeof sleeper);
                for (int i = 0; i < 2 && !test_on_coroutines(); i++)
                        pthread_join(threads[i], NULL);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                /* the last wake-ups reach a strand that may have ended: records are never anything else */
                for (int i = 0; i < 2 && test_on_coroutines(); i++)
                        pthread_join(threads[i], NULL);
        }
}

/* ---- spurious wake-ups: every wait loops on its own condition */

static plait_lock lock;
static plait_event event;
static plait_queue *queue;

static int wait_on_lock(void *arg)
{
        *(struct plait__strand **)arg = self();
        plait_lock_acquire(&lock);
        plait_lock_release(&lock);
        return 0;
}

static int wait_on_event(void *arg)
{
        *(struct plait__strand **)arg = self();
        return plait_event_wait(&event);
}

static int wait_on_queue(void *arg)
{
        int item, rc;

        *(struct plait__strand **)arg = self();
        rc = plait_queue_get(queue, &item);
        CHECK(rc < 0 || item == 42);
        return rc;
}

static int wait_on_sleep(void *arg)
{
        plait_time end = plait_now() + PLAIT_S;
        int rc;

        *(struct plait__strand **)arg = self();
        rc = plait_sleep(PLAIT_S);
        CHECK(plait_now() >= end);
        return rc;
}

static int wait_on_group(void *arg)
{
        PLAIT_GROUP(inner, .name = "inner");

        *(struct plait__strand **)arg = self();
        plait_group_start(&inner, task_wait_event, &event, 0);
        return plait_group_wait(&inner);
}

TEST_ON_EXECUTORS(a_spurious_wake_up_ends_no_wait)
{
        static plait_fn *const waits[] = {wait_on_lock, wait_on_event, wait_on_queue, wait_on_sleep, wait_on_group};
        struct plait__strand *strands[5] = {0};
        int item = 42;

        test_clock_manual();
        CHECK_EQUAL(plait_queue_new(&queue, sizeof item, 1, PLAIT_FIFO), 0);
        plait_event_clear(&event);
        plait_lock_acquire(&lock);
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 5; i++)
                        plait_group_start(&group, waits[i], &strands[i], sizeof strands[i]);
                for (int round = 0; round < 10; round++) {
                        test_until_parked(&group);
                        for (int i = 0; i < 5; i++)
                                plait__unpark(strands[i]);
                }
                test_until_parked(&group);
                plait_lock_release(&lock);
                plait_event_set(&event);
                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                test_clock_advance(PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queue);
}
