/* One simulation from beginning to end: the world is put in place of the calling thread's loop, fn runs as its root
 * strand until it has ended or is given up, and all is put back. */
#include "plait/simulate.h"

#include <errno.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/overflow.h"
#include "core/poller.h"
#include "sim/world.h"

enum { STEPS_MAX = 1000000, DEPTH_MAX = 16, ROOT_STACK = 1 << 20, WORKERS_MAX = 4, KNOWN_DESCRIPTORS = 1024 };

#define BEGINNING (1000 * PLAIT_S)              /* of the clock */

/* ---- the root */

static void stop_for_good(struct plait__world *world)
{
        world->over = true;
        plait__unpark(&world->loop->main->strand);
}

static int root_main(void *arg)
{
        struct plait__world *world = arg;
        int result;

        world->begun = true;
        plait_scope_enter(&world->scope, PLAIT_FOREVER);
        result = world->fn(world->arg);
        plait_ignore(plait_scope_leave(&world->scope));
        world->ended = true;
        plait__sim_event(world, PLAIT__SIM_END, plait__slot_here(world), result);
        if (!world->unwinding)
                world->result = result;
        if (world->live == 1)
                stop_for_good(world);
        else if (!world->unwinding)
                plait__sim_unwind(world);       /* what it left behind; when that has ended nothing can run */
        do
                plait__park(world->loop->current, PLAIT__ON_GROUP, PLAIT_FOREVER);
        while (true);                           /* it goes with the loop */
        return 0;
}

/* ---- the world */

static int check(const plait_simulation *simulation)
{
        if (!(simulation->fault_rate >= 0 && simulation->fault_rate <= 1))
                return -EINVAL;
        if (simulation->policy != PLAIT_BY_SEED && simulation->policy != PLAIT_UNIFORM &&
            simulation->policy != PLAIT_BY_PRIORITY)
                return -EINVAL;
        return simulation->depth > DEPTH_MAX ? -EINVAL : 0;
}

static void seed_all(struct plait__world *world, uint64_t seed)
{
        unsigned i;

        for (i = 0; i < PLAIT__STREAMS; i++)
                world->random[i] = (seed + 1) * UINT64_C(0xd1342543de82ef95) + i * UINT64_C(0x2545f4914f6cdd1d);
        for (i = 0; i < PLAIT__STREAMS; i++)
                plait__draw(world, (enum plait__sim_stream)i, 2);
}

/* What the library makes once in a process must not be made in one run and not in the next: that would shift the
 * faults. */
static void warm_up(void)
{
        int fd;

        for (fd = 0; fd < KNOWN_DESCRIPTORS; fd += 64)
                plait_ignore(plait__fd_ours(fd));
}

static void world_init(struct plait__world *world, struct plait__experiment *experiment, plait_fn *fn, void *arg)
{
        const plait_simulation *simulation = &experiment->simulation;

        world->experiment = experiment;
        world->root = root_main;
        world->fn = fn;
        world->arg = arg;
        world->beginning = world->now = BEGINNING;
        world->hash = UINT64_C(0xcbf29ce484222325);
        world->steps_max = simulation->max_steps ? simulation->max_steps : STEPS_MAX;
        world->always_fails = simulation->fault_rate >= 1;
        world->fault_below = world->always_fails ? UINT32_MAX : (uint32_t)(simulation->fault_rate * 4294967296.0);
        world->delay = simulation->delay ? simulation->delay : PLAIT_MS;
        seed_all(world, simulation->seed);
        plait__sim_policy(world);
        world->workers = 1 + (unsigned)plait__draw(world, PLAIT__CHOICES, WORKERS_MAX);
}

/* The loop is the thread's from here on; false: no memory. */
static bool enter(struct plait__world *world)
{
        struct plait__loop *loop = plait__loop_new(NULL);

        if (!loop)
                return false;
        world->loop = loop;
        plait__loop_adopt(loop);
        loop->seams = (struct plait__seams){.now = plait__sim_now,
                                            .poll = plait__sim_poll,
                                            .pick = plait__sim_pick,
                                            .random = loop->seams.random,
                                            .point = plait__sim_point};
        plait__timers_init(&loop->timers, world->now);
        loop->now = loop->polled = world->now;
        loop->random_state = world->random[PLAIT__CHOICES] | 1;
        loop->ahead = NULL;
        return true;
}

static void run(struct plait__world *world)
{
        struct plait__loop *loop = world->loop;
        struct plait__strand *main = &loop->main->strand, *root;

        plait__overflow_thread(loop);
        world->left = (plait_group){.executor = plait_own_thread(), .detached = true, .keep_going = true, .name = "left"};
        plait_group_open(&world->left);
        root = plait__service_start(loop, root_main, world, ROOT_STACK);
        if (!root) {
                world->result = -ENOMEM;
                return;
        }
        loop->simulated = true;
        atomic_fetch_add_explicit(&plait__cancels, 1, memory_order_relaxed);    /* so that all calls come by the points */
        while (!world->over)
                plait__park(main, PLAIT__ON_GROUP, PLAIT_FOREVER);
        atomic_fetch_sub_explicit(&plait__cancels, 1, memory_order_relaxed);
        loop->simulated = false;
}

static void leave(struct plait__world *world, struct plait__loop *outer)
{
        plait__sim_abandon(world);
        plait__scope_uncancel(plait__group_scope(&world->left));
        plait__crew_end(world);
        plait__sim_real.free(world->slots);
        plait__sim_real.free(world->ready);
        plait__sim_real.free(world->pending);
        plait__sim_real.free(world->registered);
        plait__world_here = NULL;
        plait__loop_end(world->loop);
        plait__loop_return(outer);
}

static void report(const struct plait__world *world)
{
        struct plait__experiment *experiment = world->experiment;

        experiment->waits = world->waits;
        experiment->steps = world->steps;
        experiment->hash = world->hash;
        experiment->faults = world->faults;
        if (experiment->simulation.ret_hash)
                *experiment->simulation.ret_hash = world->hash;
        if (experiment->simulation.ret_steps)
                *experiment->simulation.ret_steps = world->steps;
}

int plait__simulate(struct plait__experiment *experiment, plait_fn *fn, void *arg)
{
        struct plait__loop *outer = plait__loop_here;
        struct plait__world *world;
        int saved_errno = errno, rc;

        plait__not_forked("plait_simulate");
        rc = check(&experiment->simulation);
        if (rc < 0)
                return rc;
        if (outer && outer->simulated)
                return -EBUSY;
        world = plait__sys.alloc(sizeof *world);
        if (!world)
                return -ENOMEM;
        experiment->abandoned = 0;
        warm_up();
        world_init(world, experiment, fn, arg);
        if (!enter(world)) {
                plait__loop_return(outer);
                plait__sys.free(world);
                return -ENOMEM;
        }
        plait__world_here = world;
        run(world);
        report(world);
        leave(world, outer);
        rc = world->result;
        plait__sys.free(world);
        errno = saved_errno;
        return rc;
}

int plait_simulate(const plait_simulation *simulation, plait_fn *fn, void *arg)
{
        struct plait__experiment experiment = {0};

        plait__not_forked(__func__);
        if (simulation)
                experiment.simulation = *simulation;
        return fn ? plait__simulate(&experiment, fn, arg) : -EINVAL;
}

bool plait_simulated(uint64_t *ret_seed)
{
        const struct plait__world *world = plait__world_here;

        plait__not_forked(__func__);
        if (world && ret_seed)
                *ret_seed = world->experiment->simulation.seed;
        return world != NULL;
}
