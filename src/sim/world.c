/* The world's slots, its clock, and its end. */
#include "sim/world.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/poller.h"

enum { UNWIND_STEPS = 10000 };

__thread struct plait__world *plait__world_here __attribute__((tls_model("initial-exec")));

/* splitmix64, by Sebastiano Vigna, after Steele, Lea and Flood, "Fast splittable pseudorandom number generators"
 * (2014). */
static uint64_t next_random(uint64_t *state)
{
        uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return x ^ x >> 31;
}

uint64_t plait__draw(struct plait__world *world, enum plait__sim_stream stream, uint64_t bound)
{
        return next_random(&world->random[stream]) % bound;
}

void *plait__sim_grow(void *memory, size_t count, size_t room, size_t size)
{
        void *more = plait__sim_real.alloc(room * size);

        if (!more)
                plait__panic("plait_simulate", "no memory for the simulation itself");
        if (memory)
                memcpy(more, memory, count * size);
        plait__sim_real.free(memory);
        return more;
}

/* ---- slots */

uint32_t plait__slot_new(struct plait__world *world, struct plait__strand *strand, uint32_t line, uint32_t process)
{
        uint32_t index = world->free_slot;
        struct plait__sim_slot *slot;

        if (index) {
                world->free_slot = world->slots[index].next_free;
        } else {
                index = ++world->slot_count;
                if (index >= world->slot_room) {
                        world->slots = plait__sim_grow(world->slots, index, index * 2 + 64, sizeof *world->slots);
                        world->slot_room = index * 2 + 64;
                }
        }
        slot = &world->slots[index];
        *slot = (struct plait__sim_slot){.strand = strand, .ordinal = ++world->ordinals, .line = line ? line : index,
                                     .process = process ? process : index, .kill_at = PLAIT_FOREVER};
        slot->priority = (int64_t)(plait__draw(world, PLAIT__CHOICES, UINT64_C(1) << 40) + 64);
        world->slots[slot->process].members++;
        world->lines += slot->line == index;
        strand->simulated = index;
        world->live++;
        return index;
}

void plait__slot_free(struct plait__world *world, uint32_t index)
{
        struct plait__sim_slot *slot = &world->slots[index];

        world->slots[slot->process].members--;
        world->lines -= slot->line == index;
        slot->strand = NULL;
        slot->next_free = world->free_slot;
        world->free_slot = index;
        world->live--;
}

uint32_t plait__slot_here(const struct plait__world *world)
{
        return world->loop->current->simulated;
}

/* ---- the clock */

plait_time plait__sim_now(struct plait__loop *loop)
{
        (void)loop;
        return plait__world_here->now;
}

void plait__sim_clock(struct plait__world *world, plait_time now)
{
        if (now > world->now)
                world->now = now;
}

/* Nobody is ready: whatever comes first comes now. */
void plait__sim_poll(struct plait__loop *loop, plait_time until)
{
        struct plait__world *world = plait__world_here;
        plait_time event;

        if (world->ready_count) {               /* one that had been chosen could not begin: pick again */
                plait__loop_append(loop, &loop->main->strand);
                return;
        }
        if (loop->poller)
                plait__poller_wait(loop, 0);
        if (until <= world->now || loop->ready)
                return;
        event = plait__sim_next_event(world);
        if (event < until)
                until = event;
        if (until == PLAIT_FOREVER)
                plait__sim_stop(world, -EDEADLK);
        else
                plait__sim_clock(world, until);
}

/* ---- the end */

/* What is not below the root's scope: detached groups. */
static void cancel_detached(struct plait__world *world)
{
        const struct plait_task *task;
        uint32_t i;

        for (i = 1; i <= world->slot_count; i++) {
                task = world->slots[i].strand ? plait__task_of(world->slots[i].strand) : NULL;
                if (task && task->group && task->group->detached)
                        plait__group_end_scope(task->group, PLAIT__CANCEL_QUIET);
        }
}

void plait__sim_cancel(struct plait__world *world)
{
        bool busy = world->busy;

        world->busy = true;
        plait__sim_event(world, PLAIT__SIM_CANCEL, 0, 0);
        if (world->begun && !world->ended)
                plait__scope_cancel_inside(&world->scope);
        world->busy = busy;
}

void plait__sim_unwind(struct plait__world *world)
{
        bool busy = world->busy;

        world->unwinding = true;
        world->steps_max = world->steps + world->steps_max / 4 + UNWIND_STEPS;
        plait__sim_cancel(world);
        world->busy = true;
        cancel_detached(world);
        world->busy = busy;
}

void plait__sim_stop(struct plait__world *world, int result)
{
        plait__sim_event(world, PLAIT__SIM_STUCK, 0, result);
        if (!world->unwinding) {
                world->result = result;
                plait__sim_tell_waiting(world);
                plait__sim_unwind(world);
                if (world->loop->ready || world->ready_count)
                        return;
        }
        world->over = true;
        plait__unpark(&world->loop->main->strand);
}

/* The group's tasks that have ended have no slot any more. */
static void abandon_ended(struct plait__loop *loop, plait_group *group)
{
        struct plait__link *link = plait__group_of(group)->tasks ? &plait__group_of(group)->tasks->siblings : NULL,
                           *next;
        struct plait_task *task;

        for (; link; link = next) {
                next = link->next;
                task = plait__container(link, struct plait_task, siblings);
                if (plait__load(&task->strand.state) == PLAIT__ENDED)
                        plait__record_free(loop, task);
        }
}

static void abandon_scopes(struct plait__world *world, struct plait__strand *strand)
{
        struct plait_task *task = plait__task_of(strand);
        struct plait__scope *scope;

        while ((scope = strand->scope)) {
                if (scope->kind == PLAIT__SCOPE_GROUP)
                        abandon_ended(world->loop, plait__container((void *)scope, plait_group, private_));
                plait__scope_remove(strand, scope);
        }
        if (task->group && task->group->detached)
                plait__scope_uncancel(plait__group_scope(task->group));
}

static void abandon_strand(struct plait__world *world, struct plait__strand *strand)
{
        struct plait_task *task = plait__task_of(strand);

        strand->simulated = 0;
        if (strand->flags & PLAIT__SERVICE)
                return;                         /* goes with the loop */
        world->experiment->abandoned++;
        plait__timers_remove(&world->loop->timers, &strand->timer);
        if (strand->stack) {
                plait__stack_give(world->loop, strand->stack);
                plait__fiber_end(&task->fiber);
        }
        plait__record_free(world->loop, task);
}

/* Scopes and groups lie in frames, of whichever strand: these go last. */
void plait__sim_abandon(struct plait__world *world)
{
        struct plait__sim_slot *slot;
        uint32_t i;

        for (i = 1; i <= world->slot_count; i++)
                if (world->slots[i].strand)
                        abandon_scopes(world, world->slots[i].strand);
        for (i = 1; i <= world->slot_count; i++) {
                slot = &world->slots[i];
                if (!slot->strand)
                        continue;
                plait__sim_real.free(slot->copy);
                abandon_strand(world, slot->strand);
        }
        world->experiment->abandoned += !world->ended;
        plait__store(&world->loop->lodgers, 0);
}
