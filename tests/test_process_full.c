/* What worker processes' tasks run out of: job records, room on the ring, and a way to be heard of. In each of these a task waited
 * for ever. */
#define _GNU_SOURCE
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "base/sys.h"
#include "plait.h"
#include "process/pool.h"
#include "test.h"

static int numbers[3 * PLAIT__JOBS];

static int add_one(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static int wait_for_cancel(void *arg)
{
        (void)arg;
        return plait_sleep(PLAIT_FOREVER);
}

static plait_executor *open_pool(plait_fn *initializer)
{
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 1, .initializer = initializer};
        plait_executor *executor = NULL;

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        return executor;
}

/* models/jobs.pml, bug 1. */
TEST(a_pool_whose_tasks_wait_for_the_records_of_another_gets_them)
{
        plait_executor *one = open_pool(NULL), *two = open_pool(NULL);
        plait_group first = {.executor = one, .limit = 2 * PLAIT__JOBS}, second = {.executor = two};
        plait_task *last;
        int number = 0;

        plait_group_open(&first);
        plait_group_open(&second);
        last = plait_group_start(&first, wait_for_cancel, &numbers[0], sizeof numbers[0]);
        for (int i = 1; i < PLAIT__JOBS; i++)
                plait_group_start(&first, add_one, &numbers[i], sizeof numbers[i]);
        plait_group_start(&second, add_one, &number, sizeof number);    /* all records are the first pool's */
        plait_task_cancel(last);
        CHECK_EQUAL(plait_group_wait(&second), 0);
        CHECK_EQUAL(number, 1);
        plait_group_done(&second);
        plait_group_done(&first);
        CHECK_EQUAL(plait_executor_close(one), 0);
        CHECK_EQUAL(plait_executor_close(two), 0);
}

static int die(void *arg)
{
        (void)arg;
        return kill(getpid(), SIGKILL);
}

/* models/jobs.pml, bug 2. */
TEST(tasks_that_no_worker_ever_looks_at_do_not_fill_the_ring, .seconds = 60)
{
        plait_executor *executor = open_pool(die);
        plait_group group = {.executor = executor, .limit = 4 * PLAIT__JOBS, .keep_going = true};

        plait_group_open(&group);
        for (int i = 0; i < 3 * PLAIT__JOBS; i++)
                plait_group_start(&group, add_one, &numbers[i], sizeof numbers[i]);
        CHECK_EQUAL(plait_group_wait(&group), -EOWNERDEAD);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 3 * PLAIT__JOBS);
        plait_group_done(&group);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

/* Likewise, by cancels, while the worker looks at nothing. */
TEST(tasks_that_were_cancelled_do_not_fill_the_ring)
{
        plait_executor *executor = open_pool(NULL);
        plait_group group = {.executor = executor, .limit = 4 * PLAIT__RING, .keep_going = true};
        plait_task *busy, *task;
        int number = 0, unused = 0, result;

        plait_group_open(&group);
        busy = plait_group_start(&group, wait_for_cancel, &unused, sizeof unused);
        while (plait_task_pid(busy) == 0)
                plait_ignore(plait_sleep(PLAIT_MS));
        for (int i = 0; i < PLAIT__RING; i++) {
                task = plait_group_start(&group, add_one, &number, sizeof number);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_task_wait(task, &result), 0);
                CHECK_EQUAL(result, -ECANCELED);
        }
        CHECK_EQUAL(number, 0);
        plait_group_start(&group, add_one, &number, sizeof number);
        CHECK_EQUAL(((struct plait__pool *)executor)->waiting_count, 0);
        plait_task_cancel(busy);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(number, 1);
        plait_group_done(&group);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

static long (*recvmsg_before)(int fd, struct msghdr *message, int flags);
static sem_t may_hear;
static _Atomic bool holds;

/* The first news that there is waits until it may be heard. */
static long late_recvmsg(int fd, struct msghdr *message, int flags)
{
        char bytes[64];

        if (holds && recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT) > 0) {
                holds = false;
                sem_wait(&may_hear);
        }
        return recvmsg_before(fd, message, flags);
}

static int wait_in_the_poller(void *arg)
{
        struct pollfd fd = {.events = POLLIN};
        int ends[2], rc;

        (void)arg;
        if (pipe(ends) < 0)
                return -errno;
        fd.fd = ends[0];
        PLAIT_WITHIN(10 * PLAIT_MS);
        rc = plait_poll(&fd, 1);
        close(ends[0]);
        close(ends[1]);
        return rc == -ETIMEDOUT ? 0 : -EIO;
}

/* models/ring.pml, bug 1. Waits in real time for another process to sleep. */
TEST(a_worker_that_sleeps_in_its_poller_before_its_birth_was_heard_of_is_woken)
{
        plait_executor *executor = open_pool(NULL);
        const struct plait__pool *pool = (struct plait__pool *)executor;
        plait_group group = {.executor = executor};
        int number = 0;

        sem_init(&may_hear, 0, 0);
        recvmsg_before = plait__sys.recvmsg;
        holds = true;
        plait__sys.recvmsg = late_recvmsg;
        CHECK_EQUAL(plait_call(executor, wait_in_the_poller, &number, sizeof number), 0);
        while (!plait__load(&pool->board->slots[0].in_poller) || !plait__load(&pool->board->idle[0]))
                plait_ignore(plait_sleep(PLAIT_MS));
        plait_group_open(&group);
        plait_group_start(&group, add_one, &number, sizeof number);
        sem_post(&may_hear);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(number, 1);
        plait_group_done(&group);
        CHECK_EQUAL(plait_executor_close(executor), 0);
        plait__sys.recvmsg = recvmsg_before;
}
