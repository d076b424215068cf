/* The one table through which the library calls the kernel and allocates: a test, or a simulation, puts its own
 * functions there and so makes any call fail, be short, or be recorded. Every entry returns 0 or a count, or a negative
 * errno, and leaves errno alone. The clock is not here: it is a seam of each loop (core/loop.h).
 *
 * To add a call: one line in PLAIT__SYS. The table, its first values (sys.c) and the tests' failing wrappers are made from
 * this list. */
#ifndef PLAIT__SYS_H
#define PLAIT__SYS_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "plait/base.h"

struct plait__spawned;
struct statx;

struct plait__kernel_timespec { int64_t seconds, nanoseconds; };

/* X(name, parameters, arguments as six longs): a call of the kernel's own name and number. */
#define PLAIT__SYS(X)                                                                                                  \
        X(read, (int fd, void *buffer, size_t size), (fd, (long)buffer, (long)size, 0, 0, 0))                          \
        X(write, (int fd, const void *buffer, size_t size), (fd, (long)buffer, (long)size, 0, 0, 0))                   \
        X(preadv2, (int fd, const struct iovec *iov, int count, long offset, int flags),                               \
          (fd, (long)iov, count, offset, 0, flags))                                                                    \
        X(pwritev2, (int fd, const struct iovec *iov, int count, long offset, int flags),                              \
          (fd, (long)iov, count, offset, 0, flags))                                                                    \
        X(recvfrom, (int fd, void *buffer, size_t size, int flags), (fd, (long)buffer, (long)size, flags, 0, 0))       \
        X(sendto, (int fd, const void *buffer, size_t size, int flags), (fd, (long)buffer, (long)size, flags, 0, 0))   \
        X(accept4, (int fd, struct sockaddr *address, socklen_t *address_size, int flags),                             \
          (fd, (long)address, (long)address_size, flags, 0, 0))                                                        \
        X(connect, (int fd, const struct sockaddr *address, socklen_t address_size),                                   \
          (fd, (long)address, (long)address_size, 0, 0, 0))                                                            \
        X(getsockopt, (int fd, int level, int name, void *value, socklen_t *value_size),                               \
          (fd, level, name, (long)value, (long)value_size, 0))                                                         \
        X(fcntl, (int fd, int command, long argument), (fd, command, argument, 0, 0, 0))                               \
        X(close, (int fd), (fd, 0, 0, 0, 0, 0))                                                                        \
        X(ppoll, (struct pollfd *fds, size_t count, struct plait__kernel_timespec *timeout),                           \
          ((long)fds, (long)count, (long)timeout, 0, 0, 0))                                                            \
        X(epoll_create1, (int flags), (flags, 0, 0, 0, 0, 0))                                                          \
        X(epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event),                                    \
          (epoll, operation, fd, (long)event, 0, 0))                                                                   \
        X(epoll_pwait, (int epoll, struct epoll_event *events, int count, int timeout_ms),                             \
          (epoll, (long)events, count, timeout_ms, 0, 8))                                                              \
        X(epoll_pwait2, (int epoll, struct epoll_event *events, int count, const struct plait__kernel_timespec *timeout), \
          (epoll, (long)events, count, (long)timeout, 0, 8))                                                           \
        X(eventfd2, (unsigned value, int flags), ((long)value, flags, 0, 0, 0, 0))                                     \
        X(futex, (const void *word, int operation, uint32_t value, const struct plait__kernel_timespec *timeout,       \
                  uint32_t mask),                                                                                      \
          ((long)word, operation, (long)value, (long)timeout, 0, (long)mask))                                          \
        X(mmap, (void *address, size_t size, int protection, int flags, int fd, long offset),                          \
          ((long)address, (long)size, protection, flags, fd, offset))                                                  \
        X(munmap, (void *address, size_t size), ((long)address, (long)size, 0, 0, 0, 0))                               \
        X(mprotect, (void *address, size_t size, int protection), ((long)address, (long)size, protection, 0, 0, 0))    \
        X(madvise, (void *address, size_t size, int advice), ((long)address, (long)size, advice, 0, 0, 0))             \
        X(memfd_create, (const char *name, unsigned flags), ((long)name, (long)flags, 0, 0, 0, 0))                     \
        X(ftruncate, (int fd, long size), (fd, size, 0, 0, 0, 0))                                                      \
        X(socketpair, (int family, int type, int protocol, int *fds), (family, type, protocol, (long)fds, 0, 0))       \
        X(sendmsg, (int fd, const struct msghdr *message, int flags), (fd, (long)message, flags, 0, 0, 0))             \
        X(recvmsg, (int fd, struct msghdr *message, int flags), (fd, (long)message, flags, 0, 0, 0))                   \
        X(pidfd_open, (pid_t pid, unsigned flags), (pid, (long)flags, 0, 0, 0, 0))                                     \
        X(pidfd_send_signal, (int pidfd, int signal), (pidfd, signal, 0, 0, 0, 0)) \
        X(kill, (pid_t pid, int signal), (pid, signal, 0, 0, 0, 0))                                                    \
        X(waitid, (int kind, int id, siginfo_t *info, int options), (kind, id, (long)info, options, 0, 0))             \
        X(getpid, (void), (0, 0, 0, 0, 0, 0))                                                                          \
        X(getppid, (void), (0, 0, 0, 0, 0, 0))                                                                         \
        X(gettid, (void), (0, 0, 0, 0, 0, 0))                                                                          \
        X(tgkill, (pid_t pid, pid_t tid, int signal), (pid, tid, signal, 0, 0, 0))                                     \
        X(getdents64, (int fd, void *entries, size_t size), (fd, (long)entries, (long)size, 0, 0, 0))                  \
        X(process_vm_readv, (pid_t pid, const struct iovec *here, int count, const struct iovec *there, int there_count), \
          (pid, (long)here, count, (long)there, there_count, 0))                                                       \
        X(prctl, (int option, unsigned long value), (option, (long)value, 0, 0, 0, 0))                                 \
        X(prlimit64, (pid_t pid, int resource, const void *limit, void *ret), (pid, resource, (long)limit, (long)ret, 0, 0)) \
        X(signalfd4, (int fd, const void *mask, size_t size, int flags), (fd, (long)mask, (long)size, flags, 0, 0))    \
        X(openat, (int folder, const char *path, int flags, int mode), (folder, (long)path, flags, mode, 0, 0))        \
        X(pread64, (int fd, void *buffer, size_t size, long offset), (fd, (long)buffer, (long)size, offset, 0, 0))     \
        X(statx, (int folder, const char *path, int flags, unsigned mask, struct statx *ret),                          \
          (folder, (long)path, flags, mask, (long)ret, 0))

struct plait__sys {
#define PLAIT__SYS_POINTER(name, parameters, arguments) long (*name) parameters;
        PLAIT__SYS(PLAIT__SYS_POINTER)
#undef PLAIT__SYS_POINTER
        void *(*alloc)(size_t size);            /* zeroed; NULL when there is no memory */
        void (*free)(void *memory);
        int (*thread_start)(void *(*fn)(void *), void *arg, size_t stack_bytes);        /* detached, all signals blocked */

        /* Starts a program with /dev/null as 0, fds[i] as 3 + i, nothing above, and no signal blocked but SIGINT. `hidden`: wait()
         * is not to see it. By a thread that blocks all signals; it is killed when that thread ends. */
        int (*spawn)(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds, int count);
        int (*fork)(void);                      /* with the program's pthread_atfork() handlers */
};

extern PLAIT_API struct plait__sys plait__sys;

/* A signal that thread_start() leaves unblocked; 0: none. Set before the first thread of ours, and only under PLAIT_DEBUG. */
extern int plait__unblocked_signal;

#endif
