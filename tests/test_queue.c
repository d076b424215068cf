/* Queues: items handed from strand to strand. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "tasks.h"

struct one { plait_queue *queue; int item, rc; };

static plait_queue *make(size_t capacity, plait_order order)
{
        plait_queue *queue = NULL;

        CHECK_EQUAL(plait_queue_new(&queue, sizeof(int), capacity, order), 0);
        return queue;
}

static int put_one(void *arg)
{
        struct one *one = arg;

        one->rc = plait_queue_put(one->queue, &one->item);
        return 0;
}

static int get_one(void *arg)
{
        struct one *one = arg;

        one->rc = plait_queue_get(one->queue, &one->item);
        return 0;
}

/* ---- orders */

static void check_order(plait_order order, const int *expected)
{
        static const int put[] = {5, 1, 4, 1, 3};
        plait_queue *queue = make(5, order);
        int item;

        for (int i = 0; i < 5; i++)
                CHECK_EQUAL(plait_queue_put(queue, &put[i]), 0);
        CHECK_EQUAL(plait_queue_size(queue), 5);
        for (int i = 0; i < 5; i++) {
                CHECK_EQUAL(plait_queue_get(queue, &item), 0);
                CHECK_EQUAL(item, expected[i]);
        }
        CHECK_EQUAL(plait_queue_size(queue), 0);
        plait_queue_free(queue);
}

TEST(items_come_out_in_the_queues_order)
{
        check_order(PLAIT_FIFO, (int[]){5, 1, 4, 1, 3});
        check_order(PLAIT_LIFO, (int[]){3, 1, 4, 1, 5});
        check_order(PLAIT_PRIORITY, (int[]){1, 1, 3, 4, 5});
}

struct job { int priority; char name[9]; };

TEST(of_equal_priorities_the_oldest_comes_first)
{
        plait_queue *queue;
        struct job job = {0, ""};

        CHECK_EQUAL(plait_queue_new(&queue, sizeof job, SIZE_MAX, PLAIT_PRIORITY), 0);
        for (int i = 0; i < 300; i++) {
                job = (struct job){i * 7 % 5 - 2, {(char)(i / 250), (char)(i % 250)}};
                CHECK_EQUAL(plait_queue_put(queue, &job), 0);
        }
        for (int i = 0, last = -1, priority = -3; i < 300; i++) {
                CHECK_EQUAL(plait_queue_get(queue, &job), 0);
                CHECK(job.priority >= priority);
                if (job.priority > priority)
                        last = -1;
                priority = job.priority;
                CHECK((job.name[0] * 250 + (unsigned char)job.name[1]) > last);
                last = job.name[0] * 250 + (unsigned char)job.name[1];
        }
        plait_queue_free(queue);
}

/* Seeded, beside an array. */
TEST(a_ring_goes_round_and_an_unbounded_one_grows)
{
        uint64_t state = 88172645463325252;

        for (int order = PLAIT_FIFO; order <= PLAIT_LIFO; order++) {
                for (int bounded = 0; bounded < 2; bounded++) {
                        plait_queue *queue = make(bounded ? 7 : SIZE_MAX, (plait_order)order);
                        static int model[100000];
                        int first = 0, end = 0, next = 0, item;

                        for (int step = 0; step < 20000; step++) {
                                state ^= state << 13, state ^= state >> 7, state ^= state << 17;
                                if (state % 5 < 3) {
                                        if (bounded && end - first == 7) {
                                                CHECK_EQUAL(plait_queue_try_put(queue, &next), -EAGAIN);
                                        } else {
                                                CHECK_EQUAL(plait_queue_try_put(queue, &next), 0);
                                                model[end++] = next++;
                                        }
                                } else if (first == end) {
                                        CHECK_EQUAL(plait_queue_try_get(queue, &item), -EAGAIN);
                                } else {
                                        CHECK_EQUAL(plait_queue_try_get(queue, &item), 0);
                                        CHECK_EQUAL(item, order == PLAIT_FIFO ? model[first++] : model[--end]);
                                }
                                CHECK_EQUAL(plait_queue_size(queue), end - first);
                        }
                        plait_queue_free(queue);
                }
        }
}

