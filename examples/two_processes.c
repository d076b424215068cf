/* Two computations at once, each in a process of its own.
 *
 *     two_processes [N N] */
#include <plait.h>
#include <stdio.h>
#include <stdlib.h>

struct sum { long n, count; };                          /* in: n; out: count. Its bytes travel to the process and back */

static int cpu_heavy_task(void *arg)
{
        struct sum *sum = arg;

        printf("Starting task for %ld\n", sum->n);
        fflush(stdout);
        for (volatile long i = 0; i < sum->n; i++)      /* volatile: the loop is the work */
                sum->count += i;
        printf("Finished task for %ld, count: %ld\n", sum->n, sum->count);
        fflush(stdout);
        return 0;
}

static int run_with_processes(struct sum sums[2])
{
        PLAIT_GROUP(group, .executor = plait_own_process());

        for (int i = 0; i < 2; i++)
                plait_group_start(&group, cpu_heavy_task, &sums[i], sizeof sums[i]);
        return plait_group_wait(&group);
}

int main(int argc, char **argv)
{
        struct sum sums[2] = {{100 * 1000 * 1000, 0}, {100 * 1000 * 1000, 0}};
        plait_time start = plait_now();
        int rc;

        if (argc != 1 && argc != 3) {
                fprintf(stderr, "usage: two_processes [N N]\n");
                return 2;
        }
        for (int i = 0; i + 1 < argc; i++)
                sums[i].n = atol(argv[i + 1]);
        rc = run_with_processes(sums);
        printf("Processes took %.2f seconds, counts: %ld and %ld\n", (double)(plait_now() - start) / PLAIT_S, sums[0].count,
               sums[1].count);
        return rc < 0;
}
