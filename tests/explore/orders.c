/* The orders of the atomic steps, one taken away after the other: see orders.h. */
#define _GNU_SOURCE
#include "orders.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SITES = 256, NAME = 96, LINE = 512, SCENARIOS_MAX = 128 };
enum part { ACQUIRE = 1, RELEASE = 2, SINGLE = 4 }; /* single: the one order of all seq_cst steps */

static const char *const STEPS[] = {"load", "store", "change", "swap"};
static const char *const PARTS[] = {[ACQUIRE] = "acquire", [RELEASE] = "release", [SINGLE] = "single order"};

/* A place in the code; what one line says may stand in many. */
struct site {
        const void *pc;
        enum atomic_step step;
        int order;
        char function[NAME]; /* "lock.c: take" */
        unsigned line;
        bool ours; /* a scenario's own */
};

static OWN struct {
        unsigned count;
        struct site sites[SITES];
} * found;                               /* shared with the processes that explore */
static OWN bool is_wrong[SCENARIOS_MAX]; /* without anything missing */
static OWN unsigned missing[SITES];      /* enum part: what the site lacks just now */

/* Orders that no scenario can miss, and why. */
static const struct spare {
        const char *function;
        enum atomic_step step;
        unsigned place;
        enum part part;
        const char *why;
} spare[] = {
        {"poll_epoll.c: look_closed", STEP_CHANGE, 1, ACQUIRE, "no scenario closes a descriptor that another loop has"},
        {"stack.c: class_of", STEP_LOAD, 1, ACQUIRE, "the arenas are there before the threads are"},
        {"loop.c: sleep_until", STEP_SWAP, 1, ACQUIRE, "what the inbox orders is acquired when it is drained"},
        {"loop.c: sleep_until", STEP_SWAP, 1, SINGLE, "no scenario rings a loop from outside"},
        {"loop.c: sleep_until", STEP_LOAD, 1, ACQUIRE, "no scenario rings a loop from outside"},
        {"loop.c: sleep_until", STEP_LOAD, 1, SINGLE, "no scenario rings a loop from outside"},
        {"strand.c: plait__grant", STEP_STORE, 1, RELEASE,
         "who finds it GRANTING waits for GRANTED, which is released too"},
        {"strand.c: plait__granted_slow", STEP_LOAD, 1, ACQUIRE,
         "GRANTING was acquired, with all that is handed over; what comes after it is ordered by the inbox"},
        {0},
};

/* ---- while exploring */

static unsigned parts_of(enum atomic_step step, int order)
{
        switch (order) {
        case __ATOMIC_RELAXED:
                return 0;
        case __ATOMIC_ACQUIRE:
        case __ATOMIC_CONSUME:
                return ACQUIRE;
        case __ATOMIC_RELEASE:
                return RELEASE;
        case __ATOMIC_ACQ_REL:
                return ACQUIRE | RELEASE;
        default:
                return SINGLE | (step != STEP_STORE ? ACQUIRE : 0) | (step != STEP_LOAD ? RELEASE : 0);
        }
}

static int without(unsigned parts, unsigned lacks)
{
        static const int orders[] = {__ATOMIC_RELAXED, __ATOMIC_ACQUIRE, __ATOMIC_RELEASE, __ATOMIC_ACQ_REL};

        return orders[parts & ~lacks & (ACQUIRE | RELEASE)];
}

int order_of(const void *pc, enum atomic_step step, int order)
{
        unsigned i;

        if (running < 0 || !found || order == __ATOMIC_RELAXED)
                return order;
        for (i = 0; i < found->count; i++)
                if (found->sites[i].pc == pc)
                        return missing[i] ? without(parts_of(step, order), missing[i]) : order;
        if (found->count == SITES)
                fail("more atomic steps than there is room for");
        found->sites[i] = (struct site){.pc = pc, .step = step, .order = order};
        found->count++;
        return order;
}

/* ---- before it */

/* The function and the line of its text, wherever the compiler has put it. */
static void look_up(struct site *site)
{
        extern char __executable_start;
        char line[LINE], function[NAME / 2];
        FILE *pipe;

        snprintf(line, sizeof line, "addr2line -fie /proc/%d/exe %#lx", (int)getpid(),
                 (unsigned long)((const char *)site->pc - &__executable_start - 1));
        pipe = popen(line, "r");
        if (!pipe || !fgets(function, sizeof function, pipe) || !fgets(line, sizeof line, pipe) || !strrchr(line, ':'))
                fail("no addr2line");
        pclose(pipe);
        site->ours = strstr(line, "explore/scenario") != NULL;
        sscanf(strrchr(line, ':'), ":%u", &site->line);
        *strrchr(line, ':') = 0;
        function[strcspn(function, ".\n")] = 0; /* without what the compiler adds to the name of a copy */
        snprintf(site->function, sizeof site->function, "%s: %s", strrchr(line, '/') + 1, function);
}

