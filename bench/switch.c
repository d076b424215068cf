/* Switching. The floor of all rows here is the bare switch (bare.h): two of them in a ring, or 100,000 with coloured
 * tops, control blocks in one array and no queue: who runs is followed by the next of the array. */
#define _GNU_SOURCE
#include <plait.h>
#include <stdlib.h>

#include "arch/switch.h"
#include "bare.h"
#include "bench.h"

enum { SWITCHES = 4000000, MANY = 100000, MANY_ROUNDS = 10, MANY_PARTS = 5 };

/* ---- plait's switch alone, with control words; both sides from one place, as in the library: see switch_x86_64.S */

struct side { void *context; struct side *other; };

static struct side ping, pong;
static void *back;

static void play(void *value)
{
        struct side *self = value;

        for (;;) {
                for (int i = 0; i < SWITCHES / 2 || self == &pong; i++)
                        plait__switch(&self->context, self->other->context, self->other);
                plait__switch(&self->context, back, NULL);
        }
}

static double switch_plait(void)
{
        static _Alignas(64) char stacks[2][16384];
        double start;

        if (!back) {
                ping = (struct side){plait__switch_prepare(stacks[0], stacks[1], play), &pong};
                pong = (struct side){plait__switch_prepare(stacks[1], stacks[2], play), &ping};
        }
        start = bench_now();
        plait__switch(&back, ping.context, &ping);
        return (bench_now() - start) / SWITCHES;
}

/* ---- the bare switch over a ring. Who is next is told by a cursor, not by the stack that was switched to: so the processor
 * can look ahead while the lines of that stack are still on their way. */

static struct {
        void **contexts, **current, **end;
        void *back;
        size_t count, rounds;
} ring;

static inline void ring_next(void)
{
        void **mine = ring.current, **theirs = mine + 1 == ring.end ? ring.contexts : mine + 1;

        ring.current = theirs;
        bare_switch(mine, *theirs);
}

static void follow(void *arg)
{
        (void)arg;
        for (;;)
                ring_next();
}

static void lead(void *arg)
{
        (void)arg;
        for (;;) {
                while (ring.rounds--)
                        ring_next();
                bare_switch(ring.contexts, ring.back);
        }
}

static void ring_open(size_t count)
{
        char *stacks = bare_stacks(count);
        size_t i;

        ring.contexts = malloc(count * sizeof *ring.contexts);
        ring.end = ring.contexts + count;
        ring.count = count;
        for (i = 0; i < count; i++)
                ring.contexts[i] = bare_prepare(bare_top(stacks, i), i ? follow : lead, (void *)i);
}

/* What one switch takes. */
static double ring_run(size_t rounds)
{
        double start = bench_now();

        ring.rounds = rounds;
        ring.current = ring.contexts;
        bare_switch(&ring.back, ring.contexts[0]);
        return (bench_now() - start) / (double)(rounds * ring.count);
}

static double two_floor(void)
{
        if (!ring.contexts)
                ring_open(2);
        return ring_run(SWITCHES / 2);
}

static double many_floor(void)
{
        double parts[MANY_PARTS];
        int i;

        ring_open(MANY);
        ring_run(2);
        for (i = 0; i < MANY_PARTS; i++)
                parts[i] = ring_run(MANY_ROUNDS);
        return bench_median(parts, MANY_PARTS);
}

/* ---- yield, the public call; main waits for the group and is not in the ring */

static int yield_often(void *arg)
{
        long i;

        (void)arg;
        for (i = 0; i < SWITCHES / 2; i++)
                BENCH_CHECK(plait_yield() == 0);
        return 0;
}

static double two_plait(void)
{
        double start = bench_now();
        PLAIT_GROUP(group, .name = "yield");

        plait_group_start(&group, yield_often, NULL, 0);
        plait_group_start(&group, yield_often, NULL, 0);
        BENCH_CHECK(plait_group_wait(&group) == 0);
        return (bench_now() - start) / SWITCHES;
}

static bool many_end;

static int yield_until_end(void *arg)
{
        (void)arg;
        while (!many_end)
                BENCH_CHECK(plait_yield() == 0);
        return 0;
}

/* Itself one of the strands; all have begun and run twice before it looks at the clock. */
static int time_yields(void *arg)
{
        double parts[MANY_PARTS], start;
        int i, j;

        for (i = 0; i < 2; i++)
                BENCH_CHECK(plait_yield() == 0);
        for (i = 0; i < MANY_PARTS; i++) {
                start = bench_now();
                for (j = 0; j < MANY_ROUNDS; j++)
                        BENCH_CHECK(plait_yield() == 0);
                parts[i] = (bench_now() - start) / (MANY_ROUNDS * MANY);
        }
        *(double *)arg = bench_median(parts, MANY_PARTS);
        many_end = true;
        return 0;
}

static double many_plait(void)
{
        double result = 0;
        int i;
        PLAIT_GROUP(group, .name = "yield");

        plait_group_start(&group, time_yields, &result, sizeof result);
        for (i = 1; i < MANY; i++)
                plait_group_start(&group, yield_until_end, NULL, 0);
        BENCH_CHECK(plait_group_wait(&group) == 0);
        return result;
}

/* ---- a step of a simulation: four tasks for threads take turns with a lock, and each acquire and release is a step */

enum { SIMULATED_TURNS = 25000 };

static int take_turns(void *arg)
{
        int i;

        for (i = 0; i < SIMULATED_TURNS; i++) {
                plait_lock_acquire(arg);
                plait_lock_release(arg);
        }
        return 0;
}

static int simulated(void *arg)
{
        plait_lock lock = {{0}};
        int i;

        (void)arg;
        PLAIT_GROUP(group, .executor = plait_own_thread());
        for (i = 0; i < 4; i++)
                plait_group_start(&group, take_turns, &lock, 0);
        return plait_group_wait(&group);
}

static double simulate_plait(void)
{
        double start = bench_now();
        uint64_t steps = 0;

        BENCH_CHECK(plait_simulate(&(plait_simulation){.seed = 1, .policy = PLAIT_UNIFORM, .ret_steps = &steps}, simulated, NULL) == 0);
        return (bench_now() - start) / (double)steps;
}

const struct bench bench_switch[] = {
        {"switch", "ns", switch_plait, two_floor, .goal_ratio = 2},
        {"yield-2", "ns", two_plait, two_floor, .goal = 8},
        {"yield-100k", "ns", many_plait, many_floor, .goal_ratio = 5, .once = true},
        {"simulate-step", "ns", simulate_plait, two_floor, .goal = 1000},
        {0},
};
