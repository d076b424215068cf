/* What stands in the table of system calls, from the start: the table is the whole process's, and is not to be
 * changed under running threads. Calls of threads that do not simulate go straight on to what stood there before. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/panic.h"
#include "base/sys.h"
#include "sim/world.h"

enum { SHORT_ONE_IN = 4, LATER_ONE_IN = 8, INTERRUPTED_ONE_IN = 32, ATOMIC_WRITE = 4096 };

struct plait__sys plait__sim_real;

static struct plait__world *here(void)
{
        struct plait__world *world = plait__world_here;

        return world && !world->busy ? world : NULL;
}

static bool one_in(struct plait__world *world, uint64_t n)
{
        return !plait__sim_steady(world) && plait__draw(world, PLAIT__DELAYS, n) == 0;
}

bool plait__sim_fails(struct plait__world *world, enum plait__sim_fault fault)
{
        uint64_t until = world->experiment->simulation.faults_until;

        if (!world->fault_below || world->unwinding || (until && world->steps >= until))
                return false;
        if (!world->always_fails && plait__draw(world, PLAIT__FAULTS, UINT64_C(1) << 32) >= world->fault_below)
                return false;
        world->faults++;
        plait__sim_event(world, PLAIT__SIM_FAULT, plait__slot_here(world), (int)fault);
        return true;
}

static void never_blocks(bool blocks, const char *call)
{
        if (blocks && here())
                plait__panic("plait_simulate", "%s would block the thread for real inside a simulation", call);
}

/* ---- what may be short, late or refused */

enum stream { NO_STREAM, PIPE, SOCKET };

static enum stream stream_of(int fd)
{
        struct stat status;
        int type = 0;
        socklen_t size = sizeof type;

        if (fstat(fd, &status) < 0)
                return NO_STREAM;
        if (S_ISFIFO(status.st_mode))
                return PIPE;
        if (!S_ISSOCK(status.st_mode))
                return NO_STREAM;
        return plait__sim_real.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM
                       ? SOCKET
                       : NO_STREAM;
}

/* What a call on a descriptor ends with before it is made: 0, or an error. */
static long before_transfer(struct plait__world *world, int fd)
{
        world->stirred = true;
        if (one_in(world, INTERRUPTED_ONE_IN))
                return -EINTR;
        if (one_in(world, LATER_ONE_IN) && stream_of(fd) != NO_STREAM) {
                plait__sim_postpone(world, fd);
                return -EAGAIN;
        }
        if (world->fault_below && stream_of(fd) == SOCKET && plait__sim_fails(world, PLAIT__FAULT_RESET)) {
                shutdown(fd, SHUT_RDWR);        /* so that the other side and every later call sees it too */
                return -ECONNRESET;
        }
        return 0;
}

static size_t shortened(struct plait__world *world, size_t size)
{
        return 1 + (size_t)plait__draw(world, PLAIT__DELAYS, size);
}

static size_t read_size(struct plait__world *world, int fd, size_t size)
{
        if (size < 2 || !one_in(world, SHORT_ONE_IN) || stream_of(fd) == NO_STREAM)
                return size;
        plait__sim_postpone(world, fd); /* the rest: else who got less than it asked for thinks that there is no more */
        return shortened(world, size);
}

static size_t write_size(struct plait__world *world, int fd, size_t size)
{
        enum stream stream;

        if (size < 2 || !one_in(world, SHORT_ONE_IN))
                return size;
        stream = stream_of(fd);
        if (stream == NO_STREAM || (stream == PIPE && size <= ATOMIC_WRITE))
                return size;
        return shortened(world, size);
}

/* ---- the calls */

static long sim_preadv2(int fd, const struct iovec *iov, int count, long offset, int flags)
{
        struct plait__world *world = here();
        struct iovec one;
        long rc;

        if (!world || count != 1 || offset != -1)
                return plait__sim_real.preadv2(fd, iov, count, offset, flags);
        rc = before_transfer(world, fd);
        if (rc < 0)
                return rc;
        one = (struct iovec){iov->iov_base, read_size(world, fd, iov->iov_len)};
        return plait__sim_real.preadv2(fd, &one, 1, offset, flags);
}

static long sim_pwritev2(int fd, const struct iovec *iov, int count, long offset, int flags)
{
        struct plait__world *world = here();
        struct iovec one;
        long rc;

        if (!world || count != 1 || offset != -1)
                return plait__sim_real.pwritev2(fd, iov, count, offset, flags);
        rc = before_transfer(world, fd);
        if (rc < 0)
                return rc;
        one = (struct iovec){iov->iov_base, write_size(world, fd, iov->iov_len)};
        return plait__sim_real.pwritev2(fd, &one, 1, offset, flags);
}

/* What is left of a read of a pipe where the kernel knows no RWF_NOWAIT for it (before 6.4): what may end it came before. */
static long sim_read(int fd, void *buffer, size_t size)
{
        struct plait__world *world = here();

        return plait__sim_real.read(fd, buffer, world ? read_size(world, fd, size) : size);
}

static long sim_recvfrom(int fd, void *buffer, size_t size, int flags)
{
        struct plait__world *world = here();
        long rc = world ? before_transfer(world, fd) : 0;

        if (rc < 0)
                return rc;
        if (world)
                size = read_size(world, fd, size);
        return plait__sim_real.recvfrom(fd, buffer, size, flags);
}

