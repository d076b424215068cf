/* What several tests of descriptors need: pairs of each kind, tasks that read and write, a listener. Before the first #include
 * stands #define _GNU_SOURCE. */
#ifndef PLAIT_TEST_DESCRIPTORS_H
#define PLAIT_TEST_DESCRIPTORS_H

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "tasks.h"

struct io { int fd; ssize_t rc; char buffer[64]; size_t size; };

static inline int read_io(void *arg)
{
        struct io *io = arg;

        io->rc = plait_read(io->fd, io->buffer, io->size ? io->size : sizeof io->buffer);
        return 0;
}

static inline int write_io(void *arg)
{
        struct io *io = arg;

        io->rc = plait_write(io->fd, io->buffer, io->size ? io->size : sizeof io->buffer);
        return 0;
}

static inline int poll_it(void *arg)
{
        struct io *io = arg;
        struct pollfd one = {.fd = io->fd, .events = POLLIN};

        io->rc = plait_poll(&one, 1);
        io->size = (size_t)one.revents;
        return 0;
}

/* A pair of each kind that can be polled: [0] to read, [1] to write. */
static inline void make_pair(int kind, int fds[2])
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

static inline void close_pair(int fds[2])
{
        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(plait_close(fds[1]), 0);
}

/* On the loopback, at a port that is free. */
static inline int listen_tcp(struct sockaddr_in *ret)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof *ret;

        *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        CHECK_EQUAL(bind(fd, (struct sockaddr *)ret, size), 0);
        CHECK_EQUAL(listen(fd, 64), 0);
        CHECK_EQUAL(getsockname(fd, (struct sockaddr *)ret, &size), 0);
        return fd;
}

#endif