TEST(items_of_any_size_are_copied)
{
        for (size_t size = 1; size < 5000; size = size * 3 + 1) {
                static unsigned char in[5000], out[5001];
                plait_queue *queue;

                CHECK_EQUAL(plait_queue_new(&queue, size, 2, PLAIT_FIFO), 0);
                memset(in, (int)size, size);
                memset(out, 0xEE, sizeof out);
                CHECK_EQUAL(plait_queue_put(queue, in), 0);
                CHECK_EQUAL(plait_queue_get(queue, out), 0);
                CHECK(!memcmp(in, out, size) && out[size] == 0xEE);
                plait_queue_free(queue);
        }
}

/* ---- waiting */

TEST_ON_EXECUTORS(a_full_queue_makes_putters_wait_in_order)
{
        plait_queue *queue = make(1, PLAIT_FIFO);
        struct one ones[4];
        int item = 100;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                for (int i = 0; i < 4; i++) {
                        ones[i] = (struct one){queue, i, 1};
                        plait_group_start(&group, put_one, &ones[i], sizeof ones[i]);
                        test_until_parked(&group);
                }
                CHECK_EQUAL(plait_queue_try_put(queue, &item), -EAGAIN);
                CHECK_EQUAL(plait_queue_get(queue, &item), 0);
                CHECK_EQUAL(item, 100);
                CHECK_EQUAL(plait_queue_size(queue), 1);        /* the first putter's is there already */
                for (int i = 0; i < 4; i++) {
                        CHECK_EQUAL(plait_queue_get(queue, &item), 0);
                        CHECK_EQUAL(item, i);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(an_empty_queue_makes_getters_wait_in_order)
{
        plait_queue *queue = make(4, PLAIT_LIFO);
        struct one ones[4];

        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 4; i++) {
                        ones[i] = (struct one){queue, -1, 1};
                        plait_group_start(&group, get_one, &ones[i], sizeof ones[i]);
                        test_until_parked(&group);
                }
                for (int i = 0; i < 4; i++) {
                        CHECK_EQUAL(plait_queue_try_put(queue, &i), 0);
                        CHECK_EQUAL(plait_queue_size(queue), 0);        /* handed over, not stored */
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        for (int i = 0; i < 4; i++)
                CHECK(ones[i].item == i && ones[i].rc == 0);
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(a_cancelled_getter_leaves_the_item)
{
        plait_queue *queue = make(4, PLAIT_FIFO);
        struct one one = {queue, -1, 1};
        int item = 9;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, get_one, &one, sizeof one);

                test_until_parked(&group);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_task_wait(task, NULL), 0);
                CHECK_EQUAL(one.rc, -ECANCELED);
                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                CHECK_EQUAL(plait_queue_size(queue), 1);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(an_item_that_was_handed_over_is_returned_in_spite_of_a_cancel)
{
        for (int round = 0; round < 100; round++) {
                plait_queue *queue = make(4, PLAIT_FIFO);
                struct one one = {queue, -1, 1};
                int item = 9;

                {
                        PLAIT_GROUP(group, .executor = test_executor());
                        plait_task *task = plait_group_start(&group, get_one, &one, sizeof one);

                        test_until_parked(&group);
                        CHECK_EQUAL(plait_queue_try_put(queue, &item), 0);
                        plait_task_cancel(task);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK(one.rc == 0 && one.item == 9);
                plait_queue_free(queue);
        }
}

TEST_ON_EXECUTORS(a_cancelled_putter_puts_nothing)
{
        plait_queue *queue = make(1, PLAIT_FIFO);
        struct one one = {queue, 5, 1};
        int item = 9;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task;

                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                task = plait_group_start(&group, put_one, &one, sizeof one);
                test_until_parked(&group);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_task_wait(task, NULL), 0);
                CHECK_EQUAL(one.rc, -ECANCELED);
                CHECK_EQUAL(plait_queue_get(queue, &item), 0);
                CHECK_EQUAL(plait_queue_try_get(queue, &item), -EAGAIN);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queue);
}

TEST(an_ended_scope_fails_calls_that_need_not_wait)
{
        plait_queue *queue = make(2, PLAIT_FIFO);
        int item = 1;

        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_queue_get(queue, &item), -ETIMEDOUT);
                CHECK_EQUAL(plait_queue_put(queue, &item), -ETIMEDOUT);
                CHECK_EQUAL(plait_queue_join(queue), -ETIMEDOUT);
                CHECK_EQUAL(plait_queue_try_put(queue, &item), 0);      /* no checkpoint */
        }
        CHECK_EQUAL(plait_queue_size(queue), 2);
        plait_queue_free(queue);
}

