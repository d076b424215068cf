/* Map: one function over an array. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "tasks.h"

struct item { int in, out; };

static int square(void *arg)
{
        struct item *item = arg;

        item->out = item->in * item->in;
        return 0;
}

static struct item *make_items(size_t count)
{
        struct item *items = calloc(count ? count : 1, sizeof *items);

        CHECK(items);
        for (size_t i = 0; i < count; i++)
                items[i].in = (int)i % 1000;
        return items;
}

static void check_items(const struct item *items, size_t count)
{
        for (size_t i = 0; i < count; i++)
                CHECK_EQUAL(items[i].out, items[i].in * items[i].in);
}

static size_t scale(size_t count)
{
        return test_executor() == plait_own_thread() ? count / 50 + 1 : count;
}

TEST_ON_ALL_EXECUTORS(a_map_runs_every_item_in_place)
{
        for (size_t count = 0; count < 300; count = count * 2 + 1) {
                struct item *items = make_items(count);

                CHECK_EQUAL(plait_map(test_executor(), square, items, count, sizeof *items), 0);
                check_items(items, count);
                free(items);
        }
}

TEST_ON_EXECUTORS(a_map_of_a_hundred_thousand_items)
{
        size_t count = scale(100000);
        struct item *items = make_items(count);

        CHECK_EQUAL(plait_map(test_executor(), square, items, count, sizeof *items), 0);
        check_items(items, count);
        free(items);
}

TEST_ON_ALL_EXECUTORS(a_map_of_nothing_is_done)
{
        int dummy = 0;

        CHECK_EQUAL(plait_map(test_executor(), square, NULL, 0, 4), 0);
        CHECK_EQUAL(plait_map(test_executor(), square, &dummy, 0, 4), 0);
        CHECK_EQUAL(plait_map(test_executor(), NULL, &dummy, 1, 4), -EINVAL);
        CHECK_EQUAL(plait_map(test_executor(), square, &dummy, 1, 0), -EINVAL);
        CHECK_EQUAL(plait_map(test_executor(), square, NULL, 1, 4), -EINVAL);
        CHECK_EQUAL(plait_map(test_executor(), NULL, NULL, 0, 0), -EINVAL);
}

TEST(a_map_without_options_or_executor_runs_coroutines)
{
        struct item items[3] = {{1, 0}, {2, 0}, {3, 0}};

        CHECK_EQUAL(plait_map_with(NULL, square, items, 3, sizeof items[0]), 0);
        check_items(items, 3);
        CHECK_EQUAL(plait_map(NULL, square, items, 3, sizeof items[0]), 0);
}

/* ---- results and failures */

static int return_in(void *arg)
{
        return ((struct item *)arg)->in;
}

TEST_ON_ALL_EXECUTORS(results_are_told_item_by_item)
{
        enum { COUNT = 200 };
        struct item items[COUNT];
        int results[COUNT];
        plait_failure failure = {.result = 1};
        plait_map_options options = {.executor = test_executor(), .results = results, .failure = &failure};

        for (int i = 0; i < COUNT; i++)
                items[i].in = i;
        CHECK_EQUAL(plait_map_with(&options, return_in, items, COUNT, sizeof items[0]), 0);
        for (int i = 0; i < COUNT; i++)
                CHECK_EQUAL(results[i], i);
        CHECK_EQUAL(failure.result, 0);
}

TEST_ON_EXECUTORS(the_first_failure_ends_the_map)
{
        enum { COUNT = 1000 };
        struct item items[COUNT] = {{0}};
        int results[COUNT], statuses[COUNT], ran = 0;
        plait_failure failure;
        plait_map_options options = {.executor = test_executor(), .results = results, .failure = &failure,
                                     .statuses = statuses, .limit = 4, .chunk = 2};

        memset(results, 0x55, sizeof results);
        memset(statuses, 0x55, sizeof statuses);
        items[20].in = -EDOM;
        CHECK_EQUAL(plait_map_with(&options, return_in, items, COUNT, sizeof items[0]), -EDOM);
        CHECK(failure.result == -EDOM && failure.arg == &items[20] && failure.pid == 0);
        CHECK_EQUAL(results[20], -EDOM);
        for (int i = 0; i < COUNT; i++) {
                CHECK(i == 20 || results[i] == 0 || results[i] == -ECANCELED);
                CHECK_EQUAL(statuses[i], 0);
                ran += results[i] == 0;
        }
        for (int i = 0; i < 16; i++)
                CHECK_EQUAL(results[i], 0);
        CHECK(ran < COUNT - 1);
}

