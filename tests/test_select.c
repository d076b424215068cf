/* Select: each kind of case, the choice among those that are ready, and calls that cannot be made. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "core/loop.h"
#include "descriptors.h"
#include "fault.h"
#include "select.h"

/* ---- everything that can be selected, none of it ready. `get` is from an empty queue, `put` to a full one with 100 in it. */

enum which { GET, PUT, EVENT, TASK, READABLE, WRITABLE, AFTER, AT, ALL };

struct things {
        plait_queue *empty, *full;
        plait_event event;
        plait_task *task;
        int readable[2], writable[2];
        int got, given;
        plait_case cases[ALL];
        int taken;
};

static void fill(int fd)
{
        static const char bytes[4096];

        CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        while (write(fd, bytes, sizeof bytes) > 0)
                ;
}

static void empty(int fd)
{
        char bytes[4096];

        CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        while (read(fd, bytes, sizeof bytes) > 0)
                ;
}

static void things_make(struct things *things, plait_task *task)
{
        *things = (struct things){
                .empty = make(1), .full = make_full(100), .task = task, .got = -1, .given = 7, .taken = -1};
        make_pair(2, things->readable);
        make_pair(2, things->writable);
        fill(things->writable[1]);
        things->cases[GET] = PLAIT_GET(things->empty, &things->got);
        things->cases[PUT] = PLAIT_PUT(things->full, &things->given);
        things->cases[EVENT] = PLAIT_EVENT(&things->event);
        things->cases[TASK] = PLAIT_TASK(task);
        things->cases[READABLE] = PLAIT_READABLE(things->readable[0]);
        things->cases[WRITABLE] = PLAIT_WRITABLE(things->writable[1]);
        things->cases[AFTER] = PLAIT_AFTER(3600 * PLAIT_S);
        things->cases[AT] = PLAIT_AT(plait_now() + 7200 * PLAIT_S);
        for (int i = 0; i < ALL; i++)
                things->cases[i].result = 77;
}

static void things_free(struct things *things)
{
        plait_queue_free(things->empty);
        plait_queue_free(things->full);
        close_pair(things->readable);
        close_pair(things->writable);
}

/* Of the task, whose result is 5, the event that ends it. */
static plait_event ends;

static int task_end(void *arg)
{
        (void)arg;
        plait_ignore(plait_event_wait(&ends));
        return 5;
}

static void make_ready(struct things *things, enum which which)
{
        int item = 42;

        switch (which) {
        case GET:
                CHECK_EQUAL(plait_queue_put(things->empty, &item), 0);
                break;
        case PUT:
                CHECK_EQUAL(plait_queue_get(things->full, &item), 0);
                break;
        case EVENT:
                plait_event_set(&things->event);
                break;
        case TASK:
                plait_event_set(&ends);
                break;
        case READABLE:
                CHECK_EQUAL(write(things->readable[1], "x", 1), 1);
                break;
        case WRITABLE:
                empty(things->writable[0]);
                break;
        case AFTER:
                test_clock_advance(3600 * PLAIT_S);
                break;
        default:
                test_clock_advance(7200 * PLAIT_S);
        }
}

/* That one was taken, and nothing of the others happened. */
static void check_taken(const struct things *things, enum which which)
{
        CHECK_EQUAL(things->taken, which);
        for (int i = 0; i < ALL; i++)
                CHECK_EQUAL(things->cases[i].result, i != (int)which ? 77 : i == TASK ? 5 : 0);
        CHECK_EQUAL(things->got, which == GET ? 42 : -1);
        CHECK_EQUAL(plait_queue_size(things->empty), 0);
        CHECK_EQUAL(plait_queue_size(things->full), 1);
}

static int select_thing(void *arg)
{
        struct things *things = arg;

        things->taken = plait_select(things->cases, ALL);
        return 0;
}

TEST(each_kind_of_case_is_taken_when_it_is_ready_at_once)
{
        test_clock_manual();
        for (enum which which = 0; which < ALL; which++) {
                PLAIT_GROUP(group, .name = "ends");
                struct things things;

                ends = (plait_event){0};
                things_make(&things, plait_group_start(&group, task_end, NULL, 0));
                if (which == AT)
                        things.cases[AT] = PLAIT_AT(plait_now());
                else if (which == AFTER)
                        things.cases[AFTER] = PLAIT_AFTER(0);
                else
                        make_ready(&things, which);
                if (which == TASK)
                        CHECK_EQUAL(plait_task_wait(things.task, NULL), 0);
                things.taken = plait_select(things.cases, ALL);
                check_taken(&things, which);
                plait_event_set(&ends);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                things_free(&things);
        }
}