/* ---- shutting down */

TEST_ON_EXECUTORS(shutdown_wakes_those_who_wait)
{
        plait_queue *full = make(1, PLAIT_FIFO), *empty = make(1, PLAIT_FIFO);
        struct one putter = {full, 2, 1}, getter = {empty, -1, 1};
        int item = 1;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                CHECK_EQUAL(plait_queue_put(full, &item), 0);
                plait_group_start(&group, put_one, &putter, sizeof putter);
                plait_group_start(&group, get_one, &getter, sizeof getter);
                test_until_parked(&group);
                plait_queue_shutdown(full, false);
                plait_queue_shutdown(empty, false);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(putter.rc == -EPIPE && getter.rc == -EPIPE && getter.item == -1);
        CHECK_EQUAL(plait_queue_get(full, &item), 0);   /* drained, then the end */
        CHECK_EQUAL(item, 1);
        CHECK_EQUAL(plait_queue_get(full, &item), -EPIPE);
        CHECK_EQUAL(plait_queue_put(full, &item), -EPIPE);
        CHECK_EQUAL(plait_queue_try_get(full, &item), -EPIPE);
        CHECK_EQUAL(plait_queue_try_put(full, &item), -EPIPE);
        plait_queue_shutdown(full, true);
        plait_queue_free(full);
        plait_queue_free(empty);
}

TEST_ON_EXECUTORS(an_immediate_shutdown_drops_the_items)
{
        plait_queue *queue = make(2, PLAIT_FIFO);
        struct one putter = {queue, 2, 1};
        int item = 1;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
                plait_group_start(&group, put_one, &putter, sizeof putter);
                test_until_parked(&group);
                plait_queue_shutdown(queue, true);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(putter.rc, -EPIPE);
        CHECK_EQUAL(plait_queue_size(queue), 0);
        CHECK_EQUAL(plait_queue_get(queue, &item), -EPIPE);
        CHECK_EQUAL(plait_queue_join(queue), 0);
        plait_queue_free(queue);
}

/* ---- joining */

static int join_it(void *arg)
{
        return plait_queue_join(arg);
}

TEST_ON_EXECUTORS(join_waits_until_every_item_has_been_dealt_with)
{
        plait_queue *queue = make(4, PLAIT_FIFO);
        int item = 1;

        CHECK_EQUAL(plait_queue_join(queue), 0);
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, join_it, queue, 0);

                for (int i = 0; i < 2; i++) {
                        CHECK_EQUAL(plait_queue_get(queue, &item), 0);
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
                        if (i == 0)
                                plait_queue_shutdown(queue, false);     /* does not end the wait by itself */
                        plait_queue_task_done(queue);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queue);
}

TEST_ON_EXECUTORS(items_dropped_by_a_shutdown_are_not_joined_for)
{
        plait_queue *queue = make(4, PLAIT_FIFO);
        int item = 1;

        for (int i = 0; i < 3; i++)
                CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        CHECK_EQUAL(plait_queue_get(queue, &item), 0);
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, join_it, queue, 0);

                test_until_parked(&group);
                plait_queue_shutdown(queue, true);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);     /* the one that was got is still due */
                plait_queue_task_done(queue);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queue);
}

static int put_and_join(void *arg)
{
        plait_queue **queues = arg;
        int rounds = 3000 / (int)test_slower();

        for (int i = 0; i < rounds; i++) {
                CHECK_EQUAL(plait_queue_put(queues[0], &i), 0);
                CHECK_EQUAL(plait_queue_join(queues[0]), 0);
                CHECK_EQUAL(plait_queue_size(queues[1]), (size_t)i + 1);
        }
        plait_queue_shutdown(queues[0], false);
        return 0;
}

static int deal_with_all(void *arg)
{
        plait_queue **queues = arg;
        int item;

        while (plait_queue_get(queues[0], &item) == 0) {
                CHECK_EQUAL(plait_queue_put(queues[1], &item), 0);
                plait_queue_task_done(queues[0]);
        }
        return 0;
}

