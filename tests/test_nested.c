/* Groups in groups, across executors: what reaches whom, in both directions. */
#include <errno.h>

#include "tasks.h"

static plait_executor *(*const all[])(void) = {plait_coroutines, plait_threads, plait_own_thread};

struct level { int depth; unsigned way; int leaf; _Atomic int *leaves; plait_event *in; };

/* A group on another executor at each depth; at the bottom somebody who waits, or fails. */
static int descend(void *arg)
{
        struct level *level = arg, below[2];
        int rc;

        if (level->depth == 0) {
                if (++*level->leaves == 8)
                        plait_event_set(level->in);
                if (level->leaf)
                        return level->leaf;
                rc = plait_sleep(PLAIT_FOREVER);
                --*level->leaves;
                return rc;
        }
        PLAIT_GROUP(group, .executor = all[level->way % 3](), .name = "level");
        for (int i = 0; i < 2; i++) {
                below[i] = (struct level){level->depth - 1, level->way / 3, i == 0 ? level->leaf : 0, level->leaves, level->in};
                plait_group_start(&group, descend, &below[i], sizeof below[i]);
        }
        return plait_group_wait(&group);
}

TEST(a_cancel_reaches_the_bottom_through_every_mix_of_executors, .seconds = 40)
{
        for (unsigned way = 0; way < 27; way++) {
                _Atomic int leaves = 0;
                plait_event in = {{0}};
                struct level top = {3, way, 0, &leaves, &in};
                PLAIT_GROUP(group, .executor = all[way % 3]());

                test_note("way %u", way);
                plait_group_start(&group, descend, &top, sizeof top);
                CHECK_EQUAL(plait_event_wait(&in), 0);
                plait_group_cancel(&group);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(leaves, 0);
        }
}

