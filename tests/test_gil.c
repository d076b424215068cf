/* The gil: one strand computes, all wait. */
#include <errno.h>
#include <unistd.h>

#include "tasks.h"

struct turn { plait_gil *gil; _Atomic int *inside; _Atomic int *stop; int turns, checks; int fd; };

static int compute_and_check(void *arg)
{
        struct turn *turn = arg;

        while (!*turn->stop) {
                CHECK_EQUAL(++*turn->inside, 1);
                for (volatile int i = 0; i < 1000; i++)
                        ;
                --*turn->inside;
                turn->checks++;
                turn->turns += plait_gil_checkpoint(NULL);
                if (turn->turns >= 5)
                        *turn->stop = 1;
        }
        return 0;
}

static plait_executor *open_pool(plait_gil *gil)
{
        plait_executor *pool;
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 4, .gil = gil, .name = "pool"};

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        return pool;
}

/* Real time: the interval is by the clock. */
TEST(two_tasks_that_check_take_turns_in_real_time)
{
        plait_gil gil = {.interval = 100 * PLAIT_US};
        plait_executor *pool = open_pool(&gil);
        _Atomic int inside = 0, stop = 0;
        struct turn turns[2] = {{&gil, &inside, &stop, 0, 0, 0}, {&gil, &inside, &stop, 0, 0, 0}};

        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 2; i++)
                        plait_group_start(&group, compute_and_check, &turns[i], sizeof turns[i]);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(turns[0].turns >= 4 && turns[1].turns >= 4);
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

static int compute_without_checks(void *arg)
{
        struct turn *turn = arg;
        plait_time end = plait_now() + 3 * PLAIT_MS;

        CHECK_EQUAL(++*turn->inside, 1);
        while (plait_now() < end)
                ;
        --*turn->inside;
        return 0;
}

/* Real time: it is held for several intervals, which nobody can shorten. */
TEST(a_task_that_does_not_check_keeps_it_in_real_time)
{
        plait_gil gil = {.interval = 100 * PLAIT_US};
        plait_executor *pool = open_pool(&gil);
        _Atomic int inside = 0, stop = 0;
        struct turn turn = {&gil, &inside, &stop, 0, 0, 0};

        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 3; i++)
                        plait_group_start(&group, compute_without_checks, &turn, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

static int read_it(void *arg)
{
        struct turn *turn = arg;
        char byte;

        ++*turn->inside;
        CHECK_EQUAL(plait_read(turn->fd, &byte, 1), 1);
        return 0;
}

TEST(waits_overlap)
{
        plait_gil gil = {0};
        plait_executor *pool = open_pool(&gil);
        _Atomic int inside = 0, stop = 0;
        struct turn turn = {&gil, &inside, &stop, 0, 0, 0};
        int fds[2];

        CHECK_EQUAL(pipe(fds), 0);
        turn.fd = fds[0];
        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 4; i++)
                        plait_group_start(&group, read_it, &turn, 0);
                test_until_parked(&group);
                CHECK_EQUAL(inside, 4);
                CHECK_EQUAL(write(fds[1], "abcd", 4), 4);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
        plait_close(fds[0]);
        plait_close(fds[1]);
}

static int hold_in_turn(void *arg)
{
        struct turn *turn = arg;

        for (int i = 0; i < 100; i++) {
                plait_gil_acquire(turn->gil);
                CHECK_EQUAL(++*turn->inside, 1);
                --*turn->inside;
                if (i % 10 == 0) {
                        plait_ignore(plait_yield());
                        CHECK(!plait_gil_checkpoint(turn->gil) || true);
                }
                plait_gil_release(turn->gil);
        }
        return 0;
}

TEST_ON_EXECUTORS(any_strands_share_a_gil)
{
        plait_gil gil = {.interval = 10 * PLAIT_US};
        _Atomic int inside = 0, stop = 0;
        struct turn turn = {&gil, &inside, &stop, 0, 0, 0};
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 4; i++)
                plait_group_start(&group, hold_in_turn, &turn, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_checkpoint_without_a_gil_does_nothing)
{
        plait_gil gil = {0};

        CHECK(!plait_gil_checkpoint(NULL));
        plait_gil_acquire(&gil);
        CHECK(!plait_gil_checkpoint(&gil));
        plait_gil_release(&gil);
}

static int release_and_acquire(void *arg)
{
        plait_gil_release(arg);
        plait_ignore(plait_yield());
        plait_gil_acquire(arg);
        return 0;
}

