/* The monitor. It starts fork servers, orders workers from them, hears of deaths, kills what is to be killed, and hears of ends
 * in place of loops that cannot. It alone starts workers, by counting what there is to do and who is there to do it.
 *
 * A fork server tells of each death with its status (nobody but the parent of a process can know it). When the server itself
 * dies, its workers are killed by the kernel; but the end of its socket is seen before they are dead, so each worker's pidfd is
 * waited for before its work is given to another: else a task could run twice.
 *
 * Of workers that die before they are ready, 16 in a row make the waiting tasks fail; later tasks try again. */
#define _GNU_SOURCE
#include "process/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"
#include "process/port.h"
#include "process/server.h"
#include "process/start.h"

enum { EARLY_DEATHS_MAX = 16, WORKER_DEATH_MS = 2000, FIRST_FDS = 16 };

#define GRACE PLAIT_S
#define SWEEP_OFTEN (2 * PLAIT_MS)
#define SWEEP_SELDOM (64 * PLAIT_MS)

/* guarded by the region's lock */
static struct plait__pool *pools;
static unsigned pool_count;
static uint64_t posts;
static bool dozes;                              /* it looks at no clock: the next post is to kick it */

/* the monitor's own */
static struct pollfd *fds;
static unsigned fds_room;

static void lock(void)
{
        plait__spin_acquire(&plait__region.lock);
}

static void unlock(void)
{
        plait__spin_release(&plait__region.lock);
}

void plait__monitor_kick(void)
{
        uint64_t one = 1;
        long rc;

        do {
                rc = plait__sys.write(plait__region.monitor_fd, &one, sizeof one);
        } while (rc < 0 && rc != -EAGAIN);      /* EAGAIN: it is rung more than enough */
}

void plait__monitor_add(struct plait__pool *pool)
{
        pool->socket = pool->server_fd = -1;
        pool->next = pools;
        pools = pool;
        pool_count++;
        pool->listed = true;
}

void plait__monitor_posted(void)
{
        posts++;
        if (dozes) {
                dozes = false;
                plait__monitor_kick();
        }
}

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

static void worker_forget(struct plait__pool *pool, unsigned slot)
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

        lock();
        if (pool->workers[slot].life != PLAIT__NO_WORKER) {
                state = plait__load(&plait__slot_of(pool, slot)->state);
                plait__pool_recover(pool, slot, status);
                worker_forget(pool, slot);
                if (state == PLAIT__SLOT_EMPTY && !with_server)
                        count_early_death(pool, status);
        }
        unlock();
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

/* The program may have reaped it already: no matter. */
static void server_reap(const struct plait__pool *pool)
{
        siginfo_t info;
        long rc;

        while ((rc = plait__sys.waitid(P_PID, pool->server, &info, WEXITED)) < 0 && rc != -ECHILD)
                ;
}

static void server_died(struct plait__pool *pool)
{
        unsigned slot;

        kill_process(pool->server_fd, pool->server);    /* it may merely have closed its socket */
        server_reap(pool);
        for (slot = 0; slot < pool->slots; slot++) {
                if (pool->workers[slot].life == PLAIT__ALIVE)
                        await_death(pool->workers[slot].pidfd, pool->workers[slot].pid, WORKER_DEATH_MS);
                else if (pool->workers[slot].life == PLAIT__ORDERED)
                        await_untold(plait__slot_of(pool, slot));
                worker_died(pool, slot, SIGKILL, true);
        }
        lock();
        if (!pool->closing && plait__load(&pool->board->readies) == pool->server_readies)
                count_early_death(pool, SIGKILL);      /* one for all that it would have had */
        unlock();
        if (pool->server_fd >= 0)
                plait__sys.close(pool->server_fd);
        if (pool->socket >= 0)
                plait__sys.close(pool->socket);
        pool->server_fd = pool->socket = -1;
}

/* ---- what the server says */

static void worker_forked(struct plait__pool *pool, const struct plait__news *news, const int *passed)
{
        struct plait__worker *worker = &pool->workers[news->slot];

        lock();
        worker->life = PLAIT__ALIVE;
        worker->pid = news->pid;
        worker->own_fd = passed[0];
        worker->pidfd = passed[1];
        if (worker->to_kill)
                kill_process(worker->pidfd, worker->pid);
        unlock();
}

static void no_fork(struct plait__pool *pool, const struct plait__news *news)
{
        lock();
        if (pool->workers[news->slot].life == PLAIT__ORDERED)
                worker_forget(pool, news->slot);
        if (!pool->alive)
                plait__pool_fail(pool, news->status, 0);        /* nobody is there who could do it later */
        unlock();
}

/* One message: false when there is no more; *ret_end: the server has gone. */
static bool hear(struct plait__pool *pool, bool *ret_end)
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

