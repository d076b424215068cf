/* Timers of one loop, owned by its thread: far deadlines lie unordered in a wheel of lists, where adding and removing are a
 * few pointer moves; the slot that falls due moves into a small heap, ordered by (moment, order of adding). Exact to the
 * nanosecond, first in first out among equals, nothing allocated per timer. After the hierarchical wheels of Varghese and
 * Lauck (1987) and the pairing heap of Fredman, Sedgewick, Sleator and Tarjan (1986). */
#ifndef PLAIT__TIMERS_H
#define PLAIT__TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "plait/base.h"

enum { PLAIT__WHEEL_LEVELS = 4, PLAIT__WHEEL_SLOTS = 256, PLAIT__TICK_SHIFT = 20 };    /* a tick is 1.05 ms */

struct plait__timer {
        plait_time moment;
        struct plait__timer *next;              /* wheel: the next of the slot; heap: the next sibling */
        struct plait__timer *child;             /* heap: the first child */
        struct plait__timer **back;             /* what points at it: the slot, the sibling before, or the parent's child */
        uint32_t order;
        uint32_t place;                         /* 0 not armed, 1 in the wheel, 2 in the heap */
};

struct plait__timers {
        struct plait__timer *due;               /* the heap */
        uint64_t tick;                          /* slots up to this tick are empty: theirs are in the heap */
        uint32_t order;
        uint32_t count;                         /* armed, heap and wheel */
        uint64_t used[PLAIT__WHEEL_LEVELS][PLAIT__WHEEL_SLOTS / 64];   /* bit: the slot may hold timers */
        struct plait__timer *slots[PLAIT__WHEEL_LEVELS][PLAIT__WHEEL_SLOTS];
};

void plait__timers_init(struct plait__timers *timers, plait_time now);

/* `timer` is not armed. */
void plait__timers_add(struct plait__timers *timers, struct plait__timer *timer, plait_time moment);

/* Nothing when it is not armed. */
void plait__timers_remove(struct plait__timers *timers, struct plait__timer *timer);

/* The earliest that is due at `now`, removed; NULL: none. */
struct plait__timer *plait__timers_pop(struct plait__timers *timers, plait_time now);

/* When to look again: no timer is due before; PLAIT_FOREVER when none is armed. At most one slot earlier than the first. */
plait_time plait__timers_next(const struct plait__timers *timers);

#endif
