/* The table's first values: the kernel itself, malloc, and pthreads. */
#define _GNU_SOURCE
#include "base/sys.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/syscall.h"

int plait__unblocked_signal;

enum { STACK_LEAST = 128 * 1024 };             /* less is refused, or taken up by thread-locals */

#define SYS_CALL(...) SYS_CALL_(__VA_ARGS__)
#define SYS_CALL_(nr, a, b, c, d, e, f) plait__syscall6(nr, a, b, c, d, e, f)
#define SYS_SPREAD(a, b, c, d, e, f) a, b, c, d, e, f

#define SYS_DEFINE(name, parameters, arguments)                                                                        \
        static long sys_##name parameters                                                                              \
        {                                                                                                              \
                return SYS_CALL(SYS_##name, SYS_SPREAD arguments);                                                     \
        }
PLAIT__SYS(SYS_DEFINE)

static void *sys_alloc(size_t size)
{
        int saved_errno = errno;
        void *memory = calloc(1, size);

        __asm__ volatile("" : : : "memory");    /* else clang, for which calloc() leaves errno as it was, drops this: */
        errno = saved_errno;
        return memory;
}

static void sys_free(void *memory)
{
        free(memory);
}

static int sys_thread_start(void *(*fn)(void *), void *arg, size_t stack_bytes)
{
        pthread_attr_t attributes;
        pthread_t thread;
        sigset_t all, before;
        int rc, saved_errno = errno;

        rc = pthread_attr_init(&attributes);
        if (rc)
                return -rc;
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (stack_bytes)
                rc = pthread_attr_setstacksize(&attributes, stack_bytes < STACK_LEAST ? STACK_LEAST : stack_bytes);
        if (rc == 0) {
                sigfillset(&all);
                if (plait__unblocked_signal)
                        sigdelset(&all, plait__unblocked_signal);
                pthread_sigmask(SIG_SETMASK, &all, &before);
                rc = pthread_create(&thread, &attributes, fn, arg);
                pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        pthread_attr_destroy(&attributes);
        errno = saved_errno;
        return -rc;
}

static int sys_fork(void)
{
        int saved_errno = errno, rc = fork();

        if (rc < 0)
                rc = -errno;
        errno = saved_errno;
        return rc;
}

struct plait__sys plait__sys = {
#define SYS_VALUE(name, parameters, arguments) .name = sys_##name,
        PLAIT__SYS(SYS_VALUE)
        .alloc = sys_alloc,
        .free = sys_free,
        .thread_start = sys_thread_start,
        .spawn = plait__spawn,
        .fork = sys_fork,
};
