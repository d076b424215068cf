/* Executors of coroutines that are opened and closed: their tasks run on the loops of those who open groups. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

static plait_executor *open_coroutines(void)
{
        plait_executor_options options = {.kind = PLAIT_COROUTINES, .workers = 1, .stack_bytes = 100000};
        plait_executor *executor;

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        return executor;
}

struct both { plait_event *event; int *count; };

static int wait_and_count(void *arg)
{
        struct both *both = arg;
        int rc = plait_event_wait(both->event);

        ++*both->count;
        return rc;
}

static int set_later(void *arg)
{
        plait_ignore(plait_yield());
        plait_event_set(arg);
        return 0;
}

TEST(closing_waits_for_the_tasks_of_a_group_that_is_open)
{
        plait_executor *executor = open_coroutines();
        plait_event event = {0};
        int count = 0;
        struct both both = {&event, &count};
        PLAIT_GROUP(setter, .name = "setter");
        PLAIT_GROUP(group, .executor = executor, .limit = 2);

        for (int i = 0; i < 5; i++)
                plait_group_start(&group, wait_and_count, &both, sizeof both);
        plait_group_start(&setter, set_later, &event, 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
        CHECK_EQUAL(count, 5);                  /* those behind the limit too */
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_wait(&setter), 0);
}

TEST(closing_waits_for_the_tasks_of_a_detached_group)
{
        plait_executor *executor = open_coroutines();
        plait_event event = {0};
        int count = 0;
        struct both both = {&event, &count};
        plait_group group = {.executor = executor, .detached = true};
        PLAIT_GROUP(setter, .name = "setter");

        plait_group_open(&group);
        CHECK_EQUAL(plait_group_post(&group, wait_and_count, &both, sizeof both), 0);
        plait_group_start(&setter, set_later, &event, 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
        CHECK_EQUAL(count, 1);
        plait_group_done(&group);
        CHECK_EQUAL(plait_group_wait(&setter), 0);
}

/* ---- closed by one thread, used by another */

struct other {
        plait_executor *executor;
        plait_event started, event;
        int count, rc;
};

static void *run_group(void *arg)
{
        struct other *other = arg;
        struct both both = {&other->event, &other->count};
        PLAIT_GROUP(group, .executor = other->executor);

        for (int i = 0; i < 3; i++)
                plait_group_start(&group, wait_and_count, &both, sizeof both);
        test_until_parked(&group);
        plait_event_set(&other->started);
        other->rc = plait_group_wait(&group);
        return NULL;
}

static pthread_t start_other(struct other *other)
{
        pthread_t thread;

        other->executor = open_coroutines();
        CHECK_EQUAL(pthread_create(&thread, NULL, run_group, other), 0);
        CHECK_EQUAL(plait_event_wait(&other->started), 0);
        return thread;
}

TEST(closing_waits_for_tasks_on_another_thread)
{
        struct other other = {.rc = 1};
        pthread_t thread = start_other(&other);
        PLAIT_GROUP(setter, .name = "setter");

        plait_group_start(&setter, set_later, &other.event, 0);
        CHECK_EQUAL(plait_executor_close(other.executor), 0);
        CHECK_EQUAL(other.count, 3);
        pthread_join(thread, NULL);
        CHECK_EQUAL(other.rc, 0);
        CHECK_EQUAL(plait_group_wait(&setter), 0);
}

TEST(a_close_that_is_cut_short_cancels_and_waits_on)
{
        struct other other = {.rc = 1};
        pthread_t thread = start_other(&other);

        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_executor_close(other.executor), -ETIMEDOUT);
        }
        CHECK_EQUAL(other.count, 3);
        pthread_join(thread, NULL);
        CHECK_EQUAL(other.rc, -ETIMEDOUT);
}

/* The last task's end, the group's, and the close's come close together. */
TEST(a_close_meets_the_end_of_a_group)
{
        for (int i = 0; i < (test_slower() > 1 ? 50 : 500); i++) {
                struct other other = {.rc = 1};
                pthread_t thread = start_other(&other);

                plait_event_set(&other.event);
                CHECK_EQUAL(plait_executor_close(other.executor), 0);
                CHECK_EQUAL(other.count, 3);
                pthread_join(thread, NULL);
                CHECK_EQUAL(other.rc, 0);
        }
}

TEST(an_executor_without_groups_closes_at_once)
{
        plait_executor *executor = open_coroutines();

        for (int i = 0; i < 3; i++)
                CHECK_EQUAL(plait_call(executor, task_return, NULL, 0), 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

/* ---- by its own task */

static plait_executor *own;

static int close_own(void *arg)
{
        (void)arg;
        return plait_executor_close(own);
}

static int call_close_own(void *arg)
{
        (void)arg;
        return plait_call(plait_coroutines(), close_own, NULL, 0);
}

TEST_ABORTS(closing_the_coroutines_of_ones_own_task, "plait_executor_close: called by a task that runs in the executor")
{
        own = open_coroutines();
        plait_ignore(plait_call(own, close_own, NULL, 0));
}

TEST_ABORTS(closing_the_coroutines_of_a_task_further_out, "plait_executor_close: called by a task that runs in the executor")
{
        own = open_coroutines();
        plait_ignore(plait_call(own, call_close_own, NULL, 0));
}
