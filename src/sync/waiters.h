/* A list of strands that wait, first come first served, under the guard of what they wait for.
 *
 * A strand waits in one list by its own `wait` link. A select (task/select.c) waits in several, by a registration for each of its
 * cases, and takes part in them like any other waiter. What it waits with is one claim: who has something for the first in a
 * list claims that select, with the list's guard held, and passes on to the next waiter if it was claimed already. So it is
 * handed one thing. Its call takes off what registrations are left, each with its guard held, before it returns. */
#ifndef PLAIT__WAITERS_H
#define PLAIT__WAITERS_H

#include "core/strand.h"

/* A select that waits, in the frame of its call. */
struct plait__select {
        struct plait__strand *strand;
        _Atomic uint32_t claim;                 /* changed once, from OPEN: 1 + the number of the case that is taken, or LEFT */
};

enum { PLAIT__SELECT_OPEN = 0 };
#define PLAIT__SELECT_LEFT UINT32_MAX           /* it was cut short, and takes nothing any more */

struct plait__registration {
        struct plait__select *select;
        union {                                 /* as in a strand */
                struct {
                        struct plait__link wait;
                        void *slot, *object;
                };
                struct plait__watch watch;
        };
        uint32_t number;                        /* of its case */
        uint32_t place;                         /* of a descriptor's: among those that the kernel is asked about */
} __attribute__((aligned(16)));

/* Which of the two a link is in can be told from its address. */
_Static_assert(offsetof(struct plait__strand, wait) % 16 == 0 && sizeof(struct plait_task) % 16 == 0,
               "a strand's link lies at an even multiple of 8");
_Static_assert(offsetof(struct plait__registration, wait) % 16 == 8, "and a registration's at an odd one");

/* NULL: it is a strand's own. */
static inline struct plait__registration *plait__registration_of(struct plait__link *link)
{
        return plait__unlikely((uintptr_t)link & 8) ? plait__container(link, struct plait__registration, wait) : NULL;
}

/* False: it is claimed already. Acquire and release, so that claims and what is done upon them stand in one order for all. */
static inline bool plait__select_claim(struct plait__select *select, uint32_t claim)
{
        uint32_t open = PLAIT__SELECT_OPEN;

        return atomic_compare_exchange_strong_explicit(&select->claim, &open, claim, memory_order_acq_rel, memory_order_acquire);
}

static inline bool plait__registration_claim(struct plait__registration *registration)
{
        return plait__select_claim(registration->select, registration->number + 1);
}

/* The running strand joins; it then leaves the guard and calls plait__wait_granted(), or parks until granted. */
static inline void plait__waiters_add(struct plait__link *waiters, struct plait__strand *strand)
{
        plait__store(&strand->granted, PLAIT__NOT_GRANTED);
        plait__list_append(waiters, &strand->wait);
}

/* The first, whether or not its wait has been cut short meanwhile: taken off. For lists in which no select stands. */
static inline struct plait__strand *plait__waiters_pop_any(struct plait__link *waiters)
{
        struct plait__link *link = plait__list_first(waiters);

        if (!link)
                return NULL;
        plait__list_remove(link);
        return plait__container(link, struct plait__strand, wait);
}

/* The first whose wait has not been cut short, or NULL: there may still be others, who will leave. While the guard is held a waiter
 * cannot leave its call, and so its chain of scopes stands. Likewise for lists in which no select stands. */
struct plait__strand *plait__waiters_first_uncut(const struct plait__link *waiters);

static inline struct plait__strand *plait__waiters_first(const struct plait__link *waiters)
{
        struct plait__link *link = plait__list_first(waiters);

        if (!link)
                return NULL;
        if (plait__unlikely(plait__load(&plait__cancels)))
                return plait__waiters_first_uncut(waiters);
        return plait__container(link, struct plait__strand, wait);
}

/* The first whose wait has not been cut short and, if it is a select, could be claimed: taken off, because something is about to be
 * handed to it. */
struct plait__strand *plait__waiters_pop_slow(struct plait__link *waiters);

static inline struct plait__strand *plait__waiters_pop(struct plait__link *waiters)
{
        struct plait__link *link = plait__list_first(waiters);

        if (!link)
                return NULL;
        if (plait__unlikely(plait__load(&plait__cancels)) || plait__registration_of(link))
                return plait__waiters_pop_slow(waiters);
        plait__list_remove(link);
        return plait__container(link, struct plait__strand, wait);
}

/* All who wait now move to the list *ret: who comes later is not woken with them. plait__waiters_put_back() takes those who were cut
 * short, and so were not popped. */
static inline void plait__waiters_take(struct plait__link *waiters, struct plait__link *ret)
{
        ret->next = ret->prev = NULL;
        if (plait__list_empty(waiters))
                return;
        *ret = *waiters;
        ret->next->prev = ret->prev->next = ret;
        waiters->next = waiters->prev = NULL;
}

static inline void plait__waiters_put_back(struct plait__link *waiters, struct plait__link *taken)
{
        struct plait__link *link;

        while ((link = plait__list_first(taken))) {
                plait__list_remove(link);
                plait__list_append(waiters, link);
        }
}

/* A waiter that was cut short takes itself off, with the guard held; false: something was handed to it already, and it has
 * that. */
static inline bool plait__waiters_leave(struct plait__strand *strand)
{
        if (!strand->wait.next)
                return false;
        plait__list_remove(&strand->wait);
        return true;
}

/* For acquires that are not cancelled. */
static inline void plait__wait_uncancelled(struct plait__strand *strand, enum plait__reason reason)
{
        while (!plait__granted(strand))
                plait__park(strand, reason, PLAIT_FOREVER);
}

#endif
