/* Descriptors: as POSIX, but parking. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault.h"
#include "tasks.h"

struct io { int fd; ssize_t rc; char buffer[64]; size_t size; };

static int read_io(void *arg)
{
        struct io *io = arg;

        io->rc = plait_read(io->fd, io->buffer, io->size ? io->size : sizeof io->buffer);
        return 0;
}

static int write_io(void *arg)
{
        struct io *io = arg;

        io->rc = plait_write(io->fd, io->buffer, io->size ? io->size : sizeof io->buffer);
        return 0;
}

/* A pair of each kind that can be polled: [0] to read, [1] to write. */
static void make_pair(int kind, int fds[2])
{
        switch (kind) {
        case 0:
                CHECK_EQUAL(pipe2(fds, O_CLOEXEC), 0);
                break;
        case 1:
                CHECK_EQUAL(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
                break;
        case 2:
                CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
                break;
        case 3:
                CHECK_EQUAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
                break;
        default:
                CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        }
}

static void close_pair(int fds[2])
{
        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(plait_close(fds[1]), 0);
}

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

/* ---- close */

TEST_ON_EXECUTORS(close_wakes_those_who_wait)
{
        for (int kind = 0; kind < 3; kind++) {
                struct io ios[3] = {{0}};
                int fds[2];

                make_pair(kind, fds);
                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        for (int i = 0; i < 3; i++) {
                                ios[i].fd = fds[0];
                                plait_group_start(&group, read_io, &ios[i], sizeof ios[i]);
                        }
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_close(fds[0]), 0);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                for (int i = 0; i < 3; i++)
                        CHECK_EQUAL(ios[i].rc, -EBADF);
                CHECK_EQUAL(plait_close(fds[1]), 0);
                CHECK_EQUAL(plait_close(fds[1]), -EBADF);
        }
}

static int poll_it(void *arg)
{
        struct io *io = arg;
        struct pollfd one = {.fd = io->fd, .events = POLLIN};

        io->rc = plait_poll(&one, 1);
        io->size = (size_t)one.revents;
        return 0;
}

TEST_ON_EXECUTORS(close_tells_poll)
{
        struct io io = {0};
        int fds[2];

        make_pair(2, fds);
        io.fd = fds[0];
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, poll_it, &io, sizeof io);
                test_until_parked(&group);
                CHECK_EQUAL(plait_close(fds[0]), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(io.rc, 1);
        CHECK_EQUAL(io.size, POLLNVAL);
        CHECK_EQUAL(plait_close(fds[1]), 0);
}

static void *close_and_reuse(void *arg)
{
        int *fds = arg;

        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(dup2(fds[1], fds[0]), fds[0]);      /* the number is another file at once */
        return NULL;
}

/* The loop does not look before somebody waits on the new file of that number. */
TEST(who_waits_on_a_number_is_told_when_it_becomes_another_file)
{
        struct io old = {0}, new = {0};
        int fds[2], others[2], numbers[2];
        pthread_t thread;

        make_pair(2, fds);
        make_pair(2, others);
        old.fd = new.fd = numbers[0] = fds[0];
        numbers[1] = others[0];
        {
                PLAIT_GROUP(group, .name = "numbers");

                plait_group_start(&group, read_io, &old, sizeof old);
                test_until_parked(&group);
                CHECK_EQUAL(pthread_create(&thread, NULL, close_and_reuse, numbers), 0);
                pthread_join(thread, NULL);
                {
                        PLAIT_WITHIN(PLAIT_MS);
                        CHECK_EQUAL(plait_read(new.fd, new.buffer, 1), -ETIMEDOUT);
                }
                test_until_parked(&group);
                CHECK_EQUAL(old.rc, -EBADF);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_write(others[1], "x", 1), 1);
        CHECK_EQUAL(plait_read(numbers[0], new.buffer, 1), 1);
        CHECK_EQUAL(plait_close(numbers[0]), 0);
        CHECK_EQUAL(plait_close(fds[1]), 0);
        close_pair(others);
}

/* A file that lives on under another number must not go on waking this one's successor. */
TEST(a_duplicated_descriptor_does_not_disturb_the_next_of_its_number)
{
        for (int round = 0; round < 20; round++) {
                int fds[2], copy;
                char bytes[4];

                make_pair(2, fds);
                copy = dup(fds[0]);
                {
                        PLAIT_WITHIN(PLAIT_US);
                        CHECK_EQUAL(plait_read(fds[0], bytes, 1), -ETIMEDOUT);
                }
                CHECK_EQUAL(plait_close(fds[0]), 0);
                CHECK_EQUAL(plait_write(fds[1], "ab", 2), 2);
                CHECK_EQUAL(plait_read(copy, bytes, 4), 2);
                CHECK_EQUAL(plait_close(copy), 0);
                CHECK_EQUAL(plait_close(fds[1]), 0);
        }
}