/* Who joins again at once must not be woken by the done before. */
TEST_ON_EXECUTORS(a_join_that_comes_after_is_not_woken_by_what_was_before)
{
        plait_queue *queues[] = {make(4, PLAIT_FIFO), make(SIZE_MAX, PLAIT_FIFO)};

        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, put_and_join, queues, 0);
                plait_group_start(&group, deal_with_all, queues, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(queues[0]);
        plait_queue_free(queues[1]);
}

/* ---- a pipeline with exact sums */

struct pipe { plait_queue *in, *out; long sum; };

static int produce(void *arg)
{
        struct pipe *pipe = arg;

        for (int i = 1; i <= 3000; i++) {
                pipe->sum += i;
                CHECK_EQUAL(plait_queue_put(pipe->out, &i), 0);
        }
        return 0;
}

static int pass_on(void *arg)
{
        struct pipe *pipe = arg;
        int item, rc;

        while ((rc = plait_queue_get(pipe->in, &item)) == 0) {
                pipe->sum += item;
                if (pipe->out)
                        CHECK_EQUAL(plait_queue_put(pipe->out, &item), 0);
        }
        return rc == -EPIPE ? 0 : rc;
}

TEST_ON_EXECUTORS(every_item_goes_through_once)
{
        plait_queue *a = make(3, PLAIT_FIFO), *b = make(SIZE_MAX, PLAIT_LIFO);
        struct pipe producers[2] = {{NULL, a, 0}, {NULL, a, 0}}, middle[3], ends[2] = {{b, NULL, 0}, {b, NULL, 0}};
        long sum = 0;

        {
                PLAIT_GROUP(first, .executor = test_executor());
                PLAIT_GROUP(second, .executor = test_executor());
                PLAIT_GROUP(third, .executor = test_executor());

                for (int i = 0; i < 2; i++) {
                        plait_group_start(&first, produce, &producers[i], sizeof producers[i]);
                        plait_group_start(&third, pass_on, &ends[i], sizeof ends[i]);
                }
                for (int i = 0; i < 3; i++) {
                        middle[i] = (struct pipe){a, b, 0};
                        plait_group_start(&second, pass_on, &middle[i], sizeof middle[i]);
                }
                CHECK_EQUAL(plait_group_wait(&first), 0);
                plait_queue_shutdown(a, false);
                CHECK_EQUAL(plait_group_wait(&second), 0);
                plait_queue_shutdown(b, false);
                CHECK_EQUAL(plait_group_wait(&third), 0);
        }
        for (int i = 0; i < 3; i++)
                sum += middle[i].sum;
        CHECK_EQUAL(sum, producers[0].sum + producers[1].sum);
        CHECK_EQUAL(ends[0].sum + ends[1].sum, sum);
        plait_queue_free(a);
        plait_queue_free(b);
}

TEST(free_takes_null_and_items)
{
        plait_queue *queue = make(3, PLAIT_FIFO);
        int item = 1;

        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        plait_queue_free(queue);
        plait_queue_free(NULL);
}

static int get_item(void *arg)
{
        struct { plait_queue *queue; int item; } *getter = arg;

        return plait_queue_get(getter->queue, &getter->item);
}

/* Cancelled is cancelled, also before it has run to see it: the item is the next one's. */
TEST_ON_EXECUTORS(an_item_is_not_handed_to_a_getter_that_was_cancelled)
{
        struct { plait_queue *queue; int item; } getters[2] = {{NULL, 0}, {NULL, 0}};
        plait_task *tasks[2];
        plait_queue *queue;
        int item = 5;
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK_EQUAL(plait_queue_new(&queue, sizeof item, 1, PLAIT_FIFO), 0);
        for (int i = 0; i < 2; i++) {
                getters[i].queue = queue;
                tasks[i] = plait_group_start(&group, get_item, &getters[i], sizeof getters[i]);
                test_until_task_parked(tasks[i]);
        }
        plait_task_cancel(tasks[0]);
        CHECK_EQUAL(plait_queue_try_put(queue, &item), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(getters[0].item, 0);
        CHECK_EQUAL(getters[1].item, 5);
        plait_queue_free(queue);
}
