/* Select: the first of several things, and of that exactly one. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "core/loop.h"
#include "descriptors.h"
#include "fault.h"
#include "tasks.h"

static plait_queue *make(size_t capacity)
{
        plait_queue *queue = NULL;

        CHECK_EQUAL(plait_queue_new(&queue, sizeof(int), capacity, PLAIT_FIFO), 0);
        return queue;
}

static plait_queue *make_full(int item)
{
        plait_queue *queue = make(1);

        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        return queue;
}

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
        *things = (struct things){.empty = make(1), .full = make_full(100), .task = task, .got = -1, .given = 7, .taken = -1};
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

struct pair { plait_queue *a, *b; int item_a, item_b, taken, result; };

static int get_either(void *arg)
{
        struct pair *pair = arg;
        plait_case cases[] = {PLAIT_GET(pair->a, &pair->item_a), PLAIT_GET(pair->b, &pair->item_b)};

        pair->taken = plait_select(cases, 2);
        if (pair->taken >= 0)
                pair->result = cases[pair->taken].result;
        return 0;
}

static int put_either(void *arg)
{
        struct pair *pair = arg;
        plait_case cases[] = {PLAIT_PUT(pair->a, &pair->item_a), PLAIT_PUT(pair->b, &pair->item_b)};

        pair->taken = plait_select(cases, 2);
        if (pair->taken >= 0)
                pair->result = cases[pair->taken].result;
        return 0;
}

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

struct watch { int fd, taken, result; plait_event never; };

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
                plait_case one = i == 0 ? PLAIT_READABLE(fileno(file)) : i == 1 ? PLAIT_WRITABLE(fileno(file)) : PLAIT_READABLE(fds[0]);

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

struct other { plait_task *task; int taken, result; plait_event never; };

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

/* ---- exactly one */

TEST_ON_EXECUTORS(what_comes_after_the_first_goes_by)
{
        struct pair pair = {make(2), make(2), -1, -1, -1, 1};
        int item = 8;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &pair, sizeof pair);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(pair.b, &item), 0);
                CHECK_EQUAL(plait_queue_put(pair.a, &item), 0);         /* it may not have gone on yet */
                CHECK_EQUAL(plait_queue_put(pair.b, &item), 0);
                CHECK_EQUAL(plait_queue_size(pair.a), 1);
                CHECK_EQUAL(plait_queue_size(pair.b), 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(pair.taken == 1 && pair.result == 0 && pair.item_a == -1 && pair.item_b == 8);
        plait_queue_free(pair.a);
        plait_queue_free(pair.b);
}

static int get_one(void *arg)
{
        struct pair *pair = arg;

        pair->result = plait_queue_get(pair->a, &pair->item_a);
        return 0;
}

/* The select is first of all in one queue and has been served by the other: the next of the first is not kept waiting. */
TEST_ON_EXECUTORS(a_select_that_was_served_elsewhere_is_passed_over)
{
        struct pair pair = {make(2), make(2), -1, -1, -1, 1}, plain = {pair.a, NULL, -1, -1, -1, 1};
        int item = 8;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &pair, sizeof pair);
                test_until_parked(&group);
                plait_group_start(&group, get_one, &plain, sizeof plain);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_try_put(pair.b, &item), 0);
                item = 9;
                CHECK_EQUAL(plait_queue_try_put(pair.a, &item), 0);
                CHECK_EQUAL(plait_queue_size(pair.a), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(pair.taken == 1 && pair.item_b == 8 && plain.result == 0 && plain.item_a == 9);
        plait_queue_free(pair.a);
        plait_queue_free(pair.b);
}

TEST_ON_EXECUTORS(selects_and_others_are_served_in_the_order_they_came)
{
        plait_queue *queue = make(1), *idle = make(1);
        struct pair pairs[6];

        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 6; i++) {
                        pairs[i] = (struct pair){queue, idle, -1, -1, -1, 1};
                        plait_group_start(&group, i % 2 ? get_one : get_either, &pairs[i], sizeof pairs[i]);
                        test_until_parked(&group);
                }
                for (int i = 0; i < 6; i++) {
                        CHECK_EQUAL(plait_queue_try_put(queue, &i), 0);
                        CHECK_EQUAL(plait_queue_size(queue), 0);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 6; i++)
                CHECK(pairs[i].item_a == i && pairs[i].result == 0);
        plait_queue_free(queue);
        plait_queue_free(idle);
}

