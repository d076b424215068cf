/* Starting a program.
 *
 * The new process should not show among the program's own children: many a program waits for all it has
 * (while (wait(&status) > 0)), and would wait for ever, or takes for its own what it did not start. A plain wait() passes over a
 * child whose end is told by another signal than SIGCHLD, but exec makes SIGCHLD of whatever it was. So between the two stands a
 * keeper, a child with no such signal, which never executes anything: it starts the program as a child of its own, waits for it,
 * and ends. (waitpid(-1, ..., __WALL) sees it.)
 *
 * The keeper shares this process's memory: copying the page tables of a large one takes tens of milliseconds. So it runs with
 * all signals blocked, those of the thread that made it, closes its copies of the descriptors, and calls nothing but the kernel
 * once it has started the program. Until then that thread waits, as after vfork(), because the keeper uses its thread-locals.
 * It is killed when that thread ends, and so when the process does.
 *
 * Dropped: a double fork. It makes the program a child of pid 1, or of the nearest subreaper, which may be this very process (in
 * a container), and then wait() sees it; or one that reaps nothing, so that each leaves a zombie. Nor would anybody who looks
 * at a tree of processes find the workers below their program. */
#define _GNU_SOURCE
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/sys.h"
#include "base/syscall.h"

enum { KEEPER_BYTES = 64 * 1024, FDS_MAX = 8 };

enum keeper_state { GONE, STARTS, KEEPS };      /* gone: written by the kernel when it ends */

struct keeper {
        _Atomic uint32_t state;                 /* a futex; release by the keeper, acquire by who waits for it */
        pid_t maker, pid;                       /* the process that made it; the program */
        int rc;                                 /* why there is none */
        const char *path;                       /* from here on: the maker's, good while the keeper starts */
        char *const *argv;
        const posix_spawn_file_actions_t *actions;
        const posix_spawnattr_t *attributes;
};

static long call(long number, long a, long b, long c, long d)
{
        return plait__syscall6(number, a, b, c, d, 0, 0);
}

/* ---- in the keeper */

static void close_all(void)
{
        struct rlimit limit;
        long fd;

        if (call(SYS_close_range, 0, ~0U, 0, 0) == 0)
                return;
        if (call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit) < 0)
                return;
        for (fd = 0; fd < (long)limit.rlim_cur; fd++)   /* before Linux 5.9 */
                call(SYS_close, fd, 0, 0, 0);
}

/* Ends as the program did, as far as that is an exit: 127 is what it is where exec() failed unheard. */
static int keep(void *arg)
{
        struct keeper *keeper = arg;
        int status = 0;

        call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
        call(SYS_prctl, PR_SET_NAME, (long)"plait-keeper", 0, 0);
        if (call(SYS_getppid, 0, 0, 0, 0) != keeper->maker)
                return 1;
        keeper->rc = -posix_spawn(&keeper->pid, keeper->path, keeper->actions, keeper->attributes, keeper->argv, environ);
        if (keeper->rc < 0)
                return 1;
        plait__store_release(&keeper->state, KEEPS);
        call(SYS_futex, (long)&keeper->state, FUTEX_WAKE, 1, 0);
        close_all();
        while (call(SYS_wait4, keeper->pid, (long)&status, 0, 0) == -EINTR)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* ---- in its maker */

static void reap(pid_t child)
{
        while (call(SYS_wait4, child, 0, __WALL, 0) == -EINTR)
                ;
}

/* 0, or why no keeper could be made; the program may still not have started: keeper->rc. */
static int make_keeper(struct keeper *keeper, pid_t *ret)
{
        char *top = (char *)keeper + KEEPER_BYTES;
        pid_t child;

        keeper->maker = (pid_t)call(SYS_getpid, 0, 0, 0, 0);
        keeper->rc = -ECHILD;                   /* unless it says otherwise: it was killed */
        plait__store(&keeper->state, STARTS);
        child = clone(keep, top, CLONE_VM | CLONE_CHILD_CLEARTID, keeper, NULL, NULL, &keeper->state);
        if (child < 0)
                return -errno;
        while (plait__load_acquire(&keeper->state) == STARTS)   /* gone by now: started and ended already, or rc says why not */
                call(SYS_futex, (long)&keeper->state, FUTEX_WAIT, STARTS, 0);
        *ret = child;
        return 0;
}

static int spawn_seen(struct plait__spawned *ret, const struct keeper *what)
{
        int rc = -posix_spawn(&ret->pid, what->path, what->actions, what->attributes, what->argv, environ);

        ret->child = ret->pid;
        ret->keeper = NULL;
        return rc;
}

/* The keeper's memory is its stack, and itself at the other end. */
static int spawn_kept(struct plait__spawned *ret, const struct keeper *what)
{
        struct keeper *keeper = plait__sys.alloc(KEEPER_BYTES);
        int rc;

        if (!keeper)
                return -ENOMEM;
        *keeper = *what;
        rc = make_keeper(keeper, &ret->child);
        if (rc == 0 && keeper->rc == 0) {
                ret->pid = keeper->pid;
                ret->keeper = keeper;
                return 0;
        }
        if (rc == 0) {
                reap(ret->child);
                rc = keeper->rc;
        }
        plait__sys.free(keeper);
        return rc == -EINVAL ? spawn_seen(ret, what) : rc;      /* qemu-user knows no such clone() */
}

/* ---- what is started */

static int fill_actions(posix_spawn_file_actions_t *actions, const int *fds, int count)
{
        int i, rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

        for (i = 0; i < count && rc == 0; i++)
                rc = posix_spawn_file_actions_adddup2(actions, fds[i], 3 + i);
        return rc ? rc : posix_spawn_file_actions_addclosefrom_np(actions, 3 + count);
}

/* `fds` are above 3 + count already. */
static int spawn_high(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds, int count)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        struct keeper what = {.path = path, .argv = argv, .actions = &actions, .attributes = &attributes};
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
        rc = fill_actions(&actions, fds, count);
        if (rc == 0)
                rc = -(hidden && PLAIT__SPAWN_HIDES ? spawn_kept(ret, &what) : spawn_seen(ret, &what));
        posix_spawnattr_destroy(&attributes);
no_attributes:
        posix_spawn_file_actions_destroy(&actions);
        return -rc;
}

int plait__spawn(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds, int count)
{
        int high[FDS_MAX], i, rc = count <= FDS_MAX ? 0 : -EINVAL, saved_errno = errno;

        for (i = 0; i < count && rc == 0; i++) {
                high[i] = (int)call(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, 3 + count, 0);
                if (high[i] < 0) {
                        rc = high[i] == -EINVAL ? -EMFILE : high[i];    /* EINVAL: the limit is below that */
                        break;
                }
        }
        if (rc == 0)
                rc = spawn_high(ret, hidden, path, argv, high, count);
        while (i > 0)
                call(SYS_close, high[--i], 0, 0, 0);
        errno = saved_errno;
        return rc;
}