TEST(a_task_may_release_it_around_a_long_call)
{
        plait_gil gil = {0};
        plait_executor *pool = open_pool(&gil);

        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 10; i++)
                        plait_group_start(&group, release_and_acquire, &gil, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

static int check_is_held(void *arg)
{
        plait_gil_release(arg);                 /* aborts if this task does not hold it */
        plait_gil_acquire(arg);
        CHECK(!plait_gil_checkpoint(NULL) || true);
        return 0;
}

static int wait_for_more(void *arg)
{
        PLAIT_GROUP(inner, .executor = ((void **)arg)[1]);

        for (int i = 0; i < 3; i++)
                plait_group_start(&inner, check_is_held, ((void **)arg)[0], 0);
        return plait_group_wait(&inner);
}

/* A pool of one thread: the waiters run the tasks that it has no thread for. */
TEST(a_task_that_its_waiter_runs_holds_it_too)
{
        plait_gil gil = {0};
        plait_executor *pool;
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 1, .threads_max = 1, .gil = &gil};
        void *both[2] = {&gil, NULL};

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        both[1] = pool;
        {
                PLAIT_GROUP(group, .executor = pool);

                for (int i = 0; i < 4; i++)
                        plait_group_start(&group, wait_for_more, both, sizeof both);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
}

struct pipe_of_queues { plait_queue *in, *out; };

static int pass_through(void *arg)
{
        struct pipe_of_queues *queues = arg;
        int item, rc;

        while ((rc = plait_queue_get(queues->in, &item)) == 0) {
                plait_gil_checkpoint(NULL);
                rc = plait_queue_put(queues->out, &item);
                if (rc < 0)
                        return rc;
        }
        return rc == -EPIPE ? 0 : rc;
}

/* Who waits for a queue and gave the gil up for that then waits for the gil: the two waits are not mixed up. */
TEST(waiting_for_the_gil_does_not_disturb_what_else_is_waited_for)
{
        enum { WORKERS = 6, ITEMS = 500 };
        plait_executor_options options = {.kind = PLAIT_THREADS, .gil = &(plait_gil){.interval = PLAIT_US}};
        struct pipe_of_queues queues;
        plait_executor *executor;
        int sum = 0, item, i, got = 0;

        CHECK(plait_executor_open(&executor, &options) == 0);
        CHECK(plait_queue_new(&queues.in, sizeof(int), 2, PLAIT_FIFO) == 0);
        CHECK(plait_queue_new(&queues.out, sizeof(int), ITEMS, PLAIT_FIFO) == 0);
        {
                PLAIT_GROUP(group, .executor = executor);
                for (i = 0; i < WORKERS; i++)
                        plait_group_start(&group, pass_through, &queues, 0);
                for (i = 1; i <= ITEMS; i++)
                        CHECK(plait_queue_put(queues.in, &i) == 0);
                plait_queue_shutdown(queues.in, false);
                CHECK(plait_group_wait(&group) == 0);
        }
        while (plait_queue_try_get(queues.out, &item) == 0) {
                sum += item;
                got++;
        }
        CHECK_EQUAL(got, ITEMS);
        CHECK_EQUAL(sum, ITEMS * (ITEMS + 1) / 2);
        plait_queue_free(queues.in);
        plait_queue_free(queues.out);
        CHECK(plait_executor_close(executor) == 0);
}

struct loop_turn { plait_gil *gil; _Atomic int *stop; int turns; };

static int compute_in_turn(void *arg)
{
        struct loop_turn *turn = arg;

        plait_gil_acquire(turn->gil);
        plait_ignore(plait_yield());            /* the other begins, and waits */
        while (!*turn->stop) {
                if (plait_gil_checkpoint(turn->gil) && ++turn->turns == 3)
                        *turn->stop = 1;
        }
        plait_gil_release(turn->gil);
        return 0;
}

/* Real time: the interval is by the clock. Who waits is a coroutine of the holder's thread, which computes. */
TEST(coroutines_of_one_thread_take_turns_in_real_time)
{
        plait_gil gil = {.interval = 100 * PLAIT_US};
        _Atomic int stop = 0;
        struct loop_turn turns[2] = {{&gil, &stop, 0}, {&gil, &stop, 0}};
        PLAIT_GROUP(group, .name = "turns");

        for (int i = 0; i < 2; i++)
                plait_group_start(&group, compute_in_turn, &turns[i], sizeof turns[i]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(turns[0].turns >= 2 && turns[1].turns >= 2);
}
