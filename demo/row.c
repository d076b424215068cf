/* One row of the table. The task functions are the same for every approach. */
#include "row.h"

#include <dirent.h>
#include <plait.h>
#include <plait/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESS_WORKERS = 16, PARTS = 64, PART = 40000 };

struct site { char url[1024]; };

static int download_site(void *arg)
{
        struct site *site = arg;
        plait_response response = {0};
        int rc = plait_http_get(site->url, &response);

        if (rc < 0)
                fprintf(stderr, "demo: %s\n", response.error);
        plait_response_done(&response);
        return rc;
}

struct part { unsigned first, count; };                 /* in: where a range begins; out: the primes in it */

static int count_primes(void *arg)
{
        struct part *part = arg;
        unsigned n, divisor;

        for (n = part->first; n < part->first + PART; n++) {
                for (divisor = 2; divisor * divisor <= n && n % divisor; divisor++)
                        ;
                part->count += n > 1 && divisor * divisor > n;
                if (n % 256 == 0)
                        plait_gil_checkpoint(NULL);     /* nothing, unless the pool has a gil */
        }
        return 0;
}

static plait_gil gil;

static plait_executor *executor_for(enum approach approach, bool waits)
{
        plait_executor_options under_gil = {.kind = PLAIT_THREADS, .gil = &gil};
        plait_executor_options waiting = {.kind = PLAIT_PROCESSES, .workers = PROCESS_WORKERS};
        plait_executor *executor = NULL;

        switch (approach) {
        case THREADS:
                return plait_threads();
        case PROCESSES:
                if (!waits)
                        return plait_processes();
                return plait_executor_open(&executor, &waiting) < 0 ? NULL : executor;
        case COROUTINES:
                return plait_coroutines();
        case GIL:
                return plait_executor_open(&executor, &under_gil) < 0 ? NULL : executor;
        default:
                return NULL;
        }
}

static int run_all(enum approach approach, plait_fn *fn, void *items, size_t count, size_t size, bool waits)
{
        plait_map_options options = {.limit = approach == PROCESSES && waits ? PROCESS_WORKERS : waits ? count : 0,
                                     .chunk = waits ? 1 : 0};
        char *item = items;
        int rc = 0;

        if (approach == SERIAL) {
                for (size_t i = 0; i < count && rc >= 0; i++)
                        rc = fn(item + i * size);
                return rc;
        }
        options.executor = executor_for(approach, waits);
        return options.executor ? plait_map_with(&options, fn, items, count, size) : -1;
}

/* ---- peak memory */

/* The number after `format`'s word in a process's status; 0: it is gone. */
static long status_of(const char *pid, const char *format)
{
        char path[64], line[256];
        long value = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%s/status", pid);
        file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
                if (sscanf(line, format, &value) == 1)
                        break;
        if (file)
                fclose(file);
        return value;
}

static long peak_of(const char *pid)
{
        return status_of(pid, "VmHWM: %ld");
}

static long parent_of(const char *pid)
{
        return status_of(pid, "PPid: %ld");
}

/* The process between a program and its fork server has the program's memory, and none of its own. */
static bool shares_memory(const char *pid)
{
        char path[300], name[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/%s/comm", pid);
        file = fopen(path, "r");
        if (!file)
                return false;
        if (!fgets(name, sizeof name, file))
                name[0] = 0;
        fclose(file);
        return strcmp(name, "plait-keeper\n") == 0;
}

/* The workers of a pool are the fork server's children, three steps below; getrusage() does not see them. */
static long peak_below(long pid)
{
        DIR *proc = opendir("/proc");
        struct dirent *entry;
        long kb = 0;

        while (proc && (entry = readdir(proc))) {
                if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || parent_of(entry->d_name) != pid)
                        continue;
                kb += (shares_memory(entry->d_name) ? 0 : peak_of(entry->d_name)) + peak_below(atol(entry->d_name));
        }
        if (proc)
                closedir(proc);
        return kb;
}

/* The second figure of schedstat, in nanoseconds: what a busy machine adds to the wall time is not waiting. */
static double queued(void)
{
        unsigned long long ran = 0, waited = 0;
        FILE *file = fopen("/proc/self/schedstat", "r");

        if (file && fscanf(file, "%llu %llu", &ran, &waited) != 2)
                waited = 0;
        if (file)
                fclose(file);
        return (double)waited / PLAIT_S;
}

int run_row(const char *block, enum approach approach, char **urls, int count)
{
        bool waits = strcmp(block, "io") == 0;
        struct site *sites = calloc((size_t)count + 1, sizeof *sites);
        struct part parts[PARTS] = {{0, 0}};
        double queued_before;
        plait_time began;
        unsigned primes = 0;
        int rc, i;

        for (i = 0; i < count; i++)
                snprintf(sites[i].url, sizeof sites[i].url, "%s", urls[i]);
        for (i = 0; i < PARTS; i++)
                parts[i].first = (unsigned)i * PART;
        queued_before = queued();
        began = plait_now();
        rc = waits ? run_all(approach, download_site, sites, (size_t)count, sizeof *sites, true)
                   : run_all(approach, count_primes, parts, PARTS, sizeof *parts, false);
        printf("%.6f ", (double)(plait_now() - began) / PLAIT_S);
        for (i = 0; i < PARTS; i++)
                primes += parts[i].count;
        printf("%ld %.6f\n", peak_of("self") + peak_below(getpid()), queued() - queued_before);
        free(sites);
        if (rc < 0)
                fprintf(stderr, "demo: %s by %s: %s\n", block, approach_name(approach), strerror(-rc));
        return rc < 0 || (!waits && primes != 187134);  /* the primes below 2,560,000 */
}