static long sim_sendto(int fd, const void *buffer, size_t size, int flags)
{
        struct plait__world *world = here();
        long rc;

        if (!world || stream_of(fd) != SOCKET)  /* a pipe's turn comes with pwritev2() */
                return plait__sim_real.sendto(fd, buffer, size, flags);
        rc = before_transfer(world, fd);
        if (rc < 0)
                return rc;
        return plait__sim_real.sendto(fd, buffer, write_size(world, fd, size), flags);
}

static long sim_accept4(int fd, struct sockaddr *address, socklen_t *address_size, int flags)
{
        struct plait__world *world = here();

        if (world) {
                world->stirred = true;
                if (plait__sim_fails(world, PLAIT__FAULT_DESCRIPTORS))
                        return -EMFILE;
        }
        return plait__sim_real.accept4(fd, address, address_size, flags);
}

static long sim_connect(int fd, const struct sockaddr *address, socklen_t address_size)
{
        struct plait__world *world = here();

        if (world) {
                world->stirred = true;
                if (plait__sim_fails(world, PLAIT__FAULT_REFUSED))
                        return -ECONNREFUSED;
        }
        return plait__sim_real.connect(fd, address, address_size);
}

static long sim_close(int fd)
{
        struct plait__world *world = here();

        if (world)
                world->stirred = true;
        if (world && fd >= 0)
                plait__sim_registered(world, 0, fd, NULL);
        return plait__sim_real.close(fd);
}

static long sim_epoll_create1(int flags)
{
        struct plait__world *world = here();

        return world && plait__sim_fails(world, PLAIT__FAULT_DESCRIPTORS) ? -EMFILE
                                                                          : plait__sim_real.epoll_create1(flags);
}

static long sim_eventfd2(unsigned value, int flags)
{
        struct plait__world *world = here();

        return world && plait__sim_fails(world, PLAIT__FAULT_DESCRIPTORS) ? -EMFILE
                                                                          : plait__sim_real.eventfd2(value, flags);
}

static long sim_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
        struct plait__world *world = plait__world_here;
        long rc = plait__sim_real.epoll_ctl(epoll, operation, fd, event);

        if (world && rc == 0) {
                world->stirred = true;
                plait__sim_registered(world, operation, fd, event);
        }
        return rc;
}

static long sim_epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout_ms)
{
        struct plait__world *world = plait__world_here;

        never_blocks(timeout_ms != 0, "epoll_pwait");
        return world ? plait__sim_events(world, epoll, events, count)
                     : plait__sim_real.epoll_pwait(epoll, events, count, timeout_ms);
}

static long sim_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                             const struct plait__kernel_timespec *timeout)
{
        struct plait__world *world = plait__world_here;

        never_blocks(!timeout || timeout->seconds || timeout->nanoseconds, "epoll_pwait2");
        return world ? plait__sim_events(world, epoll, events, count)
                     : plait__sim_real.epoll_pwait2(epoll, events, count, timeout);
}

static long sim_ppoll(struct pollfd *fds, size_t count, struct plait__kernel_timespec *timeout)
{
        never_blocks(!timeout || timeout->seconds || timeout->nanoseconds, "ppoll");
        return plait__sim_real.ppoll(fds, count, timeout);
}

static long sim_futex(const void *word, int operation, uint32_t value, const struct plait__kernel_timespec *timeout,
                      uint32_t mask)
{
        never_blocks((operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET, "futex");       /* how a loop sleeps */
        return plait__sim_real.futex(word, operation, value, timeout, mask);
}

static long sim_waitid(int kind, int id, siginfo_t *info, int options)
{
        never_blocks(!(options & WNOHANG), "waitid");
        return plait__sim_real.waitid(kind, id, info, options);
}

static void *sim_alloc(size_t size)
{
        struct plait__world *world = here();

        return world && plait__sim_fails(world, PLAIT__FAULT_MEMORY) ? NULL : plait__sim_real.alloc(size);
}

static int sim_thread_start(void *(*fn)(void *), void *arg, size_t stack_bytes)
{
        if (here())
                plait__panic("plait_simulate", "a real thread would be started inside a simulation");
        return plait__sim_real.thread_start(fn, arg, stack_bytes);
}

static int sim_spawn(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds,
                     int count)
{
        if (here())
                plait__panic("plait_simulate", "a real process would be started inside a simulation");
        return plait__sim_real.spawn(ret, hidden, path, argv, fds, count);
}

#define HOOKED(X)                                                                                                      \
        X(preadv2) X(pwritev2) X(read) X(recvfrom) X(sendto) X(accept4) X(connect) X(close) X(epoll_create1)           \
        X(eventfd2) X(epoll_ctl) X(epoll_pwait) X(epoll_pwait2) X(ppoll) X(futex) X(waitid) X(alloc) X(thread_start) X(spawn)

/* Whatever stands in the table now is what the hooks go on to. */
void plait__sim_hooks_put(void)
{
        plait__sim_real = plait__sys;
#define PUT(name) plait__sys.name = sim_##name;
        HOOKED(PUT)
}

void plait__sim_hooks_take(void)
{
#define TAKE(name) plait__sys.name = plait__sim_real.name;
        HOOKED(TAKE)
}

__attribute__((constructor)) static void join_base(void)
{
        plait__sim_hooks_put();
}
