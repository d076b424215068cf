/* Executors in a simulation: tasks for threads and processes are strands of the one loop, each the main line of a
 * thread of its own. A pool has as many places as workers; who has begun and is not parked holds one, and a task for
 * processes holds its place to the end. Tasks begin in the order in which they came.
 *
 * A process is its first strand and what that starts. Its task runs on a copy of the struct. It dies where a fault
 * says so: before it does anything, after it has done everything, or on entry of a waiting call, which is left for
 * ever by longjmp(). There it is in no list of waiters; one that has started others does not die, since those would
 * have to be torn out of theirs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "plait/executor.h"
#include "process/pool.h"
#include "sim/world.h"

enum { KILLED = 9, FIRST_PID = 1000000, STACK_BYTES = 1 << 20 };

static bool is_processes(const plait_executor *executor)
{
        return executor->class == &plait__processes_class || executor->class == &plait__own_process_class;
}

/* ---- crews */

static unsigned places_of(const struct plait__world *world, const plait_executor *executor, uint32_t process)
{
        if (executor->class->fresh || executor->class->coroutines)
                return 0;
        if (executor == plait_processes() && process != world->slots[1].process)
                return 1;                       /* inside a worker */
        return plait__workers_of(executor);
}

/* Whose tasks a group's are: also when another task of it, in a process of its own, ends and makes room for them. */
static uint32_t process_of(const struct plait__world *world, const plait_group *group)
{
        const struct plait__strand *owner = plait__group_scope(group)->owner;

        return world->slots[owner && owner->simulated ? owner->simulated : plait__slot_here(world)].process;
}

static struct plait__crew *crew_of(struct plait__world *world, plait_executor *executor, uint32_t process)
{
        struct plait__crew *crew;

        for (crew = world->crews; crew; crew = crew->next)
                if (crew->executor == executor && crew->process == process)
                        return crew;
        crew = plait__sim_grow(NULL, 0, 1, sizeof *crew);
        *crew = (struct plait__crew){
                .executor = executor, .process = process, .processes = is_processes(executor), .next = world->crews};
        crew->places = places_of(world, executor, process);
        world->crews = crew;
        return crew;
}

/* Those of one executor, or (NULL) of one process, or (0) all. */
static void forget_crews(struct plait__world *world, const plait_executor *executor, uint32_t process)
{
        struct plait__crew **link = &world->crews, *crew;

        while ((crew = *link)) {
                if ((!executor || crew->executor == executor) && (!process || crew->process == process)) {
                        *link = crew->next;
                        plait__sim_real.free(crew);
                } else {
                        link = &crew->next;
                }
        }
}

static struct plait_task *pop(struct plait__link *link)
{
        struct plait__strand *strand = plait__container(link, struct plait__strand, wait);

        plait__list_remove(link);
        strand->flags &= (uint8_t)~PLAIT__QUEUED;
        return plait__task_of(strand);
}

static void admit(struct plait__world *world, struct plait__crew *crew)
{
        struct plait__link *link;
        struct plait_task *task;

        while ((!crew->places || crew->computing < crew->places) && (link = plait__list_first(&crew->queue))) {
                task = pop(link);
                world->slots[task->strand.simulated].computing = true;
                crew->computing++;
                plait__loop_append(world->loop, &task->strand);
        }
}

void plait__crew_admit(struct plait__world *world)
{
        struct plait__crew *crew;

        for (crew = world->crews; crew; crew = crew->next)
                if (!plait__list_empty(&crew->queue))
                        admit(world, crew);
}

/* The strand has ended. */
void plait__crew_leave(struct plait__world *world, struct plait__sim_slot *slot)
{
        struct plait__crew *crew = slot->crew;

        if (world->slots[slot->process].strand == slot->strand)
                forget_crews(world, NULL, slot->process);       /* the process's own, without tasks by now */
        if (!crew)
                return;
        crew->live--;
        crew->computing -= slot->computing;
        crew->idle += slot->initialized && !slot->died;
        if (crew->closer && crew->live == 0)
                plait__unpark(crew->closer);
}

