/* Conditions: waiting, under a lock, until what it guards has changed. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

static plait_lock lock, other_lock;
static plait_condition condition;

/* ---- notify */

static int order[16];
static int order_length;
static _Atomic int waiting;

struct waiter { int number, rc; };

static int wait_once(void *arg)
{
        struct waiter *waiter = arg;

        plait_lock_acquire(&lock);
        waiting++;
        waiter->rc = plait_condition_wait(&condition, &lock);
        waiting--;
        order[order_length++] = waiter->number; /* under the lock: every return has it */
        plait_lock_release(&lock);
        return 0;
}

static struct waiter waiters[16];

static void start_waiters(plait_group *group, plait_task **tasks, int count)
{
        order_length = 0;
        for (int i = 0; i < count; i++) {
                waiters[i] = (struct waiter){i, 1};
                tasks[i] = plait_group_start(group, wait_once, &waiters[i], sizeof waiters[i]);
                test_until_parked(group);
        }
}

TEST_ON_EXECUTORS(a_notify_of_n_wakes_the_n_that_have_waited_longest)
{
        plait_task *tasks[6];
        PLAIT_GROUP(group, .executor = test_executor());

        start_waiters(&group, tasks, 6);
        CHECK_EQUAL(waiting, 6);
        plait_condition_notify(&condition, 0);
        test_until_parked(&group);
        CHECK_EQUAL(waiting, 6);
        plait_lock_acquire(&lock);
        plait_condition_notify(&condition, 2);
        CHECK_EQUAL(waiting, 6);                /* they get the lock when it is released */
        plait_lock_release(&lock);
        test_until_parked(&group);
        CHECK_EQUAL(waiting, 4);
        plait_condition_notify(&condition, 1);  /* without the lock: it is free, and theirs at once */
        test_until_parked(&group);
        CHECK_EQUAL(waiting, 3);
        plait_lock_acquire(&lock);
        plait_condition_notify_all(&condition);
        plait_condition_notify_all(&condition);
        plait_condition_notify(&condition, 5);
        plait_lock_release(&lock);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 6; i++) {
                CHECK_EQUAL(order[i], i);
                CHECK_EQUAL(waiters[i].rc, 0);
        }
}

TEST_ON_EXECUTORS(a_notify_that_nobody_waits_for_is_not_kept)
{
        plait_task *tasks[1];
        PLAIT_GROUP(group, .executor = test_executor());

        plait_condition_notify(&condition, 3);
        plait_condition_notify_all(&condition);
        start_waiters(&group, tasks, 1);
        CHECK_EQUAL(waiting, 1);
        plait_condition_notify(&condition, 1);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(one_lock_serves_several_conditions_and_one_condition_several_locks_in_turn)
{
        plait_condition mine = {{0}};
        PLAIT_LOCKED(&lock);
        PLAIT_LOCKED(&other_lock);

        for (int i = 0; i < 2; i++) {
                PLAIT_WITHIN(PLAIT_US);
                CHECK_EQUAL(plait_condition_wait(&mine, i ? &lock : &other_lock), -ETIMEDOUT);
        }
        CHECK(!plait_lock_try(&lock) && !plait_lock_try(&other_lock));
}

/* ---- cut short: the lock is held again */

TEST_ON_EXECUTORS(a_waiter_that_is_cut_short_has_the_lock_again)
{
        for (int victim = 0; victim < 3; victim++) {
                plait_task *tasks[3];
                PLAIT_GROUP(group, .executor = test_executor());

                start_waiters(&group, tasks, 3);
                plait_lock_acquire(&lock);
                plait_task_cancel(tasks[victim]);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(tasks[victim]), -EINPROGRESS);    /* it waits for the lock, however long */
                plait_lock_release(&lock);
                CHECK_EQUAL(plait_task_wait(tasks[victim], NULL), 0);
                CHECK_EQUAL(waiters[victim].rc, -ECANCELED);
                plait_condition_notify(&condition, 2);  /* the cancelled one uses up none */
                CHECK_EQUAL(plait_group_wait(&group), 0);
                for (int i = 0; i < 3; i++)
                        CHECK_EQUAL(waiters[i].rc, i == victim ? -ECANCELED : 0);
        }
}

