/* What a select needs of a thing that strands wait for: each kind of case is such a table, beside the thing it is
 * about. */
#ifndef PLAIT__SELECT_H
#define PLAIT__SELECT_H

#include "sync/waiters.h"

enum plait__look {
        PLAIT__LOOK_WAITS,                      /* not ready */
        PLAIT__LOOK_TAKEN,                      /* ready: done, and *ret is its result */
        PLAIT__LOOK_LOST                        /* another case of the select has been granted meanwhile */
};

struct plait__selectable {
        /* Takes the case if it is ready. `joins`, if not NULL: claims it first, and if it is not ready joins those
         * who wait, all with one hold of the guard. */
        enum plait__look (*look)(void *object, void *item, struct plait__registration *joins, int *ret);
        /* Takes the registration off, if it still is in the list. */
        void (*leave)(struct plait__registration *registration);
        /* What the strand was told with the grant; NULL: 0. */
        int (*outcome)(const struct plait__strand *strand);
};

extern const struct plait__selectable plait__queue_gets, plait__queue_puts, plait__event_is_set, plait__task_ends;

/* With the guard held. */
static inline void plait__registration_add(struct plait__link *waiters, struct plait__registration *registration)
{
        plait__list_append(waiters, &registration->wait);
}

static inline void plait__registration_remove(struct plait__registration *registration)
{
        if (registration->wait.next)
                plait__list_remove(&registration->wait);
}

#endif
