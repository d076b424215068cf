/* A map of computation on two cores. The floor is half of what one core takes for the same in a plain loop, so the best ratio
 * is 1.0, and 1.9 times as fast is 1.053. */
#define _GNU_SOURCE
#include <plait.h>

#include "bench.h"

enum { ITEMS = 2000, TURNS = 20000 };   /* some 20 to 40 µs each */

struct item { uint64_t seed, result; };

static struct item items[ITEMS];

/* Each turn needs the one before, and the result is looked at: a compiler can neither fold nor drop it. */
static int compute(void *arg)
{
        struct item *item = arg;
        uint64_t x = item->seed | 1;
        int i;

        for (i = 0; i < TURNS; i++) {
                x ^= x >> 12;
                x ^= x << 25;
                x ^= x >> 27;
                __asm__ volatile("" : "+r"(x));         /* else gcc computes two items of the plain loop at once */
        }
        item->result = x;
        return 0;
}

static void fill(void)
{
        int i;

        for (i = 0; i < ITEMS; i++)
                items[i] = (struct item){(uint64_t)i * 2654435761u + 1, 0};
}

static void check(void)
{
        uint64_t sum = 0;
        int i;

        for (i = 0; i < ITEMS; i++)
                sum += items[i].result != 0;
        BENCH_CHECK(sum == ITEMS);
}

static double map_plait(void)
{
        double start;

        fill();
        start = bench_now();
        BENCH_CHECK(plait_map(plait_threads(), compute, items, ITEMS, sizeof items[0]) == 0);
        start = bench_now() - start;
        check();
        return start / 1e6;
}

static double map_floor(void)
{
        double start;
        int i;

        fill();
        start = bench_now();
        for (i = 0; i < ITEMS; i++)
                compute(&items[i]);
        start = bench_now() - start;
        check();
        return start / 2 / 1e6;
}

const struct bench bench_map[] = {
        {"map-2-cores", "ms", map_plait, map_floor, .goal_ratio = 1 / 0.95},
        {0},
};