void plait__crew_end(struct plait__world *world)
{
        forget_crews(world, NULL, 0);
}

/* ---- tasks */

static int prepare(struct plait__world *world, plait_executor *executor, struct plait_task *task)
{
        bool processes = is_processes(executor);

        if (plait__sim_fails(world, processes ? PLAIT__FAULT_PROCESS : PLAIT__FAULT_THREAD))
                return -EAGAIN;
        if (task->strand.stack_class == 0 && !executor->class->coroutines)      /* a thread's own stack is large */
                task->strand.stack_class = (uint8_t)plait__stack_class(STACK_BYTES);
        if (!processes)
                return 0;
        if (!plait__record_extra(task))
                return -ENOMEM;
        task->extra->pid = FIRST_PID + (pid_t)world->ordinals;
        return 0;
}

static int crew_start(plait_executor *executor, struct plait_task *task)
{
        struct plait__world *world = plait__world_here;
        uint32_t process = process_of(world, task->group), index;
        struct plait__crew *crew = crew_of(world, executor, process);
        int rc = prepare(world, executor, task);

        if (rc < 0)
                return rc;
        task->strand.loop = world->loop;
        if (executor->gil)
                task->strand.flags |= PLAIT__TAKEN; /* holds the executor's gil, though it is no pool's thread */
        if (crew->cut)
                plait__strand_cancel(&task->strand);
        index = plait__slot_new(world, &task->strand, 0, crew->processes ? 0 : process);
        world->slots[index].crew = crew;
        task->strand.flags |= PLAIT__QUEUED;
        plait__list_append(&crew->queue, &task->strand.wait);
        crew->live++;
        return 0;
}

static struct plait_task *crew_take_back(plait_executor *executor, plait_group *group, bool full)
{
        struct plait__world *world = plait__world_here;
        struct plait__crew *crew = crew_of(world, executor, process_of(world, group));
        struct plait__link *link;

        for (link = crew->queue.next; !full && link && link != &crew->queue; link = link->next)
                if (plait__task_of(plait__container(link, struct plait__strand, wait))->group == group)
                        return pop(link);
        return NULL;
}

static void cancel_all(struct plait__world *world, struct plait__crew *crew)
{
        struct plait__strand *strand;
        uint32_t i;

        crew->cut = true;
        for (i = 1; i <= world->slot_count; i++) {
                strand = world->slots[i].strand;
                if (!strand || world->slots[i].crew != crew)
                        continue;
                plait__strand_cancel(strand);
                if (plait__load(&strand->state) == PLAIT__RUNNING)
                        plait__wake_below(strand, NULL);
                if (crew->processes) {
                        world->slots[i].kill_at = world->now;
                        world->slots[i].kill_reason = -ECANCELED;
                }
        }
}

static int crew_close(plait_executor *executor)
{
        struct plait__world *world = plait__world_here;
        struct plait__strand *strand = world->loop->current;
        struct plait__crew *crew = crew_of(world, executor, world->slots[strand->simulated].process);
        int rc = 0;

        crew->closer = strand;
        while (crew->live) {
                if (rc == 0 && (rc = plait__check(strand)) < 0)
                        cancel_all(world, crew);
                plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
        }
        forget_crews(world, executor, 0);
        plait_ignore(executor->class->close(executor));         /* it has no threads and no workers */
        return rc;
}

/* ---- processes */

static plait_time kill_after_of(const struct plait_task *task)
{
        return task->extra && task->extra->kill_after ? task->extra->kill_after : task->group->kill_after;
}

static struct plait__sim_slot *slot_of(struct plait__world *world, const struct plait_task *task)
{
        return &world->slots[task->strand.simulated];
}

