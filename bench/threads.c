/* Tiny tasks to a pool of threads, one for each processor: 10,000 are started and then waited for.
 *
 * The floor: raw pthreads around a ring of tasks. The starter fills it and publishes where it ends; a thread takes, by one
 * compare-and-swap, half of what is there, 16 at most, and sleeps on a futex when there is nothing for long. One thread less
 * than there are processors, since who waits takes tasks as well. */
#define _GNU_SOURCE
#include <plait.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

enum { TASKS = 10000, GROUPS = 20, RING = 16384, BITE = 16, SPINS = 200 };

static int tiny(void *arg)
{
        uint64_t *counter = arg;

        (*counter)++;
        return 0;
}

static uint64_t counters[TASKS];        /* each task's struct */

static double pool_plait(void)
{
        double start = bench_now();
        int i, j;

        for (i = 0; i < GROUPS; i++) {
                PLAIT_GROUP(group, .executor = plait_threads());
                for (j = 0; j < TASKS; j++)
                        plait_group_start(&group, tiny, &counters[j], sizeof counters[j]);
                BENCH_CHECK(plait_group_wait(&group) == 0);
        }
        return (bench_now() - start) / (GROUPS * TASKS);
}

static struct {
        _Alignas(128) _Atomic uint64_t head;            /* the next task to take */
        _Alignas(128) _Atomic uint64_t tail;            /* where they end */
        _Alignas(128) _Atomic uint32_t sleepers;
        _Atomic uint32_t bell;
        _Alignas(128) _Atomic uint64_t ended;
        _Alignas(128) struct { int (*fn)(void *); void *arg; } ring[RING];
} pool;

/* False: there was nothing to take. */
static bool run_some(void)
{
        uint64_t head = atomic_load_explicit(&pool.head, memory_order_acquire), i;
        uint64_t count = (atomic_load_explicit(&pool.tail, memory_order_acquire) - head + 1) / 2;

        if (count > BITE)
                count = BITE;
        if (count == 0)
                return false;
        if (!atomic_compare_exchange_strong(&pool.head, &head, head + count))
                return true;
        for (i = head; i < head + count; i++)
                pool.ring[i % RING].fn(pool.ring[i % RING].arg);
        atomic_fetch_add(&pool.ended, count);
        return true;
}

static void sleep_for_work(void)
{
        uint32_t bell = atomic_load(&pool.bell);

        atomic_fetch_add(&pool.sleepers, 1);
        if (atomic_load(&pool.head) == atomic_load(&pool.tail))
                syscall(SYS_futex, &pool.bell, FUTEX_WAIT_PRIVATE, bell, NULL, NULL, 0);
        atomic_fetch_sub(&pool.sleepers, 1);
}

static void *work(void *arg)
{
        int idle = 0;

        (void)arg;
        for (;;) {
                if (run_some()) {
                        idle = 0;
                } else if (++idle < SPINS) {
                        bench_spin();
                } else {
                        sleep_for_work();
                        idle = 0;
                }
        }
        return NULL;
}

static void floor_start(int (*fn)(void *), void *arg)
{
        uint64_t tail = atomic_load_explicit(&pool.tail, memory_order_relaxed);

        pool.ring[tail % RING].fn = fn;
        pool.ring[tail % RING].arg = arg;
        atomic_store_explicit(&pool.tail, tail + 1, memory_order_release);
}

static void floor_wait(void)
{
        uint64_t tail = atomic_load_explicit(&pool.tail, memory_order_relaxed);

        while (run_some())
                ;
        while (atomic_load_explicit(&pool.ended, memory_order_acquire) != tail)
                bench_spin();
}

/* Once for each group: a thread that falls asleep later leaves the rest to the waiter. */
static void floor_call_hands(void)
{
        atomic_thread_fence(memory_order_seq_cst);
        if (!atomic_load(&pool.sleepers))
                return;
        atomic_fetch_add(&pool.bell, 1);
        syscall(SYS_futex, &pool.bell, FUTEX_WAKE_PRIVATE, 64, NULL, NULL, 0);
}

static double pool_floor(void)
{
        static bool open;
        double start;
        pthread_t thread;
        int i, j;

        for (i = 1; !open && i < (int)sysconf(_SC_NPROCESSORS_ONLN); i++)
                BENCH_CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
        open = true;
        start = bench_now();
        for (i = 0; i < GROUPS; i++) {
                for (j = 0; j < TASKS; j++) {
                        floor_start(tiny, &counters[j]);
                        if (j == 0)
                                floor_call_hands();
                }
                floor_wait();
        }
        return (bench_now() - start) / (GROUPS * TASKS);
}

const struct bench bench_threads[] = {
        {"thread-task", "ns", pool_plait, pool_floor, .goal = 50},
        {0},
};
