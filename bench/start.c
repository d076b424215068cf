/* Starting tasks and waiting for them. */
#define _GNU_SOURCE
#include <plait.h>
#include <stdlib.h>

#include "bare.h"
#include "bench.h"

enum { BATCH = 1000, BATCHES = 500, COLD = 20000 };

static int nothing(void *arg)
{
        (void)arg;
        return 0;
}

/* ---- warm: empty tasks, 1000 started and then waited for, again and again */

static double warm_plait(void)
{
        double start = bench_now();
        int i, j;

        for (i = 0; i < BATCHES; i++) {
                PLAIT_GROUP(group, .name = "start");
                for (j = 0; j < BATCH; j++)
                        plait_group_start(&group, nothing, NULL, 0);
                BENCH_CHECK(plait_group_wait(&group) == 0);
        }
        return (bench_now() - start) / (BATCHES * BATCH);
}

/* The floor: each task is a recycled coroutine with a stack of its own: taken from a list, given the function, queued,
 * switched to, back on the list. One that ends switches to the next in the queue. */

struct coroutine {
        void *context;
        int (*fn)(void *arg);
        void *arg;
        struct coroutine *next;
};

static struct {
        struct coroutine *idle, *first, **last;
        void *main;
} pool;

static void serve(void *arg)
{
        struct coroutine *self = arg, *next;

        for (;;) {
                self->fn(self->arg);
                next = pool.first;
                self->next = pool.idle;
                pool.idle = self;
                if (next)
                        pool.first = next->next;
                bare_switch(&self->context, next ? next->context : pool.main);
        }
}

static void pool_open(size_t count)
{
        struct coroutine *coroutines = calloc(count, sizeof *coroutines);
        char *stacks = bare_stacks(count);
        size_t i;

        for (i = count; i-- > 0; ) {
                coroutines[i].context = bare_prepare(bare_top(stacks, i), serve, &coroutines[i]);
                coroutines[i].next = pool.idle;
                pool.idle = &coroutines[i];
        }
        pool.last = &pool.first;
}

static __attribute__((noinline)) void pool_start(int (*fn)(void *arg), void *arg)
{
        struct coroutine *coroutine = pool.idle;

        pool.idle = coroutine->next;
        coroutine->fn = fn;
        coroutine->arg = arg;
        coroutine->next = NULL;
        *pool.last = coroutine;
        pool.last = &coroutine->next;
}

static __attribute__((noinline)) void pool_wait(void)
{
        struct coroutine *first = pool.first;

        pool.first = first->next;
        bare_switch(&pool.main, first->context);
        pool.last = &pool.first;
}

static double warm_floor(void)
{
        double start;
        int i, j;

        if (!pool.idle)
                pool_open(BATCH);
        start = bench_now();
        for (i = 0; i < BATCHES; i++) {
                for (j = 0; j < BATCH; j++)
                        pool_start(nothing, NULL);
                pool_wait();
        }
        return (bench_now() - start) / (BATCHES * BATCH);
}

/* ---- cold: no stack was ever touched, and each task yields once, so that each needs one. In a fresh process. */

static int yield_once(void *arg)
{
        (void)arg;
        return plait_yield();
}

static double cold_plait(void)
{
        double start;
        int i;

        plait_ignore(plait_yield());
        start = bench_now();
        {
                PLAIT_GROUP(group, .name = "start");
                for (i = 0; i < COLD; i++)
                        plait_group_start(&group, yield_once, NULL, 0);
                BENCH_CHECK(plait_group_wait(&group) == 0);
        }
        return (bench_now() - start) / COLD;
}

/* The floor: the same over stacks fresh from mmap(), each with a guard as plait's have. */

static void *cold_main, **cold_contexts;

static void switch_twice(void *arg)
{
        size_t me = (size_t)arg;

        for (;;)                                /* to the next, or to main; the second time it ends */
                bare_switch(&cold_contexts[me], me + 1 < COLD ? cold_contexts[me + 1] : cold_main);
}

static double cold_floor(void)
{
        double start = bench_now();
        char *stacks = bare_stacks(COLD);
        size_t i;

        cold_contexts = malloc(COLD * sizeof *cold_contexts);
        for (i = 0; i < COLD; i++) {
                bare_guard(stacks, i);
                cold_contexts[i] = bare_prepare(bare_top(stacks, i), switch_twice, (void *)i);
        }
        bare_switch(&cold_main, cold_contexts[0]);
        bare_switch(&cold_main, cold_contexts[0]);
        return (bench_now() - start) / COLD;
}

const struct bench bench_start[] = {
        {"start-wait-warm", "ns", warm_plait, warm_floor, .goal = 60},
        {"start-wait-cold", "ns", cold_plait, cold_floor, .once = true},
        {0},
};