TEST_ON_ALL_EXECUTORS(a_map_that_keeps_going_runs_all)
{
        enum { COUNT = 300 };
        struct item items[COUNT] = {{0}};
        int results[COUNT];
        plait_failure failure;
        plait_map_options options = {.executor = test_executor(), .results = results, .failure = &failure, .keep_going = true};

        items[7].in = -EDOM;
        items[250].in = -E2BIG;
        CHECK(plait_map_with(&options, return_in, items, COUNT, sizeof items[0]) < 0);
        CHECK(failure.arg == &items[7] || failure.arg == &items[250]);
        for (int i = 0; i < COUNT; i++)
                CHECK_EQUAL(results[i], items[i].in);
}

static _Atomic int inside, most;

static int note_crowd(void *arg)
{
        int now = ++inside, was = most;

        while (now > was && !__atomic_compare_exchange_n((int *)&most, &was, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                ;
        for (int i = 0; i < 3; i++)
                plait_ignore(plait_yield());
        ((struct item *)arg)->out++;
        inside--;
        return 0;
}

TEST_ON_EXECUTORS(a_limit_bounds_the_items_begun_and_all_are_run)
{
        for (size_t chunk = 0; chunk < 20; chunk += 7) {
                struct item items[100] = {{0}};
                plait_map_options options = {.executor = test_executor(), .limit = 3, .chunk = chunk};

                most = 0;
                CHECK_EQUAL(plait_map_with(&options, note_crowd, items, 100, sizeof items[0]), 0);
                CHECK(most <= 3);
                for (int i = 0; i < 100; i++)
                        CHECK_EQUAL(items[i].out, 1);
        }
}

/* Stays until the crowd has been as large as it gets. */
static int stay_a_while(void *arg)
{
        int rc = note_crowd(arg);

        inside++;
        for (int i = 0; i < 300; i++)
                plait_ignore(plait_yield());
        inside--;
        return rc;
}

TEST(coroutines_take_256_items_at_once)
{
        struct item items[600] = {{0}};

        most = 0;
        CHECK_EQUAL(plait_map(plait_coroutines(), stay_a_while, items, 600, sizeof items[0]), 0);
        CHECK_EQUAL(most, 256);
}

static void check_refused(plait_executor *executor, enum fault_kind kind, int error)
{
        struct item items[3] = {{0}};
        int results[3] = {0};
        plait_failure failure = {.result = 5, .arg = items};
        plait_map_options options = {.executor = executor, .results = results, .failure = &failure};
        int rc;

        fault_fail_from(kind, 1, error);
        rc = plait_map_with(&options, task_never, items, 3, sizeof items[0]);
        fault_off();
        CHECK_EQUAL(rc, -error);
        CHECK_EQUAL(failure.result, -error);
        CHECK(!failure.arg && !failure.pid && !failure.status);
        CHECK(strcmp(failure.name, "map") == 0);
        for (int i = 0; i < 3; i++)
                CHECK_EQUAL(results[i], -ECANCELED);
}

TEST(a_map_that_nobody_can_run_says_why)
{
        struct { plait_kind kind; enum fault_kind fault; int error; } rows[] = {
                {PLAIT_PROCESSES, FAULT_alloc, ENOMEM},         /* in the call */
                {PLAIT_PROCESSES, FAULT_socketpair, EMFILE},    /* no fork server, later */
        };

        check_refused(plait_own_thread(), FAULT_thread_start, EAGAIN);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                plait_executor *executor;
                plait_executor_options options = {.kind = rows[i].kind, .workers = 1};

                test_note("row %zu", i);
                CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
                check_refused(executor, rows[i].fault, rows[i].error);
                CHECK_EQUAL(plait_executor_close(executor), 0);
        }
}

/* ---- cut short */

static int wait_in_item(void *arg)
{
        ((struct item *)arg)->out = 1;
        return plait_sleep(PLAIT_FOREVER);
}

TEST_ON_ALL_EXECUTORS(a_maps_time_is_the_whole_maps)
{
        struct item items[50] = {{0}};
        int results[50];
        plait_failure failure = {.result = 5};
        plait_map_options options = {.executor = test_executor(), .within = PLAIT_MS, .limit = 5, .results = results,
                                     .failure = &failure};

        CHECK_EQUAL(plait_map_with(&options, wait_in_item, items, 50, sizeof items[0]), -ETIMEDOUT);
        CHECK_EQUAL(failure.result, 0);
        for (int i = 0; i < 50; i++)
                CHECK_EQUAL(results[i], items[i].out ? -ETIMEDOUT : -ECANCELED);
        options.within = -1;
        memset(items, 0, sizeof items);
        CHECK_EQUAL(plait_map_with(&options, wait_in_item, items, 50, sizeof items[0]), -ETIMEDOUT);
        for (int i = 0; i < 50; i++)
                CHECK(results[i] == -ECANCELED && !items[i].out);
}

/* Computes until its time is long over, and has succeeded nevertheless. */
static int outlast(void *arg)
{
        plait_time over;

        while (plait_cancelled() == 0)
                ;
        over = plait_now();
        while (plait_now() < over + 50 * PLAIT_MS)
                ;
        ((struct item *)arg)->out = 1;
        return 0;
}

static int outlast_all_but_the_first(void *arg)
{
        struct item *item = arg;

        return item->in ? outlast(arg) : 0;
}

TEST_ON_ALL_EXECUTORS(what_all_succeeded_is_no_time_out)
{
        struct item item = {1, 0};
        int result = 1;
        plait_failure failure = {.result = 5};
        plait_map_options options = {.executor = test_executor(), .within = test_slower() * 200 * PLAIT_MS, .results = &result,
                                     .failure = &failure};

        CHECK_EQUAL(plait_map_with(&options, outlast, &item, 1, sizeof item), 0);
        CHECK_EQUAL(item.out, 1);
        CHECK_EQUAL(result, 0);
        CHECK_EQUAL(failure.result, 0);
}

/* The one thread of the pool runs both items; a second runner of the map gets no place before the time is over. */
TEST(nor_is_a_runner_that_found_nothing_left)
{
        struct item items[2] = {{0, 0}, {1, 0}};
        plait_executor *executor;
        plait_executor_options pool = {.kind = PLAIT_THREADS, .workers = 1};
        plait_map_options options = {.within = test_slower() * 100 * PLAIT_MS, .limit = 2, .chunk = 1};

        CHECK_EQUAL(plait_executor_open(&executor, &pool), 0);
        options.executor = executor;
        CHECK_EQUAL(plait_map_with(&options, outlast_all_but_the_first, items, 2, sizeof items[0]), 0);
        CHECK_EQUAL(items[1].out, 1);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

struct hogged { plait_executor *executor; plait_time until; int rc, results[2]; };

static int map_beside_a_hog(void *arg)
{
        struct hogged *hogged = arg;
        struct item items[2] = {{0}};
        plait_map_options options = {.executor = hogged->executor, .within = test_slower() * 100 * PLAIT_MS, .chunk = 1,
                                     .results = hogged->results};

        hogged->until = plait_now() + test_slower() * 200 * PLAIT_MS;
        hogged->rc = plait_map_with(&options, wait_in_item, items, 2, sizeof items[0]);
        return 0;
}

/* Lets no other strand of its thread see the clock before all is over. */
static int hog(void *arg)
{
        struct hogged *hogged = arg;

        while (plait_now() < hogged->until)
                ;
        return 0;
}

TEST_ON_ALL_EXECUTORS(a_time_out_that_only_the_items_noticed_is_one)
{
        struct hogged hogged = {.executor = test_executor()};
        PLAIT_GROUP(group, .name = "beside");

        plait_group_start(&group, map_beside_a_hog, &hogged, 0);
        plait_group_start(&group, hog, &hogged, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(hogged.rc, -ETIMEDOUT);
        for (int i = 0; i < 2; i++)
                CHECK(hogged.results[i] == -ETIMEDOUT || hogged.results[i] == -ECANCELED);
}

static int map_and_wait(void *arg)
{
        struct item items[4] = {{0}};

        return plait_map(arg, wait_in_item, items, 4, sizeof items[0]);
}

TEST_ON_EXECUTORS(a_cancel_reaches_the_items)
{
        PLAIT_GROUP(group, .name = "around");
        plait_task *task = plait_group_start(&group, map_and_wait, test_executor(), 0);
        int rc;

        test_until_parked(&group);
        plait_task_cancel(task);
        CHECK_EQUAL(plait_task_wait(task, &rc), 0);
        CHECK_EQUAL(rc, -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_ALL_EXECUTORS(a_map_in_an_ended_scope_runs_nothing)
{
        struct item items[3] = {{0}};
        int results[3] = {0};
        plait_map_options options = {.executor = test_executor(), .results = results};

        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_map_with(&options, task_never, items, 3, sizeof items[0]), -ETIMEDOUT);
        CHECK_EQUAL(results[2], -ECANCELED);
}

/* ---- progress and common */

struct told { size_t last, count, times; };

static void be_told(void *arg, size_t ended, size_t count)
{
        struct told *told = arg;

        CHECK(ended > told->last && ended <= count);
        told->last = ended;
        told->count = count;
        told->times++;
        plait_ignore(plait_yield());            /* it may wait */
}

TEST_ON_ALL_EXECUTORS(progress_rises_to_the_count)
{
        struct item *items = make_items(500);
        struct told told = {0};
        plait_map_options options = {.executor = test_executor(), .progress = be_told, .progress_arg = &told};

        CHECK_EQUAL(plait_map_with(&options, square, items, 500, sizeof *items), 0);
        CHECK(told.last == 500 && told.count == 500 && told.times >= 1);
        check_items(items, 500);
        free(items);
}

static const int table[] = {10, 20, 30};

static int look_up(void *arg)
{
        const int *common = plait_task_common();
        struct item *item = arg;

        CHECK(common == table);
        item->out = common[item->in % 3];
        return 0;
}

TEST_ON_EXECUTORS(common_is_there_inside_and_only_there)
{
        struct item *items = make_items(100);
        plait_map_options options = {.executor = test_executor(), .common = table, .common_size = sizeof table};

        CHECK(plait_task_common() == NULL);
        CHECK_EQUAL(plait_map_with(&options, look_up, items, 100, sizeof *items), 0);
        for (int i = 0; i < 100; i++)
                CHECK_EQUAL(items[i].out, table[items[i].in % 3]);
        options.common_size = 0;
        CHECK_EQUAL(plait_map_with(&options, look_up, items, 100, sizeof *items), 0);
        CHECK(plait_task_common() == NULL);
        free(items);
}

static int note_common(void *arg)
{
        const int *common = plait_task_common();

        ((struct item *)arg)->out = common ? *common : -1;
        return 0;
}

/* What is common to the items of a map and to tasks, all inside the item of another map, and to that item. */
static int look_inside(void *arg)
{
        plait_executor *executors[] = {plait_coroutines(), plait_threads(), plait_own_thread()};
        struct item inner[2], task = {0}, *item = arg;
        int common = 7;

        for (int e = 0; e < 3; e++) {
                plait_map_options options = {.executor = executors[e], .common = &common, .common_size = sizeof common};
                PLAIT_GROUP(group, .executor = executors[e]);

                CHECK_EQUAL(plait_map_with(&options, note_common, inner, 2, sizeof inner[0]), 0);
                CHECK(inner[0].out == 7 && inner[1].out == 7);
                CHECK_EQUAL(plait_map(executors[e], note_common, inner, 2, sizeof inner[0]), 0);
                CHECK(inner[0].out == -1 && inner[1].out == -1);
                plait_group_start(&group, note_common, &task, sizeof task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(task.out, -1);
                CHECK_EQUAL(plait_call(executors[e], note_common, &task, sizeof task), 0);
                CHECK_EQUAL(task.out, -1);
        }
        return note_common(item);
}

TEST_ON_ALL_EXECUTORS(common_belongs_to_the_map_whose_item_asks)
{
        struct item items[4] = {{0}};
        int common = 9;
        plait_map_options options = {.executor = test_executor(), .common = &common, .common_size = sizeof common};

        CHECK_EQUAL(plait_map_with(&options, look_inside, items, 4, sizeof items[0]), 0);
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(items[i].out, 9);
        options.common = NULL;
        CHECK_EQUAL(plait_map_with(&options, look_inside, items, 4, sizeof items[0]), 0);
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(items[i].out, -1);
}

static int map_inside(void *arg)
{
        struct item items[10];

        for (int i = 0; i < 10; i++)
                items[i].in = i;
        CHECK_EQUAL(plait_map(test_executor(), square, items, 10, sizeof items[0]), 0);
        check_items(items, 10);
        return square(arg);
}

TEST_ON_EXECUTORS(maps_nest)
{
        struct item *items = make_items(scale(300));

        CHECK_EQUAL(plait_map(test_executor(), map_inside, items, scale(300), sizeof *items), 0);
        check_items(items, scale(300));
        free(items);
}
