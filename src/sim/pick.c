/* Who goes on. Called in three places: when a strand parks, ends or yields (pick), in calls where it may be
 * interrupted (point), and when nobody was ready and now somebody is (pick again). */
#include "sim/world.h"

#include <errno.h>

#include "core/poller.h"

enum {
        DEPTH = 3,
        PATIENCE = 1000,                        /* points that a strand passes without parking: then it spins */
        SPIN_US_MAX = 1000,
        WAKE_ONE_IN = 64
};

/* ---- who is ready */

static void push_ready(struct plait__world *world, uint32_t index)
{
        if (world->ready_count == world->ready_room) {
                world->ready = plait__sim_grow(world->ready, world->ready_count, world->ready_room * 2 + 64,
                                               sizeof *world->ready);
                world->ready_room = world->ready_room * 2 + 64;
        }
        world->slots[index].stamp = ++world->stamps;
        world->ready[world->ready_count++] = index;
}

/* A coroutine is of the thread of its group's owner; what has none, of that of whoever started it. */
static uint32_t slot_for(struct plait__world *world, struct plait__strand *strand)
{
        const struct plait_task *task = plait__task_of(strand);
        const struct plait__strand *owner = task->group ? plait__group_scope(task->group)->owner : NULL;
        uint32_t other = owner && owner->simulated ? owner->simulated : world->running;
        uint32_t line, process;

        if (!other)
                return plait__slot_new(world, strand, 0, 0);
        line = world->slots[other].line;
        process = world->slots[other].process;
        return plait__slot_new(world, strand, line, process);
}

/* Coroutines of one thread begin in turn: only the first of them is ready. */
static void queue_unbegun(struct plait__world *world, struct plait__strand *strand)
{
        struct plait__sim_slot *line = &world->slots[world->slots[strand->simulated].line];
        bool first = !line->unbegun;

        strand->next = NULL;
        if (first)
                line->unbegun_end = &line->unbegun;
        *line->unbegun_end = strand;
        line->unbegun_end = &strand->next;
        if (first)
                push_ready(world, strand->simulated);
}

static void begin_coroutine(struct plait__world *world, struct plait__sim_slot *line, struct plait__strand *strand)
{
        line->unbegun = strand->next;
        if (line->unbegun)
                push_ready(world, line->unbegun->simulated);
}

static bool is_coroutine(const struct plait__world *world, uint32_t index)
{
        return world->slots[index].line != index;
}

static void take_ready(struct plait__world *world, struct plait__strand *strand)
{
        struct plait__sim_slot *slot;
        uint32_t index = strand->simulated;

        if (!index)
                index = slot_for(world, strand);
        slot = &world->slots[index];
        if (plait__load(&strand->state) == PLAIT__NEW && is_coroutine(world, index)) {
                queue_unbegun(world, strand);
                return;
        }
        if (slot->crew && !slot->computing) {
                slot->computing = true;         /* it goes on without waiting for a place */
                slot->crew->computing++;
        }
        push_ready(world, index);
}

/* Takes over the loop's own list. */
static void gather(struct plait__world *world)
{
        struct plait__loop *loop = world->loop;
        struct plait__strand *strand, *next;

        do {
                strand = loop->ready;
                loop->ready = NULL;
                loop->ready_end = &loop->ready;
                for (; strand; strand = next) {
                        next = strand->next;
                        if (strand != &loop->main->strand)      /* that one runs when it is over */
                                take_ready(world, strand);
                }
                plait__crew_admit(world);
        } while (loop->ready);
}

/* ---- what became of the one that ran */

static void look_at_timers(struct plait__world *world)
{
        if (world->loop->timers.count)
                plait__loop_look(world->loop);
}

/* One that does not park makes time pass, else what it waits for in its own way might never come: a microsecond at
 * first, and the more the longer it goes on. Others come first. */
static void spin(struct plait__world *world, uint32_t index, uint32_t times)
{
        world->slots[index].priority = --world->floor;
        plait__sim_clock(world, world->now + (times < SPIN_US_MAX ? times : SPIN_US_MAX) * PLAIT_US);
        look_at_timers(world);
}

static void cancel_at_wait(struct plait__world *world)
{
        if (++world->waits == world->experiment->cancel_at)
                plait__sim_cancel(world);
}

static void settle(struct plait__world *world)
{
        uint32_t index = world->running;
        struct plait__sim_slot *slot = &world->slots[index];
        uint8_t state;

        if (!index)
                return;
        state = plait__load(&slot->strand->state);
        if (state == PLAIT__ENDED || state == PLAIT__FREE) {
                plait__sim_event(world, PLAIT__SIM_END, index, 0);
                plait__crew_leave(world, slot);
                plait__slot_free(world, index);
        } else if (slot->strand->reason != PLAIT__NOT_PARKED) {
                if (!world->ended || plait__task_of(slot->strand)->fn != world->root)
                        plait__sim_event(world, PLAIT__SIM_PARK, index, slot->strand->reason);
                slot->yields = slot->points = 0;
                if (slot->computing && !slot->crew->processes) {
                        slot->computing = false;
                        slot->crew->computing--;
                }
                cancel_at_wait(world);
        } else if (!world->interrupted) {       /* a yield */
                spin(world, index, ++slot->yields);
        }
        gather(world);                          /* while we know who started what */
        world->running = 0;
}

/* ---- choosing */

static bool is_eligible(const struct plait__world *world, uint32_t index)
{
        uint32_t held = world->slots[world->slots[index].line].held;

        return !held || held == index;
}

