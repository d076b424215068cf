/* Semaphores: so many at a time. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "tasks.h"

/* ---- places */

struct doors { plait_semaphore semaphore; _Atomic int inside, most; int rounds; _Atomic long passed; };

static int pass(void *arg)
{
        struct doors *doors = arg;

        for (int i = 0; i < doors->rounds; i++) {
                int inside;

                CHECK_EQUAL(plait_semaphore_acquire(&doors->semaphore), 0);
                inside = ++doors->inside;
                CHECK(inside <= 3);
                if (inside > doors->most)
                        doors->most = inside;
                plait_ignore(plait_yield());
                doors->inside--;
                doors->passed++;
                plait_semaphore_release(&doors->semaphore, 1);
        }
        return 0;
}

TEST_ON_EXECUTORS(no_more_than_its_value_are_inside)
{
        struct doors doors = {.semaphore = {.value = 3, .bound = 3}, .rounds = 200};
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 8; i++)
                plait_group_start(&group, pass, &doors, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(doors.passed, 8 * 200);
        CHECK(!test_on_coroutines() || doors.most == 3);
        for (int i = 0; i < 3; i++)
                CHECK(plait_semaphore_try(&doors.semaphore));
        CHECK(!plait_semaphore_try(&doors.semaphore));
}

TEST(a_zeroed_one_has_no_place_and_no_bound)
{
        plait_semaphore semaphore = {0};

        CHECK(!plait_semaphore_try(&semaphore));
        plait_semaphore_release(&semaphore, 0);
        CHECK(!plait_semaphore_try(&semaphore));
        plait_semaphore_release(&semaphore, 2);
        plait_semaphore_release(&semaphore, INT_MAX - 2);
        CHECK(plait_semaphore_try(&semaphore));
        CHECK_EQUAL(plait_semaphore_acquire(&semaphore), 0);
        plait_semaphore_release(&semaphore, 2);
}

/* ---- the order */

static plait_semaphore semaphore;
static int order[16];
static _Atomic int order_length;

struct waiter { int number, rc; };
static struct waiter waiters[16];

static int wait_in_line(void *arg)
{
        struct waiter *waiter = arg;

        waiter->rc = plait_semaphore_acquire(&semaphore);
        if (waiter->rc == 0)
                order[order_length++] = waiter->number;
        return 0;
}

static void line_up(plait_group *group, plait_task **tasks, int count)
{
        order_length = 0;
        for (int i = 0; i < count; i++) {
                waiters[i] = (struct waiter){i, 1};
                tasks[i] = plait_group_start(group, wait_in_line, &waiters[i], sizeof waiters[i]);
                test_until_parked(group);
        }
}

TEST_ON_EXECUTORS(a_release_of_n_wakes_the_n_that_have_waited_longest)
{
        plait_task *tasks[6];
        PLAIT_GROUP(group, .executor = test_executor());

        line_up(&group, tasks, 6);
        plait_semaphore_release(&semaphore, 1);
        CHECK(!plait_semaphore_try(&semaphore));        /* handed over: a newcomer does not overtake */
        test_until_parked(&group);
        CHECK(order_length == 1 && order[0] == 0);
        plait_semaphore_release(&semaphore, 3);
        test_until_parked(&group);
        CHECK_EQUAL(order_length, 4);
        for (int i = 1; i < 4; i++)
                CHECK(order[i] >= 1 && order[i] < 4);
        plait_semaphore_release(&semaphore, 4); /* two more than wait */
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(order_length, 6);
        CHECK(plait_semaphore_try(&semaphore) && plait_semaphore_try(&semaphore) && !plait_semaphore_try(&semaphore));
}

/* ---- cut short */

