/* The monitor. It alone starts workers, by counting what there is to do and who is there to do it; it kills what is to be killed,
 * and hears of ends in place of loops that cannot. */
#define _GNU_SOURCE
#include "process/monitor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"
#include "process/nursery.h"
#include "process/port.h"

enum { FIRST_FDS = 16 };

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

/* ---- how many */

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
                        wanted += plait__claim_owner(plait__load(&plait__job(job)->word)) != PLAIT__OWNER_PARENT;
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
                plait__region_lock();
                if (pool->workers[news.slot].life != PLAIT__NO_WORKER) {
                        plait__region_unlock();
                        continue;
                }
                pool->workers[news.slot].life = PLAIT__ORDERED;
                pool->alive++;
                count--;
                plait__region_unlock();
                rc = plait__sys.sendto(pool->socket, &news, sizeof news, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (rc < 0) {                   /* it is full of orders, or the server is gone: the next event brings us back */
                        plait__region_lock();
                        plait__worker_forget(pool, news.slot);
                        plait__region_unlock();
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
                while (plait__server_hear(pool, &end))
                        ;
                if (end)
                        plait__server_died(pool);
        }
        plait__region_lock();
        if (plait__pool_open_tasks(pool))
                plait__pool_wake(pool, plait__pool_open_tasks(pool));
        count = missing(pool);
        plait__region_unlock();
        if (count && pool->socket < 0)
                rc = plait__server_start(pool);
        if (count && rc == 0)
                order_workers(pool, count);
        if (rc < 0) {
                plait__region_lock();
                plait__pool_fail(pool, rc, 0);
                plait__region_unlock();
        }
}

/* Its workers, who are all idle, end by themselves; but not for long. */
static void dismiss(struct plait__pool *pool)
{
        plait_time end = plait__clock_now() + GRACE, now;
        bool gone = false;
        unsigned slot, alive;

        plait__region_lock();
        atomic_store_explicit(&pool->board->closing, 1, memory_order_seq_cst);
        for (slot = 0; slot < pool->slots; slot++)
                if (pool->workers[slot].life == PLAIT__ALIVE)
                        plait__worker_ring(pool, slot);
        plait__region_unlock();
        do {
                while (plait__server_hear(pool, &gone))
                        ;
                plait__region_lock();
                alive = pool->alive;
                plait__region_unlock();
                now = plait__clock_now();
                if (gone || !alive || now >= end)
                        return;
                struct plait__kernel_timespec timeout = {(end - now) / PLAIT_S, (end - now) % PLAIT_S};
                struct pollfd fd = {.fd = pool->socket, .events = POLLIN};

                plait__sys.ppoll(&fd, 1, &timeout);
        } while (true);
}

/* A pool that is closed, and has no task any more: its server is let go, and then the pool itself. */
static void close_pool(struct plait__pool *pool, bool killing)
{
        struct plait__pool **link;

        if (pool->socket >= 0) {
                if (!killing)
                        dismiss(pool);
                plait__sys.close(pool->socket);
                pool->socket = -1;
                plait__server_await(pool);
                plait__server_died(pool);
        }
        plait__region_lock();
        for (link = &pools; *link != pool; link = &(*link)->next)
                ;
        *link = pool->next;
        pool_count--;
        pool->gone = true;
        plait__unpark(pool->closer);
        plait__region_unlock();
}

static void tend_all(void)
{
        struct plait__pool *pool, *next;
        bool closing, killing;

        plait__region_lock();
        pool = pools;
        plait__region_unlock();
        for (; pool; pool = next) {
                tend(pool);
                plait__pool_feed(pool);
                plait__region_lock();
                next = pool->next;
                closing = pool->closing;
                killing = pool->killing;
                plait__region_unlock();
                if (closing)
                        close_pool(pool, killing);
        }
}

static plait_time kill_all_due(void)
{
        plait_time now = plait__clock_now(), next = PLAIT_FOREVER, moment;
        struct plait__pool *pool;

        plait__region_lock();
        for (pool = pools; pool; pool = pool->next) {
                moment = plait__pool_kills(pool, now);
                if (moment < next)
                        next = moment;
        }
        plait__region_unlock();
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

        plait__region_lock();
        count = pool_count;
        plait__region_unlock();
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
        plait__region_lock();
        for (pool = pools; pool && count < fds_room; pool = pool->next)
                if (pool->socket >= 0)
                        fds[count++] = (struct pollfd){.fd = pool->socket, .events = POLLIN};
        plait__region_unlock();
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

        plait__region_lock();
        active = posts != seen;
        seen = posts;
        for (pool = pools; pool && !active; pool = pool->next)
                active = pool->job_count > 0;
        dozes = !active;
        plait__region_unlock();
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
        plait__store(&loop->outside.helper, true);
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
        int rc;

        fds = plait__sys.alloc(FIRST_FDS * sizeof *fds);
        if (!fds)
                return -ENOMEM;
        fds_room = FIRST_FDS;
        rc = plait__sys.thread_start(monitor_main, NULL, 0);
        if (rc < 0) {
                plait__sys.free(fds);
                fds = NULL;
        }
        return rc;
}
