/* Reading, writing and so on: each tries first, without blocking, and parks when the kernel said EAGAIN. The descriptor's own
 * mode is left alone: sockets are asked with MSG_DONTWAIT, other files with RWF_NOWAIT; what knows neither is polled first. */
#define _GNU_SOURCE
#include "plait/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "core/poller.h"
#include "core/strand.h"

static bool ready_now(int fd, short events)
{
        struct plait__kernel_timespec at_once = {0, 0}; /* not constant: it may be written to */
        struct pollfd one = {.fd = fd, .events = events};

        return plait__sys.ppoll(&one, 1, &at_once) > 0;
}

/* Kernels before 4.14 and emulators do not have RWF_NOWAIT, others not for each kind of file (pipes: 6.4). */
static bool knows_no_nowait(ssize_t n)
{
        return n == -EOPNOTSUPP || n == -ENOSYS;
}

/* After an attempt that gave `n`: 0, try again; 1, it stands; 2, only the plain call is left, and will not block for long. */
enum next { AGAIN, STANDS, PLAIN };

static enum next after_attempt(struct plait__strand *strand, int fd, short events, enum plait__reason reason, ssize_t *n)
{
        int rc;

        if (*n == -EINTR)
                return AGAIN;
        if ((knows_no_nowait(*n) || *n == -EINVAL) && ready_now(fd, events))
                return PLAIN;
        if (*n != -EAGAIN && !knows_no_nowait(*n))
                return STANDS;
        rc = plait__fd_wait(strand, fd, (uint32_t)events, reason);
        if (rc == -EPERM)
                return PLAIN;                   /* a regular file: always ready, and the disk is waited for */
        *n = rc;
        return rc < 0 ? STANDS : AGAIN;
}

/* A kernel without the call has not looked whether the file is open for it (`other`: it is for the other one only), nor
 * whether nothing is asked for. */
static ssize_t look_without_call(int fd, size_t size, ssize_t n, int other)
{
        long flags;

        if (n != -ENOSYS)
                return n;
        flags = plait__sys.fcntl(fd, F_GETFL, 0);
        if (flags < 0)
                return flags;
        if ((flags & O_ACCMODE) == other)
                return -EBADF;
        return size ? n : 0;
}

static ssize_t read_nowait(int fd, void *buffer, size_t size)
{
        struct iovec iov = {buffer, size};
        ssize_t n = plait__sys.preadv2(fd, &iov, 1, -1, RWF_NOWAIT), received;

        if (knows_no_nowait(n) && size) {
                received = plait__sys.recvfrom(fd, buffer, size, MSG_DONTWAIT);
                if (received != -ENOTSOCK)
                        return received;
        }
        return look_without_call(fd, size, n, O_WRONLY);
}

static ssize_t try_read(struct plait__loop *loop, int fd, void *buffer, size_t size)
{
        ssize_t n;

        if (!plait__fd_ours(fd) || size == 0)
                return read_nowait(fd, buffer, size);
        if (plait__fd_drained(loop, fd))
                return -EAGAIN;
        n = plait__sys.recvfrom(fd, buffer, size, MSG_DONTWAIT);
        if (n > 0 && (size_t)n < size)
                plait__fd_set_drained(loop, fd);
        return n;
}

ssize_t plait_read(int fd, void *buffer, size_t size)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        ssize_t n;

        if (!strand)
                return -ENOMEM;
        n = plait__enter(strand);
        if (n < 0)
                return n;
        for (;;) {
                n = try_read(strand->loop, fd, buffer, size);
                switch (n >= 0 ? STANDS : after_attempt(strand, fd, POLLIN, PLAIT__ON_READ, &n)) {
                case AGAIN:
                        continue;
                case PLAIN:
                        while ((n = plait__sys.read(fd, buffer, size)) == -EINTR)
                                ;
                        if (n == -EAGAIN)
                                continue;
                        return n;
                case STANDS:
                        return n;
                }
        }
}

static ssize_t try_write(int fd, const void *buffer, size_t size)
{
        struct iovec iov = {(void *)(uintptr_t)buffer, size};
        ssize_t n = plait__sys.sendto(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n == -ENOTSOCK)
                n = look_without_call(fd, size, plait__sys.pwritev2(fd, &iov, 1, -1, RWF_NOWAIT), O_RDONLY);
        return n;
}

/* How much a file that is ready takes without blocking: a pipe may have room for no more than that. */
static size_t plain_size(int fd, size_t size)
{
        struct statx file;

        if (size <= PIPE_BUF)
                return size;
        if (plait__sys.statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &file) == 0 && !S_ISFIFO(file.stx_mode))
                return size;
        return PIPE_BUF;
}

