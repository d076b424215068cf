/* explore [--preemptions N] [--stale M] [SCENARIO]...        all ways with N pre-emptions (2), of which M may be stale
 *                                                           reads instead (1); TAP
 * explore [...] --orders [FUNCTION]                         without one acquire or release after the other (orders.h)
 * explore SCENARIO SCHEDULE                                 one of them, told step by step */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "orders.h"
#include "scenarios.h"

#define SCENARIO_ENTRY(name) &scenario_##name,
const struct scenario *const scenarios[] = {SCENARIOS(SCENARIO_ENTRY) NULL};

static OWN struct bounds bounds = {2, 1};

static const struct scenario *find(const char *name)
{
        unsigned i;

        for (i = 0; scenarios[i]; i++)
                if (!strcmp(scenarios[i]->name, name))
                        return scenarios[i];
        fprintf(stderr, "explore: no scenario is called %s\n", name);
        exit(2);
}

/* In a process of its own: a library that went wrong is left as it is. */
static bool explore(const struct scenario *scenario, unsigned number)
{
        struct timespec began, ended;
        int status;
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                clock_gettime(CLOCK_MONOTONIC, &began);
                uint64_t schedules = search_all(scenario, bounds);

                clock_gettime(CLOCK_MONOTONIC, &ended);
                printf("# %s: %lu schedules of at most %u pre-emptions, %u of them stale reads instead, %.1f s\n",
                       scenario->name, (unsigned long)schedules, bounds.preemptions, bounds.stale,
                       (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
                fflush(stdout);
                _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                status = -1;
        if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 1))
                printf("# %s: ended with status %#x\n", scenario->name, (unsigned)status);
        printf("%s %u - %s\n", status ? "not ok" : "ok", number, scenario->name);
        return status == 0;
}

int main(int argc, char **argv)
{
        unsigned number = 0, i;
        bool good = true;
        int arg = 1;

        __libc_single_threaded = 0;
        for (; arg + 1 < argc && argv[arg][0] == '-' && strcmp(argv[arg], "--orders"); arg += 2)
                *(strcmp(argv[arg], "--stale") ? &bounds.preemptions : &bounds.stale) = (unsigned)atoi(argv[arg + 1]);
        if (arg < argc && !strcmp(argv[arg], "--orders"))
                return !orders_explore(argv[arg + 1], bounds);
        if (argc - arg == 2 && strchr(argv[arg + 1], '/'))
                search_one(find(argv[arg]), argv[arg + 1]);
        for (i = 0; arg == argc && scenarios[i]; i++)
                good &= explore(scenarios[i], ++number);
        for (; arg < argc; arg++)
                good &= explore(find(argv[arg]), ++number);
        printf("1..%u\n", number);
        return !good;
}