static int server_start(struct plait__pool *pool)
{
        char parent[24], board[24];
        char *argv[] = {(char *)(uintptr_t)PLAIT__WORKER_NAME, parent, board, NULL};
        const char *path = plait__start_path();
        int ends[2], rc;

        if (!path)
                return -ENOTSUP;
        snprintf(parent, sizeof parent, "%ld", plait__sys.getpid());
        snprintf(board, sizeof board, "%zu", (size_t)((char *)pool->board - (char *)plait__region.head));
        rc = (int)plait__sys.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
        if (rc < 0)
                return rc;
        int given[] = {plait__region.memfd, ends[1], plait__region.monitor_fd};

        rc = plait__sys.spawn(&pool->server, path, argv, given, 3);
        plait__sys.close(ends[1]);
        if (rc < 0) {
                plait__sys.close(ends[0]);
                return rc;
        }
        pool->server_readies = plait__load(&pool->board->readies);
        pool->socket = ends[0];
        pool->server_fd = (int)plait__sys.pidfd_open(pool->server, 0);
        return 0;
}

/* How many workers should be there, of those that are not. With the region locked. */
static unsigned missing(const struct plait__pool *pool)
{
        unsigned wanted = plait__pool_open_tasks(pool), waiting = 0, job, slot, words = (pool->slots + 63) / 64;

        if (pool->closing)
                return 0;
        if (pool->executor.class->fresh)
                wanted = 0;
        for (job = pool->jobs; job != PLAIT__NO_JOB; job = plait__region.posted[job].next) {
                if (plait__job(job)->is_map)
                        wanted += plait__region.posted[job].map ? plait__map_wants(job) : 0;
                else if (pool->executor.class->fresh)
                        wanted++;
        }
        if (pool->executor.class->fresh) {
                waiting = pool->alive;          /* one worker a task, from its beginning to its end */
        } else {
                for (slot = 0; slot < words; slot++)
                        waiting += (unsigned)__builtin_popcountll(plait__load(&pool->board->idle[slot]));
                waiting += plait__load(&pool->board->spinning) != 0;
                for (slot = 0; slot < pool->slots; slot++)
                        waiting += pool->workers[slot].life != PLAIT__NO_WORKER &&
                                   plait__load(&plait__slot_of(pool, slot)->state) == PLAIT__SLOT_EMPTY;
        }
        wanted = wanted > waiting ? wanted - waiting : 0;
        return wanted < pool->slots - pool->alive ? wanted : pool->slots - pool->alive;
}