TEST_ON_EXECUTORS(selects_that_put_are_served_in_the_order_they_came)
{
        plait_queue *queue = make_full(0), *full = make_full(99);
        struct pair pairs[4];
        int item;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 4; i++) {
                        pairs[i] = (struct pair){queue, full, i + 1, 100 + i, -1, 1};
                        plait_group_start(&group, put_either, &pairs[i], sizeof pairs[i]);
                        test_until_parked(&group);
                }
                for (int i = 0; i < 5; i++) {
                        CHECK_EQUAL(plait_queue_try_get(queue, &item), 0);
                        CHECK_EQUAL(item, i);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(plait_queue_size(queue) == 0 && plait_queue_size(full) == 1);
        for (int i = 0; i < 4; i++)
                CHECK(pairs[i].taken == 0 && pairs[i].result == 0);
        plait_queue_free(queue);
        plait_queue_free(full);
}

/* A getter and a putter of the same queue in one: whichever can be done, and it is not its own partner. */
TEST(both_ends_of_one_queue_in_one_select)
{
        plait_queue *queue = make(1);
        int in = 3, out = -1;
        plait_case cases[] = {PLAIT_GET(queue, &out), PLAIT_PUT(queue, &in), PLAIT_GET(queue, &out)};

        for (int i = 0; i < 100; i++) {
                CHECK_EQUAL(plait_select(cases, 3), 1);
                CHECK(cases[1].result == 0 && out == -1 && plait_queue_size(queue) == 1);
                CHECK(plait_select(cases, 3) != 1);
                CHECK(out == 3 && plait_queue_size(queue) == 0);
                out = -1;
        }
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(the_same_queue_twice_is_one_item)
{
        struct pair pair = {make(2), NULL, -1, -1, -1, 1};
        int item = 6;

        pair.b = pair.a;
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, get_either, &pair, sizeof pair);
                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(pair.a, &item), 0);
                CHECK_EQUAL(plait_queue_put(pair.a, &item), 0);
                CHECK_EQUAL(plait_queue_size(pair.a), 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(pair.result == 0 && pair.item_a + pair.item_b == 6 - 1);
        plait_queue_free(pair.a);
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

static uint64_t highest(struct plait__loop *loop)
{
        (void)loop;
        return UINT64_MAX;
}

/* With the highest number each case stays where it is in the order. */
TEST(the_seam_decides_which)
{
        plait_event set = {{0}};
        plait_case cases[] = {PLAIT_EVENT(&set), PLAIT_EVENT(&set), PLAIT_EVENT(&set), PLAIT_EVENT(&set)};
        uint64_t (*before)(struct plait__loop *);

        CHECK_EQUAL(plait_yield(), 0);
        before = plait__loop_here->seams.random;
        plait__loop_here->seams.random = highest;
        plait_event_set(&set);
        for (int i = 0; i < 10; i++)
                CHECK_EQUAL(plait_select(cases, 4), 0);
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

struct many { plait_queue *queues[MANY]; int items[MANY], taken; };

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
        plait_case bad[] = {PLAIT_GET(NULL, &item), PLAIT_PUT(NULL, &item), PLAIT_GET(queue, NULL), PLAIT_PUT(queue, NULL), PLAIT_EVENT(NULL),
                            {0, {0, 0, 0, 0, 0}}, {0, {99, 0, 0, 0, 0}}, {0, {-1, 0, 0, 0, 0}}};

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
        FAULT_EACH (kind, error) {
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
        FAULT_EACH (FAULT_alloc, 0) {
                int rc = plait_select(cases, MANY);

                CHECK(rc == MANY - 1 || rc == -ENOMEM);
        }
        close_pair(fds);
}

/* ---- deadline and cancel */

TEST(an_ended_scope_fails_a_select_that_need_not_wait)
{
        plait_queue *queue = make_full(1);
        int item = -1;
        plait_case cases[] = {PLAIT_GET(queue, &item), PLAIT_AFTER(0)};

        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_select(cases, 2), -ETIMEDOUT);
                CHECK_EQUAL(plait_select_in_order(cases, 2), -ETIMEDOUT);
        }
        CHECK(item == -1 && plait_queue_size(queue) == 1);
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(a_cancelled_select_takes_nothing)
{
        struct pair gets = {make(1), make(1), -1, -1, 99, 1}, puts = {make_full(1), make_full(2), 3, 4, 99, 1};
        int item = 5;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *tasks[] = {plait_group_start(&group, get_either, &gets, sizeof gets),
                                       plait_group_start(&group, put_either, &puts, sizeof puts)};

                test_until_parked(&group);
                for (int i = 0; i < 2; i++) {
                        plait_task_cancel(tasks[i]);
                        CHECK_EQUAL(plait_task_wait(tasks[i], NULL), 0);
                }
                CHECK_EQUAL(plait_queue_put(gets.a, &item), 0);
                CHECK_EQUAL(plait_queue_put(gets.b, &item), 0);
                CHECK_EQUAL(plait_queue_get(puts.a, &item), 0);
                CHECK_EQUAL(plait_queue_get(puts.b, &item), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(gets.taken == -ECANCELED && plait_queue_size(gets.a) == 1 && plait_queue_size(gets.b) == 1);
        CHECK(puts.taken == -ECANCELED && plait_queue_size(puts.a) == 0 && plait_queue_size(puts.b) == 0);
        plait_queue_free(gets.a);
        plait_queue_free(gets.b);
        plait_queue_free(puts.a);
        plait_queue_free(puts.b);
}

TEST_ON_EXECUTORS(a_select_that_was_served_returns_that_in_spite_of_a_cancel)
{
        struct pair gets = {make(1), make(1), -1, -1, 99, 1};
        int item = 5;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, get_either, &gets, sizeof gets);

                test_until_parked(&group);
                CHECK_EQUAL(plait_queue_put(gets.b, &item), 0);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(gets.taken == 1 && gets.item_b == 5);
        plait_queue_free(gets.a);
        plait_queue_free(gets.b);
}

/* What comes after the cancel goes to the next. The coroutine's thread has not run it since. */
TEST_ON_EXECUTORS(an_item_is_not_handed_to_a_select_that_was_cancelled)
{
        struct pair first = {make(1), make(1), -1, -1, 99, 1}, second = {first.a, first.b, -1, -1, 99, 1};
        int item = 5;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, get_either, &first, sizeof first);

                test_until_parked(&group);
                plait_group_start(&group, get_either, &second, sizeof second);
                test_until_parked(&group);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_queue_put(first.b, &item), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(first.taken == -ECANCELED && second.taken == 1 && second.item_b == 5);
        plait_queue_free(first.a);
        plait_queue_free(first.b);
}

