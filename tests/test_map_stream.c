/* Maps whose items come one by one. */
#include <errno.h>
#include <string.h>

#include "core/record.h"
#include "fault.h"
#include "tasks.h"

struct item { int number, square; };

/* Numbers from 0 on, and what came of them. */
struct numbers {
        int count, next;                        /* count < 0: no end */
        int pushed, failed;
        int most;                               /* pulled and not pushed, at once */
        int pull_fails_at, push_fails_at;       /* 0: never */
};

static int pull(void *arg, void *item)
{
        struct numbers *numbers = arg;

        if (numbers->next == numbers->count)
                return 0;
        if (numbers->pull_fails_at && numbers->next == numbers->pull_fails_at)
                return -EIO;
        *(struct item *)item = (struct item){numbers->next++, 0};
        if (numbers->next - numbers->pushed > numbers->most)
                numbers->most = numbers->next - numbers->pushed;
        return 1;
}

static int push(void *arg, void *item, int result)
{
        struct numbers *numbers = arg;
        const struct item *done = item;

        CHECK_EQUAL(done->number, numbers->pushed);
        if (numbers->push_fails_at && done->number == numbers->push_fails_at)
                return -ENOSPC;
        numbers->pushed++;
        numbers->failed += result < 0;
        if (result >= 0)
                CHECK_EQUAL(done->square, done->number * done->number);
        return 0;
}

static int square(void *arg)
{
        struct item *item = arg;

        item->square = item->number * item->number;
        return plait_sleep((item->number * 7 % 5) * PLAIT_US);  /* they end out of order */
}

static int run(const plait_map_options *options, plait_fn *fn, struct numbers *numbers)
{
        plait_map_source source = {pull, push, numbers};

        return plait_map_stream(options, fn, sizeof(struct item), &source);
}

TEST_ON_ALL_EXECUTORS(items_are_pushed_in_the_order_they_were_pulled)
{
        struct numbers numbers = {.count = 100};
        plait_map_options options = {.executor = test_executor(), .limit = 8};

        CHECK_EQUAL(run(&options, square, &numbers), 0);
        CHECK_EQUAL(numbers.pushed, 100);
        CHECK(numbers.most <= 8);
}

TEST(a_stream_of_none_is_no_failure)
{
        struct numbers numbers = {.count = 0};

        CHECK_EQUAL(run(NULL, task_never, &numbers), 0);
}

static int fail_at_ten(void *arg)
{
        struct item *item = arg;

        item->square = item->number * item->number;
        return item->number == 10 || item->number == 12 ? -EDOM : 0;
}

TEST_ON_ALL_EXECUTORS(the_first_failure_ends_it_at_its_place)
{
        struct numbers numbers = {.count = -1};
        plait_failure failure;
        plait_map_options options = {.executor = test_executor(), .limit = 4, .failure = &failure};

        CHECK_EQUAL(run(&options, fail_at_ten, &numbers), -EDOM);
        CHECK_EQUAL(numbers.pushed, 10);
        CHECK_EQUAL(failure.result, -EDOM);
}

TEST_ON_ALL_EXECUTORS(a_stream_that_keeps_going_pushes_failures_too)
{
        struct numbers numbers = {.count = 50};
        plait_map_options options = {.executor = test_executor(), .limit = 4, .keep_going = true};

        CHECK_EQUAL(run(&options, fail_at_ten, &numbers), -EDOM);
        CHECK_EQUAL(numbers.pushed, 50);
        CHECK_EQUAL(numbers.failed, 2);
}

static int fail_always(void *arg)
{
        (void)arg;
        return -EDOM;
}

/* Records of failed items are not kept: memory does not grow with their number. */
TEST(very_many_items_may_fail)
{
        struct numbers numbers = {.count = 100000 / (int)test_slower()};
        plait_map_options options = {.keep_going = true, .limit = 16};

        CHECK_EQUAL(run(&options, fail_always, &numbers), -EDOM);
        CHECK_EQUAL(numbers.failed, numbers.count);
        CHECK(atomic_load(&plait__records.count) < 10000);
}

TEST(what_pull_or_push_returns_ends_it)
{
        struct numbers numbers = {.count = -1, .pull_fails_at = 20};

        CHECK_EQUAL(run(NULL, square, &numbers), -EIO);
        numbers = (struct numbers){.count = -1, .push_fails_at = 30};
        CHECK_EQUAL(run(NULL, square, &numbers), -ENOSPC);
        CHECK_EQUAL(numbers.pushed, 30);
}

static int wait_for_ever(void *arg)
{
        (void)arg;
        return plait_sleep(PLAIT_FOREVER);
}

TEST_ON_ALL_EXECUTORS(a_stream_that_is_out_of_time_ends)
{
        struct numbers numbers = {.count = -1};
        plait_map_options options = {.executor = test_executor(), .limit = 2, .within = 10 * PLAIT_MS, .keep_going = true};

        CHECK_EQUAL(run(&options, wait_for_ever, &numbers), -ETIMEDOUT);
}

TEST(bad_arguments_pull_nothing)
{
        struct numbers numbers = {.count = 3};
        plait_map_source source = {pull, push, &numbers}, none = {NULL, push, &numbers};
        plait_map_options common = {.common = &numbers, .common_size = sizeof numbers};

        CHECK_EQUAL(plait_map_stream(NULL, NULL, 8, &source), -EINVAL);
        CHECK_EQUAL(plait_map_stream(NULL, square, 0, &source), -EINVAL);
        CHECK_EQUAL(plait_map_stream(NULL, square, 8, NULL), -EINVAL);
        CHECK_EQUAL(plait_map_stream(NULL, square, 8, &none), -EINVAL);
        CHECK_EQUAL(plait_map_stream(&common, square, 8, &source), -EINVAL);
        CHECK_EQUAL(numbers.next, 0);
}

static int small_stream(void)
{
        struct numbers numbers = {.count = 20};
        plait_map_options options = {.executor = plait_threads(), .limit = 3};

        return run(&options, square, &numbers);
}

TEST(any_allocation_of_a_stream_may_fail)
{
        FAULT_EACH(FAULT_alloc, 0) {
                int rc = small_stream();

                CHECK(rc == 0 || rc == -ENOMEM);
        }
}
