/* A loop: what it looks at while it is busy, and how it ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/strand.h"
#include "tasks.h"

struct seen { int fd; _Atomic bool read, slept, woken; };

static int read_a_byte(void *arg)
{
        struct seen *seen = arg;
        char byte;

        CHECK_EQUAL(plait_read(seen->fd, &byte, 1), 1);
        seen->read = true;
        return 0;
}

static int sleep_a_little(void *arg)
{
        struct seen *seen = arg;

        CHECK_EQUAL(plait_sleep(PLAIT_MS), 0);
        seen->slept = true;
        return 0;
}

static int wait_for_thread(void *arg)
{
        struct seen *seen = ((void **)arg)[0];

        CHECK_EQUAL(plait_event_wait(((void **)arg)[1]), 0);
        seen->woken = true;
        return 0;
}

static void *set_event(void *arg)
{
        plait_event_set(arg);
        return NULL;
}

/* Real time: a busy loop looks at descriptors by its clock. */
TEST(a_busy_loop_sees_descriptors_timers_and_threads_in_real_time)
{
        struct seen seen = {0};
        plait_event event = {{0}};
        void *both[] = {&seen, &event};
        pthread_t thread;
        int fds[2];
        PLAIT_GROUP(group, .name = "busy");

        CHECK_EQUAL(pipe(fds), 0);
        seen.fd = fds[0];
        plait_group_start(&group, read_a_byte, &seen, sizeof seen);
        plait_group_start(&group, sleep_a_little, &seen, sizeof seen);
        plait_group_start(&group, wait_for_thread, both, sizeof both);
        test_until_parked(&group);
        CHECK_EQUAL(write(fds[1], "x", 1), 1);
        CHECK_EQUAL(pthread_create(&thread, NULL, set_event, &event), 0);
        while (!seen.read || !seen.slept || !seen.woken)
                CHECK_EQUAL(plait_yield(), 0);  /* always ready: the loop never idles */
        pthread_join(thread, NULL);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(plait_close(fds[1]), 0);
}

static int hold_forever(void *arg)
{
        return plait_event_wait(arg);
}

static void *use_and_end(void *arg)
{
        PLAIT_GROUP(group, .name = "brief");

        plait_group_start(&group, sleep_a_little, arg, sizeof(struct seen));
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

TEST(the_loop_of_a_thread_that_ended_serves_another)
{
        struct plait__loop *newest;
        struct seen seen = {0};
        pthread_t thread;

        test_clock_automatic();
        for (int i = 0; i < 20; i++) {
                CHECK_EQUAL(pthread_create(&thread, NULL, use_and_end, &seen), 0);
                pthread_join(thread, NULL);
                if (i == 0)
                        newest = plait__loop_all();
                else
                        CHECK(plait__loop_all() == newest);
        }
}

/* Each thread that waits has a loop, whoever made the thread. */
TEST(a_plain_thread_is_a_strand_too)
{
        plait_event event = {{0}};
        pthread_t thread;

        CHECK_EQUAL(pthread_create(&thread, NULL, set_event, &event), 0);
        CHECK_EQUAL(plait_event_wait(&event), 0);
        pthread_join(thread, NULL);
}

static void *leave_a_lodger(void *arg)
{
        plait_group_open(arg);
        return NULL;
}

TEST_ABORTS(a_thread_does_not_end_under_a_detached_group_of_its_loop, "still open")
{
        static plait_group group = {.detached = true, .name = "lodger"};
        pthread_t thread;

        CHECK_EQUAL(pthread_create(&thread, NULL, leave_a_lodger, &group), 0);
        pthread_join(thread, NULL);
}

static int count_budget(void *arg)
{
        *(long *)arg += 1;
        return 0;
}

/* 100,000 tasks that are all there at once. */
TEST(a_hundred_thousand_tasks_end)
{
        static long count;
        PLAIT_GROUP(group, .name = "many");

        count = 0;
        for (int i = 0; i < 100000; i++)
                plait_group_start(&group, count_budget, &count, sizeof count);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(count, 100000);
}

static struct plait__strand *last_first(struct plait__loop *loop)
{
        struct plait__strand **link = &loop->ready, *strand;

        if (!loop->ready)
                return NULL;
        while ((*link)->next)
                link = &(*link)->next;
        strand = *link;
        *link = NULL;
        loop->ready_end = link;
        return strand;
}

static int orders[3], order;

static int note_order(void *arg)
{
        *(int *)arg = ++order;
        return 0;
}

TEST(who_is_next_is_a_seam)
{
        struct plait__loop *loop = plait__loop_get(__func__);
        PLAIT_GROUP(group, .name = "picked");

        order = 0;
        for (int i = 0; i < 3; i++)
                plait_group_start(&group, note_order, &orders[i], sizeof orders[i]);
        loop->seams.pick = last_first;
        CHECK_EQUAL(plait_group_wait(&group), 0);
        loop->seams.pick = NULL;
        CHECK(orders[0] == 3 && orders[1] == 2 && orders[2] == 1);
}

TEST(records_can_be_walked_from_outside)
{
        plait_event event = {{0}};
        unsigned found = 0;
        PLAIT_GROUP(group, .name = "walked");

        for (int i = 0; i < 5; i++)
                plait_group_start(&group, hold_forever, &event, 0);
        test_until_parked(&group);
        CHECK(!__builtin_memcmp(plait__records.magic, "plait", 6));
        CHECK_EQUAL(plait__records.version, PLAIT__RECORD_VERSION);
        for (uint32_t i = 0; i < plait__records.count; i++) {
                const struct plait_task *task = (const void *)((const char *)plait__records.records + i * plait__records.record_size);

                found += task->group == &group && task->strand.state == PLAIT__RUNNING && task->strand.reason == PLAIT__ON_EVENT;
        }
        CHECK_EQUAL(found, 5);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}
