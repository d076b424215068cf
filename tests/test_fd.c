/* Descriptors: reading and writing, as POSIX, but parking. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "descriptors.h"
#include "fault.h"

static void read_what_comes_later(void)
{
        for (int kind = 0; kind < 5; kind++) {
                struct io io = {0};
                int fds[2], flags;

                make_pair(kind, fds);
                io.fd = fds[0];
                flags = fcntl(fds[0], F_GETFL);
                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        plait_group_start(&group, read_io, &io, sizeof io);
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_write(fds[1], "hello", 5), 5);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK(io.rc == 5 && !memcmp(io.buffer, "hello", 5));
                CHECK_EQUAL(fcntl(fds[0], F_GETFL), flags);     /* its mode is not changed */
                close_pair(fds);
        }
}

TEST_ON_EXECUTORS(a_reader_parks_until_there_is_something)
{
        read_what_comes_later();
}

TEST_ON_EXECUTORS(a_reader_parks_where_the_kernel_has_no_RWF_NOWAIT)
{
        fault_fail_from(FAULT_preadv2, 1, ENOSYS);
        read_what_comes_later();
        CHECK(fault_off());
}

static void write_when_there_is_room(void)
{
        static char much[1 << 20];

        for (int kind = 0; kind < 3; kind++) {
                struct io io = {.size = 1};
                int fds[2];
                ssize_t n;
                long total = 0;

                make_pair(kind, fds);
                io.fd = fds[1];
                for (;;) {
                        PLAIT_WITHIN(PLAIT_MS);
                        n = plait_write(fds[1], much, sizeof much);
                        if (n < 0)
                                break;
                        total += n;             /* short writes */
                }
                CHECK_EQUAL(n, -ETIMEDOUT);
                CHECK(total > 0);
                {
                        PLAIT_GROUP(group, .executor = test_executor());
                        plait_task *task = plait_group_start(&group, write_io, &io, sizeof io);

                        test_until_parked(&group);
                        CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
                        while (total > 0) {
                                n = plait_read(fds[0], much, total < (long)sizeof much ? (size_t)total : sizeof much);
                                CHECK(n > 0);
                                total -= n;
                        }
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK_EQUAL(io.rc, 1);
                close_pair(fds);
        }
}

TEST_ON_EXECUTORS(a_writer_parks_until_there_is_room)
{
        write_when_there_is_room();
}

/* A blocking pipe takes all or waits for room: it must not be offered more than it has room for. */
TEST_ON_EXECUTORS(a_writer_parks_where_the_kernel_has_no_RWF_NOWAIT)
{
        fault_fail_from(FAULT_pwritev2, 1, EOPNOTSUPP);
        write_when_there_is_room();
        CHECK(fault_off());
}

TEST_ON_EXECUTORS(a_read_is_cut_short_and_takes_nothing)
{
        struct io io = {0};
        int fds[2];

        make_pair(2, fds);
        io.fd = fds[0];
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, read_io, &io, sizeof io);

                test_until_parked(&group);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(io.rc, -ECANCELED);
        CHECK_EQUAL(plait_write(fds[1], "x", 1), 1);
        CHECK_EQUAL(plait_read(fds[0], io.buffer, 1), 1);
        close_pair(fds);
}

TEST(ends_of_files_and_sizes_of_nothing_read_as_nothing)
{
        char byte;

        for (int kind = 0; kind < 3; kind++) {
                int fds[2];

                make_pair(kind, fds);
                CHECK_EQUAL(plait_read(fds[0], &byte, 0), 0);
                CHECK_EQUAL(plait_write(fds[1], &byte, 0), 0);
                CHECK_EQUAL(plait_close(fds[1]), 0);
                CHECK_EQUAL(plait_read(fds[0], &byte, 1), 0);
                CHECK_EQUAL(plait_close(fds[0]), 0);
        }
}

