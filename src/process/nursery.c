/* One pool's fork server and workers, as the monitor deals with them: what the server is told and what it says, births, deaths.
 *
 * A fork server tells of each death with its status (nobody but the parent of a process can know it). When the server itself
 * dies, its workers are killed by the kernel; but the end of its socket is seen before they are dead, so each worker's pidfd is
 * waited for before its work is given to another: else a task could run twice.
 *
 * Of workers that die before they are ready, 16 in a row make the waiting tasks fail; a server that was never more than
 * the child of posix_spawn() does so at once. Later tasks try again. */
#define _GNU_SOURCE
#include "process/nursery.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "core/loop.h"
#include "process/server.h"
#include "process/start.h"

enum { EARLY_DEATHS_MAX = 16, WORKER_DEATH_MS = 2000 };
enum { NOT_STARTED = 127 };                     /* what a child ends with whose exec() is refused */

/* ---- single workers; with the region locked */

void plait__worker_ring(struct plait__pool *pool, unsigned slot)
{
        struct plait__slot *shared = plait__slot_of(pool, slot);
        uint64_t one = 1;

        atomic_store_explicit(&shared->bell, 1, memory_order_seq_cst);
        if (atomic_load_explicit(&shared->in_poller, memory_order_seq_cst) && pool->workers[slot].life == PLAIT__ALIVE)
                plait__sys.write(pool->workers[slot].own_fd, &one, sizeof one);
        else
                plait__sys.futex(&shared->bell, FUTEX_WAKE, 1, NULL, 0);
        if (plait__loop_here)
                plait__loop_here->woke_process = true;
}

/* Without pidfds (Linux before 5.3, valgrind) by number: it could have died, and another have it, just now. */
static void kill_process(int pidfd, pid_t pid)
{
        if (pidfd < 0 || plait__sys.pidfd_send_signal(pidfd, SIGKILL) == -ENOSYS)
                plait__sys.kill(pid, SIGKILL);
}

void plait__worker_kill(struct plait__pool *pool, unsigned slot)
{
        struct plait__worker *worker = &pool->workers[slot];

        if (worker->life == PLAIT__ALIVE)
                kill_process(worker->pidfd, worker->pid);
        else
                worker->to_kill = true;
}

void plait__worker_forget(struct plait__pool *pool, unsigned slot)
{
        struct plait__worker *worker = &pool->workers[slot];

        if (worker->life == PLAIT__ALIVE) {
                if (worker->pidfd >= 0)
                        plait__sys.close(worker->pidfd);
                plait__sys.close(worker->own_fd);
        }
        memset(worker, 0, sizeof *worker);
        pool->alive--;
}

/* ---- deaths */

/* A worker that was not ready died: how often is that to go on? */
static void count_early_death(struct plait__pool *pool, int status)
{
        uint32_t readies = plait__load(&pool->board->readies);

        if (readies != pool->readies)
                pool->early_deaths = 0;
        pool->readies = readies;
        if (++pool->early_deaths < EARLY_DEATHS_MAX)
                return;
        pool->early_deaths = 0;
        plait__pool_fail(pool, -EOWNERDEAD, status);
}

static void worker_died(struct plait__pool *pool, unsigned slot, int status, bool with_server)
{
        uint32_t state;

        plait__region_lock();
        if (pool->workers[slot].life != PLAIT__NO_WORKER) {
                state = plait__load(&plait__slot_of(pool, slot)->state);
                plait__pool_recover(pool, slot, status);
                plait__worker_forget(pool, slot);
                if (state == PLAIT__SLOT_EMPTY && !with_server)
                        count_early_death(pool, status);
        }
        plait__region_unlock();
}

/* Until a process that was killed is dead, or so long. It is not ours to wait for. */
static void await_death(int pidfd, pid_t pid, int timeout_ms)
{
        struct plait__kernel_timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L}, a_little = {0, 1000000};
        struct pollfd fd = {.fd = pidfd, .events = POLLIN};

        if (pidfd >= 0) {
                while (plait__sys.ppoll(&fd, 1, &timeout) < 0)
                        ;
                return;
        }
        for (; timeout_ms > 0 && plait__sys.kill(pid, 0) == 0; timeout_ms--)
                plait__sys.ppoll(NULL, 0, &a_little);
}

/* One that was ordered, and that the dead server can have made without telling. */
static void await_untold(const struct plait__slot *slot)
{
        pid_t pid = (pid_t)plait__load(&slot->pid);
        int pidfd = pid ? (int)plait__sys.pidfd_open(pid, 0) : -1;

        if (!pid)
                return;
        await_death(pidfd, pid, WORKER_DEATH_MS);
        if (pidfd >= 0)
                plait__sys.close(pidfd);
}

/* The program may have reaped it already: no matter. Returns whether the program could not be started again. Where
 * vfork() is a fork(), as under qemu-user, posix_spawn() does not hear that exec() failed, and only the status tells;
 * the loader that misses a library ends with the same. */
static bool server_reap(struct plait__pool *pool)
{
        siginfo_t info = {0};
        long rc;

        while ((rc = plait__sys.waitid(P_PID, pool->server.child, &info, WEXITED | __WALL)) < 0 && rc != -ECHILD)
                ;
        plait__sys.free(pool->server.keeper);
        pool->server.keeper = NULL;
        return rc == 0 && info.si_code == CLD_EXITED && info.si_status == NOT_STARTED;
}

