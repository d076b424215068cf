/* Any allocation and any system call may fail: what comes of it is an error code or success, and nothing is lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault.h"
#include "tasks.h"

/* ---- the scenarios: each returns 0 or a negative errno, and checks what must hold in either case */

static _Atomic int begun, ended;

static int work(void *arg)
{
        int rc;

        (void)arg;
        begun++;
        rc = plait_sleep(PLAIT_US);
        ended++;
        return rc;
}

static int use_group(plait_executor *executor)
{
        plait_task *tasks[6];
        int rc;

        begun = ended = 0;
        {
                PLAIT_GROUP(group, .executor = executor, .limit = 4);

                for (int i = 0; i < 6; i++)
                        tasks[i] = plait_group_start(&group, work, NULL, 0);
                plait_ignore(plait_group_post(&group, work, &rc, sizeof rc));
                plait_ignore(plait_task_wait(tasks[0], NULL));
                rc = plait_group_wait(&group);
        }
        CHECK_EQUAL(begun, ended);
        return rc;
}

static int coroutines(void)
{
        return use_group(plait_coroutines());
}

static int threads(void)
{
        return use_group(plait_threads());
}

static int own_threads(void)
{
        return use_group(plait_own_thread());
}

static int a_pool(void)
{
        plait_executor *pool;
        plait_executor_options options = {.kind = PLAIT_THREADS, .workers = 2, .initializer = task_return,
                                          .initializer_arg = (int[]){0}, .initializer_arg_size = sizeof(int)};
        int rc = plait_executor_open(&pool, &options);

        if (rc < 0)
                return rc;
        rc = use_group(pool);
        CHECK_EQUAL(plait_executor_close(pool), 0);
        return rc;
}

static int put_three(void *arg)
{
        int rc = 0;

        for (int i = 0; i < 3 && rc == 0; i++)
                rc = plait_queue_put(arg, &i);
        return rc;
}

static int a_queue(void)
{
        plait_queue *queue;
        int rc = plait_queue_new(&queue, sizeof(int), 1, PLAIT_FIFO), item, got = 0;

        if (rc < 0)
                return rc;
        {
                PLAIT_GROUP(group, .executor = plait_threads());

                if (plait_group_start(&group, put_three, queue, 0))
                        for (; got < 3 && plait_queue_get(queue, &item) == 0; got++)
                                CHECK_EQUAL(item, got);
                rc = plait_group_wait(&group);
        }
        CHECK(rc < 0 || got == 3);
        plait_queue_free(queue);
        return rc;
}

static int mark(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static int a_map_on(plait_executor *executor)
{
        int items[40] = {0}, results[40], rc;
        plait_map_options options = {.executor = executor, .results = results, .limit = 4};

        rc = plait_map_with(&options, mark, items, 40, sizeof items[0]);
        for (int i = 0; i < 40; i++) {
                CHECK(items[i] == (results[i] == 0));
                CHECK(rc < 0 || items[i] == 1);
        }
        return rc;
}

static int a_map_of_coroutines(void)
{
        return a_map_on(plait_coroutines());
}

static int a_map_of_threads(void)
{
        return a_map_on(plait_threads());
}

static int a_call_or_leave(void)
{
        int value = 1, rc = plait_call_or_leave(plait_own_thread(), mark, &value, sizeof value);

        CHECK(value == (rc < 0 ? 1 : 2));
        return rc;
}

static int greet(void *arg)
{
        int fd = plait_accept(*(int *)arg, NULL, NULL), rc;

        if (fd < 0)
                return fd;
        rc = (int)plait_write(fd, "hi", 2);
        plait_close(fd);
        return rc;
}

static int meet(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
        socklen_t size = sizeof address;
        char reply[8];

        CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 5) == 0 &&
              getsockname(listener, (struct sockaddr *)&address, &size) == 0);
        {
                PLAIT_GROUP(group, .within = 10 * PLAIT_S);
                struct pollfd one = {.fd = fd, .events = POLLIN};

                plait_group_start(&group, greet, &listener, sizeof listener);
                rc = plait_connect(fd, (struct sockaddr *)&address, sizeof address);
                if (rc == 0)
                        rc = plait_poll(&one, 1);
                if (rc >= 0)
                        rc = (int)plait_read(fd, reply, sizeof reply);
                CHECK(rc < 2 || !memcmp(reply, "hi", 2));
                if (rc < 2)
                        plait_group_cancel(&group);
                if (rc >= 0)
                        rc = plait_group_wait(&group);
                CHECK(rc != -ETIMEDOUT);        /* nobody waited for what does not come */
        }
        plait_close(fd);
        plait_close(listener);
        return rc;
}

