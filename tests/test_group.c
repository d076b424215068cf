/* A group's life, on each executor: what is started in it, and how it ends. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

/* ---- beginning */

struct place { int number; int *next; int got; };

static int take_number(void *arg)
{
        struct place *place = arg;

        place->got = (*place->next)++;
        return 0;
}

TEST(coroutines_begin_in_the_order_they_were_started)
{
        struct place places[100];
        int next = 0;
        PLAIT_GROUP(group, .name = "line");

        for (int i = 0; i < 100; i++) {
                places[i] = (struct place){i, &next, -1};
                plait_group_start(&group, take_number, &places[i], sizeof places[i]);
        }
        CHECK_EQUAL(next, 0);                   /* after the starter parks, not before */
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 100; i++)
                CHECK_EQUAL(places[i].got, i);
}

TEST_ON_EXECUTORS(structs_are_used_in_place)
{
        int numbers[20];
        PLAIT_GROUP(group, .executor = test_executor(), .name = "squares");

        for (int i = 0; i < 20; i++) {
                numbers[i] = i;
                CHECK(plait_group_start(&group, task_square, &numbers[i], sizeof numbers[i]));
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 20; i++)
                CHECK_EQUAL(numbers[i], i * i);
}

static int check_null(void *arg)
{
        CHECK(arg == NULL);
        return 0;
}

TEST_ON_EXECUTORS(a_task_may_have_no_struct_or_a_plain_pointer)
{
        int number = 7;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start(&group, check_null, NULL, 0);
        plait_group_start(&group, task_square, &number, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(number, 49);
}

TEST(without_an_executor_a_groups_tasks_are_coroutines)
{
        plait_group group = {0};
        pthread_t self = pthread_self();

        plait_group_open(&group);
        plait_group_start(&group, task_return, &self, 0);
        CHECK(group.executor == plait_coroutines());
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_group_done(&group);
}

TEST_ON_EXECUTORS(an_empty_group_ends_at_once)
{
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
}

/* ---- tasks of the group start more */

struct tree { plait_group *group; _Atomic int *count; int depth; struct tree *below; };

static int grow_tree(void *arg)
{
        struct tree *tree = arg;

        ++*tree->count;
        for (int i = 0; i < 2 && tree->depth; i++) {
                tree->below[i] = (struct tree){tree->group, tree->count, tree->depth - 1, tree->below + (i ? 2 + ((1 << tree->depth) - 2) : 2)};
                CHECK(plait_group_start(tree->group, grow_tree, &tree->below[i], sizeof *tree));
        }
        return 0;
}

TEST_ON_EXECUTORS(tasks_add_tasks_while_the_owner_waits)
{
        static struct tree room[256];
        _Atomic int count = 0;
        PLAIT_GROUP(group, .executor = test_executor());
        struct tree root = {&group, &count, 5, room};

        plait_group_start(&group, grow_tree, &root, sizeof root);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(count, 63);
}

/* ---- the end */

TEST_ON_EXECUTORS(done_without_wait_cancels_and_waits)
{
        int ended = 0;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, task_wait, NULL, 0);
                test_until_parked(&group);
                plait_group_start(&group, task_count, &ended, sizeof ended);
                test_until_parked(&group);
        }
        CHECK_EQUAL(ended, 1);
        CHECK_EQUAL(plait_yield(), 0);
}

static int leave_by(int way)
{
        for (int i = 0; i < 3; i++) {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, task_wait, NULL, 0);
                if (way == 0)
                        return -EDOM;
                if (way == 1)
                        break;
                if (way == 2)
                        continue;
                if (way == 3)
                        goto out;
        }
out:
        return way;
}

TEST_ON_EXECUTORS(a_block_is_left_on_any_path)
{
        CHECK_EQUAL(leave_by(0), -EDOM);
        for (int way = 1; way < 5; way++)
                CHECK_EQUAL(leave_by(way), way);
        CHECK_EQUAL(plait_cancelled(), 0);
}

#if defined(__GNUC__) && !defined(__clang__)
TEST_ON_EXECUTORS(a_goto_over_the_declaration_is_harmless)
{
        volatile bool skip = true;
        int failure = -EDOM;

        for (int i = 0; i < 3; i++) {
                {
                        if (skip)
                                goto over;
                        PLAIT_GROUP(group, .executor = test_executor());
                        plait_group_start(&group, task_return, &failure, sizeof failure);
                        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
over:
                        CHECK_EQUAL(plait_yield(), 0);
                }
                skip = i != 0;
        }
}
#endif

TEST_ON_EXECUTORS(a_group_is_opened_again_after_its_wait)
{
        int failure = -EDOM;
        plait_group group = {.executor = test_executor(), .name = "again"};

        for (int i = 0; i < 4; i++) {
                plait_group_open(&group);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
                plait_group_start(&group, task_return, i % 2 ? NULL : &failure, i % 2 ? 0 : sizeof failure);
                CHECK_EQUAL(plait_group_wait(&group), i % 2 ? 0 : -EDOM);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), !(i % 2));
        }
        plait_group_done(&group);
        plait_group_done(&group);
}

TEST(done_of_a_zeroed_group_does_nothing)
{
        plait_group group = {0};

        plait_group_done(&group);
}

/* Two in one block, the first waited for first. */
TEST_ON_EXECUTORS(groups_of_one_strand_may_end_in_any_order)
{
        for (int round = 0; round < 100; round++) {
                int number = 5, failure = -EDOM;
                PLAIT_GROUP(producers, .executor = test_executor());
                PLAIT_GROUP(consumers, .executor = test_executor());

                for (int i = 0; i < 3; i++)
                        plait_group_start(&consumers, task_wait, NULL, 0);
                plait_group_start(&producers, task_square, &number, sizeof number);
                CHECK_EQUAL(plait_group_wait(&producers), 0);
                CHECK_EQUAL(plait_yield(), 0);
                plait_group_start(&consumers, task_return, &failure, sizeof failure);
                CHECK_EQUAL(plait_group_wait(&consumers), -EDOM);
        }
}