static int select_within(plait_time within, plait_time after)
{
        plait_event never = {{0}};
        plait_case cases[] = {PLAIT_EVENT(&never), PLAIT_AFTER(after)};
        PLAIT_WITHIN(within);

        return plait_select(cases, 2);
}

TEST(a_moment_and_a_deadline_whichever_is_first)
{
        plait_time start;

        test_clock_automatic();
        start = plait_now();
        CHECK_EQUAL(select_within(PLAIT_S, 2 * PLAIT_S), -ETIMEDOUT);
        CHECK_EQUAL(plait_now() - start, PLAIT_S);
        CHECK_EQUAL(select_within(2 * PLAIT_S, PLAIT_S), 1);
        CHECK_EQUAL(plait_now() - start, 2 * PLAIT_S);
        CHECK_EQUAL(select_within(PLAIT_S, PLAIT_S), 1);
        CHECK_EQUAL(select_within(PLAIT_FOREVER, PLAIT_S), 1);
        CHECK_EQUAL(select_within(PLAIT_S, PLAIT_FOREVER), -ETIMEDOUT);
        CHECK_EQUAL(plait_now() - start, 5 * PLAIT_S);
}

/* The thread comes to look when both are over: the deadline was first. */
static int select_late(void *arg)
{
        *(int *)arg = select_within(PLAIT_S, 2 * PLAIT_S);
        return 0;
}

TEST_ON_EXECUTORS(a_moment_behind_the_deadline_is_too_late)
{
        int rc = 99;

        test_clock_manual();
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, select_late, &rc, sizeof rc);
                test_until_parked(&group);
                test_clock_advance(3 * PLAIT_S);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(rc, -ETIMEDOUT);
}

