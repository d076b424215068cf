/* Any call of the parent's may fail while workers are made and used: what comes of it is an error or success, and the pool
 * is good for the next task. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault.h"
#include "plait.h"
#include "test.h"

static int add_one(void *arg)
{
        ++*(int *)arg;
        return 0;
}

/* Everything that a pool does in its life. */
static void use_pool(void)
{
        int number = 1, numbers[20] = {0}, rc;
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 2, .initializer = add_one,
                                          .initializer_arg = &number, .initializer_arg_size = sizeof number};

        if (plait_executor_open(&executor, &options) < 0)
                return;
        rc = plait_call(executor, add_one, &number, sizeof number);
        CHECK_EQUAL(number, rc == 0 ? 2 : 1);
        rc = plait_map(executor, add_one, numbers, 20, sizeof numbers[0]);
        for (int i = 0; i < 20; i++)
                CHECK(rc < 0 ? numbers[i] == 0 || numbers[i] == 1 : numbers[i] == 1);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

/* Once: the path of the program is looked for until it was found. */
TEST(without_descriptors_that_is_the_reason, .once = true)
{
        int number = 1, fds[64], count = 0;
        struct rlimit limit, few;
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES};

        CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
        few = limit;
        few.rlim_cur = 60;
        CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
        while (count < 64 && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
                count++;
        CHECK_EQUAL(plait_executor_open(&executor, &options), -EMFILE);
        CHECK_EQUAL(plait_call(plait_processes(), add_one, &number, sizeof number), -EMFILE);
        CHECK_EQUAL(plait_call(plait_own_process(), add_one, &number, sizeof number), -EMFILE);
        CHECK_EQUAL(plait_map(plait_processes(), add_one, &number, 1, sizeof number), -EMFILE);
        CHECK_EQUAL(number, 1);
        while (count)
                close(fds[--count]);
        CHECK_EQUAL(plait_call(plait_processes(), add_one, &number, sizeof number), 0);
        CHECK_EQUAL(number, 2);
        CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void fail_each(enum fault_kind kind)
{
        int number = 1;

        FAULT_EACH(kind, 0) {
                use_pool();
        }
        CHECK_EQUAL(plait_call(plait_processes(), add_one, &number, sizeof number), 0);
        CHECK_EQUAL(number, 2);
}

#define FAILS(name) TEST(a_failed_##name##_is_survived, .seconds = 60) { fail_each(FAULT_##name); }

FAILS(alloc)
FAILS(thread_start)
FAILS(memfd_create)
FAILS(ftruncate)
FAILS(mmap)
FAILS(mprotect)
FAILS(madvise)
FAILS(prlimit64)
FAILS(statx)
FAILS(eventfd2)
FAILS(socketpair)
FAILS(sendto)
FAILS(recvmsg)
FAILS(pidfd_open)
FAILS(pidfd_send_signal)
FAILS(ppoll)
FAILS(waitid)
FAILS(write)
FAILS(read)
FAILS(fcntl)
FAILS(close)