TEST_ON_EXECUTORS(readers_of_two_copies_share_the_stream)
{
        struct io ios[2] = {{.size = 1}, {.size = 1}};
        int fds[2], copy;

        make_pair(2, fds);
        copy = dup(fds[0]);
        ios[0].fd = fds[0];
        ios[1].fd = copy;
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 2; i++)
                        plait_group_start(&group, read_io, &ios[i], sizeof ios[i]);
                test_until_parked(&group);
                CHECK_EQUAL(plait_write(fds[1], "ab", 2), 2);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(ios[0].rc == 1 && ios[1].rc == 1 && ios[0].buffer[0] + ios[1].buffer[0] == 'a' + 'b');
        CHECK_EQUAL(plait_close(copy), 0);
        close_pair(fds);
}

/* ---- poll */

TEST(poll_tells_all_that_are_ready)
{
        enum { PAIRS = 20 };
        struct pollfd fds[PAIRS * 2 + 3] = {{0}};
        int pairs[PAIRS][2], closed;

        for (int i = 0; i < PAIRS; i++) {
                make_pair(i % 3, pairs[i]);
                fds[i] = (struct pollfd){.fd = pairs[i][0], .events = POLLIN};
        }
        fds[PAIRS] = (struct pollfd){.fd = -5, .events = POLLIN, .revents = 7};
        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_poll(fds, PAIRS + 1), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_write(pairs[3][1], "x", 1), 1);
        CHECK_EQUAL(plait_close(pairs[7][1]), 0);
        CHECK_EQUAL(plait_poll(fds, PAIRS + 1), 2);
        for (int i = 0; i <= PAIRS; i++)
                CHECK(i == 3 || i == 7 ? fds[i].revents != 0 : fds[i].revents == 0);
        CHECK(fds[3].revents & POLLIN && fds[7].revents & POLLHUP);
        closed = dup(0);
        close(closed);
        fds[PAIRS].fd = closed;
        CHECK_EQUAL(plait_poll(fds + PAIRS, 1), 1);
        CHECK_EQUAL(fds[PAIRS].revents, POLLNVAL);
        pairs[7][1] = dup(0);
        for (int i = 0; i < PAIRS; i++)
                close_pair(pairs[i]);
}

TEST(poll_of_nothing_waits_for_its_scope)
{
        struct rlimit limit;
        struct pollfd *many;

        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_poll(NULL, 0), -ETIMEDOUT);
        }
        getrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur > 1 << 20)
                return;
        many = calloc(limit.rlim_cur + 1, sizeof *many);
        CHECK(many);
        CHECK_EQUAL(plait_poll(many, limit.rlim_cur + 1), -EINVAL);
        free(many);
}

TEST_ON_EXECUTORS(poll_parks)
{
        struct io io = {0};
        int fds[2];

        for (int kind = 0; kind < 3; kind++) {
                make_pair(kind, fds);
                io.fd = fds[0];
                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        plait_group_start(&group, poll_it, &io, sizeof io);
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_write(fds[1], "x", 1), 1);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK_EQUAL(io.rc, 1);
                CHECK_EQUAL(io.size, POLLIN);
                close_pair(fds);
        }
}

/* ---- connections */

static int listen_tcp(struct sockaddr_in *ret)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof *ret;

        *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        CHECK_EQUAL(bind(fd, (struct sockaddr *)ret, size), 0);
        CHECK_EQUAL(listen(fd, 64), 0);
        CHECK_EQUAL(getsockname(fd, (struct sockaddr *)ret, &size), 0);
        return fd;
}

struct visit { struct sockaddr_in address; int rc; };

static int visit(void *arg)
{
        struct visit *visit = arg;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char reply[8] = "";

        CHECK_EQUAL(plait_connect(fd, (struct sockaddr *)&visit->address, sizeof visit->address), 0);
        CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
        CHECK_EQUAL(plait_write(fd, "ping", 4), 4);
        CHECK_EQUAL(plait_read(fd, reply, sizeof reply), 4);
        CHECK(!memcmp(reply, "pong", 4));
        CHECK_EQUAL(plait_read(fd, reply, sizeof reply), 0);
        return plait_close(fd);
}

static int serve(void *arg)
{
        int fd = *(int *)arg;
        char request[8];

        CHECK_EQUAL(plait_read(fd, request, sizeof request), 4);
        CHECK_EQUAL(plait_read(fd, request, 0), 0);
        CHECK_EQUAL(plait_write(fd, "pong", 4), 4);
        return plait_close(fd);
}