ssize_t plait_write(int fd, const void *buffer, size_t size)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        ssize_t n;

        if (!strand)
                return -ENOMEM;
        n = plait__enter(strand);
        if (n < 0)
                return n;
        for (;;) {
                n = try_write(fd, buffer, size);
                switch (n >= 0 ? STANDS : after_attempt(strand, fd, POLLOUT, PLAIT__ON_WRITE, &n)) {
                case AGAIN:
                        continue;
                case PLAIN:
                        while ((n = plait__sys.write(fd, buffer, plain_size(fd, size))) == -EINTR)
                                ;
                        if (n == -EAGAIN)
                                continue;
                        return n;
                case STANDS:
                        return n;
                }
        }
}

/* accept4() has no flag that keeps it from blocking, and another thread may take the connection that poll() saw. */
static int make_nonblocking(int fd)
{
        long flags = plait__sys.fcntl(fd, F_GETFL, 0);

        if (flags < 0 || flags & O_NONBLOCK)
                return flags < 0 ? (int)flags : 0;
        return (int)plait__sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int plait_accept(int fd, struct sockaddr *address, socklen_t *address_size)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        rc = make_nonblocking(fd);
        if (rc < 0)
                return rc;
        for (;;) {
                rc = (int)plait__sys.accept4(fd, address, address_size, SOCK_CLOEXEC);
                if (rc >= 0) {
                        plait__fd_is_new(rc, true);
                        return rc;
                }
                if (rc == -EINTR || rc == -ECONNABORTED)
                        continue;
                if (rc != -EAGAIN)
                        return rc;
                rc = plait__fd_wait(strand, fd, POLLIN, PLAIT__ON_READ);
                if (rc < 0)
                        return rc;
        }
}

static bool is_stream(int fd)
{
        int type = 0;
        socklen_t size = sizeof type;

        return plait__sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* 1, 0, or why the kernel does not say. */
static int can_write(int fd)
{
        struct plait__kernel_timespec no_time = {0, 0};
        struct pollfd one = {.fd = fd, .events = POLLOUT};
        int rc;

        do {
                rc = (int)plait__sys.ppoll(&one, 1, &no_time);
        } while (rc == -EINTR);
        return rc;
}

/* The call is under way: its outcome comes with the first readiness for writing. That is told once: where the kernel
 * was asked in vain there is nothing more to wait for. */
static int connect_outcome(struct plait__strand *strand, int fd, const struct sockaddr *address, socklen_t address_size)
{
        int error = 0, rc;
        socklen_t size = sizeof error;

        do {
                rc = plait__fd_wait(strand, fd, POLLOUT, PLAIT__ON_WRITE);
                if (rc == 0)
                        rc = can_write(fd);
        } while (rc == 0);
        if (rc > 0)
                rc = (int)plait__sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (rc == 0 && error == 0)              /* the kernel takes the socket for connecting until it is asked once more */
                plait__sys.connect(fd, address, address_size);
        return rc < 0 ? rc : -error;
}

static int connect_nonblocking(struct plait__strand *strand, int fd, const struct sockaddr *address, socklen_t address_size)
{
        plait_time pause = PLAIT_MS / 10;
        int rc;

        while ((rc = (int)plait__sys.connect(fd, address, address_size)) == -EAGAIN) {
                rc = plait_sleep(pause);        /* a local socket whose listener's queue is full: nothing tells when it is not */
                if (rc < 0)
                        return rc;
                if (pause < 10 * PLAIT_MS)
                        pause *= 2;
        }
        return rc == -EINPROGRESS || rc == -EINTR ? connect_outcome(strand, fd, address, address_size) : rc;
}

int plait_connect(int fd, const struct sockaddr *address, socklen_t address_size)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        long flags;
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        flags = plait__sys.fcntl(fd, F_GETFL, 0);
        if (flags < 0)
                return (int)flags;
        if (!(flags & O_NONBLOCK)) {
                rc = (int)plait__sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
                if (rc < 0)
                        return rc;
        }
        plait__fd_is_new(fd, is_stream(fd));
        rc = connect_nonblocking(strand, fd, address, address_size);
        if (!(flags & O_NONBLOCK) && rc != -EBADF)
                plait__sys.fcntl(fd, F_SETFL, flags);
        return rc;
}

int plait_close(int fd)
{
        int rc;

        plait__not_forked(__func__);
        plait__point_here();
        if (fd < 0)
                return -EBADF;
        plait__fd_forget(fd);
        rc = (int)plait__sys.close(fd);
        return rc == -EINTR ? 0 : rc;           /* Linux has closed it by then */
}