static int many_timers(void)
{
        int rc;
        PLAIT_GROUP(group, .name = "timers");

        for (int i = 0; i < 50; i++)
                plait_group_start(&group, work, NULL, 0);
        rc = plait_group_wait(&group);
        return rc;
}

static int deep(void *arg)
{
        (void)arg;
        return coroutines();
}

static int nested(void)
{
        return plait_call(plait_own_thread(), deep, NULL, 0);
}

static int (*const scenarios[])(void) = {coroutines, threads, own_threads, a_pool, a_queue, a_map_of_coroutines, a_map_of_threads,
                                         a_call_or_leave, meet, many_timers, nested};
static const char *const names[] = {"coroutines", "threads", "own_threads", "a_pool", "a_queue", "a_map_of_coroutines",
                                    "a_map_of_threads", "a_call_or_leave", "meet", "many_timers", "nested"};

/* The thread's own loop is there before: without memory for that a group cannot be opened, and aborts. */
static void fail_each(enum fault_kind kind, int error)
{
        plait_ignore(plait_yield());
        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
                unsigned long n = 0, failed;

                do {
                        int rc;

                        test_note("%s, call %lu of kind %d", names[i], n + 1, (int)kind);
                        fault_fail_nth(kind, ++n, error);
                        rc = scenarios[i]();
                        failed = fault_off();
                        CHECK(rc > -4096);
                        CHECK(failed || rc >= 0);
                        CHECK_EQUAL(plait_cancelled(), 0);
                } while (failed && n < 400);
        }
}

TEST(any_allocation_may_fail, .seconds = 60)
{
        fail_each(FAULT_alloc, 0);
}

TEST(any_thread_may_be_refused, .seconds = 60)
{
        fail_each(FAULT_thread_start, 0);
}

#define FAULT_TEST(call, error)                                                                                        \
        TEST(any_##call##_may_fail_with_##error, .seconds = 60)                                                        \
        {                                                                                                              \
                fail_each(FAULT_##call, error);                                                                        \
        }

FAULT_TEST(accept4, EMFILE)
FAULT_TEST(accept4, EINTR)
FAULT_TEST(accept4, ECONNABORTED)
FAULT_TEST(connect, ECONNREFUSED)
FAULT_TEST(recvfrom, EINTR)
FAULT_TEST(sendto, EINTR)
FAULT_TEST(preadv2, EINTR)
FAULT_TEST(preadv2, EOPNOTSUPP)
FAULT_TEST(ppoll, EINTR)
FAULT_TEST(ppoll, ENOMEM)
FAULT_TEST(epoll_create1, EMFILE)
FAULT_TEST(epoll_ctl, ENOSPC)
FAULT_TEST(epoll_ctl, ENOMEM)
FAULT_TEST(epoll_pwait, EINTR)
FAULT_TEST(epoll_pwait2, EINTR)
FAULT_TEST(epoll_pwait2, ENOSYS)
FAULT_TEST(eventfd2, EMFILE)
FAULT_TEST(mmap, ENOMEM)
FAULT_TEST(mprotect, ENOMEM)
FAULT_TEST(madvise, EINVAL)
FAULT_TEST(madvise, ENOMEM)
FAULT_TEST(fcntl, EBADF)
FAULT_TEST(getsockopt, EBADF)
FAULT_TEST(close, EINTR)

/* Only those who wait: a wake-up cannot fail so. */
static long (*real_futex)(const void *word, int operation, uint32_t value, const struct plait__kernel_timespec *timeout, uint32_t mask);

static long interrupted_futex(const void *word, int operation, uint32_t value, const struct plait__kernel_timespec *timeout, uint32_t mask)
{
        static _Atomic unsigned calls;

        if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && ++calls % 2)
                return -EINTR;
        return real_futex(word, operation, value, timeout, mask);
}

TEST(every_other_sleep_may_be_interrupted, .seconds = 60)
{
        if (!real_futex) {                      /* once, and left: the pool's threads read the table as they sleep */
                real_futex = plait__sys.futex;
                plait__sys.futex = interrupted_futex;
        }
        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
                test_note("%s", names[i]);
                CHECK(scenarios[i]() >= 0);
        }
}
