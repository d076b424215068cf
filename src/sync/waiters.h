/* A list of strands that wait, first come first served, under the guard of what they wait for. */
#ifndef PLAIT__WAITERS_H
#define PLAIT__WAITERS_H

#include "core/strand.h"

/* The running strand joins; it then leaves the guard and calls plait__wait_granted(), or parks until granted. */
static inline void plait__waiters_add(struct plait__link *waiters, struct plait__strand *strand)
{
        plait__store(&strand->granted, PLAIT__NOT_GRANTED);
        plait__list_append(waiters, &strand->wait);
}

/* The first who waits and was not cut short meanwhile; it takes part no more. While the guard is held a waiter cannot leave its call,
 * and so its chain of scopes stands. */
struct plait__strand *plait__waiters_pop_uncut(struct plait__link *waiters);

static inline struct plait__strand *plait__waiters_pop(struct plait__link *waiters)
{
        struct plait__link *link = plait__list_first(waiters);

        if (!link)
                return NULL;
        if (plait__unlikely(plait__load(&plait__cancels)))
                return plait__waiters_pop_uncut(waiters);
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