TEST(a_wrong_mode_and_a_size_of_nothing_are_told_where_the_kernel_has_no_RWF_NOWAIT)
{
        int fds[2];
        char byte;

        make_pair(0, fds);
        fault_fail_from(FAULT_preadv2, 1, ENOSYS);
        CHECK_EQUAL(plait_read(fds[1], &byte, 1), -EBADF);
        CHECK_EQUAL(plait_read(fds[0], &byte, 0), 0);
        fault_fail_from(FAULT_pwritev2, 1, ENOSYS);
        CHECK_EQUAL(plait_write(fds[0], &byte, 1), -EBADF);
        CHECK_EQUAL(plait_write(fds[1], &byte, 0), 0);
        CHECK(fault_off());
        close_pair(fds);
}

TEST(regular_files_and_devices_are_always_ready)
{
        char path[] = "/tmp/plait-test-XXXXXX", bytes[8192], again[8192];
        int fd = mkstemp(path), null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
        struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT};

        CHECK(fd >= 0 && null >= 0 && zero >= 0);
        memset(bytes, 7, sizeof bytes);
        CHECK_EQUAL(plait_write(fd, bytes, sizeof bytes), sizeof bytes);
        CHECK_EQUAL(lseek(fd, 0, SEEK_SET), 0);
        CHECK_EQUAL(plait_read(fd, again, sizeof again), sizeof again);
        CHECK(!memcmp(bytes, again, sizeof bytes));
        CHECK_EQUAL(plait_read(fd, again, 1), 0);
        CHECK_EQUAL(plait_poll(&one, 1), 1);
        CHECK_EQUAL(one.revents, POLLIN | POLLOUT);
        CHECK_EQUAL(plait_write(null, bytes, 5), 5);
        CHECK_EQUAL(plait_read(null, bytes, 5), 0);
        CHECK_EQUAL(plait_read(zero, bytes, 5), 5);
        CHECK_EQUAL(plait_close(zero), 0);
        CHECK_EQUAL(plait_close(null), 0);
        CHECK_EQUAL(plait_close(fd), 0);
        unlink(path);
}

TEST(an_eventfd_is_read_and_parks)
{
        int fd = eventfd(0, EFD_CLOEXEC);
        struct io io = {.fd = fd, .size = 8};
        uint64_t one = 1;

        {
                PLAIT_GROUP(group, .name = "eventfd");

                plait_group_start(&group, read_io, &io, sizeof io);
                test_until_parked(&group);
                CHECK_EQUAL(plait_write(fd, &one, sizeof one), 8);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(io.rc == 8 && io.buffer[0] == 1);
        CHECK_EQUAL(plait_close(fd), 0);
}

TEST(a_terminal_is_read_and_parks)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
        struct io io = {0};

        if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0) {
                if (master >= 0)
                        close(master);
                SKIP("no pseudo terminal is to be had here");
        }
        io.fd = slave;
        {
                PLAIT_GROUP(group, .name = "terminal");

                plait_group_start(&group, read_io, &io, sizeof io);
                test_until_parked(&group);
                CHECK_EQUAL(plait_write(master, "line\n", 5), 5);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(io.rc == 5 && !memcmp(io.buffer, "line\n", 5));
        CHECK_EQUAL(plait_close(slave), 0);
        CHECK_EQUAL(plait_close(master), 0);
}

TEST(nobody_reads_any_more)
{
        int fds[2];

        make_pair(2, fds);
        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(plait_write(fds[1], "x", 1), -EPIPE);       /* and no SIGPIPE */
        CHECK_EQUAL(plait_close(fds[1]), 0);
        signal(SIGPIPE, SIG_IGN);
        make_pair(0, fds);
        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(plait_write(fds[1], "x", 1), -EPIPE);
        CHECK_EQUAL(plait_close(fds[1]), 0);
}

TEST(calls_leave_errno_alone)
{
        char byte;

        errno = E2BIG;
        CHECK_EQUAL(plait_read(-1, &byte, 1), -EBADF);
        CHECK_EQUAL(plait_write(-1, &byte, 1), -EBADF);
        CHECK_EQUAL(plait_close(12345), -EBADF);
        CHECK_EQUAL(errno, E2BIG);
}