static uint32_t first_in_turn(const struct plait__world *world)
{
        uint32_t best = world->ready_count, i;

        for (i = 0; i < world->ready_count; i++) {
                if (!is_eligible(world, world->ready[i]))
                        continue;
                if (world->ready[i] == world->interrupted)
                        return i;
                if (best == world->ready_count ||
                    world->slots[world->ready[i]].stamp < world->slots[world->ready[best]].stamp)
                        best = i;
        }
        return best;
}

static uint32_t any_of_them(struct plait__world *world)
{
        uint32_t count = world->ready_count, i = count > 1 ? (uint32_t)plait__draw(world, PLAIT__CHOICES, count) : 0;

        while (!is_eligible(world, world->ready[i]))
                i = i + 1 < count ? i + 1 : 0;
        return i;
}

static uint32_t most_important(const struct plait__world *world)
{
        uint32_t best = world->ready_count, i;

        for (i = 0; i < world->ready_count; i++)
                if (is_eligible(world, world->ready[i]) &&
                    (best == world->ready_count ||
                     world->slots[world->ready[i]].priority > world->slots[world->ready[best]].priority))
                        best = i;
        return best;
}

static uint32_t by_priority(struct plait__world *world)
{
        uint32_t best = most_important(world);

        for (; world->changed < world->changes && world->steps >= world->change_at[world->changed]; world->changed++) {
                world->slots[world->ready[best]].priority = world->changes - world->changed;
                best = most_important(world);
        }
        return best;
}

static uint32_t choose(struct plait__world *world)
{
        if (plait__sim_steady(world))
                return first_in_turn(world);
        return world->by_priority ? by_priority(world) : any_of_them(world);
}

static struct plait__strand *take(struct plait__world *world, uint32_t at)
{
        uint32_t index = world->ready[at];
        struct plait__sim_slot *slot = &world->slots[index], *line = &world->slots[slot->line];

        world->ready[at] = world->ready[--world->ready_count];
        if (line->held == index)
                line->held = 0;
        if (line->unbegun == slot->strand)
                begin_coroutine(world, line, slot->strand);
        world->running = index;
        plait__sim_event(world, PLAIT__SIM_RUN, index, index == world->interrupted);
        return slot->strand;
}

/* ---- what else may happen in a step */

static void wake_for_no_reason(struct plait__world *world)
{
        uint32_t index = 1 + (uint32_t)plait__draw(world, PLAIT__DELAYS, world->slot_count);
        struct plait__strand *strand = world->slots[index].strand;

        if (!strand || !strand->parked || plait__load(&strand->state) != PLAIT__RUNNING)
                return;
        plait__sim_event(world, PLAIT__SIM_WAKE, index, 0);
        plait__unpark(strand);
}

/* The machine was busy elsewhere: a timer is due while others could run. */
static void lose_time(struct plait__world *world)
{
        plait_time next = plait__timers_next(&world->loop->timers);

        if (next == PLAIT_FOREVER || !plait__sim_fails(world, PLAIT__FAULT_CLOCK))
                return;
        plait__sim_clock(world, next);
        look_at_timers(world);
}

static void happen(struct plait__world *world)
{
        struct plait__loop *loop = world->loop;

        if (loop->poller && world->stirred) {
                world->stirred = false;
                plait__loop_now(loop);
                plait__poller_wait(loop, 0);
        }
        if (!plait__sim_steady(world) && plait__draw(world, PLAIT__DELAYS, WAKE_ONE_IN) == 0)
                wake_for_no_reason(world);
        if (world->fault_below)
                lose_time(world);
        gather(world);
}

/* ---- the seams */

struct plait__strand *plait__sim_pick(struct plait__loop *loop)
{
        struct plait__world *world = plait__world_here;

        settle(world);
        gather(world);
        if (world->over)
                return &loop->main->strand;
        if (world->ready_count == 0)
                return NULL;
        if (++world->steps > world->steps_max) {
                plait__sim_stop(world, -ELOOP);
                gather(world);
                if (world->over)
                        return &loop->main->strand;
        }
        happen(world);
        return take(world, choose(world));
}

void plait__sim_point(struct plait__loop *loop, bool waits)
{
        struct plait__world *world = plait__world_here;
        struct plait__strand *strand = loop->current;
        uint32_t index = strand->simulated, points;

        if (world->busy || !index)
                return;
        if (waits) {
                cancel_at_wait(world);
                plait__sim_mortal(world);
        }
        points = ++world->slots[index].points;
        if (points >= PATIENCE)
                spin(world, index, points - PATIENCE);
        else if (!waits && world->lines == 1)
                return;                         /* nobody else's turn can come */
        if (!waits)
                world->slots[world->slots[index].line].held = index;
        world->interrupted = index;
        plait__yield(strand);
        world->interrupted = 0;
        world->slots[world->slots[index].line].held = 0;
}

/* Change points lie anywhere in a course whose length is drawn as well: it is not known before. */
void plait__sim_policy(struct plait__world *world)
{
        const plait_simulation *simulation = &world->experiment->simulation;
        uint64_t choice = plait__draw(world, PLAIT__CHOICES, 2),
                 length = UINT64_C(8) << plait__draw(world, PLAIT__CHOICES, 11), at;
        unsigned i, k;

        world->by_priority =
                simulation->policy == PLAIT_BY_SEED ? choice == 1 : simulation->policy == PLAIT_BY_PRIORITY;
        world->changes = (simulation->depth ? simulation->depth : DEPTH) - 1;
        for (i = 0; i < world->changes; i++) {
                at = 1 + plait__draw(world, PLAIT__CHOICES, length);
                for (k = i; k > 0 && world->change_at[k - 1] > at; k--)
                        world->change_at[k] = world->change_at[k - 1];
                world->change_at[k] = at;
        }
}
