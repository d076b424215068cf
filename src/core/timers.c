#include "core/timers.h"

#include <stddef.h>
#include <string.h>

enum { FREE, WHEEL, HEAP };
enum { SLOT_BITS = 8, SLOT_MASK = PLAIT__WHEEL_SLOTS - 1 };

static uint64_t tick_of(plait_time moment)
{
        return (uint64_t)(moment < 0 ? 0 : moment) >> PLAIT__TICK_SHIFT;
}

static bool before(const struct plait__timer *a, const struct plait__timer *b)
{
        if (a->moment != b->moment)
                return a->moment < b->moment;
        return (int32_t)(a->order - b->order) < 0;
}

/* ---- the heap: `next` are siblings, `back` is what points here */

static struct plait__timer *meld(struct plait__timer *a, struct plait__timer *b)
{
        struct plait__timer *parent, *child;

        if (!a || !b)
                return a ? a : b;
        parent = before(b, a) ? b : a;
        child = parent == a ? b : a;
        child->next = parent->child;
        if (child->next)
                child->next->back = &child->next;
        child->back = &parent->child;
        parent->child = child;
        return parent;
}

/* Melds a list of siblings in pairs from the left, then the pairs from the right. */
static struct plait__timer *meld_siblings(struct plait__timer *list)
{
        struct plait__timer *pairs = NULL, *a, *b, *merged = NULL;

        while (list) {
                a = list;
                b = a->next;
                list = b ? b->next : NULL;
                a->next = NULL;
                if (b)
                        b->next = NULL;
                a = meld(a, b);
                a->next = pairs;
                pairs = a;
        }
        while (pairs) {
                a = pairs;
                pairs = a->next;
                a->next = NULL;
                merged = meld(merged, a);
        }
        return merged;
}

static void set_root(struct plait__timers *timers, struct plait__timer *root)
{
        timers->due = root;
        if (root) {
                root->next = NULL;
                root->back = &timers->due;
        }
}

static void heap_add(struct plait__timers *timers, struct plait__timer *timer)
{
        timer->place = HEAP;
        timer->child = NULL;
        timer->next = NULL;
        set_root(timers, meld(timers->due, timer));
}

static void heap_remove(struct plait__timers *timers, struct plait__timer *timer)
{
        struct plait__timer *orphans = meld_siblings(timer->child);

        if (timers->due == timer) {
                set_root(timers, orphans);
                return;
        }
        *timer->back = timer->next;
        if (timer->next)
                timer->next->back = timer->back;
        set_root(timers, meld(timers->due, orphans));
}

/* ---- the wheel */