static bool is_like(const struct site *a, const struct site *b)
{
        return a->step == b->step && strcmp(a->function, b->function) == 0;
}

static bool is_same(const struct site *a, const struct site *b)
{
        return is_like(a, b) && a->line == b->line;
}

/* Which of the steps of this kind in its function, of those that order something; 1 is the first. */
static unsigned place(const struct site *site)
{
        unsigned n = 1, i, j;

        for (i = 0; i < found->count; i++) {
                for (j = 0; j < i && !is_same(&found->sites[j], &found->sites[i]); j++)
                        ;
                n += j == i && is_like(&found->sites[i], site) && found->sites[i].line < site->line;
        }
        return n;
}

static const char *why_spare(const struct site *site, enum part part)
{
        for (unsigned i = 0; spare[i].function; i++)
                if (spare[i].step == site->step && spare[i].part == part && spare[i].place == place(site) &&
                    strcmp(spare[i].function, site->function) == 0)
                        return spare[i].why;
        return NULL;
}

/* In a process of its own; *ret_how: the line that says what. */
static bool goes_wrong(const struct scenario *scenario, struct bounds bounds, char *ret_how)
{
        int pipes[2], status;
        FILE *told;
        pid_t pid;

        fflush(stdout);
        if (pipe(pipes) < 0 || (pid = fork()) < 0)
                fail("no process");
        if (pid == 0) {
                dup2(pipes[1], 1);
                close(pipes[0]);
                close(pipes[1]);
                search_all(scenario, bounds);
                _exit(0);
        }
        close(pipes[1]);
        snprintf(ret_how, LINE, "%s: ended by itself\n", scenario->name);
        told = fdopen(pipes[0], "r");
        if (told && fgetc(told) == '#' && fgetc(told) == ' ')
                (void)!fgets(ret_how, LINE, told);
        if (told)
                fclose(told);
        if (waitpid(pid, &status, 0) != pid || strstr(ret_how, "did not go as it went before"))
                fail("%s", ret_how);
        return status != 0;
}

/* Who notices; NULL: nobody. The shorter searches of all scenarios come before the longer ones of any. */
static const struct scenario *notices(struct bounds bounds, char *ret_how)
{
        for (unsigned most = 0; most <= bounds.preemptions; most++)
                for (unsigned i = 0; scenarios[i]; i++)
                        if (!is_wrong[i] &&
                            goes_wrong(scenarios[i], (struct bounds){most, most < bounds.stale ? most : bounds.stale},
                                       ret_how))
                                return scenarios[i];
        return NULL;
}

static bool look(const struct site *site, enum part part, struct bounds bounds, unsigned number)
{
        char how[LINE] = "";
        const struct scenario *who;
        const char *why = why_spare(site, part);

        for (unsigned i = 0; i < found->count; i++)
                missing[i] =
                        is_same(&found->sites[i], site) && parts_of(found->sites[i].step, found->sites[i].order) & part
                                ? part
                                : 0;
        who = notices(bounds, how);
        printf("%s %u - the %s of %s %u in %s\n", who || why ? "ok" : "not ok", number, PARTS[part], STEPS[site->step],
               place(site), site->function);
        printf("# %s", who ? how : why ? why : "nobody notices that it is not there");
        printf("%s", who ? "" : "\n");
        fflush(stdout);
        return who || why;
}

static bool is_first(unsigned index)
{
        for (unsigned i = 0; i < index; i++)
                if (is_same(&found->sites[i], &found->sites[index]))
                        return false;
        return true;
}

static unsigned parts_of_all(unsigned index)
{
        unsigned parts = 0;

        for (unsigned i = 0; i < found->count; i++)
                if (is_same(&found->sites[i], &found->sites[index]))
                        parts |= parts_of(found->sites[i].step, found->sites[i].order);
        return parts;
}

bool orders_explore(const char *only, struct bounds bounds)
{
        char how[LINE];
        unsigned i, part, number = 0;
        bool good = true;

        found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (found == MAP_FAILED)
                fail("no memory");
        for (i = 0; scenarios[i]; i++)
                if ((is_wrong[i] = goes_wrong(scenarios[i], bounds, how))) {
                        printf("# left out, because it goes wrong by itself: %s", how);
                        good = false;
                }
        for (i = 0; i < found->count; i++)
                look_up(&found->sites[i]);
        for (i = 0; i < found->count; i++)
                for (part = ACQUIRE; !found->sites[i].ours && is_first(i) && part <= SINGLE; part *= 2)
                        if (parts_of_all(i) & part && (!only || strstr(found->sites[i].function, only)))
                                good &= look(&found->sites[i], part, bounds, ++number);
        printf("1..%u\n", number);
        return good;
}
