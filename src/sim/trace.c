/* The course of events, as a hash and as text. Into the hash goes nothing that differs from run to run: no address,
 * no pid, no descriptor, no real time. */
#include <inttypes.h>

#include "sim/world.h"

static const char *const faults[] = {
        [PLAIT__FAULT_MEMORY] = "no memory",
        [PLAIT__FAULT_THREAD] = "no thread",
        [PLAIT__FAULT_PROCESS] = "no process",
        [PLAIT__FAULT_DEATH] = "the process dies",
        [PLAIT__FAULT_RESET] = "the connection is reset",
        [PLAIT__FAULT_REFUSED] = "the connection is refused",
        [PLAIT__FAULT_DESCRIPTORS] = "no descriptor",
        [PLAIT__FAULT_CLOCK] = "time passes while others could run",
};

static const char *name_of(const struct plait__world *world, const struct plait__strand *strand)
{
        const struct plait_task *task = plait__task_of(strand);

        if (task->fn == world->root)
                return "root";
        if (strand->flags & PLAIT__SERVICE)
                return "service";
        if (plait__load(&strand->state) == PLAIT__FREE || !*plait_task_name(task))
                return "unnamed";               /* of a free record nothing may be read */
        return plait_task_name(task);
}

static void begin_line(struct plait__world *world, uint32_t slot)
{
        FILE *file = world->experiment->simulation.trace;
        const struct plait__strand *strand = slot ? world->slots[slot].strand : NULL;
        plait_time since = world->now - world->beginning;

        fprintf(file, "%7" PRIu64 " %6" PRId64 ".%06" PRId64 " s  ", world->steps, since / PLAIT_S,
                since % PLAIT_S / PLAIT_US);
        if (strand)
                fprintf(file, "#%" PRIu32 " %s ", world->slots[slot].ordinal, name_of(world, strand));
}

static void tell(struct plait__world *world, enum plait__sim_event event, uint32_t slot, int detail)
{
        FILE *file = world->experiment->simulation.trace;

        if (event == PLAIT__SIM_RUN && detail)
                return;                         /* it merely goes on */
        begin_line(world, slot);
        switch (event) {
        case PLAIT__SIM_RUN:
                fprintf(file, "runs\n");
                break;
        case PLAIT__SIM_PARK:
                fprintf(file, "waits for %s\n", plait__reason_words(detail));
                break;
        case PLAIT__SIM_END:
                fprintf(file, "ends\n");
                break;
        case PLAIT__SIM_FAULT:
                fprintf(file, "fault: %s\n", faults[detail]);
                break;
        case PLAIT__SIM_READY:
                fprintf(file, "%d descriptors are told ready\n", detail);
                break;
        case PLAIT__SIM_WAKE:
                fprintf(file, "is woken for no reason\n");
                break;
        case PLAIT__SIM_CANCEL:
                fprintf(file, "everything is cancelled\n");
                break;
        case PLAIT__SIM_STUCK:
                fprintf(file, "%s\n", world->unwinding ? "nothing more can be ended" : "stopped");
                break;
        }
}

/* FNV-1a by words instead of bytes, with a shift that brings the high bits down. */
void plait__sim_event(struct plait__world *world, enum plait__sim_event event, uint32_t slot, int detail)
{
        uint64_t ordinal = slot ? world->slots[slot].ordinal : 0;

        world->hash = (world->hash ^ (world->steps << 32 | ordinal << 8 | (unsigned)event)) * UINT64_C(0x100000001b3);
        world->hash = (world->hash ^ world->hash >> 29 ^ (uint64_t)(uint32_t)detail ^ (uint64_t)world->now << 16) *
                      UINT64_C(0x100000001b3);
        if (plait__unlikely(world->experiment->simulation.trace != NULL))
                tell(world, event, slot, detail);
}

void plait__sim_tell_waiting(struct plait__world *world)
{
        FILE *file = world->experiment->simulation.trace;
        const struct plait__strand *strand;
        uint32_t i;

        for (i = 1; file && i <= world->slot_count; i++) {
                strand = world->slots[i].strand;
                if (!strand)
                        continue;
                begin_line(world, i);
                if (plait__load(&strand->state) == PLAIT__NEW)
                        fprintf(file, "has not begun\n");
                else if (strand->parked)
                        fprintf(file, "is left waiting for %s\n", plait__reason_words(strand->reason));
                else
                        fprintf(file, "could run\n");
        }
}