TEST_ON_EXECUTORS(clients_and_servers_meet)
{
        enum { VISITS = 20 };
        struct visit visits[VISITS];
        struct sockaddr_in address, peer;
        socklen_t size;
        int listener = listen_tcp(&address), fd;

        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < VISITS; i++) {
                        visits[i].address = address;
                        plait_group_start(&group, visit, &visits[i], sizeof visits[i]);
                }
                for (int i = 0; i < VISITS; i++) {
                        size = sizeof peer;
                        fd = plait_accept(listener, i % 2 ? NULL : (struct sockaddr *)&peer, i % 2 ? NULL : &size);
                        CHECK(fd >= 0);
                        CHECK(i % 2 || (size == sizeof peer && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK)));
                        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
                        CHECK_EQUAL(plait_group_post(&group, serve, &fd, sizeof fd), 0);
                }
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(fcntl(listener, F_GETFL) & O_NONBLOCK);
        CHECK_EQUAL(plait_close(listener), 0);
}

TEST(an_accept_is_cut_short)
{
        struct sockaddr_in address;
        int listener = listen_tcp(&address);

        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_accept(listener, NULL, NULL), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_close(listener), 0);
}

static int accept_it(void *arg)
{
        struct io *io = arg;

        io->rc = plait_accept(io->fd, NULL, NULL);
        return 0;
}

TEST_ON_EXECUTORS(closing_the_listener_ends_the_accepts)
{
        struct sockaddr_in address;
        struct io io = {.fd = listen_tcp(&address)};

        PLAIT_GROUP(group, .executor = test_executor());
        plait_group_start(&group, accept_it, &io, sizeof io);
        test_until_parked(&group);
        CHECK_EQUAL(plait_close(io.fd), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(io.rc, -EBADF);
}

TEST(a_connection_is_refused)
{
        struct sockaddr_in address;
        int listener = listen_tcp(&address), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK_EQUAL(plait_close(listener), 0);
        CHECK_EQUAL(plait_connect(fd, (struct sockaddr *)&address, sizeof address), -ECONNREFUSED);
        CHECK_EQUAL(plait_close(fd), 0);
}

TEST(unix_sockets_connect_and_wait_for_a_full_listener)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[4], peer;
        socklen_t size = sizeof(sa_family_t);

        CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, size), 0);      /* a name of the kernel's choice */
        CHECK_EQUAL(listen(listener, 0), 0);
        size = sizeof address;
        CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        for (int i = 0; i < 4; i++) {
                fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                PLAIT_WITHIN(PLAIT_MS);
                int rc = plait_connect(fds[i], (struct sockaddr *)&address, size);
                CHECK(rc == 0 || (i > 0 && rc == -ETIMEDOUT));
        }
        peer = plait_accept(listener, NULL, NULL);
        CHECK(peer >= 0);
        CHECK_EQUAL(plait_close(peer), 0);
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(plait_close(fds[i]), 0);
        CHECK_EQUAL(plait_close(listener), 0);
}

TEST(a_datagram_is_received_whole)
{
        char buffer[16];
        int fds[2];

        make_pair(3, fds);
        CHECK_EQUAL(plait_write(fds[1], "first", 5), 5);
        CHECK_EQUAL(plait_write(fds[1], "second", 6), 6);
        CHECK_EQUAL(plait_read(fds[0], buffer, sizeof buffer), 5);
        CHECK_EQUAL(plait_read(fds[0], buffer, sizeof buffer), 6);
        close_pair(fds);
}

/* ---- many descriptors, and the errors of the headers: a row each */

TEST(each_error_of_a_descriptor_is_told)
{
        struct sockaddr_in address;
        int fds[2], listener = listen_tcp(&address), directory = open("/", O_RDONLY | O_DIRECTORY), plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
        char bytes[8];

        make_pair(0, fds);
        struct { long got, expected; } rows[] = {
                {plait_read(fds[1], bytes, 1), -EBADF},
                {plait_write(fds[0], bytes, 1), -EBADF},
                {plait_read(-1, bytes, 1), -EBADF},
                {plait_read(9999, bytes, 1), -EBADF},
                {plait_read(directory, bytes, 1), -EISDIR},
                {plait_accept(fds[0], NULL, NULL), -ENOTSOCK},
                {plait_accept(plain, NULL, NULL), -EINVAL},
                {plait_accept(-1, NULL, NULL), -EBADF},
                {plait_connect(fds[0], (struct sockaddr *)&address, sizeof address), -ENOTSOCK},
                {plait_connect(-1, (struct sockaddr *)&address, sizeof address), -EBADF},
                {plait_close(-1), -EBADF},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                test_note("row %zu", i);
                CHECK_EQUAL(rows[i].got, rows[i].expected);
        }
        do
                rc = plait_connect(plain, (struct sockaddr *)&address, sizeof address);
        while (rc == 0);                        /* the kernel says once more that it is connected */
        CHECK_EQUAL(rc, -EISCONN);
        CHECK_EQUAL(plait_connect(plain, (struct sockaddr *)&address, sizeof address), -EISCONN);
        CHECK_EQUAL(plait_close(plain), 0);
        CHECK_EQUAL(plait_close(listener), 0);
        CHECK_EQUAL(plait_close(directory), 0);
        close_pair(fds);
}
