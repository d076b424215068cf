/* Accepting and connecting; the errors of all calls on descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "descriptors.h"

/* ---- connections */

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

TEST(a_connected_socket_says_so)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

        CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 4) == 0);
        CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        CHECK_EQUAL(plait_connect(fd, (struct sockaddr *)&address, size), 0);
        CHECK_EQUAL(plait_connect(fd, (struct sockaddr *)&address, size), -EISCONN);
        CHECK_EQUAL(plait_close(fd), 0);
        CHECK_EQUAL(plait_close(listener), 0);
}
