/* Waking a strand of another thread that waits for an item of a queue: from before plait_queue_put() in one thread to the return
 * of plait_queue_get() in the other, each on a processor of its own.
 *
 * Hot: the two send each other items as fast as they can, and both spin; half of a round trip, the
 * median of blocks of 500, so that what the machine does meanwhile is not counted. The floor: two words, and
 * both spin. Asleep: who is woken does not look for work but sleeps in the kernel, since the waker computes for 100 µs before
 * each item, many times as long as anybody spins. The floor: a word and a futex, waker and sleeper likewise. */
#define _GNU_SOURCE
#include <plait.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

enum { BLOCK = 500, BLOCKS = 100, TRIPS = BLOCK * BLOCKS, WAKES = 300, AWAY_NS = 100000 };

/* ---- hot */

static double edges[BLOCKS];

static void block_edge(int trip)
{
        if (trip % BLOCK == 0)
                edges[trip / BLOCK] = bench_now();
}

static double block_median(void)
{
        for (int i = 0; i < BLOCKS - 1; i++)
                edges[i] = (edges[i + 1] - edges[i]) / BLOCK / 2;
        return bench_median(edges, BLOCKS - 1);
}

static plait_queue *there, *back;

static void queues_open(void)
{
        plait_threads();                        /* plait counts the processors now, before this thread is pinned to one */
        if (!there)
                BENCH_CHECK(plait_queue_new(&there, sizeof(int), 1, PLAIT_FIFO) == 0 &&
                            plait_queue_new(&back, sizeof(int), 1, PLAIT_FIFO) == 0);
}

static int answer(void *arg)
{
        int i, item;

        (void)arg;
        bench_pin(1);
        for (i = 0; i < TRIPS; i++)
                BENCH_CHECK(plait_queue_get(there, &item) == 0 && plait_queue_put(back, &item) == 0);
        return 0;
}

static double hot_plait(void)
{
        int i, item;
        PLAIT_GROUP(group, .executor = plait_own_thread());

        queues_open();
        bench_pin(0);
        plait_group_start(&group, answer, NULL, 0);
        for (i = 0; i < TRIPS; i++) {
                block_edge(i);
                BENCH_CHECK(plait_queue_put(there, &i) == 0 && plait_queue_get(back, &item) == 0 && item == i);
        }
        BENCH_CHECK(plait_group_wait(&group) == 0);
        return block_median();
}

static struct {
        _Alignas(128) _Atomic uint32_t there;
        _Alignas(128) _Atomic uint32_t back;
} words;

static void *answer_bare(void *arg)
{
        uint32_t i;

        (void)arg;
        bench_pin(1);
        for (i = 1; i <= TRIPS; i++) {
                while (atomic_load_explicit(&words.there, memory_order_acquire) != i)
                        bench_spin();
                atomic_store_explicit(&words.back, i, memory_order_release);
        }
        return NULL;
}

static double hot_floor(void)
{
        pthread_t thread;
        uint32_t i;

        bench_pin(0);
        words.there = words.back = 0;
        BENCH_CHECK(pthread_create(&thread, NULL, answer_bare, NULL) == 0);
        for (i = 1; i <= TRIPS; i++) {
                block_edge((int)i - 1);
                atomic_store_explicit(&words.there, i, memory_order_release);
                while (atomic_load_explicit(&words.back, memory_order_acquire) != i)
                        bench_spin();
        }
        pthread_join(thread, NULL);
        return block_median();
}

/* ---- asleep */

static double set_at, latencies[WAKES];
static _Atomic bool taken;              /* the sleeper has its figure, and is going to sleep again */

static void wait_taken(void)
{
        while (!atomic_load_explicit(&taken, memory_order_acquire))
                bench_spin();
        atomic_store_explicit(&taken, false, memory_order_relaxed);
        bench_compute(AWAY_NS);
}

static void take(int i)
{
        latencies[i] = bench_now() - set_at;
        atomic_store_explicit(&taken, true, memory_order_release);
}

static int be_woken(void *arg)
{
        int i, item;

        (void)arg;
        bench_pin(1);
        atomic_store_explicit(&taken, true, memory_order_release);
        for (i = 0; i < WAKES; i++) {
                BENCH_CHECK(plait_queue_get(there, &item) == 0);
                take(item);
        }
        return 0;
}

static double asleep_plait(void)
{
        int i;
        PLAIT_GROUP(group, .executor = plait_own_thread());

        queues_open();
        bench_pin(0);
        bench_compute(0);
        plait_group_start(&group, be_woken, NULL, 0);
        for (i = 0; i < WAKES; i++) {
                wait_taken();
                set_at = bench_now();
                BENCH_CHECK(plait_queue_put(there, &i) == 0);
        }
        wait_taken();
        BENCH_CHECK(plait_group_wait(&group) == 0);
        return bench_median(latencies, WAKES) / 1000;
}

static _Atomic uint32_t word;

static void *be_woken_bare(void *arg)
{
        int i;

        (void)arg;
        bench_pin(1);
        atomic_store_explicit(&taken, true, memory_order_release);
        for (i = 0; i < WAKES; i++) {
                while (atomic_load_explicit(&word, memory_order_acquire) == 0)
                        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
                atomic_store_explicit(&word, 0, memory_order_relaxed);
                take(i);
        }
        return NULL;
}

static double asleep_floor(void)
{
        pthread_t thread;
        int i;

        bench_pin(0);
        bench_compute(0);
        BENCH_CHECK(pthread_create(&thread, NULL, be_woken_bare, NULL) == 0);
        for (i = 0; i < WAKES; i++) {
                wait_taken();
                set_at = bench_now();
                atomic_store_explicit(&word, 1, memory_order_release);
                syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        }
        wait_taken();
        pthread_join(thread, NULL);
        return bench_median(latencies, WAKES) / 1000;
}

const struct bench bench_wake[] = {
        {"wake-hot", "ns", hot_plait, hot_floor, .goal = 300},
        {"wake-asleep", "us", asleep_plait, asleep_floor, .goal_ratio = 1.5},
        {0},
};