TEST_ON_EXECUTORS(a_notify_before_a_cancel_counts_though_the_lock_is_still_out)
{
        plait_task *tasks[2];
        PLAIT_GROUP(group, .executor = test_executor());

        start_waiters(&group, tasks, 2);
        plait_lock_acquire(&lock);
        plait_condition_notify(&condition, 1);
        plait_task_cancel(tasks[0]);
        test_until_parked(&group);
        plait_lock_release(&lock);
        CHECK_EQUAL(plait_task_wait(tasks[0], NULL), 0);
        CHECK_EQUAL(waiters[0].rc, 0);
        test_until_parked(&group);
        CHECK_EQUAL(waiting, 1);
        plait_task_cancel(tasks[1]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(waiters[1].rc, -ECANCELED);
}

/* Of two waiters one is cancelled while one notify comes: whichever of them it reaches, it reaches one. */
TEST_ON_EXECUTORS(a_notify_at_the_same_time_as_a_cancel_is_not_lost)
{
        for (int round = 0; round < 200; round++) {
                plait_task *tasks[2];
                PLAIT_GROUP(group, .executor = test_executor());

                start_waiters(&group, tasks, 2);
                if (round % 2) {
                        plait_task_cancel(tasks[0]);
                        plait_condition_notify(&condition, 1);
                } else {
                        plait_condition_notify(&condition, 1);
                        plait_task_cancel(tasks[0]);
                }
                CHECK_EQUAL(plait_task_wait(tasks[0], NULL), 0);
                if (waiters[0].rc == 0)
                        plait_task_cancel(tasks[1]);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(waiters[1].rc, waiters[0].rc == 0 ? -ECANCELED : 0);
        }
}

static int other_counts(void *arg)
{
        plait_lock_acquire(&lock);
        ++*(int *)arg;
        plait_lock_release(&lock);
        return 0;
}

/* A loop that retries in spite of its cancel does not keep the lock from others. */
TEST_ON_EXECUTORS(a_wait_that_fails_on_entry_lets_others_have_the_lock)
{
        int count = 0;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_lock_acquire(&lock);
        plait_group_start(&group, other_counts, &count, 0);
        test_until_parked(&group);
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_condition_wait(&condition, &lock), -ETIMEDOUT);
        }
        CHECK_EQUAL(count, 1);
        CHECK(!plait_lock_try(&lock));
        plait_lock_release(&lock);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_null_pointer_is_refused)
{
        CHECK_EQUAL(plait_condition_wait(NULL, &lock), -EINVAL);
        CHECK_EQUAL(plait_condition_wait(&condition, NULL), -EINVAL);
        CHECK_EQUAL(plait_condition_wait_for(&condition, &lock, NULL, NULL), -EINVAL);
}

/* ---- with a predicate */

struct level { int wanted, asked, rc; };
static int level;

static bool level_reached(void *arg)
{
        struct level *mine = arg;

        mine->asked++;
        CHECK(!plait_lock_try(&lock));
        return level >= mine->wanted;
}

static int wait_for_level(void *arg)
{
        struct level *mine = arg;
        PLAIT_LOCKED(&lock);

        mine->rc = plait_condition_wait_for(&condition, &lock, level_reached, mine);
        return 0;
}

static void raise_level(int to)
{
        PLAIT_LOCKED(&lock);

        level = to;
        plait_condition_notify_all(&condition);
}

