/* Strand-local data: a value of its own for each strand, and values that tasks inherit. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fault.h"
#include "tasks.h"

static _Atomic int ended;

static void count_end(void *value)
{
        CHECK(value != NULL);
        ended++;
}

static plait_local own = {.end = count_end};
static plait_local passed = {.end = count_end, .inherited = true};

static int values[64];

/* ---- of its own */

static int keep_own(void *arg)
{
        CHECK(!plait_local_get(&own));
        for (int i = 0; i < 50; i++) {
                CHECK_EQUAL(plait_local_set(&own, (int *)arg + i % 2), 0);
                plait_ignore(plait_yield());
                CHECK(plait_local_get(&own) == (int *)arg + i % 2);
        }
        return 0;
}

TEST_ON_EXECUTORS(each_strand_has_a_value_of_its_own)
{
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK_EQUAL(plait_local_set(&own, &group), 0);
        for (int i = 0; i < 8; i++)
                plait_group_start(&group, keep_own, &values[i * 2], 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(plait_local_get(&own) == &group);
        CHECK_EQUAL(plait_local_set(&own, NULL), 0);
        CHECK(!plait_local_get(&own));
}

TEST(many_names_and_many_changes_beside_an_array)
{
        static plait_local names[40];
        void *model[40];
        uint64_t state = 88172645463325252;

        for (int i = 0; i < 40; i++) {
                names[i].inherited = i % 3 == 0;
                model[i] = plait_local_get(&names[i]);
                CHECK(!model[i]);
        }
        for (int step = 0; step < 3000; step++) {
                int i;

                state ^= state << 13, state ^= state >> 7, state ^= state << 17;
                i = (int)(state % 40);
                model[i] = state / 64 % 3 ? &values[state / 256 % 64] : NULL;
                CHECK_EQUAL(plait_local_set(&names[i], model[i]), 0);
                for (int j = 0; j < 40; j++)
                        CHECK(plait_local_get(&names[j]) == model[j]);
        }
        for (int i = 0; i < 40; i++)
                CHECK_EQUAL(plait_local_set(&names[i], NULL), 0);
}

TEST(a_name_that_has_gone_leaves_nothing_to_one_in_its_place)
{
        for (int i = 0; i < 100; i++) {
                plait_local here = {0};

                CHECK(!plait_local_get(&here));
                CHECK_EQUAL(plait_local_set(&here, &here), 0);
                CHECK_EQUAL(plait_local_set(&here, NULL), 0);
        }
        CHECK_EQUAL(plait_local_set(NULL, NULL), -EINVAL);
}

/* ---- the end */

static _Atomic int checked_ends;
static void check_strand(void *value);
static plait_local checked = {.end = check_strand};

static void check_strand(void *value)
{
        CHECK(pthread_equal(*(pthread_t *)value, pthread_self()));
        CHECK(!plait_local_get(&checked));
        plait_ignore(plait_yield());            /* it may wait */
        free(value);
        checked_ends++;
}

static int set_checked(void *arg)
{
        pthread_t *value = malloc(sizeof *value);

        *value = pthread_self();
        CHECK_EQUAL(plait_local_set(&checked, value), 0);
        return task_return(arg);
}

static void *set_checked_on_thread(void *arg)
{
        set_checked(arg);
        return NULL;
}

TEST_ON_EXECUTORS(a_value_ends_with_its_strand_on_that_strand)
{
        static int failure = -EIO;
        PLAIT_GROUP(group, .executor = test_executor(), .keep_going = true);

        checked_ends = 0;
        for (int i = 0; i < 8; i++)
                plait_group_start(&group, set_checked, i % 2 ? NULL : &failure, 0);
        CHECK_EQUAL(plait_group_wait(&group), -EIO);
        CHECK_EQUAL(checked_ends, 8);
}

TEST(a_value_of_a_thread_ends_with_the_thread)
{
        pthread_t thread;

        checked_ends = 0;
        CHECK_EQUAL(pthread_create(&thread, NULL, set_checked_on_thread, NULL), 0);
        pthread_join(thread, NULL);
        CHECK_EQUAL(checked_ends, 1);
}

static int set_and_replace(void *arg)
{
        (void)arg;
        CHECK_EQUAL(plait_local_set(&own, &values[0]), 0);
        CHECK_EQUAL(plait_local_set(&own, &values[1]), 0);
        CHECK_EQUAL(plait_local_set(&passed, &values[2]), 0);
        CHECK_EQUAL(plait_local_set(&passed, NULL), 0);
        return 0;
}

TEST_ON_EXECUTORS(a_value_that_was_replaced_or_taken_away_does_not_end)
{
        ended = 0;
        CHECK_EQUAL(plait_call(test_executor(), set_and_replace, NULL, 0), 0);
        CHECK_EQUAL(ended, 1);
}

static void set_again(void *value);
static plait_local stubborn = {.end = set_again};

static void set_again(void *value)
{
        ended++;
        CHECK_EQUAL(plait_local_set(&stubborn, value), 0);
}

static int set_stubborn(void *arg)
{
        return plait_local_set(&stubborn, arg);
}

TEST_ON_EXECUTORS(an_end_that_sets_it_again_is_called_again_but_not_for_ever)
{
        ended = 0;
        CHECK_EQUAL(plait_call(test_executor(), set_stubborn, values, 0), 0);
        CHECK(ended > 1 && ended < 100);
}

/* ---- inherited */

struct look { void *expected; bool sets; };

static int look(void *arg)
{
        const struct look *expected = arg;

        CHECK(plait_local_get(&passed) == expected->expected);
        CHECK(!plait_local_get(&own));
        if (expected->sets) {
                CHECK_EQUAL(plait_local_set(&passed, &values[9]), 0);
                plait_ignore(plait_yield());
                CHECK(plait_local_get(&passed) == &values[9]);
        }
        return 0;
}

TEST_ON_EXECUTORS(a_task_sees_the_values_its_starter_had_at_the_start)
{
        struct look looks[6];
        plait_task_options options = {.name = "named"};
        PLAIT_GROUP(group, .executor = test_executor());

        ended = 0;
        CHECK_EQUAL(plait_local_set(&own, &group), 0);
        for (int i = 0; i < 6; i++) {
                looks[i] = (struct look){i < 5 ? &values[i] : NULL, i % 2};
                CHECK_EQUAL(plait_local_set(&passed, looks[i].expected), 0);
                if (i % 3 == 0)
                        plait_group_start(&group, look, &looks[i], sizeof looks[i]);
                else if (i % 3 == 1)
                        plait_group_start_with(&group, &options, look, &looks[i], sizeof looks[i]);
                else
                        CHECK_EQUAL(plait_group_post(&group, look, &looks[i], sizeof looks[i]), 0);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(!plait_local_get(&passed));
        CHECK_EQUAL(ended, 3);                  /* of those who set one themselves, and of no other */
        CHECK_EQUAL(plait_local_set(&passed, &values[1]), 0);
        CHECK_EQUAL(plait_call(test_executor(), look, &(struct look){&values[1], true}, sizeof(struct look)), 0);
        CHECK(plait_local_get(&passed) == &values[1]);
        CHECK_EQUAL(plait_local_set(&passed, NULL), 0);
        CHECK_EQUAL(plait_local_set(&own, NULL), 0);
}

struct generation { int left; };

static int descend(void *arg)
{
        struct generation *mine = arg, next = {mine->left - 1};

        CHECK(plait_local_get(&passed) == &values[mine->left]);
        if (mine->left == 0)
                return 0;
        CHECK_EQUAL(plait_local_set(&passed, &values[next.left]), 0);
        CHECK_EQUAL(plait_call(test_executor(), descend, &next, sizeof next), 0);
        CHECK(plait_local_get(&passed) == &values[next.left]);
        return 0;
}

TEST_ON_EXECUTORS(values_come_down_through_generations)
{
        struct generation first = {4};

        CHECK_EQUAL(plait_local_set(&passed, &values[4]), 0);
        CHECK_EQUAL(descend(&first), 0);
        CHECK_EQUAL(plait_local_set(&passed, NULL), 0);
}

struct item { void *seen; };

static int see(void *arg)
{
        ((struct item *)arg)->seen = plait_local_get(&passed);
        return 0;
}

TEST_ON_EXECUTORS(the_items_of_a_map_see_the_callers_values)
{
        static struct item items[3000];

        CHECK_EQUAL(plait_local_set(&passed, items), 0);
        CHECK_EQUAL(plait_map(test_executor(), see, items, 300, sizeof items[0]), 0);
        for (int i = 0; i < 300; i++)
                CHECK(items[i].seen == items);
        CHECK_EQUAL(plait_local_set(&passed, NULL), 0);
        CHECK_EQUAL(plait_map(test_executor(), see, items, 300, sizeof items[0]), 0);
        for (int i = 0; i < 300; i++)
                CHECK(!items[i].seen);
}

/* Never begun, yet it had been given them. */
TEST_ON_EXECUTORS(a_task_that_never_runs_gives_them_back)
{
        CHECK_EQUAL(plait_local_set(&passed, values), 0);
        {
                PLAIT_GROUP(group, .executor = test_executor(), .limit = 1);

                plait_group_start(&group, task_wait, NULL, 0);
                for (int i = 0; i < 5; i++)
                        plait_group_start(&group, task_never, NULL, 0);
                test_until_parked(&group);
                plait_group_cancel(&group);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_local_set(&passed, NULL), 0);
}

static int stay(void *arg)
{
        void *seen = plait_local_get(&passed);

        for (int i = 0; i < 200; i++) {
                CHECK(plait_local_get(&passed) == seen);
                if (i % 8 == 0) {
                        seen = &values[i % 64];
                        CHECK_EQUAL(plait_local_set(&passed, seen), 0);
                }
        }
        return arg ? 0 : 0;
}

/* Starters and started change their own while they share. */
TEST_ON_EXECUTORS(sharing_is_not_seen)
{
        for (int round = 0; round < 20; round++) {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 8; i++) {
                        CHECK_EQUAL(plait_local_set(&passed, &values[i]), 0);
                        plait_group_start(&group, stay, NULL, 0);
                        CHECK(plait_local_get(&passed) == &values[i]);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK(plait_local_get(&passed) == &values[7]);
        }
        CHECK_EQUAL(plait_local_set(&passed, NULL), 0);
}

/* ---- no memory */

/* A task shares the values, so they are copied first. */
static int set_shared_failing(void *arg)
{
        int *failed = arg, rc;
        PLAIT_GROUP(group, .name = "sharer");

        CHECK_EQUAL(plait_local_set(&passed, &values[1]), 0);
        plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        FAULT_EACH(FAULT_alloc, 0) {
                rc = plait_local_set(&passed, &values[2]);
                CHECK(rc == 0 || rc == -ENOMEM);
                CHECK(plait_local_get(&passed) == &values[rc == 0 ? 2 : 1]);
                *failed += rc < 0;
        }
        return 0;
}

static int set_first_failing(void *arg)
{
        int *failed = arg, rc;

        FAULT_EACH(FAULT_alloc, 0) {
                rc = plait_local_set(&own, &values[1]);
                CHECK(rc == 0 || rc == -ENOMEM);
                CHECK(plait_local_get(&own) == (rc == 0 ? &values[1] : NULL));
                *failed += rc < 0;
        }
        return 0;
}

static int start_failing(void *arg)
{
        int *failed = arg, rc;

        CHECK_EQUAL(plait_local_set(&passed, &values[1]), 0);
        FAULT_EACH(FAULT_alloc, 0) {
                PLAIT_GROUP(group, .name = "failing");
                plait_task *task = plait_group_start(&group, task_return, NULL, 0);

                rc = plait_group_wait(&group);
                CHECK(task ? rc == 0 : rc == -ENOMEM);
                *failed += rc < 0;
        }
        FAULT_EACH(FAULT_alloc, 0) {
                PLAIT_GROUP(group, .name = "failing");

                rc = plait_group_post(&group, task_return, NULL, 0);
                CHECK(rc == 0 || rc == -ENOMEM);
                *failed += rc < 0;
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        return 0;
}

TEST(without_memory_a_value_is_what_it_was_and_a_task_does_not_start)
{
        static plait_fn *const tries[] = {set_shared_failing, set_first_failing, start_failing};

        for (int i = 0; i < 3; i++) {
                int failed = 0;

                CHECK_EQUAL(plait_call(NULL, tries[i], &failed, sizeof failed), 0);
                test_note("try %d", i);
                CHECK(failed > 0);
        }
}