TEST_ON_EXECUTORS(each_waiter_may_be_the_one_that_is_cancelled)
{
        for (int victim = 0; victim < 3; victim++) {
                plait_task *tasks[3];
                PLAIT_GROUP(group, .executor = test_executor());

                line_up(&group, tasks, 3);
                plait_task_cancel(tasks[victim]);
                CHECK_EQUAL(plait_task_wait(tasks[victim], NULL), 0);
                plait_semaphore_release(&semaphore, 2);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                for (int i = 0; i < 3; i++)
                        CHECK_EQUAL(waiters[i].rc, i == victim ? -ECANCELED : 0);
                CHECK(!plait_semaphore_try(&semaphore));
        }
}

TEST_ON_EXECUTORS(when_the_only_waiter_was_cancelled_all_is_as_before)
{
        plait_task *tasks[1];
        PLAIT_GROUP(group, .executor = test_executor());

        line_up(&group, tasks, 1);
        plait_task_cancel(tasks[0]);
        CHECK_EQUAL(plait_task_wait(tasks[0], NULL), 0);
        CHECK_EQUAL(waiters[0].rc, -ECANCELED);
        plait_semaphore_release(&semaphore, 1);
        CHECK(plait_semaphore_try(&semaphore) && !plait_semaphore_try(&semaphore));
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(a_place_given_at_the_same_time_as_a_cancel_is_not_lost)
{
        for (int round = 0; round < 200; round++) {
                plait_task *tasks[1];
                PLAIT_GROUP(group, .executor = test_executor());

                line_up(&group, tasks, 1);
                if (round % 2)
                        plait_task_cancel(tasks[0]);
                plait_semaphore_release(&semaphore, 1);
                plait_task_cancel(tasks[0]);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                if (waiters[0].rc < 0)
                        CHECK(plait_semaphore_try(&semaphore));
                CHECK(!plait_semaphore_try(&semaphore));
        }
}

TEST(an_ended_scope_fails_an_acquire_though_there_is_a_place)
{
        plait_semaphore one = {.value = 1};

        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_semaphore_acquire(&one), -ETIMEDOUT);
        }
        CHECK(plait_semaphore_try(&one));
        CHECK_EQUAL(plait_semaphore_acquire(NULL), -EINVAL);
}

/* ---- mixed strands: coroutines of two threads, and two plain threads; a part of the waits is cut short */

enum { ROUNDS = 3000 };
static struct doors shared;

static int mixed(void *arg)
{
        pass(arg);
        for (int i = 0; i < shared.rounds; i++) {
                PLAIT_WITHIN(i % 7 * PLAIT_US);
                int rc = plait_semaphore_acquire(&shared.semaphore);

                if (rc == 0)
                        plait_semaphore_release(&shared.semaphore, 1);
                else
                        CHECK_EQUAL(rc, -ETIMEDOUT);
        }
        return 0;
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, mixed, arg, 0);
        plait_group_start(&group, mixed, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        mixed(arg);
        return NULL;
}

TEST(mixed_strands_share_one, .seconds = 40)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        pthread_t threads[4];

        shared = (struct doors){.semaphore = {.value = 2, .bound = 2}, .rounds = ROUNDS / (int)test_slower()};
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], &shared), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(shared.passed, 6L * shared.rounds);
        CHECK(plait_semaphore_try(&shared.semaphore) && plait_semaphore_try(&shared.semaphore));
        CHECK(!plait_semaphore_try(&shared.semaphore));
}

/* ---- misuse */

TEST_ABORTS(releasing_beyond_the_bound, "plait_semaphore_release: there would be more than 2 places")
{
        plait_semaphore two = {.value = 1, .bound = 2};

        plait_semaphore_release(&two, 1);
        plait_semaphore_release(&two, 1);
}

TEST_ABORTS(releasing_beyond_the_bound_while_others_wait, "plait_semaphore_release: there would be more than 1 places")
{
        plait_task *tasks[2];
        PLAIT_GROUP(group, .name = "waiters");

        semaphore.bound = 1;
        line_up(&group, tasks, 2);
        plait_semaphore_release(&semaphore, 2);
}

TEST_ABORTS(releasing_more_than_can_be_counted, "plait_semaphore_release: there would be more than 2147483647 places")
{
        plait_semaphore full = {.value = INT_MAX};

        plait_semaphore_release(&full, 1);
}
