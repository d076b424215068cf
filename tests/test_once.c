/* Once: done by the first that comes, and done when any goes on. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

/* ---- by the first, for all */

struct setup { plait_once once; _Atomic int runs; int value; };

static int prepare(void *arg)
{
        struct setup *setup = arg;

        setup->runs++;
        plait_ignore(plait_yield());
        setup->value = 42;
        return 7;                               /* positive: a success */
}

static int use(void *arg)
{
        struct setup *setup = arg;

        CHECK_EQUAL(plait_once_run(&setup->once, prepare, setup), 0);
        CHECK_EQUAL(setup->value, 42);
        return 0;
}

TEST_ON_EXECUTORS(it_is_done_once_and_before_anybody_goes_on)
{
        for (int round = 0; round < 50; round++) {
                struct setup setup = {.runs = 0};
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 8; i++)
                        plait_group_start(&group, use, &setup, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(setup.runs, 1);
                CHECK_EQUAL(use(&setup), 0);
                CHECK_EQUAL(setup.runs, 1);
        }
}

/* ---- runs that fail; each does what it is told when it is told */

static plait_once once;
static plait_event go[4];
static _Atomic int running;

struct caller { int number, result, rc; };

static int run_when_told(void *arg)
{
        struct caller *caller = arg;
        int rc;

        running = caller->number + 1;
        rc = plait_event_wait(&go[caller->number]);
        return rc < 0 ? rc : caller->result;
}

static int call_it(void *arg)
{
        struct caller *caller = arg;

        caller->rc = plait_once_run(&once, run_when_told, caller);
        return 0;
}

static void start_callers(plait_group *group, struct caller *callers, plait_task **tasks, int count, const int *results)
{
        once = (plait_once){{0}};
        running = 0;
        for (int i = 0; i < count; i++) {
                plait_event_clear(&go[i]);
                callers[i] = (struct caller){i, results[i], 99};
                tasks[i] = plait_group_start(group, call_it, &callers[i], sizeof callers[i]);
                test_until_parked(group);
        }
        CHECK_EQUAL(running, 1);
}

TEST_ON_EXECUTORS(a_run_that_fails_is_its_callers_and_the_next_tries)
{
        struct caller callers[4];
        plait_task *tasks[4];
        PLAIT_GROUP(group, .executor = test_executor());

        start_callers(&group, callers, tasks, 4, (int[]){-EIO, -ENOENT, 0, 0});
        for (int i = 0; i < 3; i++) {
                CHECK_EQUAL(running, i + 1);    /* in the order they came */
                plait_event_set(&go[i]);
                test_until_parked(&group);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(running, 3);
        CHECK(callers[0].rc == -EIO && callers[1].rc == -ENOENT && callers[2].rc == 0 && callers[3].rc == 0);
}

TEST_ON_EXECUTORS(a_newcomer_waits_for_a_turn_that_was_handed_on)
{
        struct caller callers[3];
        plait_task *tasks[3];
        PLAIT_GROUP(group, .executor = test_executor());

        start_callers(&group, callers, tasks, 2, (int[]){-EIO, 0});
        plait_event_set(&go[0]);
        test_until_parked(&group);
        CHECK_EQUAL(running, 2);
        callers[2] = (struct caller){2, 0, 99};
        plait_group_start(&group, call_it, &callers[2], sizeof callers[2]);
        test_until_parked(&group);
        CHECK_EQUAL(running, 2);
        plait_event_set(&go[1]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(running, 2);
        CHECK(callers[0].rc == -EIO && callers[1].rc == 0 && callers[2].rc == 0);
}

TEST(with_nobody_waiting_the_next_caller_tries)
{
        int fails = -EIO;
        plait_once mine = {{0}};

        for (int i = 0; i < 3; i++)
                CHECK_EQUAL(plait_once_run(&mine, task_return, &fails), -EIO);
        CHECK_EQUAL(plait_once_run(&mine, task_return, NULL), 0);
        CHECK_EQUAL(plait_once_run(&mine, task_return, &fails), 0);
}

TEST_ON_EXECUTORS(each_may_be_the_one_that_is_cancelled)
{
        for (int victim = 0; victim < 4; victim++) {
                struct caller callers[4];
                plait_task *tasks[4];
                PLAIT_GROUP(group, .executor = test_executor());

                start_callers(&group, callers, tasks, 4, (int[]){0, 0, 0, 0});
                plait_task_cancel(tasks[victim]);       /* the first: a run that fails, by what its own wait returns */
                CHECK_EQUAL(plait_task_wait(tasks[victim], NULL), 0);
                test_until_parked(&group);
                CHECK_EQUAL(running, victim == 0 ? 2 : 1);
                plait_event_set(&go[running - 1]);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                for (int i = 0; i < 4; i++)
                        CHECK_EQUAL(callers[i].rc, i == victim ? -ECANCELED : 0);
        }
}

TEST_ON_EXECUTORS(a_turn_handed_over_at_the_same_time_as_a_cancel_is_not_lost)
{
        for (int round = 0; round < 100; round++) {
                struct caller callers[3];
                plait_task *tasks[3];
                PLAIT_GROUP(group, .executor = test_executor());

                start_callers(&group, callers, tasks, 3, (int[]){-EIO, 0, 0});
                plait_event_set(&go[0]);
                plait_event_set(&go[2]);
                if (round % 2)
                        plait_ignore(plait_yield());
                plait_task_cancel(tasks[1]);    /* it waits, or it has its turn and waits inside */
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK(callers[0].rc == -EIO && callers[1].rc == -ECANCELED && callers[2].rc == 0);
        }
}

TEST(an_ended_scope_fails_a_run_but_not_what_is_done)
{
        plait_once mine = {{0}};
        plait_scope scope;

        plait_scope_enter(&scope, 0);
        CHECK_EQUAL(plait_once_run(&mine, task_never, NULL), -ETIMEDOUT);
        plait_scope_leave(&scope);
        CHECK_EQUAL(plait_once_run(&mine, task_return, NULL), 0);
        plait_scope_enter(&scope, 0);
        CHECK_EQUAL(plait_once_run(&mine, task_never, NULL), 0);
        plait_scope_leave(&scope);
}

TEST(a_null_pointer_is_refused)
{
        plait_once mine = {{0}};

        CHECK_EQUAL(plait_once_run(NULL, task_never, NULL), -EINVAL);
        CHECK_EQUAL(plait_once_run(&mine, NULL, NULL), -EINVAL);
}

/* ---- mixed strands: coroutines of two threads, and two plain threads */

static struct setup setups[300];

static int use_all(void *arg)
{
        for (int i = 0; i < 300; i++)
                use(&setups[i]);
        return arg ? 0 : 0;
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, use_all, arg, 0);
        plait_group_start(&group, use_all, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        use_all(arg);
        return NULL;
}

TEST(mixed_strands_share_one)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        pthread_t threads[4];

        for (int i = 0; i < 300; i++)
                setups[i] = (struct setup){.runs = 0};
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], NULL), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        for (int i = 0; i < 300; i++)
                CHECK_EQUAL(setups[i].runs, 1);
}

/* ---- misuse */

static int run_inside(void *arg)
{
        return plait_once_run(arg, task_return, NULL);
}

TEST_ABORTS(running_it_from_inside, "plait_once_run: called from inside what it runs")
{
        plait_ignore(plait_once_run(&once, run_inside, &once));
}
