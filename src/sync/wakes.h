/* Strands that are woken together. With the guard held they are popped from their list and told what they get; once it is left
 * they are granted, and what they waited for is not touched any more: its memory may be gone with the first of them. */
#ifndef PLAIT__WAKES_H
#define PLAIT__WAKES_H

#include "core/strand.h"

struct plait__wakes { struct plait__strand *first, *last; };   /* by strand.object */

static inline void plait__wakes_add(struct plait__wakes *wakes, struct plait__strand *strand)
{
        strand->object = NULL;
        if (wakes->last)
                wakes->last->object = strand;
        else
                wakes->first = strand;
        wakes->last = strand;
}

static inline void plait__wakes_grant(const struct plait__wakes *wakes)
{
        struct plait__strand *strand, *next;

        for (strand = wakes->first; strand; strand = next) {
                next = strand->object;          /* before it runs */
                plait__grant(strand);
        }
}

#endif