TEST_ON_EXECUTORS(each_kind_of_case_is_waited_for)
{
        test_clock_manual();
        for (enum which which = 0; which < ALL; which++) {
                PLAIT_GROUP(group, .executor = test_executor());
                struct things things;
                plait_task *selects;

                ends = (plait_event){0};
                things_make(&things, plait_group_start(&group, task_end, NULL, 0));
                if (which == AT) {
                        things.cases[AFTER] = PLAIT_AFTER(PLAIT_FOREVER);
                        things.cases[AFTER].result = 77;
                }
                selects = plait_group_start(&group, select_thing, &things, sizeof things);
                test_until_parked(&group);
                CHECK_EQUAL(things.taken, -1);
                make_ready(&things, which);
                CHECK_EQUAL(plait_task_wait(selects, NULL), 0);
                check_taken(&things, which);
                plait_event_set(&ends);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                things_free(&things);
        }
}

/* ---- cases that are ready with an error */

TEST_ON_EXECUTORS(shutdown_ends_a_select)
{
        struct pair gets = {make(1), make(1), -1, -1, -1, 1}, puts = {make_full(1), make_full(2), 3, 4, -1, 1};

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &gets, sizeof gets);
                plait_group_start(&group, put_either, &puts, sizeof puts);
                test_until_parked(&group);
                plait_queue_shutdown(gets.b, false);
                plait_queue_shutdown(puts.a, false);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(gets.taken == 1 && gets.result == -EPIPE && gets.item_b == -1);
        CHECK(puts.taken == 0 && puts.result == -EPIPE);
        CHECK(plait_queue_size(puts.a) == 1 && plait_queue_size(puts.b) == 1);
        CHECK_EQUAL(put_either(&puts), 0);              /* it is ready still, and with that */
        CHECK(puts.taken == 0 && puts.result == -EPIPE);
        CHECK_EQUAL(get_either(&gets), 0);
        CHECK(gets.taken == 1 && gets.result == -EPIPE);
        plait_queue_free(gets.a);
        plait_queue_free(gets.b);
        plait_queue_free(puts.a);
        plait_queue_free(puts.b);
}

TEST(a_queue_that_is_shut_down_is_drained_first)
{
        plait_queue *queue = make_full(5);
        int item = -1;
        plait_case one = PLAIT_GET(queue, &item);

        plait_queue_shutdown(queue, false);
        CHECK_EQUAL(plait_select(&one, 1), 0);
        CHECK(one.result == 0 && item == 5);
        CHECK_EQUAL(plait_select(&one, 1), 0);
        CHECK_EQUAL(one.result, -EPIPE);
        plait_queue_free(queue);
}

TEST(a_put_for_which_there_is_no_memory_is_taken_with_that)
{
        plait_queue *queue = make(SIZE_MAX);
        plait_case one;
        int item = 0;

        fault_fail_nth(FAULT_alloc, 1, 0);
        do {
                one = PLAIT_PUT(queue, &item);
                CHECK_EQUAL(plait_select(&one, 1), 0);
                item++;
        } while (one.result == 0);
        fault_off();
        CHECK_EQUAL(one.result, -ENOMEM);
        CHECK_EQUAL(plait_queue_size(queue), item - 1);
        plait_queue_free(queue);
}

struct watch {
        int fd, taken, result;
        plait_event never;
};

static int watch_fd(void *arg)
{
        struct watch *watch = arg;
        plait_case cases[] = {PLAIT_EVENT(&watch->never), PLAIT_READABLE(watch->fd)};

        watch->taken = plait_select(cases, 2);
        watch->result = cases[1].result;
        return 0;
}

TEST_ON_EXECUTORS(closing_a_descriptor_ends_a_select)
{
        for (int kind = 0; kind < 3; kind++) {
                struct watch watch = {.taken = -1};
                int fds[2];

                make_pair(kind, fds);
                watch.fd = fds[0];
                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        plait_group_start(&group, watch_fd, &watch, sizeof watch);
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_close(fds[0]), 0);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK(watch.taken == 1 && watch.result == -EBADF);
                CHECK_EQUAL(plait_close(fds[1]), 0);
        }
}