TEST(a_deadline_reaches_the_bottom_through_every_mix_of_executors, .seconds = 40)
{
        test_clock_manual();
        for (unsigned way = 0; way < 27; way++) {
                _Atomic int leaves = 0;
                plait_event in = {{0}};
                struct level top = {3, way, 0, &leaves, &in};
                PLAIT_GROUP(group, .executor = all[way % 3](), .within = PLAIT_S);

                test_note("way %u", way);
                plait_group_start(&group, descend, &top, sizeof top);
                CHECK_EQUAL(plait_event_wait(&in), 0);
                test_clock_advance(PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
                CHECK_EQUAL(leaves, 0);
        }
}

TEST(a_failure_at_the_bottom_comes_back_through_every_mix_of_executors, .seconds = 40)
{
        for (unsigned way = 0; way < 27; way++) {
                _Atomic int leaves = 0;
                plait_event in = {{0}};
                struct level top = {3, way, -EDOM, &leaves, &in};
                plait_failure failure;
                PLAIT_GROUP(group, .executor = all[way % 3]());

                test_note("way %u", way);
                plait_group_start(&group, descend, &top, sizeof top);
                CHECK_EQUAL(plait_group_wait(&group), -EDOM);
                CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
                CHECK(failure.result == -EDOM && failure.arg == &top);
        }
}

/* ---- from threads into coroutines and back, on other strands' behalf */

struct post { plait_event in; plait_group *group; plait_task *task; int rc, result; };

static int cancel_the_other(void *arg)
{
        struct post *post = arg;

        CHECK_EQUAL(plait_event_wait(&post->in), 0);
        plait_task_cancel(post->task);
        return 0;
}

TEST_ON_EXECUTORS(any_strand_cancels_a_task_of_another_group)
{
        for (int round = 0; round < 50; round++) {
                struct post post = {0};
                PLAIT_GROUP(coroutines, .name = "coroutines");
                PLAIT_GROUP(others, .executor = test_executor());

                post.task = plait_group_start(&coroutines, task_wait, NULL, 0);
                plait_group_start(&others, cancel_the_other, &post, sizeof post);
                if (round % 2)
                        test_until_parked(&coroutines);
                plait_event_set(&post.in);
                CHECK_EQUAL(plait_group_wait(&coroutines), 0);
                CHECK_EQUAL(plait_group_wait(&others), 0);
        }
}

static int wait_for_the_other(void *arg)
{
        struct post *post = arg;

        post->rc = plait_task_wait(post->task, &post->result);
        return 0;
}

static int wait_a_while(void *arg)
{
        CHECK_EQUAL(plait_event_wait(arg), 0);
        return 77;
}

TEST_ON_EXECUTORS(any_strand_waits_for_a_task_of_another_group)
{
        for (int round = 0; round < 50; round++) {
                struct post posts[4] = {{{{0}}, NULL, NULL, 0, 0}};
                plait_event go = {{0}};
                PLAIT_GROUP(coroutines, .name = "coroutines");
                PLAIT_GROUP(others, .executor = test_executor());
                plait_task *task = plait_group_start(&coroutines, wait_a_while, &go, 0);

                for (int i = 0; i < 4; i++) {
                        posts[i].task = task;
                        plait_group_start(&others, wait_for_the_other, &posts[i], sizeof posts[i]);
                }
                if (round % 2)
                        test_until_parked(&others);
                plait_event_set(&go);
                CHECK_EQUAL(plait_group_wait(&others), 0);
                CHECK_EQUAL(plait_group_wait(&coroutines), 0);
                for (int i = 0; i < 4; i++)
                        CHECK(posts[i].rc == 0 && posts[i].result == 77);
        }
}

TEST_ON_EXECUTORS(a_wait_for_a_task_of_another_group_can_be_cut_short)
{
        for (int round = 0; round < 20; round++) {
                struct post post = {0};
                PLAIT_GROUP(coroutines, .name = "coroutines");
                PLAIT_GROUP(others, .executor = test_executor());

                post.task = plait_group_start(&coroutines, task_wait, NULL, 0);
                plait_group_start(&others, wait_for_the_other, &post, sizeof post);
                test_until_parked(&others);
                plait_group_cancel(&others);
                CHECK_EQUAL(plait_group_wait(&others), 0);
                CHECK_EQUAL(post.rc, -ECANCELED);
                CHECK_EQUAL(plait_task_result(post.task), -EINPROGRESS);
                plait_group_cancel(&coroutines);
                CHECK_EQUAL(plait_group_wait(&coroutines), 0);
        }
}

static int watch_the_other(void *arg)
{
        struct post *post = arg;
        plait_failure failure;

        while (plait_task_result(post->task) == -EINPROGRESS)
                plait_ignore(plait_yield());
        post->result = plait_task_result(post->task);
        while (plait_group_failures(post->group, &failure, 1) == 0)
                plait_ignore(plait_yield());
        CHECK_EQUAL(failure.result, -EDOM);
        return 0;
}

TEST_ON_EXECUTORS(any_strand_asks_about_the_tasks_of_another_group)
{
        int result = -EDOM;
        struct post post = {0};
        PLAIT_GROUP(coroutines, .keep_going = true);
        PLAIT_GROUP(others, .executor = test_executor());

        post.group = &coroutines;
        post.task = plait_group_start(&coroutines, task_return, &result, sizeof result);
        plait_group_start(&others, watch_the_other, &post, sizeof post);
        CHECK_EQUAL(plait_group_wait(&others), 0);
        CHECK_EQUAL(post.result, -EDOM);
        CHECK_EQUAL(plait_group_wait(&coroutines), -EDOM);
}

static int cancel_the_group(void *arg)
{
        plait_group_cancel(arg);
        return 0;
}

TEST_ON_EXECUTORS(any_strand_cancels_another_group)
{
        for (int round = 0; round < 30; round++) {
                PLAIT_GROUP(coroutines, .name = "coroutines");
                PLAIT_GROUP(others, .executor = test_executor());

                plait_group_start(&coroutines, task_wait, NULL, 0);
                plait_group_start(&coroutines, task_wait, NULL, 0);
                if (round % 2)
                        test_until_parked(&coroutines);
                plait_group_start(&others, cancel_the_group, &coroutines, 0);
                plait_ignore(plait_group_wait(&coroutines));
                CHECK_EQUAL(plait_group_wait(&others), 0);
        }
}

/* ---- what ends the owner ends its groups */

static int hold_a_group(void *arg)
{
        PLAIT_GROUP(inner, .executor = arg ? plait_own_thread() : plait_threads());

        plait_group_start(&inner, task_wait, NULL, 0);
        plait_group_start(&inner, task_wait, NULL, 0);
        return plait_sleep(PLAIT_FOREVER);      /* the end of the block waits for both */
}

TEST_ON_EXECUTORS(a_tasks_cancel_reaches_its_groups)
{
        for (int way = 0; way < 2; way++) {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, hold_a_group, way ? &group : NULL, 0);

                test_until_parked(&group);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
}

TEST_ON_EXECUTORS(a_tasks_deadline_reaches_its_groups)
{
        plait_task_options options = {.within = PLAIT_S};

        test_clock_manual();
        for (int way = 0; way < 2; way++) {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start_with(&group, &options, hold_a_group, way ? &group : NULL, 0);
                test_until_parked(&group);
                test_clock_advance(PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        }
}
