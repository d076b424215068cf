/* Many seeds, and what is done with one that fails: it is simulated again with less and less of what is random, as
 * long as it ends with the same result. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop.h"
#include "sim/sim.h"

struct search {
        plait_fn *fn;
        void *arg;
        struct plait__experiment best;          /* the smallest that failed */
        int result;
};

/* Whether this one fails likewise: then it is the best. */
static bool fails(struct search *search, const plait_simulation *simulation)
{
        struct plait__experiment experiment = {.simulation = *simulation};

        if (plait__simulate(&experiment, search->fn, search->arg) != search->result)
                return false;
        search->best = experiment;
        return true;
}

/* The least value of one field with which it still fails; the course behind a given step need not be the same, so
 * what is found is a value that does, with one less that does not. */
static void bisect(struct search *search, size_t field)
{
        uint64_t least = 0, most = search->best.steps + 1, middle;
        plait_simulation simulation;

        while (least + 1 < most) {
                middle = least + (most - least) / 2;
                simulation = search->best.simulation;
                memcpy((char *)&simulation + field, &middle, sizeof middle);
                if (fails(search, &simulation))
                        most = middle;
                else
                        least = middle;
        }
}

static void without_faults(struct search *search)
{
        plait_simulation simulation = search->best.simulation;

        if (simulation.fault_rate == 0)
                return;
        simulation.fault_rate = 0;
        if (!fails(search, &simulation))
                bisect(search, offsetof(plait_simulation, faults_until));
}

static void with_fewer_changes(struct search *search)
{
        plait_simulation simulation = search->best.simulation;

        for (simulation.depth = 1;
             simulation.depth < (search->best.simulation.depth ? search->best.simulation.depth : 3); simulation.depth++)
                if (fails(search, &simulation))
                        return;
}

static void shrink(struct search *search)
{
        search->best.simulation.trace = NULL;
        without_faults(search);
        with_fewer_changes(search);
        bisect(search, offsetof(plait_simulation, choices_until));
}

static void tell(plait_counterexample *ret, const struct search *search, uint64_t tried)
{
        const plait_simulation *simulation = &search->best.simulation;

        *ret = (plait_counterexample){.simulation = *simulation,
                                      .result = search->result,
                                      .tried = tried,
                                      .steps = search->best.steps,
                                      .hash = search->best.hash};
        snprintf(ret->replay, sizeof ret->replay, "PLAIT_SEED=%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%u:%.9g",
                 simulation->seed, simulation->faults_until, simulation->choices_until, simulation->depth,
                 simulation->fault_rate);
}

/* "SEED", or "SEED:FAULTS_UNTIL:CHOICES_UNTIL:DEPTH:FAULT_RATE". */
static int parse(const char *text, plait_simulation *simulation)
{
        char *end;

        simulation->seed = strtoull(text, &end, 10);
        if (end == text)
                return -EINVAL;
        if (*end == ':')
                simulation->faults_until = strtoull(end + 1, &end, 10);
        if (*end == ':')
                simulation->choices_until = strtoull(end + 1, &end, 10);
        if (*end == ':')
                simulation->depth = (unsigned)strtoul(end + 1, &end, 10);
        if (*end == ':')
                simulation->fault_rate = strtod(end + 1, &end);
        return *end ? -EINVAL : 0;
}

static int replay(struct search *search, const char *seed, plait_counterexample *ret)
{
        const char *path = getenv("PLAIT_TRACE");
        FILE *trace = stderr;
        int rc = parse(seed, &search->best.simulation);

        if (rc < 0)
                return rc;
        if (path && !(trace = fopen(path, "we")))
                return -errno;
        search->best.simulation.trace = trace;
        search->result = plait__simulate(&search->best, search->fn, search->arg);
        search->best.simulation.trace = NULL;
        if (ret)
                tell(ret, search, 1);
        if (trace != stderr)
                fclose(trace);
        return search->result < 0 ? search->result : 0;
}

int plait_simulate_many(const plait_simulation *simulation, uint64_t count, plait_fn *fn, void *arg,
                        plait_counterexample *ret)
{
        struct search search = {.fn = fn, .arg = arg};
        plait_simulation first = {0};
        const char *seed = getenv("PLAIT_SEED");
        uint64_t i;

        plait__not_forked(__func__);
        if (!fn)
                return -EINVAL;
        if (simulation)
                first = *simulation;
        search.best.simulation = first;
        if (seed)
                return replay(&search, seed, ret);
        for (i = 0; i < count; i++) {
                search.best = (struct plait__experiment){.simulation = first};
                search.best.simulation.seed += i;
                search.result = plait__simulate(&search.best, fn, arg);
                if (search.result < 0)
                        break;
        }
        if (i == count)
                return 0;
        if (ret && search.best.steps)           /* none: it did not run at all */
                shrink(&search);
        if (ret)
                tell(ret, &search, i + 1);
        return search.result;
}