void plait__server_died(struct plait__pool *pool)
{
        bool refused;
        unsigned slot;

        kill_process(pool->server_fd, pool->server.pid);        /* it may merely have closed its socket */
        refused = server_reap(pool);
        for (slot = 0; slot < pool->slots; slot++) {
                if (pool->workers[slot].life == PLAIT__ALIVE)
                        await_death(pool->workers[slot].pidfd, pool->workers[slot].pid, WORKER_DEATH_MS);
                else if (pool->workers[slot].life == PLAIT__ORDERED)
                        await_untold(plait__slot_of(pool, slot));
                worker_died(pool, slot, SIGKILL, true);
        }
        plait__region_lock();
        if (refused)
                plait__pool_fail(pool, -ENOTSUP, 0);
        else if (!pool->closing && plait__load(&pool->board->readies) == pool->server_readies)
                count_early_death(pool, SIGKILL);      /* one for all that it would have had */
        plait__region_unlock();
        if (pool->server_fd >= 0)
                plait__sys.close(pool->server_fd);
        if (pool->socket >= 0)
                plait__sys.close(pool->socket);
        pool->server_fd = pool->socket = -1;
}

/* The server sees the end of its socket, kills whom it has, reaps them, and ends. */
void plait__server_await(const struct plait__pool *pool)
{
        struct plait__kernel_timespec a_little = {0, 1000000};
        siginfo_t info;
        int i;

        if (pool->server_fd >= 0) {
                await_death(pool->server_fd, pool->server.pid, WORKER_DEATH_MS);
                return;
        }
        for (i = 0; i < WORKER_DEATH_MS; i++) {
                info.si_pid = 0;
                if (plait__sys.waitid(P_PID, pool->server.child, &info, WEXITED | WNOWAIT | WNOHANG | __WALL) < 0 || info.si_pid)
                        return;
                plait__sys.ppoll(NULL, 0, &a_little);
        }
}

/* ---- what the server says */

static void worker_forked(struct plait__pool *pool, const struct plait__news *news, const int *passed)
{
        struct plait__worker *worker = &pool->workers[news->slot];

        plait__region_lock();
        worker->life = PLAIT__ALIVE;
        worker->pid = news->pid;
        worker->own_fd = passed[0];
        worker->pidfd = passed[1];
        if (worker->to_kill)
                kill_process(worker->pidfd, worker->pid);
        plait__worker_ring(pool, news->slot);   /* what rang before this found nobody to write to */
        plait__region_unlock();
}

static void no_fork(struct plait__pool *pool, const struct plait__news *news)
{
        plait__region_lock();
        if (pool->workers[news->slot].life == PLAIT__ORDERED)
                plait__worker_forget(pool, news->slot);
        if (!pool->alive)
                plait__pool_fail(pool, news->status, 0);        /* nobody is there who could do it later */
        plait__region_unlock();
}

/* One message: false when there is no more; *ret_end: the server has gone. */
bool plait__server_hear(struct plait__pool *pool, bool *ret_end)
{
        union { struct cmsghdr header; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control;
        struct plait__news news;
        struct iovec part = {&news, sizeof news};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        long size = plait__sys.recvmsg(pool->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int passed[2] = {-1, -1};

        if (size != sizeof news) {
                *ret_end = size != -EAGAIN && size != -EINTR;
                return size == -EINTR;
        }
        if (news.slot >= pool->slots)
                return true;
        if (news.kind == PLAIT__NEWS_DIED)
                worker_died(pool, news.slot, news.status, false);
        else if (news.kind == PLAIT__NEWS_NO_FORK)
                no_fork(pool, &news);
        else if (message.msg_controllen >= CMSG_LEN(sizeof(int))) {
                memcpy(passed, CMSG_DATA(&control.header), control.header.cmsg_len >= CMSG_LEN(sizeof passed) ? sizeof passed : sizeof(int));
                if (message.msg_flags & MSG_CTRUNC)
                        *ret_end = true;
                worker_forked(pool, &news, passed);
        } else {
                *ret_end = true;                /* no room for its descriptors here: all over again, later */
        }
        return !*ret_end;
}

/* ---- starting */

int plait__server_start(struct plait__pool *pool)
{
        char parent[24], board[24];
        char *argv[] = {(char *)(uintptr_t)PLAIT__WORKER_NAME, parent, board, NULL};
        const char *path;
        int ends[2], rc = plait__start_path(&path);

        if (rc < 0)
                return rc;
        snprintf(parent, sizeof parent, "%ld", plait__sys.getpid());
        snprintf(board, sizeof board, "%zu", (size_t)((char *)pool->board - (char *)plait__region.head));
        rc = (int)plait__sys.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
        if (rc < 0)
                return rc;
        int given[] = {plait__region.memfd, ends[1], plait__region.monitor_fd};

        /* A program that runs inside another one (valgrind, ld.so) is started by its path; valgrind knows no such children. */
        rc = plait__sys.spawn(&pool->server, strcmp(path, "/proc/self/exe") == 0, path, argv, given, 3);
        plait__sys.close(ends[1]);
        if (rc < 0) {
                plait__sys.close(ends[0]);
                return rc == -ENOEXEC ? -ENOTSUP : rc;  /* that of a function that nobody finds has another meaning */
        }
        pool->server_readies = plait__load(&pool->board->readies);
        pool->socket = ends[0];
        pool->server_fd = (int)plait__sys.pidfd_open(pool->server.pid, 0);
        return 0;
}
