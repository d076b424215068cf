/* The main job, shown to a person: the same task functions one at a time, on threads, in processes, as coroutines and on
 * threads under a gil, on real downloads and on real computation, as one table.
 *
 *     demo PLAIT [--json FILE] [URL...]
 *
 * PLAIT is the command, for its server; with URLs those are downloaded instead. Each row is a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figures.h"
#include "row.h"

enum { DOWNLOADS = 200, CPU_RUNS = 3 };

static double seconds(struct timeval time)
{
        return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Starts a program with its standard output in a pipe; the pid, or -1. */
static pid_t start(char *const argv[], FILE **ret_output)
{
        int ends[2];
        pid_t pid;

        if (pipe(ends) < 0)
                return -1;
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                dup2(ends[1], 1);
                close(ends[0]);
                close(ends[1]);
                execv(argv[0], argv);
                _exit(127);
        }
        close(ends[1]);
        *ret_output = fdopen(ends[0], "r");
        return pid;
}

/* Reaps the row's process and all that it leaves behind, whose subreaper this process is, and adds up their CPU time. */
static bool reap(pid_t pid, double *ret_cpu_s)
{
        struct rusage usage;
        int status;
        bool good = false;
        pid_t done;

        *ret_cpu_s = 0;
        while ((done = wait4(-1, &status, 0, &usage)) > 0 || (done < 0 && errno == EINTR)) {
                if (done < 0)
                        continue;
                *ret_cpu_s += seconds(usage.ru_utime) + seconds(usage.ru_stime);
                if (done == pid)
                        good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
        return good;
}

static void progress(const struct block *block, enum approach approach)
{
        if (isatty(2))
                fprintf(stderr, "\r\033[K%s: %s ...", block->title, approach_name(approach));
}

/* This program once more, for one row, and its figures. */
static struct figures run_row_process(char *self, const struct block *block, enum approach approach, char **urls, int count)
{
        char **argv = calloc((size_t)count + 5, sizeof *argv);
        struct figures row = {.there = false};
        FILE *output = NULL;
        pid_t pid;
        bool told;

        argv[0] = self;
        argv[1] = (char *)"--row";
        argv[2] = (char *)(uintptr_t)block->name;
        argv[3] = (char *)(uintptr_t)approach_name(approach);
        for (int i = 0; i < count; i++)
                argv[4 + i] = urls[i];
        pid = start(argv, &output);
        free(argv);
        if (pid < 0 || !output)
                return row;
        told = fscanf(output, "%lf %ld %lf", &row.wall_s, &row.rss_kb, &row.queued_s) == 3;
        fclose(output);
        row.there = reap(pid, &row.cpu_s) && told;
        return row;
}

/* One run of a row, below a process of its own that inherits whatever the row leaves behind, workers above all. */
static void measure_once(char *self, struct block *block, enum approach approach, char **urls, int count)
{
        struct figures row, *best_yet = &block->rows[approach];
        int ends[2];
        pid_t pid;

        if (pipe(ends) < 0 || (pid = fork()) < 0)
                return;
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                prctl(PR_SET_CHILD_SUBREAPER, 1);
                row = run_row_process(self, block, approach, urls, count);
                _exit(write(ends[1], &row, sizeof row) != sizeof row);
        }
        close(ends[1]);
        if (read(ends[0], &row, sizeof row) == sizeof row && row.there && (!best_yet->there || row.wall_s < best_yet->wall_s))
                *best_yet = row;
        close(ends[0]);
        waitpid(pid, NULL, 0);
}

/* What computes is disturbed by whatever else the machine does: of several runs the quickest is the row. They take turns,
 * so that a disturbance is not one row's alone. What failed is not tried again. */
static bool measure(char *self, struct block *block, char **urls, int count, int runs)
{
        bool all = true;
        enum approach i;
        int run;

        for (run = 0; run < runs; run++)
                for (i = 0; i < APPROACHES; i++) {
                        if (run > 0 && !block->rows[i].there)
                                continue;
                        progress(block, i);
                        measure_once(self, block, i, urls, count);
                        all = all && block->rows[i].there;
                }
        if (isatty(2))
                fprintf(stderr, "\r\033[K");
        return all;
}

/* That is found out before the measuring, not after. */
static bool can_write(const char *path)
{
        FILE *file = fopen(path, "a");

        return file && fclose(file) == 0;
}

static pid_t start_server(char *plait, char *url, size_t size)
{
        char *argv[] = {plait, (char *)"serve", (char *)"--latency", (char *)"50ms", NULL};
        FILE *output = NULL;
        pid_t pid = start(argv, &output);

        if (pid < 0 || !output || !fgets(url, (int)size, output))
                return -1;
        url[strcspn(url, "\n")] = 0;
        return pid;
}

static enum approach approach_of(const char *name)
{
        enum approach i = 0;

        while (i < APPROACHES && strcmp(approach_name(i), name))
                i++;
        return i;
}

int main(int argc, char **argv)
{
        char self[4096] = {0}, server_url[256], title[128], *same[DOWNLOADS], **urls;
        struct block blocks[2] = {{.name = "io"}, {.name = "cpu", .title = "CPU-bound: counting primes in 64 ranges (the quickest of three runs)"}};
        const char *json = NULL;
        pid_t server = 0;
        int first = 2, count, i;
        bool all;

        if (argc >= 4 && strcmp(argv[1], "--row") == 0)
                return run_row(argv[2], approach_of(argv[3]), argv + 4, argc - 4);
        if (argc >= 4 && strcmp(argv[2], "--json") == 0) {
                json = argv[3];
                first = 4;
        }
        if (argc < 2 || readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
                fprintf(stderr, "usage: demo PLAIT [--json FILE] [URL...]\n");
                return 2;
        }
        if (json && !can_write(json)) {
                fprintf(stderr, "demo: %s: %s\n", json, strerror(errno));
                return 1;
        }
        urls = argv + first;
        count = argc - first;
        if (count <= 0) {
                server = start_server(argv[1], server_url, sizeof server_url);
                if (server < 0) {
                        fprintf(stderr, "demo: %s serve does not start\n", argv[1]);
                        return 1;
                }
                for (i = 0; i < DOWNLOADS; i++)
                        same[i] = server_url;
                urls = same;
                count = DOWNLOADS;
        }
        snprintf(title, sizeof title, "I/O-bound: %d download%s%s", count, count == 1 ? "" : "s", server ? ", each 50 ms away" : "");
        blocks[0].title = title;
        all = measure(self, &blocks[0], urls, count, 1);
        print_block(&blocks[0]);
        fflush(stdout);
        all = measure(self, &blocks[1], NULL, 0, CPU_RUNS) && all;
        print_block(&blocks[1]);
        if (server > 0) {
                kill(server, SIGTERM);
                waitpid(server, NULL, 0);
        }
        if (json && !write_json(json, blocks, 2)) {
                fprintf(stderr, "demo: %s: %s\n", json, strerror(errno));
                return 1;
        }
        return !all;
}
