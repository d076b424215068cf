/* When descriptors are told ready. The kernel carries the bytes; its events are taken from it as they come, kept
 * until their moment, and told in an order that is drawn. A call that is told to try again though it could go on, or
 * that was given less than there is, gets an event later, for epoll tells of edges only. */
#include "sim/world.h"

#include <string.h>

#include "base/clock.h"
#include "base/sys.h"

enum { AT_ONCE_ONE_IN = 2, BATCH = 64 };

static plait_time delay(struct plait__world *world)
{
        if (world->delay <= 0 || plait__sim_steady(world) || plait__draw(world, PLAIT__DELAYS, AT_ONCE_ONE_IN) == 0)
                return 0;
        return (plait_time)plait__draw(world, PLAIT__DELAYS, (uint64_t)world->delay) + 1;
}

static void postpone(struct plait__world *world, uint64_t data, uint32_t events)
{
        size_t i;

        for (i = 0; i < world->pending_count; i++) {
                if (world->pending[i].data == data) {
                        world->pending[i].events |= events;
                        return;
                }
        }
        if (world->pending_count == world->pending_room) {
                world->pending = plait__sim_grow(world->pending, world->pending_count, world->pending_room * 2 + 16,
                                                 sizeof *world->pending);
                world->pending_room = world->pending_room * 2 + 16;
        }
        world->pending[world->pending_count++] =
                (struct plait__pending){data, events, plait__clock_after(world->now, delay(world))};
}

/* One that is due, drawn, and gone; false: none is. */
static bool take_due(struct plait__world *world, struct epoll_event *ret)
{
        size_t count = world->pending_count, first, i, at;

        if (count == 0)
                return false;
        first = (size_t)plait__draw(world, PLAIT__DELAYS, count);
        for (i = 0; i < count; i++) {
                at = (first + i) % count;
                if (world->pending[at].due > world->now)
                        continue;
                ret->data.u64 = world->pending[at].data;
                ret->events = world->pending[at].events;
                world->pending[at] = world->pending[--world->pending_count];
                return true;
        }
        return false;
}

int plait__sim_events(struct plait__world *world, int epoll, struct epoll_event *events, int count)
{
        static const struct plait__kernel_timespec at_once;
        struct epoll_event batch[BATCH];
        long n, i;
        int told = 0;

        do {
                n = plait__sim_real.epoll_pwait2(epoll, batch, BATCH, &at_once);
                if (n < 0)
                        n = plait__sim_real.epoll_pwait(epoll, batch, BATCH, 0);
                for (i = 0; i < n; i++)
                        if (batch[i].data.u64 != UINT64_MAX)    /* the poller's own bell */
                                postpone(world, batch[i].data.u64, batch[i].events);
        } while (n == BATCH);
        while (told < count && take_due(world, &events[told]))
                told++;
        if (told)
                plait__sim_event(world, PLAIT__SIM_READY, 0, told);
        return told;
}

plait_time plait__sim_next_event(const struct plait__world *world)
{
        plait_time next = PLAIT_FOREVER;
        size_t i;

        for (i = 0; i < world->pending_count; i++)
                if (world->pending[i].due < next)
                        next = world->pending[i].due;
        return next;
}

void plait__sim_registered(struct plait__world *world, int operation, int fd, const struct epoll_event *event)
{
        size_t room;

        if (event && event->data.u64 == UINT64_MAX)
                return;
        if ((size_t)fd >= world->registered_room) {
                room = (size_t)fd * 2 + 64;
                world->registered =
                        plait__sim_grow(world->registered, world->registered_room, room, sizeof *world->registered);
                world->registered_room = room;
        }
        world->registered[fd] = operation == EPOLL_CTL_DEL || !event ? 0 : event->data.u64;
}

bool plait__sim_postpone(struct plait__world *world, int fd)
{
        if (fd < 0 || (size_t)fd >= world->registered_room || !world->registered[fd])
                return false;
        postpone(world, world->registered[fd], EPOLLIN | EPOLLOUT);
        return true;
}
