/* Coroutines on several loops: balanced before they begin, never moved after; groups of them end, are cancelled and are closed
 * like all others. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tasks.h"

static plait_executor *open_loops(unsigned workers)
{
        plait_executor_options options = {.kind = PLAIT_COROUTINES, .workers = workers};
        plait_executor *executor;

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        return executor;
}

struct meeting { plait_event here[2]; };

static int meet(struct meeting *meeting, int side)
{
        plait_time end = plait_now() + 10 * PLAIT_S * test_slower();

        plait_event_set(&meeting->here[side]);
        while (!plait_event_is_set(&meeting->here[!side]) && plait_now() < end)
                sched_yield();                  /* without parking: the other can only be on another loop */
        return plait_event_is_set(&meeting->here[!side]) ? 0 : -ETIME;
}

static int meet_first(void *arg)
{
        return meet(arg, 0);
}

static int meet_second(void *arg)
{
        return meet(arg, 1);
}

/* Two tasks that compute and wait for each other meet: they run at the same time. */
TEST(tasks_run_on_several_loops_at_once)
{
        plait_executor *executor = open_loops(2);
        struct meeting meeting = {0};

        {
                PLAIT_GROUP(group, .executor = executor);

                plait_group_start(&group, meet_first, &meeting, sizeof meeting);
                plait_group_start(&group, meet_second, &meeting, sizeof meeting);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

static int stay(void *arg)
{
        pthread_t here = pthread_self();

        (void)arg;
        for (int i = 0; i < 100; i++) {
                CHECK_EQUAL(plait_yield(), 0);
                CHECK(pthread_equal(here, pthread_self()));
        }
        return !pthread_equal(here, pthread_self());
}

TEST(a_task_that_has_begun_stays_on_its_thread)
{
        plait_executor *executor = open_loops(3);

        {
                PLAIT_GROUP(group, .executor = executor);

                for (int i = 0; i < 50; i++)
                        plait_group_start(&group, stay, NULL, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

struct tree {
        plait_executor *executor;
        int depth;
        _Atomic int *leaves;
};

static int grow(void *arg)
{
        const struct tree *tree = arg;
        struct tree below = {tree->executor, tree->depth - 1, tree->leaves};
        PLAIT_GROUP(group, .executor = tree->executor, .name = "branch");

        if (tree->depth == 0) {
                ++*tree->leaves;
                return 0;
        }
        for (int i = 0; i < 4; i++)
                plait_group_start(&group, grow, &below, sizeof below);
        return plait_group_wait(&group);
}

/* Groups inside tasks of the same loops: nobody waits for a place. */
TEST(groups_nest_on_the_same_loops)
{
        plait_executor *executor = open_loops(2);
        _Atomic int leaves = 0;
        struct tree tree = {executor, 4, &leaves};

        CHECK_EQUAL(plait_call(executor, grow, &tree, sizeof tree), 0);
        CHECK_EQUAL(leaves, 256);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

/* A cancel reaches tasks of other threads that are parked, and those that have not begun never run. */
TEST(a_cancel_reaches_all_loops)
{
        plait_executor *executor = open_loops(2);

        for (int round = 0; round < 20; round++) {
                PLAIT_GROUP(group, .executor = executor);

                for (int i = 0; i < 20; i++)
                        plait_group_start(&group, task_wait, NULL, 0);
                if (round % 2)
                        test_until_parked(&group);
                plait_group_cancel(&group);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

/* The owner's loop is not one of them, so its group's tasks go on while it computes. */
TEST(tasks_run_while_their_owner_computes)
{
        plait_executor *executor = open_loops(2);
        plait_event done = {0};
        plait_time end = plait_now() + 10 * PLAIT_S * test_slower();

        {
                PLAIT_GROUP(group, .executor = executor);
                _Atomic int count = 0;

                plait_group_start(&group, task_count, (void *)&count, sizeof count);
                while (count == 0 && plait_now() < end)
                        sched_yield();
                CHECK_EQUAL(count, 1);
                plait_event_set(&done);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

static int failing(void *arg)
{
        (void)arg;
        return -EPERM;
}

static int counting(void *arg)
{
        ++**(_Atomic int **)arg;
        return 0;
}

TEST(the_initializer_runs_once_on_each_loop)
{
        _Atomic int count = 0, *pointer = &count;
        plait_executor_options options = {.kind = PLAIT_COROUTINES, .workers = 2, .initializer = counting,
                                          .initializer_arg = &pointer, .initializer_arg_size = sizeof pointer};
        plait_executor *executor;
        struct meeting meeting = {0};

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        {
                PLAIT_GROUP(group, .executor = executor);

                plait_group_start(&group, meet_first, &meeting, sizeof meeting);
                plait_group_start(&group, meet_second, &meeting, sizeof meeting);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(executor), 0);
        CHECK_EQUAL(count, 2);
}

TEST(an_initializer_that_fails_fails_the_tasks)
{
        plait_executor_options options = {.kind = PLAIT_COROUTINES, .workers = 2, .initializer = failing};
        plait_executor *executor;

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        CHECK_EQUAL(plait_call(executor, task_never, NULL, 0), -EPERM);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

static int close_it(void *arg)
{
        return plait_executor_close(arg);
}

/* A close waits for a group that another strand has on the executor. */
TEST(a_close_waits_for_the_tasks)
{
        plait_executor *executor = open_loops(2);
        plait_group tasks = {.executor = executor, .detached = true};
        plait_event event = {0};
        plait_task *closer;
        PLAIT_GROUP(group, .name = "closer");

        plait_group_open(&tasks);
        for (int i = 0; i < 5; i++)
                plait_group_start(&tasks, task_wait_event, &event, sizeof event);
        closer = plait_group_start(&group, close_it, executor, 0);
        test_until_task_parked(closer);
        CHECK_EQUAL(plait_task_result(closer), -EINPROGRESS);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&tasks), 0);
        plait_group_done(&tasks);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* Cut short it cancels what runs, and still waits for it. */
TEST(a_close_that_is_cut_short_cancels_the_tasks)
{
        plait_executor *executor = open_loops(2);
        plait_group tasks = {.executor = executor, .detached = true, .keep_going = true};

        plait_group_open(&tasks);
        for (int i = 0; i < 5; i++)
                plait_group_start(&tasks, task_wait, NULL, 0);
        test_until_parked(&tasks);
        {
                PLAIT_WITHIN(0);

                CHECK_EQUAL(plait_executor_close(executor), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_group_wait(&tasks), 0);
        CHECK_EQUAL(plait_group_failures(&tasks, NULL, 0), 0);
        plait_group_done(&tasks);
}

static int close_own(void *arg)
{
        return plait_executor_close(*(plait_executor **)arg);
}

TEST_ABORTS(a_task_does_not_close_its_own_executor, "plait_executor_close: called by a task that runs in the executor")
{
        plait_executor *executor = open_loops(2);

        plait_ignore(plait_call(executor, close_own, &executor, sizeof executor));
}

static int many_items(void *arg)
{
        *(int *)arg += 1;
        return plait_yield();
}

TEST(a_map_runs_on_several_loops)
{
        plait_executor *executor = open_loops(2);
        static int items[5000];

        memset(items, 0, sizeof items);
        CHECK_EQUAL(plait_map(executor, many_items, items, 5000, sizeof items[0]), 0);
        for (int i = 0; i < 5000; i++)
                CHECK_EQUAL(items[i], 1);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}