static void order_workers(struct plait__pool *pool, unsigned count)
{
        struct plait__news news = {.kind = PLAIT__NEWS_FORK};
        long rc = 0;

        for (news.slot = 0; news.slot < pool->slots && count && rc >= 0; news.slot++) {
                lock();
                if (pool->workers[news.slot].life != PLAIT__NO_WORKER) {
                        unlock();
                        continue;
                }
                pool->workers[news.slot].life = PLAIT__ORDERED;
                pool->alive++;
                count--;
                unlock();
                rc = plait__sys.sendto(pool->socket, &news, sizeof news, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (rc < 0) {                   /* it is full of orders, or the server is gone: the next event brings us back */
                        lock();
                        worker_forget(pool, news.slot);
                        unlock();
                }
        }
}

/* ---- one pool, and all of them */

static void tend(struct plait__pool *pool)
{
        unsigned count;
        bool end = false;
        int rc = 0;

        if (pool->socket >= 0) {
                while (hear(pool, &end))
                        ;
                if (end)
                        server_died(pool);
        }
        lock();
        if (plait__pool_open_tasks(pool))
                plait__pool_wake(pool, plait__pool_open_tasks(pool));
        count = missing(pool);
        unlock();
        if (count && pool->socket < 0)
                rc = server_start(pool);
        if (count && rc == 0)
                order_workers(pool, count);
        if (rc < 0) {
                lock();
                plait__pool_fail(pool, rc, 0);
                unlock();
        }
}

/* Its workers, who are all idle, end by themselves; but not for long. */
static void dismiss(struct plait__pool *pool)
{
        plait_time end = plait__clock_now() + GRACE, now;
        bool gone = false;
        unsigned slot, alive;

        lock();
        atomic_store_explicit(&pool->board->closing, 1, memory_order_seq_cst);
        for (slot = 0; slot < pool->slots; slot++)
                if (pool->workers[slot].life == PLAIT__ALIVE)
                        plait__worker_ring(pool, slot);
        unlock();
        do {
                while (hear(pool, &gone))
                        ;
                lock();
                alive = pool->alive;
                unlock();
                now = plait__clock_now();
                if (gone || !alive || now >= end)
                        return;
                struct plait__kernel_timespec timeout = {(end - now) / PLAIT_S, (end - now) % PLAIT_S};
                struct pollfd fd = {.fd = pool->socket, .events = POLLIN};

                plait__sys.ppoll(&fd, 1, &timeout);
        } while (true);
}

/* The server sees the end of its socket, kills whom it has, reaps them, and ends. */
static void await_server(const struct plait__pool *pool)
{
        struct plait__kernel_timespec a_little = {0, 1000000};
        siginfo_t info;
        int i;

        if (pool->server_fd >= 0) {
                await_death(pool->server_fd, pool->server, WORKER_DEATH_MS);
                return;
        }
        for (i = 0; i < WORKER_DEATH_MS; i++) {
                info.si_pid = 0;
                if (plait__sys.waitid(P_PID, pool->server, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || info.si_pid)
                        return;
                plait__sys.ppoll(NULL, 0, &a_little);
        }
}

/* A pool that is closed, and has no task any more: its server is let go, and then the pool itself. */
static void close_pool(struct plait__pool *pool)
{
        struct plait__pool **link;

        if (pool->socket >= 0) {
                if (!pool->killing)
                        dismiss(pool);
                plait__sys.close(pool->socket);
                pool->socket = -1;
                await_server(pool);
                server_died(pool);
        }
        lock();
        for (link = &pools; *link != pool; link = &(*link)->next)
                ;
        *link = pool->next;
        pool_count--;
        pool->gone = true;
        plait__unpark(pool->closer);
        unlock();
}

static void tend_all(void)
{
        struct plait__pool *pool, *next;

        lock();
        pool = pools;
        unlock();
        for (; pool; pool = next) {
                tend(pool);
                lock();
                next = pool->next;
                unlock();
                if (pool->closing)
                        close_pool(pool);
        }
}

static plait_time kill_all_due(void)
{
        plait_time now = plait__clock_now(), next = PLAIT_FOREVER, moment;
        struct plait__pool *pool;

        lock();
        for (pool = pools; pool; pool = pool->next) {
                moment = plait__pool_kills(pool, now);
                if (moment < next)
                        next = moment;
        }
        unlock();
        return next;
}

/* Room for as many descriptors as there may be; false: not now. */
static bool have_room(unsigned count)
{
        struct pollfd *more;

        if (count <= fds_room)
                return true;
        more = plait__sys.alloc(2 * count * sizeof *more);
        if (!more)
                return false;
        plait__sys.free(fds);
        fds = more;
        fds_room = 2 * count;
        return true;
}

static unsigned pools_now(void)
{
        unsigned count;

        lock();
        count = pool_count;
        unlock();
        return count;
}

/* The descriptors to wait for; fewer than there are if there is no memory: then the sleep is short. */
static unsigned gather(plait_time *until)
{
        struct plait__pool *pool;
        unsigned count = 1;

        if (!have_room(1 + pools_now()) && *until > plait__clock_now() + SWEEP_OFTEN)
                *until = plait__clock_now() + SWEEP_OFTEN;
        fds[0] = (struct pollfd){.fd = plait__region.monitor_fd, .events = POLLIN};
        lock();
        for (pool = pools; pool && count < fds_room; pool = pool->next)
                if (pool->socket >= 0)
                        fds[count++] = (struct pollfd){.fd = pool->socket, .events = POLLIN};
        unlock();
        return count;
}

static void sleep_until(plait_time until)
{
        struct plait__kernel_timespec timeout = {0, 0};
        unsigned count_of_fds = gather(&until);
        plait_time now = plait__clock_now();
        uint64_t count;

        if (until != PLAIT_FOREVER && until > now) {
                timeout.seconds = (until - now) / PLAIT_S;
                timeout.nanoseconds = (until - now) % PLAIT_S;
        }
        plait__sys.ppoll(fds, count_of_fds, until == PLAIT_FOREVER ? NULL : &timeout);
        plait__sys.read(plait__region.monitor_fd, &count, sizeof count);
}

/* When to look again whether ports are waited at: soon after some were, seldom while tasks come or are away, else not until
 * the next is posted. */
static plait_time next_sweep(bool found)
{
        static plait_time span;
        static uint64_t seen;
        struct plait__pool *pool;
        bool active;

        lock();
        active = posts != seen;
        seen = posts;
        for (pool = pools; pool && !active; pool = pool->next)
                active = pool->job_count > 0;
        dozes = !active;
        unlock();
        span = found || !span ? SWEEP_OFTEN : span * 2;
        if (span > SWEEP_SELDOM)
                span = SWEEP_SELDOM;
        if (!active)
                span = 0;
        return active ? plait__clock_after(plait__clock_now(), span) : PLAIT_FOREVER;
}

static void *monitor_main(void *arg)
{
        struct plait__loop *loop;
        plait_time until, sweep;
        bool found = false;

        (void)arg;
        while (!(loop = plait__loop_get("plait_processes")))
                plait__spin_yield();
        for (;;) {
                tend_all();
                plait__ports_look(loop);
                until = kill_all_due();
                sweep = next_sweep(found);
                if (plait__ports_arm())
                        sleep_until(sweep < until ? sweep : until);
                found = plait__ports_sweep(loop);
        }
        return NULL;
}

int plait__monitor_start(void)
{
        fds = plait__sys.alloc(FIRST_FDS * sizeof *fds);
        if (!fds)
                return -ENOMEM;
        fds_room = FIRST_FDS;
        return plait__sys.thread_start(monitor_main, NULL, 0);
}
