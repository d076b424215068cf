/* bench [--json FILE] [NAME...]: measures all rows, or those named, and prints a table. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, ROUNDS_ONCE = 5, PARTS = 5, ROWS_MAX = 64, SAMPLE_SECONDS = 60 };

static const struct bench *const subjects[] = {bench_switch, bench_start,   bench_memory,  bench_sync, bench_wake,
                                               bench_threads, bench_process, bench_map,
#ifdef BENCH_CURL
                                               bench_http,
#endif
};

struct result {
        const struct bench *row;
        double plait, floor;
};

/* ---- what rows use */

double bench_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
        qsort(values, count, sizeof *values, compare);
        return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void bench_fail(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        _exit(1);
}

static void compute(uint64_t turns)
{
        uint64_t x = turns;

        while (turns--) {
                x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
                __asm__ volatile("" : "+r"(x));         /* so that each turn is made */
        }
}

void bench_compute(double ns)
{
        static _Thread_local double turns_per_ns;
        double start;

        if (turns_per_ns == 0) {
                start = bench_now();
                compute(1000000);
                turns_per_ns = 1000000 / (bench_now() - start);
        }
        compute((uint64_t)(ns * turns_per_ns));
}

void bench_pin(int nth)
{
        static cpu_set_t allowed;
        cpu_set_t one;
        int cpu;

        if (CPU_COUNT(&allowed) == 0)           /* the first is the main thread, and alone */
                sched_getaffinity(0, sizeof allowed, &allowed);
        for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
                if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
                        CPU_ZERO(&one);
                        CPU_SET(cpu, &one);
                        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
                        return;
                }
        }
        bench_fail("needs more processors than this process may use");
}

/* ---- one sample, in a process of its own */

static const struct bench *find(const char *name)
{
        const struct bench *row;
        size_t i;

        for (i = 0; i < sizeof subjects / sizeof *subjects; i++)
                for (row = subjects[i]; row->name; row++)
                        if (strcmp(row->name, name) == 0)
                                return row;
        return NULL;
}

static int sample_here(const char *name, const char *side)
{
        const struct bench *row = find(name);
        double (*work)(void) = strcmp(side, "plait") == 0 ? row->plait : row->floor;
        double parts[PARTS];
        int i;

        alarm(SAMPLE_SECONDS);                  /* one that hangs fails its row, not the others */
        if (row->once) {
                parts[0] = work();
        } else {
                work();
                for (i = 0; i < PARTS; i++)
                        parts[i] = work();
                parts[0] = bench_median(parts, PARTS);
        }
        printf("%.17g\n", parts[0]);
        fflush(stdout);
        _exit(0);
}

/* A negative figure: it could not be taken, and has said why. */
static double sample(const char *name, const char *side)
{
        int fds[2], status;
        double value = -1;
        FILE *in;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                bench_fail("bench: pipe: %s", strerror(errno));
        pid = vfork();
        if (pid == 0) {
                dup2(fds[1], STDOUT_FILENO);
                execl("/proc/self/exe", "bench", "--sample", name, side, (char *)NULL);
                _exit(127);
        }
        close(fds[1]);
        in = fdopen(fds[0], "r");
        if (pid < 0 || !in || fscanf(in, "%lf", &value) != 1)
                value = -1;
        fclose(in);
        waitpid(pid, &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? value : -1;
}

/* ---- the table */

static bool measure(struct result *ret, const struct bench *row)
{
        double plait[ROUNDS], floor[ROUNDS];
        int rounds = row->once ? ROUNDS_ONCE : ROUNDS, i;

        for (i = 0; i < rounds; i++) {
                plait[i] = sample(row->name, "plait");
                floor[i] = sample(row->name, "floor");
                if (plait[i] < 0 || floor[i] < 0)
                        return false;
        }
        *ret = (struct result){row, bench_median(plait, (size_t)rounds), bench_median(floor, (size_t)rounds)};
        return true;
}

static bool missed(const struct result *result)
{
        const struct bench *row = result->row;

        return (row->goal > 0 && result->plait > row->goal) ||
               (row->goal_ratio > 0 && result->plait > row->goal_ratio * result->floor);
}

static void print(const struct result *result)
{
        const struct bench *row = result->row;
        char goal[32] = "";

        if (row->goal_ratio > 0)
                snprintf(goal, sizeof goal, "ratio %.3g", row->goal_ratio);
        else if (row->goal > 0)
                snprintf(goal, sizeof goal, "%.4g", row->goal);
        printf("%-20s %10.*f %10.*f  %-5s %7.2f  %-11s%s\n", row->name, result->plait < 1000 ? 2 : 0, result->plait,
               result->floor < 1000 ? 2 : 0, result->floor, row->unit, result->plait / result->floor, goal,
               missed(result) ? " missed" : "");
        fflush(stdout);
}

static int write_json(const char *path, const struct result *results, size_t count)
{
        FILE *out = fopen(path, "w");
        size_t i;

        if (!out) {
                fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
                return -1;
        }
        for (i = 0; i < count; i++)
                fprintf(out, "%s{\"name\": \"%s\", \"plait\": %.6g, \"floor\": %.6g, \"unit\": \"%s\", \"ratio\": %.4g}",
                        i ? ",\n " : "[", results[i].row->name, results[i].plait, results[i].floor, results[i].row->unit,
                        results[i].plait / results[i].floor);
        fputs(count ? "]\n" : "[]\n", out);
        return fclose(out) ? -1 : 0;
}

static bool is_wanted(const char *name, char **names)
{
        if (!*names)
                return true;
        for (; *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

static int run(char **names, const char *json)
{
        struct result results[ROWS_MAX];
        const struct bench *row;
        char absent[512] = "";
        size_t count = 0, i;
        int rc = 0;

        printf("%-20s %10s %10s  %-5s %7s  %s\n", "name", "plait", "floor", "unit", "ratio", "goal");
        for (i = 0; i < sizeof subjects / sizeof *subjects; i++) {
                for (row = subjects[i]; row->name; row++) {
                        if (!is_wanted(row->name, names))
                                continue;
                        if (row->absent && row->absent()) {
                                snprintf(absent + strlen(absent), sizeof absent - strlen(absent), " %s", row->name);
                        } else if (measure(&results[count], row)) {
                                print(&results[count++]);
                        } else {
                                printf("%-20s failed\n", row->name);
                                rc = 1;
                        }
                }
        }
        if (*absent)
                printf("absent, as plait cannot do it yet:%s\n", absent);
        return json && write_json(json, results, count) < 0 ? 1 : rc;
}

int main(int argc, char **argv)
{
        const char *json = NULL;
        char **names = argv + 1;

        if (argc == 4 && strcmp(argv[1], "--sample") == 0)
                return sample_here(argv[2], argv[3]);
        if (argc > 2 && strcmp(argv[1], "--json") == 0) {
                json = argv[2];
                names = argv + 3;
        }
        for (char **name = names; *name; name++) {
                if (!find(*name)) {
                        fprintf(stderr, "bench: no row is called %s\n", *name);
                        return 2;
                }
        }
        return run(names, json);
}
