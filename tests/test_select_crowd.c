/* Select from several threads at once: nothing is lost, nothing comes twice, nobody is locked out. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "select.h"

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

/* One select over gets, a put (if there is something to put), and moments and deadlines that come at any time.
 * Returns whether `item` was put. */
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
                        plait_group_start(i < WORKERS ? &group : &threads, i % 4 == 3 ? crowd_plain : crowd_select,
                                          &seeds[i], sizeof seeds[i]);
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

struct cross {
        plait_queue *from, *to;
        int got, put;
};

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
struct mixed {
        plait_queue *queue;
        int fd, taken[3], cut;
};

enum { MIXED = 2000 };

static int select_mixed(void *arg)
{
        struct mixed *mixed = arg;
        char byte;
        int item;

        for (int i = 0; i < MIXED;) {
                plait_case cases[] = {PLAIT_GET(mixed->queue, &item), PLAIT_READABLE(mixed->fd),
                                      PLAIT_AFTER(200 * PLAIT_US)};
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
struct herd {
        plait_queue *queues[2];
        _Atomic int got, cancelled;
};

static int herd_get(void *arg)
{
        struct herd *herd = *(struct herd **)arg;
        int items[2], taken;

        for (;;) {
                plait_case cases[] = {PLAIT_GET(herd->queues[0], &items[0]), PLAIT_GET(herd->queues[1], &items[1])};

                taken = plait_select(cases, 2);
                if (taken < 0)
                        break;
                CHECK_EQUAL(cases[taken].result, 0);
                atomic_fetch_add(&herd->got, 1);
        }
        CHECK_EQUAL(taken, -ECANCELED);
        atomic_fetch_add(&herd->cancelled, 1);
        return 0;
}

static int herd_put(void *arg)
{
        struct herd *herd = *(struct herd **)arg;

        for (int i = 0; i < 40; i++)
                CHECK_EQUAL(plait_queue_put(herd->queues[i % 2], &i), 0);
        return 0;
}

TEST_ON_EXECUTORS(a_cancel_loses_no_item, .seconds = 60)
{
        for (int round = 0; round < 60; round++) {
                struct herd herd = {.queues = {make(SIZE_MAX), make(SIZE_MAX)}}, *pointer = &herd;

                {
                        PLAIT_GROUP(putters, .executor = plait_own_thread());
                        PLAIT_GROUP(group, .executor = test_executor());
                        plait_task *tasks[6];

                        for (int i = 0; i < 6; i++)
                                tasks[i] = plait_group_start(&group, herd_get, &pointer, sizeof pointer);
                        plait_group_start(&putters, herd_put, &pointer, sizeof pointer);
                        for (int i = 0; i < 6; i++) {
                                if (round % 2)
                                        CHECK_EQUAL(plait_yield(), 0);
                                plait_task_cancel(tasks[i]);
                        }
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                        CHECK_EQUAL(plait_group_wait(&putters), 0);
                }
                CHECK(herd.cancelled <= 6);            /* some never began */
                CHECK_EQUAL(herd.got + (int)plait_queue_size(herd.queues[0]) + (int)plait_queue_size(herd.queues[1]),
                            40);
                plait_queue_free(herd.queues[0]);
                plait_queue_free(herd.queues[1]);
        }
}

/* Deadlines that come in the midst of hand-overs: one thread selects for about as long as the other takes to put. */
struct brief {
        plait_queue *queue, *never;
};

enum { BRIEF = 30000 };

static int select_briefly(void *arg)
{
        struct brief *brief = *(struct brief **)arg;
        unsigned state = 1;
        int item, none, next = 0, rc;

        while (next < BRIEF) {
                plait_case cases[] = {PLAIT_GET(brief->never, &none), PLAIT_GET(brief->queue, &item)};
                PLAIT_WITHIN(random_of(&state) % 2000);

                rc = plait_select(cases, 2);
                if (rc == -ETIMEDOUT)
                        continue;
                CHECK(rc == 1 && cases[1].result == 0);
                CHECK_EQUAL(item, next);
                next++;
        }
        return 0;
}

static int put_briefly(void *arg)
{
        struct brief *brief = *(struct brief **)arg;
        unsigned state = 2;

        for (int i = 0; i < BRIEF; i++) {
                for (unsigned turns = random_of(&state) % 200; turns; turns--)
                        __asm__ volatile("");
                CHECK_EQUAL(plait_queue_put(brief->queue, &i), 0);
        }
        return 0;
}

TEST_ON_EXECUTORS(a_deadline_loses_no_item, .seconds = 60)
{
        struct brief brief = {.queue = make(1), .never = make(1)}, *pointer = &brief;

        {
                PLAIT_GROUP(group, .executor = test_executor());
                PLAIT_GROUP(thread, .executor = plait_own_thread());

                plait_group_start(&group, select_briefly, &pointer, sizeof pointer);
                plait_group_start(&thread, put_briefly, &pointer, sizeof pointer);
                CHECK_EQUAL(plait_group_wait(&thread), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        plait_queue_free(brief.queue);
        plait_queue_free(brief.never);
}