static void wheel_add(struct plait__timers *timers, struct plait__timer *timer)
{
        uint64_t tick = tick_of(timer->moment), delta = tick - timers->tick;
        struct plait__timer **slot;
        unsigned level = 0, index;

        if (tick <= timers->tick) {
                heap_add(timers, timer);
                return;
        }
        while (level < PLAIT__WHEEL_LEVELS - 1 && delta >= (uint64_t)1 << (SLOT_BITS * (level + 1)))
                level++;
        if (delta >= (uint64_t)1 << (SLOT_BITS * PLAIT__WHEEL_LEVELS))   /* beyond 52 days: looked at again by then */
                tick = timers->tick + ((uint64_t)1 << (SLOT_BITS * PLAIT__WHEEL_LEVELS)) - 1;
        index = (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK;
        slot = &timers->slots[level][index];
        timers->used[level][index / 64] |= (uint64_t)1 << index % 64;
        timer->place = WHEEL;
        timer->next = *slot;
        if (timer->next)
                timer->next->back = &timer->next;
        timer->back = slot;
        *slot = timer;
}

/* The first used slot of a level at or after `index`, going round; -1: none. */
static int first_used(const struct plait__timers *timers, unsigned level, unsigned index)
{
        const uint64_t *used = timers->used[level];
        unsigned words = PLAIT__WHEEL_SLOTS / 64, i, word;
        uint64_t bits;

        for (i = 0; i <= words; i++) {
                word = (index / 64 + i) % words;
                bits = used[word];
                if (i == 0)
                        bits &= ~(uint64_t)0 << index % 64;
                else if (i == words)
                        bits &= ~(~(uint64_t)0 << index % 64);
                if (bits)
                        return (int)(word * 64) + __builtin_ctzll(bits);
        }
        return -1;
}

/* The first tick after the present one at which a slot of `level` falls due; UINT64_MAX: none. */
static uint64_t level_next(const struct plait__timers *timers, unsigned level)
{
        uint64_t here = timers->tick >> (SLOT_BITS * level);
        int found = first_used(timers, level, (unsigned)(here + 1) & SLOT_MASK);

        if (found < 0)
                return UINT64_MAX;
        here += 1 + (((uint64_t)found - (here + 1)) & SLOT_MASK);
        return here << (SLOT_BITS * level);
}

static uint64_t wheel_next(const struct plait__timers *timers)
{
        uint64_t least = UINT64_MAX, tick;
        unsigned level;

        for (level = 0; level < PLAIT__WHEEL_LEVELS; level++) {
                tick = level_next(timers, level);
                if (tick < least)
                        least = tick;
        }
        return least;
}

/* Everything of the slot that `level` has at the present tick is placed anew: nearer, or into the heap. */
static void empty_slot(struct plait__timers *timers, unsigned level)
{
        unsigned index = (unsigned)(timers->tick >> (SLOT_BITS * level)) & SLOT_MASK;
        struct plait__timer *timer = timers->slots[level][index], *next;

        timers->slots[level][index] = NULL;
        timers->used[level][index / 64] &= ~((uint64_t)1 << index % 64);
        for (; timer; timer = next) {
                next = timer->next;
                wheel_add(timers, timer);
        }
}

static void wheel_advance(struct plait__timers *timers, uint64_t until)
{
        uint64_t tick;
        unsigned level;

        while ((tick = wheel_next(timers)) <= until) {
                timers->tick = tick;
                for (level = PLAIT__WHEEL_LEVELS; level-- > 0;)
                        if ((tick & (((uint64_t)1 << (SLOT_BITS * level)) - 1)) == 0)
                                empty_slot(timers, level);
        }
        if (timers->tick < until)
                timers->tick = until;
}

/* ---- both */

void plait__timers_init(struct plait__timers *timers, plait_time now)
{
        memset(timers, 0, sizeof *timers);
        timers->tick = tick_of(now);
}

void plait__timers_add(struct plait__timers *timers, struct plait__timer *timer, plait_time moment)
{
        timer->moment = moment;
        timer->order = timers->order++;
        timers->count++;
        wheel_add(timers, timer);
}

void plait__timers_remove(struct plait__timers *timers, struct plait__timer *timer)
{
        if (timer->place == FREE)
                return;
        if (timer->place == HEAP) {
                heap_remove(timers, timer);
        } else {
                *timer->back = timer->next;     /* the slot's bit may stay: an empty slot is seen when it falls due */
                if (timer->next)
                        timer->next->back = timer->back;
        }
        timer->place = FREE;
        timers->count--;
}

struct plait__timer *plait__timers_pop(struct plait__timers *timers, plait_time now)
{
        struct plait__timer *timer;

        if (timers->count == 0) {
                timers->tick = tick_of(now) > timers->tick ? tick_of(now) : timers->tick;
                return NULL;
        }
        if (tick_of(now) > timers->tick)
                wheel_advance(timers, tick_of(now));
        timer = timers->due;
        if (!timer || timer->moment > now)
                return NULL;
        set_root(timers, meld_siblings(timer->child));
        timer->place = FREE;
        timers->count--;
        return timer;
}

plait_time plait__timers_next(const struct plait__timers *timers)
{
        plait_time next = timers->due ? timers->due->moment : PLAIT_FOREVER, slot;
        uint64_t tick;

        if (timers->count == 0)
                return PLAIT_FOREVER;
        tick = wheel_next(timers);
        if (tick == UINT64_MAX)
                return next;
        slot = (plait_time)(tick << PLAIT__TICK_SHIFT);
        return slot < next ? slot : next;
}