static void kill_at(struct plait__sim_slot *slot, plait_time moment, int reason)
{
        if (moment >= slot->kill_at)
                return;
        slot->kill_at = moment;
        slot->kill_reason = reason;
}

static void processes_cancel(plait_executor *executor, struct plait_task *task)
{
        struct plait__world *world = plait__world_here;
        plait_time after = kill_after_of(task);
        int state = plait__scope_state(&task->strand, NULL);

        (void)executor;
        if (after > 0 && state < 0)
                kill_at(slot_of(world, task), plait__clock_after(world->now, after), state);
}

static int processes_kill(plait_executor *executor, struct plait_task *task)
{
        struct plait__world *world = plait__world_here;

        (void)executor;
        if (task->strand.simulated)
                kill_at(slot_of(world, task), world->now, -ECANCELED);
        return 0;
}

static void threads_cancel(plait_executor *executor, struct plait_task *task)
{
        (void)executor;
        (void)task;
}

static bool has_open_group(const struct plait__strand *strand)
{
        const struct plait__scope *scope;

        for (scope = strand->scope; scope; scope = plait__load(&scope->parent))
                if (scope->kind == PLAIT__SCOPE_GROUP)
                        return true;
        return false;
}

/* Whether it is killed by plait, or by a fault. */
static int death_of(struct plait__world *world, struct plait__sim_slot *slot)
{
        const struct plait_task *task = plait__task_of(slot->strand);
        plait_time after = task->group ? kill_after_of(task) : 0;

        if (after > 0 && slot->strand->deadline != PLAIT_FOREVER)
                kill_at(slot, plait__clock_after(slot->strand->deadline, after), -ETIMEDOUT);
        if (world->now >= slot->kill_at)
                return slot->kill_reason;
        return plait__sim_fails(world, PLAIT__FAULT_DEATH) ? -EOWNERDEAD : 0;
}

void plait__sim_mortal(struct plait__world *world)
{
        struct plait__strand *strand = world->loop->current;
        struct plait__sim_slot *slot = &world->slots[strand->simulated];

        if (!slot->escape || slot->members > 1 || has_open_group(strand))
                return;
        slot->death = death_of(world, slot);
        if (slot->death == 0)
                return;
        while (strand->scope)
                plait__scope_remove(strand, strand->scope);
        if (strand->gil)
                plait__gil_leave(strand, strand->gil);
        longjmp(*slot->escape, 1);
}

/* What the function returned; or how the process died, and its memory with it. */
static int live(struct plait__world *world, uint32_t index, plait_fn *fn, void *arg, bool *ret_died)
{
        jmp_buf escape;
        int result, death;

        *ret_died = true;
        if (plait__sim_fails(world, PLAIT__FAULT_DEATH))
                return -EOWNERDEAD;
        if (setjmp(escape)) {
                world->slots[index].escape = NULL;
                return world->slots[index].death;
        }
        world->slots[index].escape = &escape;
        result = fn(arg);
        world->slots[index].escape = NULL;
        death = death_of(world, &world->slots[index]);
        *ret_died = death != 0;
        return death ? death : result;
}

static int run_apart(struct plait__world *world, plait_fn *fn, void *arg, size_t size, int *ret_status)
{
        uint32_t index = plait__slot_here(world);
        void *copy = arg;
        bool died;
        int result;

        if (size)
                copy = world->slots[index].copy = memcpy(plait__sim_grow(NULL, 0, size, 1), arg, size);
        result = live(world, index, fn, copy, &died);
        world->slots[index].copy = NULL;
        world->slots[index].died = died;
        if (died)
                *ret_status = KILLED;
        else if (size)
                memcpy(arg, copy, size);
        if (size)
                plait__sim_real.free(copy);
        return result;
}

/* ---- in place of executors */

