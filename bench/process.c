/* Tasks in worker processes.
 *
 * The floors: a worker forked by hand and a page that is shared with it. The request is a word and 8 bytes, the answer
 * likewise. Hot: calls follow each other at once, and both sides spin;
 * the median of blocks of 500, so that what the machine does meanwhile is not counted. Asleep: the caller computes for 1 ms before each
 * call, until the worker sleeps in the kernel, and sleeps itself until the answer; the floor by two futexes. Map: 8 bytes
 * an item, one item at a time; the floor: two workers, each of which takes the next item of its half of a shared array by one locked addition, then
 * what is left of the other half. */
#define _GNU_SOURCE
#include <plait.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#pragma weak plait_processes

enum { CALLS = 500, BLOCKS = 20, SLEEPY_CALLS = 100, AWAY_NS = 1000000, ITEMS = 100000 };

static bool absent(void)
{
        return !plait_processes;
}

static int add_one(void *arg)
{
        uint64_t *number = arg;

        (*number)++;
        return 0;
}

/* ---- plait */

static void call_one(uint64_t *number)
{
        uint64_t before = *number;

        BENCH_CHECK(plait_call(plait_processes(), add_one, number, sizeof *number) == 0);
        BENCH_CHECK(*number == before + 1);
}

static double hot_plait(void)
{
        double blocks[BLOCKS], start;
        uint64_t number = 0;
        int i, j;

        for (i = 0; i < BLOCKS; i++) {
                start = bench_now();
                for (j = 0; j < CALLS; j++)
                        call_one(&number);
                blocks[i] = (bench_now() - start) / CALLS;
        }
        return bench_median(blocks, BLOCKS);
}

static double asleep_plait(void)
{
        double parts[SLEEPY_CALLS], start;
        uint64_t number = 0;
        int i;

        for (i = 0; i < SLEEPY_CALLS; i++) {
                bench_compute(AWAY_NS);
                start = bench_now();
                call_one(&number);
                parts[i] = bench_now() - start;
        }
        return bench_median(parts, SLEEPY_CALLS) / 1000;
}

static double map_plait(void)
{
        uint64_t *items = calloc(ITEMS, sizeof *items);
        plait_map_options options = {.executor = plait_processes(), .chunk = 1};
        double start = bench_now();
        int i;

        BENCH_CHECK(plait_map_with(&options, add_one, items, ITEMS, sizeof *items) == 0);
        start = bench_now() - start;
        for (i = 0; i < ITEMS; i++)
                BENCH_CHECK(items[i] == 1);
        free(items);
        return start / ITEMS;
}

/* ---- the floors */

struct page {
        _Alignas(128) _Atomic uint32_t request;
        uint64_t argument;
        _Alignas(128) _Atomic uint32_t answer;
        uint64_t result;
        _Alignas(128) _Atomic unsigned workers;
        struct { _Alignas(128) _Atomic size_t next; } halves[2];
        _Alignas(128) _Atomic uint32_t ended;
        _Alignas(128) uint64_t items[ITEMS];
};

static void *shared_memory(size_t size)
{
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        BENCH_CHECK(memory != MAP_FAILED);
        return memory;
}

static pid_t fork_worker(void (*work)(struct page *page), struct page *page)
{
        pid_t pid = fork();

        BENCH_CHECK(pid >= 0);
        if (pid)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(page);
        _exit(0);
}

static void await_hot(_Atomic uint32_t *word, uint32_t value)
{
        while (atomic_load_explicit(word, memory_order_acquire) != value)
                bench_spin();
}

static void await_asleep(_Atomic uint32_t *word, uint32_t value)
{
        uint32_t seen;

        while ((seen = atomic_load_explicit(word, memory_order_acquire)) != value)
                syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word)
{
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void serve_hot(struct page *page)
{
        uint32_t i;

        for (i = 1;; i++) {
                await_hot(&page->request, i);
                page->result = page->argument;
                add_one(&page->result);
                atomic_store_explicit(&page->answer, i, memory_order_release);
        }
}

static void serve_asleep(struct page *page)
{
        uint32_t i;

        for (i = 1;; i++) {
                await_asleep(&page->request, i);
                page->result = page->argument;
                add_one(&page->result);
                atomic_store_explicit(&page->answer, i, memory_order_release);
                wake(&page->answer);
        }
}

static double hot_floor(void)
{
        static struct page *page;
        static uint32_t turn;
        double blocks[BLOCKS], start;
        int i, j;

        if (!page) {
                page = shared_memory(sizeof *page);
                fork_worker(serve_hot, page);
        }
        for (i = 0; i < BLOCKS; i++) {
                start = bench_now();
                for (j = 0; j < CALLS; j++) {
                        page->argument = turn;
                        atomic_store_explicit(&page->request, ++turn, memory_order_release);
                        await_hot(&page->answer, turn);
                        BENCH_CHECK(page->result == turn);
                }
                blocks[i] = (bench_now() - start) / CALLS;
        }
        return bench_median(blocks, BLOCKS);
}

static double asleep_floor(void)
{
        static struct page *page;
        static uint32_t i;
        double parts[SLEEPY_CALLS], start;
        int j;

        if (!page) {
                page = shared_memory(sizeof *page);
                fork_worker(serve_asleep, page);
        }
        for (j = 0; j < SLEEPY_CALLS; j++) {
                bench_compute(AWAY_NS);
                start = bench_now();
                page->argument = i;
                atomic_store_explicit(&page->request, ++i, memory_order_release);
                wake(&page->request);
                await_asleep(&page->answer, i);
                BENCH_CHECK(page->result == i);
                parts[j] = bench_now() - start;
        }
        return bench_median(parts, SLEEPY_CALLS) / 1000;
}

static void take_half(struct page *page, unsigned half)
{
        size_t index;

        while ((index = atomic_fetch_add_explicit(&page->halves[half].next, 1, memory_order_relaxed)) < ITEMS / 2)
                add_one(&page->items[half * (ITEMS / 2) + index]);
}

static void serve_map(struct page *page)
{
        unsigned half = atomic_fetch_add(&page->workers, 1);
        uint32_t turn;

        for (turn = 1;; turn++) {
                await_hot(&page->request, turn);
                take_half(page, half);
                take_half(page, !half);
                atomic_fetch_add_explicit(&page->ended, 1, memory_order_release);
                wake(&page->ended);
        }
}

static double map_floor(void)
{
        static struct page *page;
        static uint32_t turn;
        double start;
        int i;

        if (!page) {
                page = shared_memory(sizeof *page);
                fork_worker(serve_map, page);
                fork_worker(serve_map, page);
        }
        for (i = 0; i < ITEMS; i++)
                page->items[i] = 0;
        page->halves[0].next = page->halves[1].next = 0;
        page->ended = 0;
        start = bench_now();
        atomic_store_explicit(&page->request, ++turn, memory_order_release);
        await_asleep(&page->ended, 2);
        start = bench_now() - start;
        for (i = 0; i < ITEMS; i++)
                BENCH_CHECK(page->items[i] == 1);
        return start / ITEMS;
}

const struct bench bench_process[] = {
        {"process-hot", "ns", hot_plait, hot_floor, .goal = 500, .absent = absent},
        {"process-asleep", "us", asleep_plait, asleep_floor, .goal_ratio = 1.5, .absent = absent},
        {"process-map-1", "ns", map_plait, map_floor, .goal = 100, .absent = absent},
        {0},
};