/* A span counts from each call. */
TEST(cases_are_used_again)
{
        plait_queue *queue = make(1);
        int item = 4, got = -1;
        plait_case cases[] = {PLAIT_GET(queue, &got), PLAIT_AFTER(PLAIT_S)};
        plait_time start;

        test_clock_automatic();
        start = plait_now();
        for (int i = 1; i <= 5; i++) {
                CHECK_EQUAL(plait_select(cases, 2), 1);
                CHECK_EQUAL(plait_now() - start, i * PLAIT_S);
        }
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        CHECK_EQUAL(plait_select(cases, 2), 0);
        CHECK(cases[0].result == 0 && got == 4);
        plait_queue_free(queue);
}

/* ---- many at once, from several threads */

enum { LINES = 3, ITEMS = 4000, WORKERS = 8 };

static struct {
        plait_queue *queues[LINES];
        _Atomic int next, put, got, cut;
        _Atomic unsigned char seen[ITEMS];
        _Atomic bool over;
        plait_event done;
} crowd;

static unsigned random_of(unsigned *state)
{
        *state = *state * 1664525 + 1013904223;
        return *state >> 16;
}

static void count_got(int item)
{
        CHECK(item >= 0 && item < ITEMS);
        CHECK_EQUAL(atomic_fetch_add(&crowd.seen[item], 1), 0);
        if (atomic_fetch_add(&crowd.got, 1) + 1 == ITEMS)
                plait_event_set(&crowd.done);
}

/* One select over gets, a put (if there is something to put), and moments and deadlines that come at any time. Returns whether
 * `item` was put. */
static bool crowd_step(unsigned *state, int item)
{
        int got[LINES] = {-1, -1, -1}, taken;
        plait_case cases[LINES + 3];
        int count = 0, put = -1;
        unsigned first = random_of(state);
        plait_scope scope;

        for (unsigned i = 0; i < LINES; i++) {
                unsigned at = (first + i) % LINES;

                if (item >= 0 && i == 0) {
                        put = count;
                        cases[count++] = PLAIT_PUT(crowd.queues[at], &item);
                } else {
                        cases[count++] = PLAIT_GET(crowd.queues[at], &got[i]);
                }
        }
        cases[count++] = PLAIT_EVENT(&crowd.done);
        if (random_of(state) % 4 == 0)
                cases[count++] = PLAIT_AFTER(random_of(state) % 20 * PLAIT_US);
        plait_scope_enter(&scope, random_of(state) % 4 ? 10 * PLAIT_S : random_of(state) % 20 * PLAIT_US);
        taken = random_of(state) % 2 ? plait_select(cases, (size_t)count) : plait_select_in_order(cases, (size_t)count);
        plait_scope_leave(&scope);
        if (taken < 0) {
                CHECK(taken == -ETIMEDOUT || taken == -ECANCELED);
                atomic_fetch_add(&crowd.cut, 1);
        } else {
                CHECK_EQUAL(cases[taken].result, 0);
        }
        for (int i = 0; i < LINES; i++) {
                CHECK((got[i] >= 0) == (taken == i && taken != put));
                if (got[i] >= 0)
                        count_got(got[i]);
        }
        return taken >= 0 && taken == put;
}

static int crowd_select(void *arg)
{
        unsigned state = *(unsigned *)arg;
        int item = -1;

        while (!plait_event_is_set(&crowd.done)) {
                if (item < 0 && (item = atomic_fetch_add(&crowd.next, 1)) >= ITEMS)
                        item = -1;
                if (crowd_step(&state, item)) {
                        atomic_fetch_add(&crowd.put, 1);
                        item = -1;
                }
        }
        CHECK_EQUAL(item, -1);
        return 0;
}

/* Plain getters and putters stand among the selects. */
static int crowd_plain(void *arg)
{
        unsigned state = *(unsigned *)arg;
        int item = -1, rc;

        while (!plait_event_is_set(&crowd.done)) {
                PLAIT_WITHIN(random_of(&state) % 30 * PLAIT_US);

                if (item < 0 && (item = atomic_fetch_add(&crowd.next, 1)) >= ITEMS)
                        item = -1;
                if (item >= 0) {
                        rc = plait_queue_put(crowd.queues[random_of(&state) % LINES], &item);
                        if (rc == 0) {
                                atomic_fetch_add(&crowd.put, 1);
                                item = -1;
                        }
                } else {
                        int got = -1;

                        rc = plait_queue_get(crowd.queues[random_of(&state) % LINES], &got);
                        if (rc == 0)
                                count_got(got);
                }
                CHECK(rc == 0 || rc == -ETIMEDOUT);
        }
        CHECK_EQUAL(item, -1);
        return 0;
}