/* The strand begins as a worker that has run before, if one is idle, or as a fresh one. */
static int initialize(struct plait__sim_slot *slot, plait_executor *executor)
{
        int rc = 0;

        if (!slot->crew || !executor->class->initialize)
                return 0;
        if (slot->crew->idle) {
                slot->crew->idle--;
                slot->initialized = true;
        } else {
                slot->initialized = true;
                rc = executor->class->initialize(executor);     /* from here on the slot may lie elsewhere */
        }
        return rc;
}

static int sim_run(struct plait_task *task)
{
        struct plait__world *world = plait__world_here;
        int rc = initialize(&world->slots[plait__slot_here(world)], task->group->executor);
        bool apart = is_processes(task->group->executor) && task->fn != plait__map_runner;
        size_t size = task->strand.flags & PLAIT__OWN_BYTES ? 0 : task->size;

        if (rc < 0 && !(task->strand.flags & PLAIT__POSTED))
                return rc;
        return apart ? run_apart(world, task->fn, task->arg, size, &task->status) : task->fn(task->arg);
}

static int sim_run_item(plait_executor *executor, plait_fn *fn, void *item, size_t size, unsigned retries,
                        int *ret_status)
{
        int result;

        if (!is_processes(executor))
                return fn(item);
        do {
                *ret_status = 0;
                result = run_apart(plait__world_here, fn, item, size, ret_status);
        } while (result == -EOWNERDEAD && *ret_status && retries--);
        return result;
}

static int sim_map(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size)
{
        if (options->common && !options->common_size)
                return -EFAULT;
        return plait__map_by_runners(options, fn, items, count, size);
}

static int sim_detach(plait_fn *fn, void *arg)
{
        return plait_group_post(&plait__world_here->left, fn, arg, 0);
}

static size_t threads_width(plait_executor *executor)
{
        return executor->class->width(executor);
}

static size_t processes_width(plait_executor *executor)
{
        return plait__workers_of(executor);
}

static int processes_accept(plait_executor *executor, plait_fn *fn, const void *arg, size_t size, bool posted)
{
        (void)executor;
        (void)posted;
        return arg && !size && fn != plait__map_runner ? -EFAULT : 0;
}

static const struct plait__executor_class threads = {
        .width = threads_width,
        .start = crew_start,
        .cancel = threads_cancel,
        .take_back = crew_take_back,
        .close = crew_close,
};

/* Each as if it were alone on its loop: which of them share one is not known before. */
static const struct plait__executor_class loops = {
        .coroutines = true,
        .width = threads_width,
        .start = crew_start,
        .cancel = threads_cancel,
        .take_back = crew_take_back,
        .close = crew_close,
};

static const struct plait__executor_class own_thread = {
        .fresh = true,
        .width = threads_width,
        .start = crew_start,
        .cancel = threads_cancel,
};

static const struct plait__executor_class processes = {
        .width = processes_width,
        .accept = processes_accept,
        .start = crew_start,
        .cancel = processes_cancel,
        .kill = processes_kill,
        .take_back = crew_take_back,
        .map = sim_map,
        .close = crew_close,
};

static const struct plait__executor_class own_process = {
        .fresh = true,
        .width = threads_width,
        .accept = processes_accept,
        .start = crew_start,
        .cancel = processes_cancel,
        .kill = processes_kill,
        .map = sim_map,
};

static const struct plait__executor_class *sim_class_of(const plait_executor *executor)
{
        if (executor->class->local)
                return executor->class;
        if (is_processes(executor))
                return executor->class->fresh ? &own_process : &processes;
        if (executor->class->coroutines)
                return &loops;
        return executor->class->fresh ? &own_thread : &threads;
}

static plait_group *sim_background(void)
{
        return &plait__world_here->left;
}

static unsigned sim_workers(void)
{
        return plait__world_here->workers;
}

__attribute__((constructor)) static void join_task(void)
{
        plait__simulator = (struct plait__simulator){
                .class_of = sim_class_of,
                .workers = sim_workers,
                .background = sim_background,
                .run = sim_run,
                .run_item = sim_run_item,
                .detach = sim_detach,
        };
}
