/* Memory of coroutines that sleep, in bytes each: what the process has resident, and its page tables (VmRSS + VmPTE),
 * more than before. All are then cancelled, and it is checked that each had begun and has ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare.h"
#include "bench.h"

static double memory_now(void)
{
        FILE *in = fopen("/proc/self/status", "r");
        char line[256];
        long kilobytes, sum = 0;

        BENCH_CHECK(in != NULL);
        while (fgets(line, sizeof line, in))
                if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1 || sscanf(line, "VmPTE: %ld", &kilobytes) == 1)
                        sum += kilobytes;
        fclose(in);
        return (double)sum * 1024;
}

/* ---- plait */

static size_t begun, ended;

static int sleep_long(void *arg)
{
        int rc;

        (void)arg;
        begun++;
        rc = plait_sleep(3600 * PLAIT_S);
        ended += rc == -ECANCELED;
        return rc;
}

static double idle_plait(size_t count)
{
        double before, after;
        size_t i;
        PLAIT_GROUP(group, .name = "idle");

        plait_ignore(plait_yield());
        memory_now();
        before = memory_now();
        for (i = 0; i < count; i++)
                BENCH_CHECK(plait_group_start(&group, sleep_long, NULL, 0) != NULL);
        BENCH_CHECK(plait_yield() == 0);        /* lets each run once: to its sleep */
        BENCH_CHECK(begun == count && ended == 0);
        after = memory_now();
        plait_group_cancel(&group);
        BENCH_CHECK(plait_group_wait(&group) == 0);
        BENCH_CHECK(ended == count);
        return (after - before) / (double)count;
}

/* ---- the floor: a bare context on a guarded stack of 16 KiB, switched to once */

static void *idle_main;

static void stop(void *arg)
{
        for (;;)
                bare_switch(arg, idle_main);
}

static double idle_floor(size_t count)
{
        void **contexts;
        double before;
        char *stacks;
        size_t i;

        memory_now();
        before = memory_now();
        contexts = malloc(count * sizeof *contexts);
        stacks = bare_stacks(count);
        for (i = 0; i < count; i++) {
                bare_guard(stacks, i);
                contexts[i] = bare_prepare(bare_top(stacks, i), stop, &contexts[i]);
                bare_switch(&idle_main, contexts[i]);
        }
        return (memory_now() - before) / (double)count;
}

static double plait_10k(void) { return idle_plait(10000); }
static double floor_10k(void) { return idle_floor(10000); }
static double plait_100k(void) { return idle_plait(100000); }
static double floor_100k(void) { return idle_floor(100000); }
static double plait_1m(void) { return idle_plait(1000000); }
static double floor_1m(void) { return idle_floor(1000000); }

const struct bench bench_memory[] = {
        {"idle-10k", "bytes", plait_10k, floor_10k, .goal = 4505, .once = true},
        {"idle-100k", "bytes", plait_100k, floor_100k, .goal = 4505, .once = true},
        {"idle-1m", "bytes", plait_1m, floor_1m, .goal = 4505, .once = true},
        {0},
};
