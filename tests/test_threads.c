/* Pools of threads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "fault.h"
#include "tasks.h"

static unsigned threads_now(void)
{
        DIR *directory = opendir("/proc/self/task");
        unsigned count = 0;

        while (readdir(directory))
                count++;
        closedir(directory);
        return count - 2;
}

static plait_executor *open_pool(unsigned workers, unsigned threads_max)
{
        plait_executor *pool = NULL;
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = workers, .threads_max = threads_max, .name = "pool"};

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        return pool;
}

struct crowd { _Atomic int now, most; plait_event go; };

static int park_in_crowd(void *arg)
{
        struct crowd *crowd = arg;
        int rc;

        crowd->now++;
        rc = plait_event_wait(&crowd->go);
        crowd->now--;
        return rc;
}

TEST(tasks_that_park_make_room_for_others)
{
        plait_executor *pool = open_pool(2, 0);
        struct crowd crowd = {0};

        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 40; i++)
                        plait_group_start(&group, park_in_crowd, &crowd, 0);
                test_until_parked(&group);
                CHECK_EQUAL(crowd.now, 40);
                plait_event_set(&crowd.go);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

TEST(a_pool_grows_to_threads_max_and_no_further)
{
        unsigned before = threads_now();
        plait_executor *pool = open_pool(2, 5);
        struct crowd crowd = {0};

        {
                PLAIT_GROUP(group, .executor = pool, .limit = 1000);
                PLAIT_GROUP(all, .executor = pool);

                for (int i = 0; i < 20; i++)
                        plait_group_start(&group, park_in_crowd, &crowd, 0);
                while (crowd.now < 5)
                        CHECK_EQUAL(plait_yield(), 0);
                CHECK_EQUAL(crowd.now, 5);
                CHECK(threads_now() - before <= 5);
                plait_event_set(&crowd.go);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
        while (threads_now() > before)
                sched_yield();
}

static int compute(void *arg)
{
        struct crowd *crowd = arg;
        int now = ++crowd->now, most = crowd->most;

        while (now > most && !__atomic_compare_exchange_n((int *)&crowd->most, &most, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                ;
        for (volatile int i = 0; i < 20000; i++)
                ;
        crowd->now--;
        return 0;
}

TEST(workers_bound_how_many_compute)
{
        for (unsigned workers = 1; workers < 4; workers++) {
                plait_executor *pool = open_pool(workers, 0);
                struct crowd crowd = {0};

                {
                        PLAIT_GROUP(group, .executor = pool);

                        for (int i = 0; i < 100; i++)
                                plait_group_start(&group, compute, &crowd, 0);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK(crowd.most <= (int)workers);
                CHECK_EQUAL(plait_executor_close(pool), 0);
        }
}

struct nest { plait_executor *pool; int depth; _Atomic int *leaves; };

static int nest(void *arg)
{
        struct nest *here = arg, below = {here->pool, here->depth - 1, here->leaves};
        PLAIT_GROUP(group, .executor = here->pool);

        if (here->depth == 0)
                ++*here->leaves;
        for (int i = 0; i < 3 && here->depth; i++)
                plait_group_start(&group, nest, &below, 0);
        return plait_group_wait(&group);
}

TEST(a_saturated_pool_does_not_deadlock_on_nested_groups, .seconds = 40)
{
        for (unsigned max = 1; max < 5; max++) {
                plait_executor *pool = open_pool(1, max);
                _Atomic int leaves = 0;
                struct nest top = {pool, 5, &leaves};

                CHECK_EQUAL(plait_call(pool, nest, &top, sizeof top), 0);
                CHECK_EQUAL(leaves, 243);
                CHECK_EQUAL(plait_executor_close(pool), 0);
        }
}

TEST(a_pool_that_gets_no_more_threads_does_not_deadlock_on_nested_groups, .seconds = 40)
{
        FAULT_EACH_FROM(FAULT_thread_start, 0) {
                plait_executor *pool = open_pool(2, 0);
                _Atomic int leaves = 0;
                struct nest top = {pool, 2, &leaves};
                int rc;

                test_note("thread_start failing");
                rc = plait_call(pool, nest, &top, sizeof top);
                CHECK(rc == 0 ? leaves == 9 : rc == -EAGAIN);
                CHECK_EQUAL(plait_executor_close(pool), 0);
                if (fault_count() > 30)
                        fault_off();
        }
}

static int depend(void *arg)
{
        plait_event *events = arg;

        CHECK_EQUAL(plait_event_wait(&events[0]), 0);
        return 0;
}

static int let_go(void *arg)
{
        plait_event *events = arg;

        plait_event_set(&events[0]);
        return 0;
}

/* A thread that could not be had is asked for again while there is work. Real time: it is tried again by the clock. */
TEST(a_refused_thread_is_asked_for_again_in_real_time)
{
        plait_executor *pool = open_pool(1, 0);
        plait_event events[1] = {{{0}}};

        {
                PLAIT_GROUP(group, .executor = pool);

                fault_fail_nth(FAULT_thread_start, 2, EAGAIN);
                plait_group_start(&group, depend, events, 0);
                plait_group_start(&group, let_go, events, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                fault_off();
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

TEST(a_pool_without_any_thread_fails_its_tasks)
{
        plait_executor *pool = open_pool(1, 0);
        plait_task *task;

        {
                PLAIT_GROUP(group, .executor = pool);

                fault_fail_from(FAULT_thread_start, 1, EAGAIN);
                task = plait_group_start(&group, task_never, NULL, 0);
                CHECK(task);
                CHECK_EQUAL(plait_task_result(task), -EAGAIN);
                fault_off();
                CHECK_EQUAL(plait_group_wait(&group), -EAGAIN);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

static int tell_signals(void *arg)
{
        sigset_t set;

        pthread_sigmask(SIG_BLOCK, NULL, &set);
        *(int *)arg = sigismember(&set, SIGINT) && sigismember(&set, SIGTERM) && sigismember(&set, SIGUSR1) && sigismember(&set, SIGCHLD);
        return 0;
}

TEST_ON_EXECUTORS(our_threads_block_all_signals)
{
        int blocked = 0;

        CHECK_EQUAL(plait_call(test_executor(), tell_signals, &blocked, sizeof blocked), 0);
        CHECK(blocked || test_on_coroutines());
}

TEST(idle_threads_beyond_the_workers_end)
{
        plait_executor *pool;
        struct crowd crowd = {0};
        unsigned before = threads_now();

        test_clock_manual();
        pool = open_pool(1, 0);
        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 6; i++)
                        plait_group_start(&group, park_in_crowd, &crowd, 0);
                test_until_parked(&group);
                CHECK(threads_now() - before >= 6);
                plait_event_set(&crowd.go);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        while (threads_now() - before > 1) {
                test_clock_advance(3600 * PLAIT_S);
                sched_yield();
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

static _Atomic int sleeps_without_end;
static void (*clock_poll)(struct plait__loop *loop, plait_time until);

static void note_poll(struct plait__loop *loop, plait_time until)
{
        if (until == PLAIT_FOREVER)
                sleeps_without_end++;
        clock_poll(loop, until);
}

/* The moment at which it could have ended must not stay the moment at which it wakes. */
TEST(an_idle_thread_that_stays_sleeps_without_end)
{
        plait_executor *pool;

        test_clock_manual();
        clock_poll = plait__seams.poll;
        plait__seams.poll = note_poll;
        sleeps_without_end = 0;
        pool = open_pool(1, 0);
        CHECK_EQUAL(plait_call(pool, task_return, (int[]){0}, sizeof(int)), 0);
        while (!sleeps_without_end) {
                test_clock_advance(3600 * PLAIT_S);
                sched_yield();
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

/* ---- initializers */

static __thread int prepared;
static _Atomic int preparations;

static int prepare(void *arg)
{
        preparations++;
        if (arg)
                prepared = *(int *)arg;
        return prepared;
}

static int tell_prepared(void *arg)
{
        *(int *)arg = prepared;
        return plait_yield();
}

TEST(an_initializer_runs_once_in_each_thread)
{
        int value = 7, seen[50];
        plait_executor *pool;
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 3, .initializer = prepare, .initializer_arg = &value,
                                          .initializer_arg_size = sizeof value};

        preparations = 0;
        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        value = 1000;                           /* copied at the opening */
        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 50; i++)
                        plait_group_start(&group, tell_prepared, &seen[i], sizeof seen[i]);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 50; i++)
                CHECK_EQUAL(seen[i], 7);
        CHECK_EQUAL(plait_executor_close(pool), 0);
        CHECK(preparations >= 1 && preparations < 50);
}

TEST(an_initializer_that_fails_fails_the_tasks)
{
        int value = -EDOM;
        plait_executor *pool;
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 2, .initializer = prepare, .initializer_arg = &value};

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        {
                PLAIT_GROUP(group, .executor = pool, .keep_going = true);

                for (int i = 0; i < 5; i++)
                        plait_group_start(&group, task_never, NULL, 0);
                CHECK_EQUAL(plait_group_wait(&group), -EDOM);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 5);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

/* ---- closing */

static void *close_it(void *arg)
{
        CHECK_EQUAL(plait_executor_close(arg), 0);
        return NULL;
}

TEST(a_close_waits_for_the_tasks)
{
        plait_executor *pool = open_pool(2, 0);
        struct crowd crowd = {0};
        pthread_t thread;

        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 5; i++)
                        plait_group_start(&group, park_in_crowd, &crowd, 0);
                test_until_parked(&group);
                CHECK_EQUAL(pthread_create(&thread, NULL, close_it, pool), 0);
                CHECK_EQUAL(crowd.now, 5);
                plait_event_set(&crowd.go);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                pthread_join(thread, NULL);
        }
}

TEST(a_close_that_is_cut_short_cancels_and_still_waits)
{
        plait_executor *pool = open_pool(2, 0);

        {
                PLAIT_GROUP(group, .executor = pool, .limit = 3);

                for (int i = 0; i < 6; i++)
                        plait_group_start(&group, task_wait, NULL, 0);
                test_until_parked(&group);
                {
                        PLAIT_WITHIN(PLAIT_MS);
                        CHECK_EQUAL(plait_executor_close(pool), -ETIMEDOUT);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
}

TEST(closing_nothing_is_nothing)
{
        CHECK_EQUAL(plait_executor_close(NULL), 0);
        CHECK_EQUAL(plait_executor_close(plait_threads()), -ENOTSUP);
        CHECK_EQUAL(plait_executor_close(plait_coroutines()), -ENOTSUP);
        CHECK_EQUAL(plait_executor_close(plait_own_thread()), -ENOTSUP);
        CHECK_EQUAL(plait_executor_close(open_pool(0, 0)), 0);
}

TEST(an_executor_of_coroutines_has_a_stack_size_of_its_own)
{
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_COROUTINES, .workers = 1, .stack_bytes = 300000};

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        CHECK_EQUAL(plait_call(executor, task_return, NULL, 0), 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

TEST(a_close_in_a_scope_that_has_ended_closes_and_tells)
{
        plait_executor_options options = {.kind = PLAIT_THREADS};
        plait_executor *pool;

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_executor_close(pool), -ETIMEDOUT);
        CHECK_EQUAL(plait_executor_close(NULL), -ETIMEDOUT);
}

/* ---- no pool blocks itself */

enum { FULL = 3 };

static plait_executor *open_small(void)
{
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 2, .threads_max = FULL};
        plait_executor *pool;

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        return pool;
}

static int set_event(void *arg)
{
        plait_event_set(arg);
        return 0;
}

/* All threads there may be wait for a task for which there is no thread: who waits for the group runs it, also if the last of the
 * threads came to wait only later. */
TEST(who_waits_for_a_full_pool_runs_its_tasks)
{
        for (int round = 0; round < 50; round++) {
                plait_executor *pool = open_small();
                plait_event event = {0};

                {
                        PLAIT_GROUP(group, .executor = pool);

                        for (int i = 0; i < 2 * FULL; i++)
                                plait_group_start(&group, task_wait_event, &event, sizeof event);
                        plait_group_start(&group, set_event, &event, sizeof event);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK_EQUAL(plait_executor_close(pool), 0);
        }
}

TEST(who_waits_for_the_next_of_a_full_pool_runs_its_tasks)
{
        plait_executor *pool = open_small();
        plait_event event = {0};
        plait_task *task;

        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 2 * FULL; i++)
                        plait_group_start(&group, task_wait_event, &event, sizeof event);
                plait_group_start(&group, set_event, &event, sizeof event);
                for (int i = 0; i < 2 * FULL + 1; i++)
                        CHECK_EQUAL(plait_group_next(&group, &task), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

static int start_the_setter(void *arg)
{
        plait_group **group = arg;

        plait_ignore(plait_yield());
        plait_group_start(*group, set_event, group[1], 0);
        return plait_event_wait((plait_event *)(void *)group[1]);
}

/* The task for which there is no thread is started when its group's waiter sleeps already. */
TEST(a_task_started_in_a_full_pool_wakes_who_waits)
{
        plait_executor *pool = open_small();
        plait_event event = {0};

        {
                PLAIT_GROUP(group, .executor = pool);
                void *both[2] = {&group, &event};

                for (int i = 0; i < FULL - 1; i++)
                        plait_group_start(&group, task_wait_event, &event, sizeof event);
                plait_group_start(&group, start_the_setter, both, sizeof both);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}