static void run_crowd(plait_executor *executor)
{
        unsigned seeds[2 * WORKERS];

        memset(&crowd, 0, sizeof crowd);
        for (int i = 0; i < LINES; i++)
                crowd.queues[i] = make(1 + (size_t)i * 2);
        {
                PLAIT_GROUP(group, .executor = executor);
                PLAIT_GROUP(threads, .executor = plait_own_thread());

                for (unsigned i = 0; i < 2 * WORKERS; i++) {
                        seeds[i] = i * 7919 + 1;
                        plait_group_start(i < WORKERS ? &group : &threads, i % 4 == 3 ? crowd_plain : crowd_select, &seeds[i], sizeof seeds[i]);
                        if (i == WORKERS + 3)
                                break;          /* four threads beside the loops */
                }
                CHECK_EQUAL(plait_group_wait(&threads), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(crowd.put, ITEMS);
        CHECK_EQUAL(crowd.got, ITEMS);
        CHECK(crowd.cut > 0);
        for (int i = 0; i < LINES; i++) {
                CHECK_EQUAL(plait_queue_size(crowd.queues[i]), 0);
                plait_queue_free(crowd.queues[i]);
        }
}

TEST_ON_EXECUTORS(every_item_is_put_once_and_got_once, .seconds = 60)
{
        run_crowd(test_executor());
}

/* Each gets from the other's queue or puts into its own; they are always one step of the other away from going on. */
enum { CROSSINGS = 20000 };

struct cross { plait_queue *from, *to; int got, put; };

static int cross(void *arg)
{
        struct cross *self = arg;
        int in = 0, out = 0, taken, first = self->from < self->to;

        while (self->got + self->put < CROSSINGS) {
                plait_case cases[2];

                cases[first] = PLAIT_GET(self->from, &in);
                cases[!first] = PLAIT_PUT(self->to, &out);
                taken = plait_select(cases, 2);
                CHECK(taken == 0 || taken == 1);
                if (cases[taken].result == -EPIPE)
                        break;
                CHECK_EQUAL(cases[taken].result, 0);
                if (taken == first) {
                        CHECK_EQUAL(in, self->got);     /* in the order they were put */
                        self->got++;
                } else {
                        out++;
                        self->put++;
                }
        }
        plait_queue_shutdown(self->from, false);
        plait_queue_shutdown(self->to, false);
        return 0;
}

static void cross_over(plait_executor *one, plait_executor *other)
{
        plait_queue *a = make(1), *b = make(1);
        struct cross there = {a, b, 0, 0}, back = {b, a, 0, 0};

        {
                PLAIT_GROUP(first, .executor = one);
                PLAIT_GROUP(second, .executor = other);

                plait_group_start(&first, cross, &there, sizeof there);
                plait_group_start(&second, cross, &back, sizeof back);
                CHECK_EQUAL(plait_group_wait(&second), 0);
                CHECK_EQUAL(plait_group_wait(&first), 0);
        }
        CHECK(there.got + there.put == CROSSINGS || back.got + back.put == CROSSINGS);
        CHECK_EQUAL(there.put - back.got, plait_queue_size(b));
        CHECK_EQUAL(back.put - there.got, plait_queue_size(a));
        plait_queue_free(a);
        plait_queue_free(b);
}

TEST_ON_EXECUTORS(two_selects_that_get_from_each_others_queues_go_on, .seconds = 60)
{
        cross_over(test_executor(), test_executor());
        cross_over(test_executor(), plait_own_thread());
}

/* Waits for descriptors, moments and queues at once, while others cancel, write and put. */
struct mixed { plait_queue *queue; int fd, taken[3], cut; };

enum { MIXED = 2000 };

static int select_mixed(void *arg)
{
        struct mixed *mixed = arg;
        char byte;
        int item;

        for (int i = 0; i < MIXED;) {
                plait_case cases[] = {PLAIT_GET(mixed->queue, &item), PLAIT_READABLE(mixed->fd), PLAIT_AFTER(200 * PLAIT_US)};
                int taken = plait_select(cases, 3);

                CHECK(taken >= 0);
                CHECK_EQUAL(cases[taken].result, 0);
                mixed->taken[taken]++;
                if (taken == 1)
                        CHECK_EQUAL(read(mixed->fd, &byte, 1), 1);
                i += taken != 2;
        }
        return 0;
}

static int feed(void *arg)
{
        struct mixed *mixed = arg;
        int other = mixed->fd;

        for (int i = 0; i < MIXED; i++) {
                if (i % 3 == 0)
                        CHECK_EQUAL(plait_write(other, "x", 1), 1);
                else
                        CHECK_EQUAL(plait_queue_put(mixed->queue, &i), 0);
                if (i % 50 == 0)
                        CHECK_EQUAL(plait_sleep(300 * PLAIT_US), 0);
        }
        return 0;
}

TEST_ON_EXECUTORS(items_and_bytes_come_from_another_thread, .seconds = 60)
{
        struct mixed selects = {.queue = make(4)}, feeds = {.queue = selects.queue};
        int fds[2];

        make_pair(2, fds);
        selects.fd = fds[0];
        feeds.fd = fds[1];
        {
                PLAIT_GROUP(group, .executor = test_executor());
                PLAIT_GROUP(thread, .executor = plait_own_thread());

                plait_group_start(&group, select_mixed, &selects, sizeof selects);
                plait_group_start(&thread, feed, &feeds, sizeof feeds);
                CHECK_EQUAL(plait_group_wait(&thread), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(selects.taken[1], (MIXED + 2) / 3);
        CHECK_EQUAL(selects.taken[0], MIXED - (MIXED + 2) / 3);
        close_pair(fds);
        plait_queue_free(selects.queue);
}

/* Cancels that come while items do: what was put was got, or is there still. */
struct flock { plait_queue *queues[2]; _Atomic int got, cancelled; };

static int flock_get(void *arg)
{
        struct flock *flock = *(struct flock **)arg;
        int items[2], taken;

        for (;;) {
                plait_case cases[] = {PLAIT_GET(flock->queues[0], &items[0]), PLAIT_GET(flock->queues[1], &items[1])};

                taken = plait_select(cases, 2);
                if (taken < 0)
                        break;
                CHECK_EQUAL(cases[taken].result, 0);
                atomic_fetch_add(&flock->got, 1);
        }
        CHECK_EQUAL(taken, -ECANCELED);
        atomic_fetch_add(&flock->cancelled, 1);
        return 0;
}

static int flock_put(void *arg)
{
        struct flock *flock = *(struct flock **)arg;

        for (int i = 0; i < 40; i++)
                CHECK_EQUAL(plait_queue_put(flock->queues[i % 2], &i), 0);
        return 0;
}

TEST_ON_EXECUTORS(a_cancel_loses_no_item, .seconds = 60)
{
        for (int round = 0; round < 60; round++) {
                struct flock flock = {.queues = {make(SIZE_MAX), make(SIZE_MAX)}}, *pointer = &flock;

                {
                        PLAIT_GROUP(putters, .executor = plait_own_thread());
                        PLAIT_GROUP(group, .executor = test_executor());
                        plait_task *tasks[6];

                        for (int i = 0; i < 6; i++)
                                tasks[i] = plait_group_start(&group, flock_get, &pointer, sizeof pointer);
                        plait_group_start(&putters, flock_put, &pointer, sizeof pointer);
                        for (int i = 0; i < 6; i++) {
                                if (round % 2)
                                        CHECK_EQUAL(plait_yield(), 0);
                                plait_task_cancel(tasks[i]);
                        }
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                        CHECK_EQUAL(plait_group_wait(&putters), 0);
                }
                CHECK(flock.cancelled <= 6);            /* some never began */
                CHECK_EQUAL(flock.got + (int)plait_queue_size(flock.queues[0]) + (int)plait_queue_size(flock.queues[1]), 40);
                plait_queue_free(flock.queues[0]);
                plait_queue_free(flock.queues[1]);
        }
}
