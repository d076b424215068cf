/* The search: depth first over all that can be chosen, within the bounds; small bounds first, so that what is found
 * is short. A schedule is written as the choices that were not the plain one: "12:1,5:2" takes the plain one 12
 * times, then the way 1, 5 times the plain one, then the way 2. */
#define _GNU_SOURCE
#include "explore.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHOICES = 4096, STEPS = 4096 };

struct bounds left OWN;

static OWN struct bounds within; /* of this search */

static OWN struct {
        uint8_t chosen, count;
} choices[CHOICES];
static OWN unsigned depth, given; /* made in this run; of those, decided before it */
static OWN bool again, tells;
static OWN const struct scenario *current;
static OWN uint64_t runs;

static OWN struct {
        const char *what;
        const void *address, *pc;
        uint64_t value;
        int thread;
} * steps;
static OWN unsigned step_count;

unsigned choose(unsigned count)
{
        if (count == 1)
                return 0;
        if (depth == CHOICES)
                fail("a run without end");
        if (depth >= given) {
                choices[depth].chosen = 0;
                choices[depth].count = (uint8_t)count;
        } else if (tells) {
                choices[depth].count = (uint8_t)count;
                if (choices[depth].chosen >= count)
                        fail("the schedule is not one of this program");
        } else if (choices[depth].count != count) {
                fail("a run did not go as it went before");
        }
        return choices[depth++].chosen;
}

void search_again(void)
{
        again = !tells;
}

static void run(void)
{
        image_restore();
        memory_reset();
        kernel_reset();
        depth = 0;
        runs++;
        contexts_run();
        if (current->verdict && !again)
                current->verdict();
}

/* The next in order: false, there is none. */
static bool advance(void)
{
        while (depth > 0 && choices[depth - 1].chosen + 1 >= choices[depth - 1].count)
                depth--;
        if (depth == 0)
                return false;
        choices[depth - 1].chosen++;
        given = depth;
        return true;
}

static void search_within(struct bounds bounds)
{
        within = bounds;
        do {
                left = bounds;
                run();
                if (again) {
                        again = false;
                        depth = given = 0;
                        runs = 0;
                        continue;
                }
                if (!advance())
                        return;
        } while (true);
}

static void prepare(const struct scenario *scenario)
{
        current = scenario;
        image_begin();
        kernel_prepare();
        contexts_make(scenario);
        if (scenario->setup)
                scenario->setup();
        plait__loop_here = NULL;
        memory_region('r', plait__records.records, sizeof *plait__records.records * plait__records.room);
        image_take();
}

/* A stale read in place of a pre-emption: so many of both together, few first. */
uint64_t search_all(const struct scenario *scenario, struct bounds bounds)
{
        uint64_t all = 0;
        unsigned both, stale;

        prepare(scenario);
        for (both = 0; both <= bounds.preemptions; both++) {
                all = 0; /* those of fewer are among them */
                for (stale = 0; stale <= both && stale <= bounds.stale; stale++) {
                        runs = given = 0;
                        search_within((struct bounds){both - stale, stale});
                        all += runs;
                }
        }
        return all;
}

/* PREEMPTIONS/STALE/CHOICES/SHARED, as fail() tells it. */
void search_one(const struct scenario *scenario, const char *schedule)
{
        unsigned zeros, chosen;
        int length = 0;

        prepare(scenario);
        tells = true;
        steps = calloc(STEPS, sizeof *steps);
        if (sscanf(schedule, "%u/%u/%n", &within.preemptions, &within.stale, &length) < 2 || !length)
                fail("the schedule is not one");
        left = within;
        schedule += length;
        while (sscanf(schedule, "%u:%u%n", &zeros, &chosen, &length) == 2) {
                if (given + zeros + 1 >= CHOICES)
                        fail("the schedule is not one");
                given += zeros;
                choices[given++].chosen = (uint8_t)chosen;
                schedule += length + (schedule[length] == ',');
        }
        for (schedule = strchr(schedule, '/'); schedule; schedule = strchr(schedule + 1, ','))
                if (schedule[1] && !memory_share(schedule + 1))
                        fail("the schedule is not one");
        run();
        fail("nothing is wrong");
}

/* ---- telling */

void trace(const char *what, const void *address, uint64_t value, const void *pc)
{
        if (!tells || step_count == STEPS)
                return;
        steps[step_count].what = what;
        steps[step_count].address = address;
        steps[step_count].value = value;
        steps[step_count].pc = pc;
        steps[step_count++].thread = running;
}

static void tell_place(const void *pc)
{
        extern char __executable_start;
        size_t base = (size_t)&__executable_start > 1 << 28 ? (size_t)&__executable_start
                                                            : 0; /* not if linked to a fixed place */
        char command[128], line[512];
        FILE *pipe;

        snprintf(command, sizeof command, "addr2line -fse /proc/%d/exe %#lx", (int)getpid(),
                 (unsigned long)((size_t)pc - base - 1));
        pipe = popen(command, "r");
        while (pipe && fgets(line, sizeof line, pipe)) {
                line[strcspn(line, "\n")] = 0;
                printf(" %s", line);
        }
        if (pipe)
                pclose(pipe);
        printf("\n");
}

static void tell_steps(void)
{
        unsigned i;

        for (i = 0; i < step_count; i++) {
                printf("# %c %-14s %p %#-10lx", 'A' + steps[i].thread, steps[i].what, steps[i].address,
                       (unsigned long)steps[i].value);
                tell_place(steps[i].pc);
        }
}

void fail(const char *format, ...)
{
        unsigned i, zeros = 0;
        const char *comma = "";
        va_list arguments;

        if (again && running >= 0)
                contexts_leave(); /* it will be met once more, by a schedule that can be told */
        running = -1;
        if (tells)
                tell_steps();
        printf("# %s: ", current ? current->name : "explorer");
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n# run %lu; again: %s %s %u/%u/", (unsigned long)runs, program_invocation_name,
               current ? current->name : "", within.preemptions, within.stale);
        for (i = 0; i < depth; i++) {
                if (!choices[i].chosen) {
                        zeros++;
                        continue;
                }
                printf("%s%u:%u", comma, zeros, choices[i].chosen);
                comma = ",";
                zeros = 0;
        }
        printf("/");
        memory_tell_shared();
        printf("\n");
        fflush(stdout);
        _exit(1);
}