TEST(a_descriptor_that_is_not_open_is_ready_with_that)
{
        int fds[2];

        make_pair(0, fds);
        close_pair(fds);
        for (int i = 0; i < 2; i++) {
                plait_case cases[] = {PLAIT_AFTER(PLAIT_FOREVER), PLAIT_WRITABLE(i ? fds[1] : -1)};

                CHECK_EQUAL(plait_select(cases, 2), 1);
                CHECK_EQUAL(cases[1].result, -EBADF);
        }
}

TEST(a_regular_file_is_always_ready_and_a_pipe_at_its_end)
{
        FILE *file = tmpfile();
        int fds[2];

        make_pair(0, fds);
        CHECK_EQUAL(plait_close(fds[1]), 0);
        for (int i = 0; i < 3; i++) {
                plait_case one = i == 0   ? PLAIT_READABLE(fileno(file))
                                 : i == 1 ? PLAIT_WRITABLE(fileno(file))
                                          : PLAIT_READABLE(fds[0]);

                CHECK_EQUAL(plait_select(&one, 1), 0);
                CHECK_EQUAL(one.result, 0);
        }
        CHECK_EQUAL(plait_close(fds[0]), 0);
        fclose(file);
}

/* The byte that woke both is read by one of them, or by neither: a select tells of what is there, not of what was. */
TEST(a_descriptor_that_another_was_faster_to_read_is_waited_for_again)
{
        struct watch watch = {.taken = -1};
        struct io io = {0};
        int fds[2];

        make_pair(2, fds);
        io.fd = watch.fd = fds[0];
        {
                PLAIT_GROUP(group, .name = "readers");

                plait_group_start(&group, read_io, &io, sizeof io);
                test_until_parked(&group);
                plait_group_start(&group, watch_fd, &watch, sizeof watch);
                test_until_parked(&group);
                CHECK_EQUAL(write(fds[1], "x", 1), 1);
                test_until_parked(&group);
                while (io.rc == 0)
                        CHECK_EQUAL(plait_yield(), 0);
                test_until_parked(&group);
                CHECK_EQUAL(watch.taken, -1);
                CHECK_EQUAL(write(fds[1], "y", 1), 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(io.rc == 1 && io.buffer[0] == 'x' && watch.taken == 1 && watch.result == 0);
        close_pair(fds);
}

/* ---- tasks */

TEST(a_task_that_could_not_be_started_has_ended)
{
        plait_case cases[] = {PLAIT_TASK(NULL), PLAIT_AFTER(PLAIT_FOREVER)};

        CHECK_EQUAL(plait_select(cases, 2), 0);
        CHECK_EQUAL(cases[0].result, -ENOMEM);
}

TEST_ON_EXECUTORS(the_owner_selects_among_the_tasks_of_its_group)
{
        plait_event events[3] = {{{0}}};
        plait_case cases[3];
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 3; i++)
                cases[i] = PLAIT_TASK(plait_group_start(&group, task_wait_event, &events[i], sizeof events[i]));
        test_until_parked(&group);
        for (int i = 2; i >= 0; i--) {
                plait_event_set(&events[i]);
                CHECK_EQUAL(plait_select(cases, 3), i);
                CHECK_EQUAL(cases[i].result, 0);
                cases[i] = PLAIT_AFTER(PLAIT_FOREVER);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

struct other {
        plait_task *task;
        int taken, result;
        plait_event never;
};

static int select_task(void *arg)
{
        struct other *other = arg;
        plait_case cases[] = {PLAIT_EVENT(&other->never), PLAIT_TASK(other->task)};

        other->taken = plait_select(cases, 2);
        other->result = cases[1].result;
        return 0;
}

/* The task is a coroutine of main's thread, its group closed by the time the others go on. */
TEST_ON_EXECUTORS(a_task_of_another_group_and_thread_is_waited_for)
{
        struct other others[3] = {{0}};
        PLAIT_GROUP(group, .executor = test_executor());

        ends = (plait_event){0};
        {
                PLAIT_GROUP(inner, .executor = plait_coroutines());
                plait_task *task = plait_group_start(&inner, task_end, NULL, 0);

                for (int i = 0; i < 3; i++) {
                        others[i] = (struct other){.task = task, .taken = -1};
                        plait_group_start(&group, select_task, &others[i], sizeof others[i]);
                }
                test_until_parked(&group);
                plait_event_set(&ends);
                CHECK_EQUAL(plait_group_wait(&inner), 0);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 3; i++)
                CHECK(others[i].taken == 1 && others[i].result == 5);
}

/* ---- of several that are ready */

static void check_even(plait_case *cases, int count, const int *ready, int ready_count)
{
        enum { ROUNDS = 6000 };
        int taken[16] = {0};

        for (int i = 0; i < ROUNDS; i++)
                taken[plait_select(cases, (size_t)count)]++;
        for (int i = 0; i < ready_count; i++) {
                int fair = ROUNDS / ready_count;

                CHECK(taken[ready[i]] > fair - fair / 8 && taken[ready[i]] < fair + fair / 8);
                taken[ready[i]] = 0;
        }
        for (int i = 0; i < count; i++)
                CHECK_EQUAL(taken[i], 0);
}

/* Seeded: a loop's randomness is its seam's. */
TEST(each_of_those_that_are_ready_is_as_likely)
{
        plait_event set = {{0}}, unset = {{0}};
        plait_case cases[12];

        CHECK_EQUAL(plait_yield(), 0);
        plait__loop_here->random_state = 88172645463325252;
        plait_event_set(&set);
        for (int i = 0; i < 12; i++)
                cases[i] = PLAIT_EVENT(&set);
        check_even(cases, 2, (int[]){0, 1}, 2);
        check_even(cases, 8, (int[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
        check_even(cases, 12, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 12);
        cases[1] = cases[2] = PLAIT_EVENT(&unset);      /* those in the middle give no advantage to who stands behind them */
        check_even(cases, 4, (int[]){0, 3}, 2);
        cases[5] = PLAIT_AFTER(0);
        check_even(cases, 6, (int[]){0, 3, 4, 5}, 4);
}

static uint64_t lowest(struct plait__loop *loop)
{
        (void)loop;
        return 0;
}

static uint64_t highest(struct plait__loop *loop)
{
        (void)loop;
        return UINT64_MAX;
}

TEST(the_seam_decides_which)
{
        plait_event set = {{0}};
        plait_case cases[] = {PLAIT_EVENT(&set), PLAIT_EVENT(&set), PLAIT_EVENT(&set), PLAIT_EVENT(&set)};
        uint64_t (*before)(struct plait__loop *);

        CHECK_EQUAL(plait_yield(), 0);
        before = plait__loop_here->seams.random;
        plait_event_set(&set);
        for (int i = 0; i < 10; i++) {
                plait__loop_here->seams.random = lowest;
                CHECK_EQUAL(plait_select(cases, 4), 0);
                plait__loop_here->seams.random = highest;
                CHECK_EQUAL(plait_select(cases, 4), 3);
        }
        plait__loop_here->seams.random = before;
}

TEST(in_order_the_first_that_is_ready_is_taken)
{
        plait_event events[4] = {{{0}}};
        plait_case cases[4];

        for (int i = 0; i < 4; i++)
                cases[i] = PLAIT_EVENT(&events[i]);
        for (int i = 3; i >= 0; i--) {
                plait_event_set(&events[i]);
                for (int round = 0; round < 20; round++)
                        CHECK_EQUAL(plait_select_in_order(cases, 4), i);
        }
}

TEST(a_try_does_not_wait)
{
        plait_queue *queue = make(1);
        int in = 3, out = -1;
        plait_case gets[] = {PLAIT_GET(queue, &out), PLAIT_AFTER(PLAIT_S)}, put = PLAIT_PUT(queue, &in);

        CHECK_EQUAL(plait_select_try(gets, 2), -EAGAIN);
        CHECK_EQUAL(plait_select_try(&put, 1), 0);
        CHECK_EQUAL(plait_select_try(&put, 1), -EAGAIN);
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_select_try(gets, 2), 0);      /* no checkpoint */
        }
        CHECK_EQUAL(out, 3);
        plait_queue_free(queue);
}

/* ---- many cases, and calls that cannot be made */

enum { MANY = 40 };

struct many {
        plait_queue *queues[MANY];
        int items[MANY], taken;
};

static int get_any(void *arg)
{
        struct many *many = arg;
        plait_case cases[MANY];

        for (int i = 0; i < MANY; i++)
                cases[i] = PLAIT_GET(many->queues[i], &many->items[i]);
        many->taken = plait_select(cases, MANY);
        return 0;
}

TEST_ON_EXECUTORS(many_cases_in_one_select)
{
        struct many many = {.taken = -1};

        for (int i = 0; i < MANY; i++)
                many.queues[i] = make(1);
        for (int i = 0; i < MANY; i++) {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_any, &many, sizeof many);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(many.queues[i], &i), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK(many.taken == i && many.items[i] == i);
        }
        for (int i = 0; i < MANY; i++)
                plait_queue_free(many.queues[i]);
}

TEST(a_select_that_makes_no_sense_is_refused)
{
        plait_queue *queue = make(1);
        plait_event event = {{0}};
        int item;
        plait_case bad[] = {PLAIT_GET(NULL, &item), PLAIT_PUT(NULL, &item), PLAIT_GET(queue, NULL),
                            PLAIT_PUT(queue, NULL), PLAIT_EVENT(NULL),      {0, {0, 0, 0, 0, 0}},
                            {0, {99, 0, 0, 0, 0}},  {0, {-1, 0, 0, 0, 0}}};

        plait_event_set(&event);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                plait_case cases[] = {PLAIT_EVENT(&event), bad[i]};

                CHECK_EQUAL(plait_select(cases, 2), -EINVAL);
                CHECK_EQUAL(plait_select_in_order(cases, 2), -EINVAL);
                CHECK_EQUAL(plait_select_try(cases, 2), -EINVAL);
        }
        CHECK_EQUAL(plait_select(bad, 0), -EINVAL);
        CHECK_EQUAL(plait_select(NULL, 1), -EINVAL);
        CHECK_EQUAL(plait_select(bad, (size_t)INT32_MAX + 1), -EINVAL);
        plait_queue_free(queue);
}

/* Whatever call it is that fails, an error says that nothing was taken, and nobody stands in a list afterwards. */
static void select_failing(enum fault_kind kind, int error)
{
        FAULT_EACH(kind, error) {
                plait_queue *queue = make(1);
                int item = 1, fds[2], rc;
                plait_case cases[MANY];

                if (!queue)
                        continue;
                make_pair(2, fds);
                for (int i = 0; i < MANY; i++)
                        cases[i] = i % 2 ? PLAIT_READABLE(fds[0]) : PLAIT_GET(queue, &item);
                cases[MANY - 1] = PLAIT_AFTER(PLAIT_MS);
                rc = plait_select(cases, MANY);
                CHECK(rc == MANY - 1 || rc == -ENOMEM || rc == -error);
                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                CHECK_EQUAL(plait_queue_size(queue), 1);
                plait_queue_free(queue);
                CHECK_EQUAL(plait_close(fds[0]), 0);
                CHECK_EQUAL(plait_close(fds[1]), 0);
        }
}

TEST(a_select_that_fails_has_taken_nothing)
{
        select_failing(FAULT_ppoll, ENOMEM);
        select_failing(FAULT_epoll_ctl, ENOSPC);
}

TEST(without_memory_a_select_takes_nothing)
{
        plait_event set = {{0}};
        plait_case cases[MANY];
        int fds[2];

        make_pair(2, fds);
        CHECK_EQUAL(plait_yield(), 0);
        plait_event_set(&set);
        for (int i = 0; i < MANY; i++)
                cases[i] = PLAIT_EVENT(&set);
        fault_fail_nth(FAULT_alloc, 1, 0);
        CHECK_EQUAL(plait_select(cases, MANY), -ENOMEM);
        CHECK_EQUAL(fault_off(), 1);
        CHECK(plait_select(cases, MANY) >= 0);
        plait_event_clear(&set);
        cases[0] = PLAIT_READABLE(fds[0]);
        cases[MANY - 1] = PLAIT_AFTER(PLAIT_MS);
        FAULT_EACH(FAULT_alloc, 0) {
                int rc = plait_select(cases, MANY);

                CHECK(rc == MANY - 1 || rc == -ENOMEM);
        }
        close_pair(fds);
}
