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

static inline struct plait__strand *plait__waiters_pop(struct plait__link *waiters)
{
        struct plait__link *link = plait__list_first(waiters);

        if (!link)
                return NULL;
        plait__list_remove(link);
        return plait__container(link, struct plait__strand, wait);
}

/* All who wait now move to the list *ret, an empty one: who comes later is not woken with them. */
static inline void plait__waiters_take(struct plait__link *waiters, struct plait__link *ret)
{
        ret->next = ret->prev = NULL;
        if (plait__list_empty(waiters))
                return;
        *ret = *waiters;
        ret->next->prev = ret->prev->next = ret;
        waiters->next = waiters->prev = NULL;
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