TEST_ON_EXECUTORS(waiting_for_a_predicate_looks_after_each_notify)
{
        struct level levels[3] = {{.wanted = 1, .rc = 1}, {.wanted = 2, .rc = 1}, {.wanted = 9, .rc = 1}};
        plait_task *last;
        PLAIT_GROUP(group, .executor = test_executor());

        level = 0;
        plait_group_start(&group, wait_for_level, &levels[0], 0);
        plait_group_start(&group, wait_for_level, &levels[1], 0);
        last = plait_group_start(&group, wait_for_level, &levels[2], 0);
        for (int i = 0; i <= 2; i++) {
                raise_level(i);
                test_until_parked(&group);
        }
        plait_task_cancel(last);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(levels[0].rc == 0 && levels[1].rc == 0 && levels[2].rc == -ECANCELED);
        CHECK(levels[2].asked >= 3);
}

static bool true_the_second_time(void *arg)
{
        return ++*(int *)arg == 2;
}

TEST(what_is_true_when_the_time_is_over_is_a_success)
{
        int asked = 0;
        PLAIT_LOCKED(&lock);
        PLAIT_WITHIN(PLAIT_MS);

        CHECK_EQUAL(plait_condition_wait_for(&condition, &lock, true_the_second_time, &asked), 0);
        CHECK_EQUAL(asked, 2);
        CHECK_EQUAL(plait_condition_wait_for(&condition, &lock, true_the_second_time, &asked), -ETIMEDOUT);
        CHECK_EQUAL(asked, 2);                  /* on entry it does not ask */
}

/* ---- mixed strands: a store of goods, filled and emptied by coroutines of two threads and two plain threads */

enum { ROUNDS = 2000, ROOM = 3 };
static plait_condition filled, emptied;
static long goods, in, out;

static void fill(void)
{
        PLAIT_LOCKED(&lock);

        while (goods == ROOM)
                CHECK_EQUAL(plait_condition_wait(&emptied, &lock), 0);
        goods++;
        in++;
        plait_condition_notify(&filled, 1);
}

static void empty(bool impatient)
{
        bool done = false;

        while (!done) {
                PLAIT_LOCKED(&lock);
                PLAIT_WITHIN(impatient ? PLAIT_US : PLAIT_FOREVER);

                while (goods == 0 && plait_condition_wait(&filled, &lock) == 0)
                        ;
                if (goods == 0)
                        continue;               /* out of time: comes again */
                goods--;
                out++;
                plait_condition_notify(&emptied, 1);
                done = true;
        }
}

static int fill_and_empty(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++) {
                fill();
                empty(i % 3 == 0);
        }
        return 0;
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, fill_and_empty, arg, 0);
        plait_group_start(&group, fill_and_empty, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        fill_and_empty(arg);
        return NULL;
}

TEST(mixed_strands_share_one_lock_and_two_conditions, .seconds = 40)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        int rounds = ROUNDS / (int)test_slower();
        pthread_t threads[4];

        goods = in = out = 0;
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], &rounds), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(in, 6L * rounds);
        CHECK_EQUAL(out, in);
        CHECK_EQUAL(goods, 0);
}

/* ---- misuse */

TEST_ABORTS(waiting_without_the_lock, "plait_condition_wait: this strand does not hold the lock")
{
        plait_ignore(plait_condition_wait(&condition, &lock));
}

static int wait_for_nine(void *arg)
{
        (void)arg;
        return plait_condition_wait_for(&condition, &lock, level_reached, &(struct level){.wanted = 9});
}

TEST_ABORTS(waiting_for_a_predicate_with_a_lock_of_anothers, "plait_condition_wait_for: this strand does not hold the lock")
{
        plait_lock_acquire(&lock);
        plait_ignore(plait_call(plait_threads(), wait_for_nine, NULL, 0));
}

TEST_ABORTS(waiting_with_two_locks_at_once, "plait_condition_wait: others wait on the condition with another lock")
{
        plait_task *tasks[1];
        PLAIT_GROUP(group, .name = "two locks");

        start_waiters(&group, tasks, 1);
        plait_lock_acquire(&other_lock);
        plait_ignore(plait_condition_wait(&condition, &other_lock));
}
