/* Maps in worker processes. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plait.h"
#include "test.h"

struct item { long of, is; };

static int square(void *arg)
{
        struct item *item = arg;

        item->is = item->of * item->of;
        return 0;
}

static void fill(struct item *items, size_t count)
{
        for (size_t i = 0; i < count; i++)
                items[i] = (struct item){(long)i, -1};
}

TEST(every_item_is_run_whatever_the_chunks)
{
        static struct item items[5000];
        size_t chunks[] = {0, 1, 7, 4999, 5000, 100000, SIZE_MAX};

        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                plait_map_options options = {.executor = plait_processes(), .chunk = chunks[c]};

                fill(items, 5000);
                CHECK_EQUAL(plait_map_with(&options, square, items, 5000, sizeof items[0]), 0);
                for (long i = 0; i < 5000; i++)
                        CHECK_EQUAL(items[i].is, i * i);
        }
}

TEST(maps_of_every_small_count)
{
        static struct item items[300];

        for (size_t count = 0; count < 300; count++) {
                fill(items, 300);
                CHECK_EQUAL(plait_map(plait_processes(), square, items, count, sizeof items[0]), 0);
                for (size_t i = 0; i < 300; i++)
                        CHECK_EQUAL(items[i].is, i < count ? (long)(i * i) : -1);
        }
}

TEST(a_map_with_a_process_for_each_item)
{
        static struct item items[40];
        plait_map_options options = {.executor = plait_own_process(), .limit = 4};

        fill(items, 40);
        CHECK_EQUAL(plait_map_with(&options, square, items, 40, sizeof items[0]), 0);
        for (long i = 0; i < 40; i++)
                CHECK_EQUAL(items[i].is, i * i);
}

static int fail_at_seven(void *arg)
{
        struct item *item = arg;

        if (item->of == 7)
                return -EDOM;
        if (item->of > 7)
                return plait_sleep(60 * PLAIT_S);
        return 0;
}

TEST(a_failure_cancels_the_rest)
{
        static struct item items[1000];
        static int results[1000];
        plait_failure failure;
        plait_map_options options = {.executor = plait_processes(), .chunk = 1, .results = results, .failure = &failure};

        fill(items, 1000);
        CHECK_EQUAL(plait_map_with(&options, fail_at_seven, items, 1000, sizeof items[0]), -EDOM);
        CHECK_EQUAL(failure.result, -EDOM);
        CHECK(failure.arg == &items[7]);
        CHECK(failure.pid > 0);
        CHECK_EQUAL(results[0], 0);
        CHECK_EQUAL(results[7], -EDOM);
        CHECK_EQUAL(results[999], -ECANCELED);
}

static int fail_odd(void *arg)
{
        return ((struct item *)arg)->of % 2 ? -EDOM : 2;
}

TEST(a_map_may_keep_going)
{
        static struct item items[1000];
        static int results[1000];
        plait_map_options options = {.executor = plait_processes(), .keep_going = true, .results = results};

        fill(items, 1000);
        CHECK_EQUAL(plait_map_with(&options, fail_odd, items, 1000, sizeof items[0]), -EDOM);
        for (int i = 0; i < 1000; i++)
                CHECK_EQUAL(results[i], i % 2 ? -EDOM : 2);
}

static int sleep_long(void *arg)
{
        (void)arg;
        return plait_sleep(60 * PLAIT_S);
}

TEST(a_map_has_a_deadline)
{
        struct item items[10];
        int results[10];
        plait_map_options options = {.executor = plait_processes(), .within = test_slower() * 200 * PLAIT_MS, .results = results};

        fill(items, 10);
        CHECK_EQUAL(plait_map_with(&options, sleep_long, items, 10, sizeof items[0]), -ETIMEDOUT);
        CHECK_EQUAL(results[0], -ETIMEDOUT);
        CHECK_EQUAL(results[9], -ECANCELED);
}

static int spin(void *arg)
{
        (void)arg;
        for (;;)
                ;
        return 0;
}

TEST(what_does_not_end_is_killed)
{
        struct item items[10];
        int results[10];
        plait_map_options options = {.executor = plait_processes(), .within = test_slower() * 200 * PLAIT_MS, .kill_after = 10 * PLAIT_MS,
                                     .results = results};

        fill(items, 10);
        CHECK_EQUAL(plait_map_with(&options, spin, items, 10, sizeof items[0]), -ETIMEDOUT);
        CHECK_EQUAL(results[0], -ETIMEDOUT);
        CHECK_EQUAL(results[9], -ECANCELED);
}

static int cancel_soon(void *arg)
{
        plait_scope_cancel(arg);
        return 0;
}

TEST(a_map_is_cancelled_from_around)
{
        struct item items[10];
        plait_scope scope;
        PLAIT_GROUP(group, .name = "canceller");

        fill(items, 10);
        plait_scope_enter(&scope, PLAIT_FOREVER);
        plait_group_start(&group, cancel_soon, &scope, 0);
        CHECK_EQUAL(plait_map(plait_processes(), sleep_long, items, 10, sizeof items[0]), -ECANCELED);
        plait_scope_leave(&scope);
        plait_ignore(plait_group_wait(&group));
}

struct told { size_t last, calls, count; };

static void tell(void *arg, size_t ended, size_t count)
{
        struct told *told = arg;

        CHECK(ended > told->last || (ended == count && told->last < count));
        told->last = ended;
        told->calls++;
        told->count = count;
}

TEST(progress_rises_to_all)
{
        static struct item items[500];
        struct told told = {0};
        plait_map_options options = {.executor = plait_processes(), .progress = tell, .progress_arg = &told};

        fill(items, 500);
        CHECK_EQUAL(plait_map_with(&options, square, items, 500, sizeof items[0]), 0);
        CHECK_EQUAL(told.last, 500);
        CHECK_EQUAL(told.count, 500);
}

static int add_common(void *arg)
{
        const long *common = plait_task_common();

        ((struct item *)arg)->is = common ? *common : -2;
        return 0;
}

TEST(items_see_what_is_common)
{
        static struct item items[100];
        long common = 42;
        plait_map_options options = {.executor = plait_processes(), .common = &common, .common_size = sizeof common};

        CHECK_EQUAL(plait_map_with(&options, add_common, items, 100, sizeof items[0]), 0);
        for (int i = 0; i < 100; i++)
                CHECK_EQUAL(items[i].is, 42);
        options.common = NULL;
        CHECK_EQUAL(plait_map_with(&options, add_common, items, 100, sizeof items[0]), 0);
        CHECK_EQUAL(items[5].is, -2);
        options = (plait_map_options){.executor = plait_processes(), .common = &common};
        CHECK_EQUAL(plait_map_with(&options, add_common, items, 100, sizeof items[0]), -EFAULT);
}

static int pid_of(void *arg)
{
        ((struct item *)arg)->is = getpid();
        return plait_sleep(PLAIT_MS / 10);
}

TEST(a_limit_bounds_the_workers)
{
        static struct item items[50];
        plait_executor *executor;
        plait_executor_options pool = {.kind = PLAIT_PROCESSES, .workers = 4};
        plait_map_options options = {.limit = 1, .chunk = 1};

        CHECK_EQUAL(plait_executor_open(&executor, &pool), 0);
        options.executor = executor;
        CHECK_EQUAL(plait_map_with(&options, pid_of, items, 50, sizeof items[0]), 0);
        for (int i = 1; i < 50; i++)
                CHECK_EQUAL(items[i].is, items[0].is);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

TEST(workers_are_replaced_in_the_middle_of_a_map)
{
        static struct item items[200];
        plait_executor *executor;
        plait_executor_options pool = {.kind = PLAIT_PROCESSES, .workers = 2, .max_tasks_per_worker = 10};

        fill(items, 200);
        CHECK_EQUAL(plait_executor_open(&executor, &pool), 0);
        plait_map_options options = {.executor = executor, .chunk = 25};
        CHECK_EQUAL(plait_map_with(&options, square, items, 200, sizeof items[0]), 0);
        for (long i = 0; i < 200; i++)
                CHECK_EQUAL(items[i].is, i * i);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

static int map_of_my_own(void *arg)
{
        static struct item items[300];
        int rc;

        fill(items, 300);
        rc = plait_map(plait_processes(), square, items, 300, sizeof items[0]);
        for (int i = 0; i < 300; i++)
                if (items[i].is != (long)i * i)
                        rc = -EIO;
        ((struct item *)arg)->is = rc == 0;
        return rc;
}

TEST(maps_within_maps)
{
        struct item items[4];

        fill(items, 4);
        CHECK_EQUAL(plait_map(plait_processes(), map_of_my_own, items, 4, sizeof items[0]), 0);
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(items[i].is, 1);
}

static int one_map(void *arg)
{
        static struct item items[8][400];
        struct item *mine = items[*(int *)arg];

        fill(mine, 400);
        for (int round = 0; round < 20; round++)
                if (plait_map(plait_processes(), square, mine, 400, sizeof mine[0]) < 0)
                        return -EIO;
        for (long i = 0; i < 400; i++)
                if (mine[i].is != i * i)
                        return -EIO;
        return 0;
}

TEST(many_strands_map_at_once)
{
        plait_executor *executors[] = {plait_coroutines(), plait_threads()};

        for (int e = 0; e < 2; e++) {
                int numbers[8];
                PLAIT_GROUP(group, .executor = executors[e]);

                for (int i = 0; i < 8; i++) {
                        numbers[i] = i;
                        plait_group_start(&group, one_map, &numbers[i], sizeof numbers[i]);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
}
