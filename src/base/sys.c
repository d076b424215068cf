/* The table's first values: the kernel itself, malloc, and pthreads. */
#define _GNU_SOURCE
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/syscall.h"

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
                pthread_sigmask(SIG_SETMASK, &all, &before);
                rc = pthread_create(&thread, &attributes, fn, arg);
                pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        pthread_attr_destroy(&attributes);
        errno = saved_errno;
        return -rc;
}

static int spawn_actions(posix_spawn_file_actions_t *actions, const int *fds, int count)
{
        int i, rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

        for (i = 0; i < count && rc == 0; i++)
                rc = posix_spawn_file_actions_adddup2(actions, fds[i], 3 + i);
        return rc ? rc : posix_spawn_file_actions_addclosefrom_np(actions, 3 + count);
}

/* `fds` are above 3 + count already. */
static int spawn_high(pid_t *ret, const char *path, char *const argv[], const int *fds, int count)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t mask;
        int rc;

        rc = posix_spawn_file_actions_init(&actions);
        if (rc)
                return -rc;
        rc = posix_spawnattr_init(&attributes);
        if (rc)
                goto no_attributes;
        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        posix_spawnattr_setsigmask(&attributes, &mask);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        rc = spawn_actions(&actions, fds, count);
        if (rc == 0)
                rc = posix_spawn(ret, path, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
no_attributes:
        posix_spawn_file_actions_destroy(&actions);
        return -rc;
}

static int sys_spawn(pid_t *ret, const char *path, char *const argv[], const int *fds, int count)
{
        int high[8], i, rc = count <= 8 ? 0 : -EINVAL, saved_errno = errno;

        for (i = 0; i < count && rc == 0; i++) {
                high[i] = (int)sys_fcntl(fds[i], F_DUPFD_CLOEXEC, 3 + count);
                if (high[i] < 0) {
                        rc = high[i] == -EINVAL ? -EMFILE : high[i];    /* EINVAL: the limit is below that */
                        break;
                }
        }
        if (rc == 0)
                rc = spawn_high(ret, path, argv, high, count);
        while (i > 0)
                sys_close(high[--i]);
        errno = saved_errno;
        return rc;
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
        .spawn = sys_spawn,
        .fork = sys_fork,
};
